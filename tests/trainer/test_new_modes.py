"""What a satellite does for the first time: a mode is known when it came often enough, and where it came."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from telemetry.dictionary import DetectorConfig, Mission
from telemetry.frame import FrameBatch
from trainer.bank import NEW_MODE
from trainer.batch import judge_window
from trainer.model import Fitted, fit
from trainer.scorer import LiveScoring, Scorer
from trainer.streams import AFTERMATH_NS, Streams
from trainer.window import Window, from_batches

Make = Callable[..., list[FrameBatch]]
Pieces = Callable[..., Iterator[FrameBatch]]
ORBIT_S = 1200
LATER = 6 * ORBIT_S
S = 1_000_000_000
N = 700
NEW = slice(120, 240)
"""Rows of a safe mode that no orbit before has shown."""


def _window(mission: Mission, batches: list[FrameBatch]) -> Window:
    satellite = mission.satellites[0].name
    return from_batches(satellite, mission.bus_of(satellite), batches)


def _fit(window: Window) -> Fitted:
    return fit(window, version=1, parent=None, created_ns=0, false_alarms_per_day=0.2, kind="fusion")


@pytest.fixture(scope="module")
def fused(mission: Mission, make_packets: Make) -> Scorer:
    return _fit(_window(mission, make_packets(0, LATER))).scorer


def _later(make_packets: Make, size: float, mode: float, rows: slice = NEW) -> list[FrameBatch]:
    """Payload time of an orbit, a channel `size` away in the rows, the satellite in mode 3 + `mode` meanwhile."""
    away, other = np.zeros(N), np.zeros(N)
    away[rows], other[rows] = size, mode
    return make_packets(LATER + 500, N, seed=11, change={"pld.dist_s": away, "obc.mode": other})


def _alarms(scorer: Scorer, mission: Mission, packets: list[FrameBatch]) -> tuple[np.ndarray, np.ndarray]:
    """Rows in which the channel is newly confirmed, and its relative score."""
    window = _window(mission, packets)
    rows = next(rows for rows in window.packets if rows.packet == "pld")
    opinions = judge_window(scorer, window, rows)
    assert opinions is not None
    column = [channel.name for channel in rows.channels].index("pld.dist_s")
    return np.flatnonzero(opinions.newly[:, column]), opinions.relative[:, column]


def test_what_a_new_mode_does_is_no_anomaly_unless_it_is_far_out(
    fused: Scorer, mission: Mission, make_packets: Make
) -> None:
    known, _ = _alarms(fused, mission, _later(make_packets, 25.0, 0.0))
    assert known.min() == NEW.start + 2
    new, relative = _alarms(fused, mission, _later(make_packets, 25.0, -2.0))
    assert not len(new)
    assert 0 < np.nanmax(relative[NEW]) < 1
    far, _ = _alarms(fused, mission, _later(make_packets, 4_000.0, -2.0))
    assert NEW.start < far.min() < NEW.stop


def test_what_a_new_mode_leaves_behind_is_no_anomaly_and_later_it_is(
    fused: Scorer, mission: Mission, make_packets: Make
) -> None:
    """The channel is off behind the mode for as long as that lasted; without one before it that is an anomaly."""
    packets = _later(make_packets, 0.0, -2.0)
    column = next(p.layout.positions["pld.dist_s"] for p in packets if p.layout.packet == "pld")
    behind = slice(NEW.stop, NEW.stop + 100)
    pld = next(p for p in packets if p.layout.packet == "pld")
    pld.values[behind, column] += 5.0
    assert not len(_alarms(fused, mission, packets)[0])
    plain = _later(make_packets, 5.0, 0.0, behind)
    assert _alarms(fused, mission, plain)[0].min() == behind.start + 2


def test_a_mode_that_nobody_knows_is_no_new_one(fused: Scorer, mission: Mission, make_packets: Make) -> None:
    """Where its code is not heard a row is compared with the whole orbit, and says what it thinks."""
    packets = _later(make_packets, 0.0, np.nan)
    for packet in packets:
        for name, column in packet.layout.positions.items():
            if name == "obc.mode":
                packet.values[: NEW.start, column] = np.nan
            elif name == "pld.dist_s":
                # Slowly: a jump would be told either way.
                packet.values[NEW, column] += np.linspace(0.0, 25.0, NEW.stop - NEW.start)
    found, relative = _alarms(fused, mission, packets)
    assert NEW.start < found.min() < NEW.stop
    assert relative[NEW].max() < NEW_MODE


def test_live_rows_and_pieces_are_wary_alike(
    fused: Scorer, mission: Mission, make_packets: Make, cut: Pieces
) -> None:
    fusing = Mission(mission.directory, mission.satellites, mission.buses, detector=DetectorConfig(kind="fusion"))
    packets = _later(make_packets, 25.0, -2.0)
    found: list[np.ndarray] = []
    for size in (1, 37, N):
        scoring = LiveScoring(fusing, [fused])
        score: list[np.ndarray] = []
        for batch in cut(packets, size):
            columns = scoring.score(batch).columns
            assert columns is not None
            if batch.layout.packet == "pld":
                score.append(columns.score)
        found.append(np.concatenate(score))
    # What comes second of the rows of a piece has seen all of their modes, what comes first none.
    known = np.isfinite(found[0])
    known[NEW.start : NEW.start + 1] = False
    for other in found[1:]:
        np.testing.assert_allclose(other[known], found[0][known], rtol=0, atol=1e-9)


def test_the_aftermath_lasts_five_times_as_long_and_ten_minutes_at_most(
    mission: Mission, make_packets: Make
) -> None:
    layout = make_packets(0, 1)[0].layout
    t_ns = np.arange(4_000, dtype=np.int64) * S

    def wary(new: np.ndarray, pieces: int = 1) -> np.ndarray:
        streams = Streams(layout, mission.bus_of(mission.satellites[0].name).by_name, 1, 1)
        return np.concatenate(
            [
                streams.after_new(0, t, part)
                for t, part in zip(np.array_split(t_ns, pieces), np.array_split(new, pieces), strict=True)
            ]
        )

    new = np.zeros(4_000, dtype=np.bool_)
    assert not wary(new).any()
    new[100:121] = True
    after = wary(new)
    assert np.flatnonzero(after).tolist() == list(range(100, 120 + 100 + 3 + 1))
    np.testing.assert_array_equal(wary(new, 7), after)
    new[100:1_000] = True
    last = int(np.flatnonzero(wary(new))[-1])
    assert last == 999 + AFTERMATH_NS // S + 3


def test_a_mode_is_known_when_it_came_three_times(mission: Mission, make_packets: Make) -> None:
    for times in (2, 3):
        other = np.zeros(LATER)
        for i in range(times):
            # In sunlight, where the payload is off.
            other[(2 * i) * ORBIT_S + 500 : (2 * i) * ORBIT_S + 600] = -2.0
        scorer = _fit(_window(mission, make_packets(0, LATER, change={"obc.mode": other}))).scorer
        column = scorer.manifest.context.index("obc.mode")
        assert (1.0 in scorer.keys[:, column]) == (times == 3)


def test_a_mode_is_known_where_two_orbits_have_shown_it(mission: Mission, make_packets: Make) -> None:
    other = np.zeros(LATER)
    for orbit in range(6):
        other[orbit * ORBIT_S + 500 : orbit * ORBIT_S + 600] = -2.0
    other[3 * ORBIT_S + 600 : 3 * ORBIT_S + 700] = -2.0
    scorer = _fit(_window(mission, make_packets(0, LATER, change={"obc.mode": other}))).scorer
    assert scorer.seen is not None
    assert scorer.clock is not None
    column = scorer.manifest.context.index("obc.mode")
    key = 1 + int(np.flatnonzero(scorer.keys[:, column] == 1.0)[0])
    start = int(make_packets(0, 1)[0].t_ns[0])
    for second, seen in ((550, True), (660, False), (300, False)):
        assert scorer.seen[key, scorer.clock.place(np.array([start + second * S]))[0]] == seen
