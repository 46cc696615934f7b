"""Simulated satellite-seconds per CPU second, live and in bulk, and what the history of a new mission costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure
from sim.flight import Flight
from sim.history import history, history_events
from sim.preset import demo_mission_toml
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import Quality

CREATED_S = 1_795_355_400
SATELLITE = "KESTREL-1"
LIVE_S = 6_000


def measure(quick: bool = False) -> Iterator[Figure]:
    """One satellite in single seconds, as live; six orbits at once; the CPU seconds of a new mission's history."""
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        Path(folder, "mission.toml").write_text(demo_mission_toml(CREATED_S * 10**9, 1, "hello"), encoding="utf-8")
        mission = read_mission(Path(folder))
    seconds = LIVE_S // 10 if quick else LIVE_S
    cost = _live(mission, seconds)
    yield Figure("simulator: satellite-seconds per CPU second, live", seconds / cost, "1/s", at_least=2_500)

    began = time.process_time()
    frames = sum(len(batch) for batch in history(mission, SATELLITE, CREATED_S * 10**9))
    cost = time.process_time() - began
    flown = 6 * Flight(mission, SATELLITE, 1).surroundings.orbit.period_s
    yield Figure("simulator: satellite-seconds per CPU second, history", flown / cost, "1/s")
    yield Figure("simulator: six orbits of history, CPU", cost, "s", at_most=3.0, beside=f"{frames:,} frames")

    began = time.process_time()
    history_events(mission, SATELLITE, CREATED_S * 10**9)
    yield Figure("simulator: the history's two alarms, CPU", time.process_time() - began, "s")


def _live(mission: Mission, seconds: int) -> float:
    """CPU seconds of `seconds` ticks of all packets, warmed up, the crossing of block borders included."""
    flight = Flight(mission, SATELLITE, 1)
    flight.warm_up(CREATED_S)
    seq = 0
    began = time.process_time()
    for t in range(CREATED_S, CREATED_S + seconds):
        _, seq = flight.batches(t, t + 1, boot=CREATED_S, seq=seq, received_ns=0, quality=Quality.SIMULATED)
    return time.process_time() - began
