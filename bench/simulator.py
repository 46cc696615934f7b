"""Simulated satellite-seconds per CPU second: live, in bulk and as a fleet; the cost of a new mission's history."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.figure import Figure
from sim.craft import THREE_U
from sim.elementwise import ARRAYS
from sim.flight import FLOCK, Flight, history_start
from sim.history import history
from sim.labelled_file import write_run
from sim.labelled_run import LabelledRun
from sim.noise import BLOCK_S
from sim.plant import step
from sim.preset import SATELLITE, STATIONS, demo_mission_toml, first_pass
from sim.scenario import scenario
from sim.state import HEALTHY, Forcing, State, stack
from sim.surroundings import Surroundings
from telemetry.dictionary import Mission, read_mission
from telemetry.fleet import phased
from telemetry.frame import Quality

CREATED_S = 1_795_355_400
LIVE_S = 6_000
FLEET = 10_000
HUNDRED = 100
DAY_S = 86_400


def measure(quick: bool = False) -> Iterator[Figure]:
    """One satellite in single seconds, as live; six orbits at once; many satellites at once."""
    mission = _mission()
    seconds = LIVE_S // 10 if quick else LIVE_S
    flight = Flight(mission, (SATELLITE,), 1)
    flight.settle(CREATED_S)
    cost = sum(_live(flight, seconds))
    yield Figure("simulator: satellite-seconds per CPU second, live", seconds / cost, "1/s", at_least=2_500)

    end = CREATED_S
    start = history_start(flight, end)
    flight.settle(start)
    began = time.process_time()
    for _ in flight.coast(start, end):
        pass
    cost = time.process_time() - began
    yield Figure(
        "simulator: satellite-seconds per CPU second, history", (end - start) / cost, "1/s", at_least=50_000
    )

    rate = _fleet(64 if quick else 512)
    beside = "surroundings and plant, no sensors"
    yield Figure(
        "simulator: satellite-seconds per CPU second, 10,000", rate, "1/s", at_least=500_000, beside=beside
    )

    many = Flight(_mission(HUNDRED), [one.name for one in _mission(HUNDRED).satellites], 1)
    ticks = _live(many, 130 if quick else 650)
    beside = "packets included"
    yield Figure("simulator: 100 satellites live, CPU a second", 1e3 * float(np.median(ticks)), "ms", beside=beside)
    yield Figure("simulator: 100 satellites live, longest second", 1e3 * max(ticks), "ms", at_most=50.0)

    began = time.process_time()
    frames = sum(len(batch) for batch in history(mission, SATELLITE, CREATED_S * 10**9))
    cost = time.process_time() - began
    yield Figure(
        "simulator: six orbits of history and its two alarms, CPU",
        cost,
        "s",
        at_most=3.0,
        beside=f"{frames:,} frames",
    )

    yield _labelled(mission, DAY_S // 24 if quick else DAY_S)


def _labelled(mission: Mission, seconds: int) -> Figure:
    """CPU seconds of a run of one satellite to CSV with labels, as for a whole day."""
    run = LabelledRun(mission, scenario("bad-day"), CREATED_S, seconds)
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        path = Path(folder, "day.csv")
        began = time.process_time()
        write_run(run, path)
        cost = time.process_time() - began
        size = path.stat().st_size
    beside = f"{seconds:,} s flown, {size / 1e6:.0f} MB, {len(run.labels())} labels"
    return Figure("simulator: a day to CSV with labels, CPU", cost * DAY_S / seconds, "s", beside=beside)


def _mission(satellites: int = 1) -> Mission:
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        text = demo_mission_toml(CREATED_S * 10**9, 1, "quiet", satellites=satellites)
        Path(folder, "mission.toml").write_text(text, encoding="utf-8")
        return read_mission(Path(folder))


def _live(flight: Flight, seconds: int) -> list[float]:
    """CPU seconds of each of `seconds` ticks of all packets, the crossing of block borders included."""
    seq = np.zeros(len(flight.satellites), dtype=np.int64)
    spent: list[float] = []
    for t in range(CREATED_S, CREATED_S + seconds):
        began = time.process_time()
        _, seq = flight.batches(t, t + 1, boot=CREATED_S, seq=seq, received_ns=0, quality=Quality.SIMULATED)
        spent.append(time.process_time() - began)
    return spent


def _fleet(seconds: int) -> float:
    """Satellite-seconds per CPU second of 10,000 pointing satellites, surroundings included."""
    _, tle, _ = first_pass(CREATED_S * 10**9, 1)
    surroundings = Surroundings(THREE_U, phased(tle, FLEET), STATIONS[:1], 1)
    flocks = [stack([State() for _ in range(FLOCK)]) for _ in range(FLEET // FLOCK)]
    first = CREATED_S // BLOCK_S
    surroundings.block(first - 1)
    began = time.process_time()
    for block in range(first, first + seconds // BLOCK_S):
        around = surroundings.block(block)
        for number, flock in enumerate(flocks):
            table = around.table[:, :, number * FLOCK : (number + 1) * FLOCK]
            for row in range(BLOCK_S):
                step(THREE_U, ARRAYS, flock, Forcing(*table[:, row]), HEALTHY)
    return FLEET * (seconds // BLOCK_S * BLOCK_S) / (time.process_time() - began)
