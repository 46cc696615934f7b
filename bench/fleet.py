"""A station of a hundred satellites at 1 Hz: CPU seconds a minute, all of it but the trainer child.

The station is the real one on the real clock: queue, judgement with a model for each satellite, commits, heartbeat
and contacts. Only its source is made up: what the simulator recorded of one satellite is told of each, in batches
of one packet kind of all satellites. Five of them carry a fault that lasts.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import numpy as np

from bench.figure import Figure
from cubesat_tui.station import Station
from sim.history import history
from sim.preset import demo_mission_toml
from telemetry.clock import NS_PER_S, SystemClock
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import FrameBatch, Quality
from telemetry.store.directory import MissionDirectory
from trainer.model import fit
from trainer.scorer import Scorer
from trainer.window import from_batches

SATELLITES = 100
MEASURED_S, WARM_S, QUICK_S = 30, 12, 8
LAG_STEP_S = 0.02
FAULTY, FAULT = 5, ("pld.dist_s", 25.0)


class _Recorded:
    """A source that tells every second, of every satellite, what was recorded of one."""

    name, live, rate = "sim", True, 1.0

    def __init__(self, mission: Mission, seconds: list[list[FrameBatch]]) -> None:
        self.satellites = tuple(one.name for one in mission.satellites)
        self.refused: dict[str, int] = {}
        self.seq = 0
        self._seconds = seconds
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[FrameBatch]:
        start = time.monotonic()
        for number, batches in enumerate(self._seconds):
            await asyncio.sleep(max(0.0, start + number - time.monotonic()))
            if self._closed:
                return
            for batch in batches:
                yield self._of_all(batch)

    def _of_all(self, batch: FrameBatch) -> FrameBatch:
        n = len(self.satellites)
        values = np.repeat(batch.values, n, axis=0)
        column = batch.layout.positions.get(FAULT[0])
        if column is not None:
            values[:FAULTY, column] += FAULT[1]
        self.seq += 1

        def all_of(value: int) -> np.ndarray:
            return np.full(n, value, dtype=np.int64)

        boot, t_ns = int(batch.boot[0]), int(batch.t_ns[0])
        quality = all_of(int(Quality.SIMULATED))
        return FrameBatch(
            batch.layout, self.satellites, np.arange(n), all_of(boot), all_of(self.seq), all_of(t_ns),
            all_of(time.time_ns()), quality, values, str(self.seq),
        )  # fmt: skip

    async def committed(self, batch: FrameBatch) -> None:
        del batch

    async def close(self) -> None:
        self._closed = True


def measure(quick: bool = False) -> Iterator[Figure]:
    """CPU of the station a minute and a frame, its start, and what it takes to start again."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        directory = MissionDirectory(Path(folder) / "mission")
        directory.create()
        now_ns = time.time_ns()
        toml = demo_mission_toml(now_ns, 1, "quiet", satellites=SATELLITES)
        directory.toml.write_text(toml, encoding="utf-8")
        mission = read_mission(directory.path)
        measured = QUICK_S if quick else MEASURED_S
        live_s = WARM_S + measured + 20
        recorded = list(history(mission, mission.satellites[0].name, now_ns + live_s * NS_PER_S))
        model = _model(mission, recorded, now_ns)
        source = _Recorded(mission, _seconds(recorded, now_ns, live_s))
        yield from asyncio.run(_run(directory, mission, source, model, measured))


def _model(mission: Mission, recorded: list[FrameBatch], until_ns: int) -> Scorer:
    first = mission.satellites[0]
    past = [batch.take(batch.t_ns < until_ns) for batch in recorded]
    window = from_batches(first.name, mission.bus_of(first.name), [batch for batch in past if len(batch)])
    return fit(window, version=1, parent=None, created_ns=until_ns, false_alarms_per_day=0.2).scorer


def _seconds(recorded: list[FrameBatch], from_ns: int, count: int) -> list[list[FrameBatch]]:
    """The last `count` seconds of the recording, each with the packets that fall into it."""
    found: list[list[FrameBatch]] = [[] for _ in range(count)]
    for batch in recorded:
        second = (batch.t_ns - from_ns) // NS_PER_S
        for row in np.flatnonzero((second >= 0) & (second < count)).tolist():
            found[int(second[row])].append(batch.take(np.array([row])))
    return found


async def _run(
    directory: MissionDirectory, mission: Mission, source: _Recorded, model: Scorer, measured: int
) -> list[Figure]:
    station, running, start_s = await _started(directory, mission, source)
    for satellite in mission.satellites:
        manifest = msgspec.structs.replace(model.manifest, satellite=satellite.name)
        station.models.scoring.swap(dataclasses.replace(model, manifest=manifest))
    await asyncio.sleep(WARM_S)
    lags: list[float] = []
    probe = asyncio.create_task(_lag(lags))
    accepted, cpu, wall = station.ingest.accepted, time.process_time(), time.monotonic()
    await asyncio.sleep(measured)
    cpu, wall, accepted = time.process_time() - cpu, time.monotonic() - wall, station.ingest.accepted - accepted
    probe.cancel()
    anomalies = sum(alarm.kind == "anomaly" for alarm in station.desk.alarms.values())
    station.stop()
    await running
    again, running, again_s = await _started(directory, mission, _Recorded(mission, []))
    again.stop()
    await running
    beside = f"{accepted / wall:.0f} frames/s, {anomalies} of {SATELLITES} in an anomaly"
    return [
        Figure("station of 100 satellites at 1 Hz, CPU a minute", 60 * cpu / wall, "s", 15.0, beside=beside),
        Figure("the same, CPU of a frame", 1e3 * cpu / accepted, "ms"),
        Figure("the same, loop lag p99", 1e3 * sorted(lags)[int(0.99 * len(lags))], "ms"),
        Figure("the same, start, CPU", start_s, "s", beside=f"{again_s:.2f} s on what it left"),
    ]


async def _started(
    directory: MissionDirectory, mission: Mission, source: _Recorded
) -> tuple[Station, asyncio.Task[None], float]:
    """A station that holds the mission, its task, and the CPU seconds that took."""
    ready = asyncio.Event()
    begun = time.process_time()
    station = Station(
        directory, mission, "sim", lambda _: source, clock=SystemClock(), trainer=False, history=False
    )
    running = asyncio.create_task(station.run(ready.set))
    await ready.wait()
    return station, running, time.process_time() - begun


async def _lag(lags: list[float]) -> None:
    while True:
        begun = time.monotonic()
        await asyncio.sleep(LAG_STEP_S)
        lags.append(time.monotonic() - begun - LAG_STEP_S)
