"""Which channels an operator is asked about because their last orbit is unlike those before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from trainer.channel_drift import SHIFTED, ChannelDrift, channel_drift
from trainer.model import Fitted
from trainer.window import Window, from_batches

Make = Callable[..., list[FrameBatch]]
ORBIT_S = 1200
ORBITS = 9


@pytest.fixture
def window(mission: Mission, make_packets: Make) -> Callable[..., Window]:
    def made(orbits: float = ORBITS, **change: np.ndarray) -> Window:
        named = {name.replace("__", "."): values for name, values in change.items()}
        batches = make_packets(6 * ORBIT_S, int(orbits * ORBIT_S), seed=7, change=named)
        return from_batches("TESTSAT", mission.bus_of("TESTSAT"), batches)

    return made


def last_orbit(size: float, share: float = 1.0, orbits: int = ORBITS) -> np.ndarray:
    """Added to that share of the last of `orbits`."""
    change = np.zeros(orbits * ORBIT_S)
    change[-int(share * ORBIT_S) :] = size
    return change


def test_clean_orbits_move_nothing_and_what_is_not_judged_has_no_index(
    fitted: Fitted, window: Callable[..., Window]
) -> None:
    found = channel_drift(window(), fitted.scorer)
    assert found.moved == {}
    assert set(found.index) == {"eps.pv_i_px", "eps.bat_i", "pld.dist_n", "pld.dist_s"}, "no counter, no code"
    assert max(found.index.values()) < SHIFTED


def test_a_channel_whose_last_orbit_lies_elsewhere_has_moved_and_no_other(
    fitted: Fitted, window: Callable[..., Window]
) -> None:
    found = channel_drift(window(pld__dist_s=last_orbit(6.0)), fitted.scorer)
    assert list(found.moved) == ["pld.dist_s"]
    assert found.moved["pld.dist_s"] > 0.95
    assert found.index["pld.dist_s"] > 10 * found.index["pld.dist_n"]


@pytest.mark.parametrize(("size", "share"), [(6.0, 0.1), (0.15, 1.0)], ids=["few rows far", "all rows a little"])
def test_a_short_excursion_and_a_shift_nobody_can_see_move_nothing(
    fitted: Fitted, window: Callable[..., Window], size: float, share: float
) -> None:
    assert channel_drift(window(pld__dist_s=last_orbit(size, share)), fitted.scorer).moved == {}


def test_before_there_are_two_orbits_nothing_is_said(fitted: Fitted, window: Callable[..., Window]) -> None:
    assert channel_drift(window(1.9), fitted.scorer) == ChannelDrift()
    assert channel_drift(window(2.1), fitted.scorer).index


def test_while_few_orbits_are_known_nothing_has_moved(fitted: Fitted, window: Callable[..., Window]) -> None:
    """The Earth turns below an orbit: each of the first ones is unlike those before."""
    found = channel_drift(window(5, pld__dist_s=last_orbit(6.0, orbits=5)), fitted.scorer)
    assert found.index["pld.dist_s"] > SHIFTED
    assert found.moved == {}


def test_a_model_that_looks_at_channels_the_window_has_not_says_nothing(
    fitted: Fitted, window: Callable[..., Window]
) -> None:
    manifest = msgspec.structs.replace(fitted.scorer.manifest, context=("somebody.else",))
    assert channel_drift(window(), replace(fitted.scorer, manifest=manifest)) == ChannelDrift()
