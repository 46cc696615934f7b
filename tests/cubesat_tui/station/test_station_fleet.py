"""A fleet's batches mean to a station what the same frames one by one mean."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cubesat_tui.backfill import has_history
from cubesat_tui.judgement import Judgement
from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import Bus, Channel, LimitSet, Mission, Satellite, SourceConfig
from telemetry.frame import FrameBatch, Quality
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter
from trainer.scorer import LiveScoring

MODE = Channel("obc.mode", "Mode", enum=((0, "SAFE"), (1, "NOMINAL")))
VOLTS = Channel(
    "eps.bat_v",
    "Battery",
    valid=(0.0, 10.0),
    sentinels=(9.99,),
    min_violations=2,
    min_conformance=2,
    stuck_s=5,
    stuck_when="obc.mode != SAFE",
    max_rate=0.6,
    latch=True,
    limits=(
        LimitSet("obc.mode = SAFE", warning=(6.0, 8.0)),
        LimitSet(warning=(7.0, 8.4), critical=(6.5, 8.6)),
    ),
)
RATE = Channel("adcs.rate", "Rate", min_violations=1, limits=(LimitSet(severe=(-2.0, 2.0)),), stuck_s=6)
OTHER = Channel("eps.bat_v", "Battery", limits=(LimitSet(warning=(7.9, 9.0)),))
FREE = Channel("thm.t", "Temperature")
BUSES = {
    "a": Bus("a", (VOLTS, MODE, RATE, FREE), ("obc.mode",)),
    "b": Bus("b", (OTHER, MODE, RATE, FREE), ("obc.mode",)),
}
NAMES = ("A1", "A2", "A3", "B1")
MISSION = Mission(Path("nowhere"), tuple(Satellite(name, name[0].lower()) for name in NAMES), BUSES)
T0 = 1_795_331_600


def judgement() -> Judgement:
    models: Any = SimpleNamespace(scoring=LiveScoring(MISSION))
    return Judgement(MISSION, models, AlarmDesk(), ManualClock(T0 * NS_PER_S))


def batches(rng: np.random.Generator, sizes: list[int]) -> list[FrameBatch]:
    """Mostly quiet satellites: now and then a value outside, a mode, a mark, a gap, a frame twice."""
    made: list[FrameBatch] = []
    second = T0
    seq = np.zeros(len(NAMES), dtype=np.int64)
    mode = np.ones(len(NAMES))
    volts = np.full(len(NAMES), 8.0)
    for size in sizes:
        rows: list[tuple[int, ...]] = []
        values: list[list[float]] = []
        for _ in range(size):
            second += 30 if rng.random() < 0.03 else 1
            for one in range(len(NAMES)):
                if rng.random() < 0.04:
                    mode[one] = rng.choice([0.0, 1.0, 7.0])
                if rng.random() < 0.08:
                    volts[one] = rng.choice([5.0, 6.3, 6.8, 7.5, 8.2, 8.5, 8.9, 9.99, np.nan, 12.0])
                elif rng.random() < 0.3:
                    volts[one] = 8.0
                if rng.random() > 0.05:
                    seq[one] += 1
                quality = rng.choice([0, int(Quality.STORED), int(Quality.LATE)], p=[0.94, 0.03, 0.03])
                rows.append((one, int(seq[one]), second, int(quality)))
                values.append([volts[one], mode[one], rng.choice([0.0, 1.9, 3.0], p=[0.6, 0.38, 0.02]), np.nan])
        table = np.array(rows, dtype=np.int64)
        if rng.random() < 0.5:
            order = np.argsort(table[:, 0], kind="stable")
            table, values = table[order], [values[i] for i in order]
        t_ns = table[:, 2] * NS_PER_S
        boot = np.full(len(table), T0, dtype=np.int64)
        layout = BUSES["a"].layouts["hk"]
        made.append(
            FrameBatch(layout, NAMES, table[:, 0], boot, table[:, 1], t_ns, t_ns, table[:, 3], np.array(values))
        )
    return made


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**20), st.lists(st.integers(1, 12), min_size=1, max_size=12))
def test_batches_and_single_frames_tell_the_same_events(seed: int, sizes: list[int]) -> None:
    together, single = judgement(), judgement()
    for batch in batches(np.random.default_rng(seed), sizes):
        scored, events = together.judge(batch)
        told: list[Event] = []
        for i in range(len(batch)):
            one, more = single.judge(batch.take(np.array([i])))
            told += more
            assert one.invalid is not None and scored.invalid is not None
            np.testing.assert_array_equal(one.invalid[0], scored.invalid[i])
        assert events == told


def test_a_clock_that_jumped_before_a_restart_is_no_gap_and_hides_none(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "telemetry.db", ManualClock(T0 * NS_PER_S))
    layout = BUSES["a"].layouts["hk"]

    def gaps(station: Judgement, seconds: range, ahead_s: int = 0) -> list[float]:
        n = len(seconds)
        seq, zeros = np.array(seconds), np.zeros(n, dtype=np.int64)
        received = (T0 + seq) * NS_PER_S
        values = np.tile([8.0, 1.0, 0.0, 20.0], (n, 1))
        generated = received + ahead_s * NS_PER_S
        scored, events = station.judge(
            FrameBatch(layout, ("A1",), zeros, zeros + T0, seq, generated, received, zeros, values)
        )
        writer.append([scored], events, {})
        return [event.body["seconds"] for event in events if event.kind == "gap.found"]

    def restarted() -> Judgement:
        station, reader = judgement(), StoreReader(writer.path)
        station.restore(reader)
        reader.close()
        return station

    assert gaps(restarted(), range(5)) == []
    assert gaps(restarted(), range(5, 10), ahead_s=3600) == []
    station = restarted()
    assert gaps(station, range(10, 15)) == []
    assert gaps(station, range(60, 65)) == [46.0]
    assert station.newest_ns == (T0 + 64) * NS_PER_S
    writer.close()


def test_the_batches_of_the_test_above_do_tell_events() -> None:
    one = judgement()
    events = [event for batch in batches(np.random.default_rng(3), [10] * 40) for event in one.judge(batch)[1]]
    assert {event.kind for event in events} >= {"alarm.raised", "alarm.returned", "alarm.updated", "gap.found"}
    assert {event.satellite for event in events} == set(NAMES)


def test_a_calm_fleet_is_never_looked_at_frame_by_frame(monkeypatch: Any) -> None:
    one = judgement()
    rows = np.arange(len(NAMES))
    whole = np.full(len(NAMES), T0, dtype=np.int64)

    def batch(seq: int) -> FrameBatch:
        # 6.3 V violates the limits of NOMINAL and not those of SAFE, which hold.
        volts = np.array([6.3, 6.3, 6.3, 8.0])
        values = np.stack((volts, 0.0 * volts, 0.0 * volts, np.nan * volts), axis=1)
        t_ns = (whole + seq) * NS_PER_S
        return FrameBatch(
            BUSES["a"].layouts["hk"], NAMES, rows, whole, 0 * whole + seq, t_ns, t_ns, 0 * whole, values
        )

    one.judge(batch(0))
    monkeypatch.setattr(FrameBatch, "frame", looked_at)
    assert one.judge(batch(1))[1] == []


def looked_at(batch: FrameBatch, i: int) -> None:
    raise AssertionError(f"row {i} was looked at on its own")


def test_one_simulated_satellite_is_given_a_past_and_a_fleet_is_not() -> None:
    def mission(count: int, kind: str = "sim") -> Mission:
        satellites = tuple(Satellite(f"K-{i}", "a") for i in range(count))
        return Mission(Path("nowhere"), satellites, BUSES, source=SourceConfig(kind=kind))

    assert has_history(mission(1))
    assert not has_history(mission(100))
    assert not has_history(mission(1, "stream"))
