"""Channels carried over from the model before, beside a mode that it did not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from trainer.calibration import breadth
from trainer.carried import merged
from trainer.model import Fitted, fit
from trainer.usual import unjudged
from trainer.window import from_batches

Make = Callable[..., list[FrameBatch]]
SATELLITE = "TESTSAT"
ORBIT_S = 1200


@pytest.fixture(scope="module")
def fused(mission: Mission, make_packets: Make) -> Fitted:
    window = from_batches(SATELLITE, mission.bus_of(SATELLITE), make_packets(0, 6 * ORBIT_S))
    return fit(window, version=1, parent=None, created_ns=1, false_alarms_per_day=0.2, kind="fusion")


def test_a_packet_of_which_nothing_is_fitted_anew_learns_of_a_new_mode_too(fused: Fitted) -> None:
    keys = len(fused.scorer.keys)
    for model in fused.scorer.packets.values():
        assert model.fusion is not None
        wider = merged(model, None, model.channels, keys + 2)
        assert wider.fusion is not None
        assert wider.key_offset.shape[0] == wider.fusion.context.shape[1] == keys + 3
        np.testing.assert_array_equal(wider.fusion.context[:, : keys + 1], model.fusion.context)
        assert not wider.fusion.context[:, keys + 1 :].any()


def test_a_mode_is_known_only_at_the_places_it_was_seen_at(fused: Fitted) -> None:
    """What is planned happens at its places; the same mode elsewhere is judged as widely as one nobody knows."""
    scorer = fused.scorer
    clock, seen = scorer.clock, scorer.seen
    assert clock is not None
    assert seen is not None
    assert scorer.manifest.clock is not None
    assert scorer.manifest.clock.channel in scorer.manifest.context
    mode, place = np.argwhere(seen[1:, 1:])[0] + 1
    t_ns = np.array([clock.epoch_ns + (int(place) - 1) * clock.period_ns // clock.bins + 10**9], dtype=np.int64)
    assert [one.tolist() for one in scorer.place(t_ns, scorer.keys[[mode - 1]])] == [[place], [mode]]
    nowhere = msgspec.structs.replace(scorer.manifest, seen=tuple("0" for _ in scorer.keys))
    elsewhere = replace(scorer, manifest=nowhere)
    assert [one.tolist() for one in elsewhere.place(t_ns, scorer.keys[[mode - 1]])] == [[0], [0]]
    for model in scorer.packets.values():
        assert (model.key_spread[0] >= model.spread[0]).all()


def test_what_was_computed_is_not_judged_and_what_trembles_is(mission: Mission) -> None:
    channel = next(one for one in mission.bus_of(SATELLITE).channels if not one.enum)
    smooth = np.round(50 * np.sin(np.arange(3000) / 200), 1)
    noise = np.random.default_rng(1).normal(0, 0.2, 3000)
    assert unjudged(channel, smooth) == "computed, not measured"
    assert unjudged(channel, smooth + noise) is None


def test_margins_narrow_with_the_orbits_seen() -> None:
    wide = [breadth(turns) for turns in (1, 2, 3, 6, 12)]
    assert wide == sorted(wide, reverse=True)
    assert wide[0] > 4 * wide[-1]
