"""What the detector is given is fresh: no row is judged by values that are older than they are held."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from telemetry.dictionary import EXPIRY_PERIODS, Mission
from telemetry.frame import FrameBatch
from trainer.context import HOLD_NS, ContextTrack
from trainer.features import MAX_GAP, WINDOW
from trainer.model import Fitted
from trainer.scorer import LiveScoring

Make = Callable[..., list[FrameBatch]]
LATER = 6 * 1200
CHANNEL = "pld.dist_s"


def scores(fitted: Fitted, mission: Mission, batches: list[FrameBatch], keep: np.ndarray) -> np.ndarray:
    """Scores of the kept rows of the packet that carries `CHANNEL`."""
    scoring = LiveScoring(mission, [fitted.scorer])
    for batch in batches:
        found = scoring.score(batch.take(np.flatnonzero(keep[: len(batch)])))
        if CHANNEL in batch.layout.names:
            assert found.columns is not None
            return found.columns.score
    raise AssertionError("no packet carries it")


def packet(batches: list[FrameBatch]) -> list[FrameBatch]:
    return [batch for batch in batches if CHANNEL in batch.layout.names]


@pytest.mark.parametrize("silent", [4, 30])
def test_rows_after_a_silence_are_not_judged_by_what_was_sent_before_it(
    fitted: Fitted, mission: Mission, make_packets: Make, silent: int
) -> None:
    """Other values before the silence change no score after it, and none is given before a window is full."""
    n, first = 90, 40 + silent
    change = np.zeros(n)
    change[20:40] = 3.0
    plain, other = (packet(make_packets(LATER, n, seed=5, change={CHANNEL: one})) for one in (np.zeros(n), change))
    keep = np.ones(n, dtype=bool)
    keep[40:first] = False
    before, after = scores(fitted, mission, plain, keep), scores(fitted, mission, other, keep)
    assert not np.array_equal(before[20:40], after[20:40], equal_nan=True)
    assert np.array_equal(before[40:], after[40:], equal_nan=True)


def test_without_the_silence_the_window_reaches_back(fitted: Fitted, mission: Mission, make_packets: Make) -> None:
    n = 90
    change = np.zeros(n)
    change[36:40] = 3.0
    plain, other = (packet(make_packets(LATER, n, seed=5, change={CHANNEL: one})) for one in (np.zeros(n), change))
    keep = np.ones(n, dtype=bool)
    before, after = scores(fitted, mission, plain, keep), scores(fitted, mission, other, keep)
    assert not np.array_equal(before[40 : 40 + WINDOW], after[40 : 40 + WINDOW], equal_nan=True)


def test_the_detector_holds_a_value_as_long_as_the_console_does() -> None:
    assert MAX_GAP == EXPIRY_PERIODS


def test_a_mode_that_was_sent_too_long_ago_is_unknown() -> None:
    track = ContextTrack(("obc.mode",))
    track.observe("obc.mode", np.array([0]), np.array([3.0]))
    known = track.codes(np.array([HOLD_NS, HOLD_NS + 1]))[:, 0]
    assert known[0] == 3.0
    assert np.isnan(known[1])


def test_contact_ends_with_the_third_row_without_its_frames_or_as_many_of_their_periods() -> None:
    """Three of five rows confirm: what a pass does may not be expected of so many rows behind it."""
    t_ns = np.arange(20, dtype=np.int64) * 1_000_000_000
    for period, after in ((1, 2), (4, 10)):
        track = ContextTrack(())
        track.observe_contact(t_ns[: 4 * period + 1 : period][:3], float(period))
        contact = track.codes(t_ns)[:, -1]
        last = 2 * period
        assert contact[: last + after + 1].all()
        assert not contact[last + after + 1 :].any()
