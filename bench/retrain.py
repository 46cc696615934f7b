"""A retrain cycle's CPU beside the original's, and what scoring a frame costs.

Ours runs an hour of 30 s cycles on a simulated 3U in the real trainer: rows are stored and scored as they come,
each cycle reads, considers, fits where that is due, gates, writes and records; MLflow gets what it is told. Imports
and the creation of the tracking store are not counted on either side.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.figure import Figure
from sim.flight import Flight, history_start
from sim.history import history
from sim.preset import SATELLITE, demo_mission_toml
from telemetry.clock import SystemClock
from telemetry.dictionary import read_mission
from telemetry.frame import Quality
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter
from trainer.loop import Trainer
from trainer.scorer import LiveScoring, Scorer
from trainer.tracking.mirror import Mirror
from trainer.tracking.settings import ENVIRONMENT

CREATED_NS = 1_795_331_700_000_000_000
PERIOD_S = 30


def measure(quick: bool = False) -> Iterator[Figure]:
    """Mean CPU seconds of a cycle over an hour (ten minutes when quick), the original's cycle, scoring times."""
    cycles = 20 if quick else 120
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        directory = MissionDirectory(Path(folder) / "mission")
        ours, per_row_ms, per_batch_ms, size = _ours(directory, cycles)
        once = _once(directory)
        os.environ.update(ENVIRONMENT)
        from bench import original

        frame = original.records()
        original.open_tracking(Path(folder))
        original.cycle(frame, Path(folder))
        theirs = original.cycle(frame, Path(folder))
        kept = (Path(folder) / "original.pkl").stat().st_size
    beside = f"the original {theirs:.2f} s"
    yield Figure("retrain cycle, CPU, mean", ours, "s", beside=beside)
    for (name, value), its in zip(size.items(), (original.WINDOW, original.TREES, kept), strict=True):
        yield Figure(f"newest model, {name}", value, "", beside=f"the original {its:,}")
    yield Figure("retrain cycle, times cheaper than the original", theirs / ours, "x", at_least=10.0, beside=beside)
    yield Figure("trainer --once with a tracking store, CPU after imports", once, "s", at_most=3.0)
    yield Figure("scoring one row of housekeeping, CPU", per_row_ms, "ms", at_most=1.5)
    yield Figure("scoring a row in batches of 500, CPU", per_batch_ms, "ms", at_most=0.5)


def _ours(directory: MissionDirectory, cycles: int) -> tuple[float, float, float, dict[str, int]]:
    directory.create()
    directory.toml.write_text(demo_mission_toml(CREATED_NS, 1, "quiet"), encoding="utf-8")
    mission = read_mission(directory.path)
    clock = SystemClock()
    writer = StoreWriter(directory.telemetry, clock)
    writer.append([ScoredBatch(batch) for batch in history(mission, SATELLITE, CREATED_NS)], [], {})
    begin = CREATED_NS // 1_000_000_000
    flight = Flight(mission, (SATELLITE,), 1)
    for _ in flight.arrive(history_start(flight, begin), begin):
        pass

    audit = Mirror(directory)
    trainer = Trainer(directory, mission, clock, lambda _: None)
    for entry in trainer.cycle().entries:
        audit.spool(entry)
    audit.drain()
    scorer = Scorer.load(directory.models / "v1")
    scoring = LiveScoring(mission, [scorer])
    spent, seq = 0.0, np.zeros(1, dtype=np.int64)
    rows_s: list[float] = []
    for number in range(cycles):
        t = begin + number * PERIOD_S
        batches, seq = flight.batches(
            t, t + PERIOD_S, boot=begin, seq=seq, received_ns=t * 10**9, quality=Quality.SIMULATED
        )
        scored: list[ScoredBatch] = []
        for batch in batches:
            for i in range(len(batch)):
                one = batch.take(batch.t_ns == batch.t_ns[i])
                begun = time.process_time()
                columns = scoring.score(one).columns
                if batch.layout.packet == "hk":
                    rows_s.append(time.process_time() - begun)
                scored.append(ScoredBatch(one, columns))
        writer.append(scored, [], {})
        begun = time.process_time()
        done = trainer.cycle()
        for entry in done.entries:
            if entry.tags["cubesat.decision"] != "kept":
                audit.spool(entry)
        audit.drain()
        spent += time.process_time() - begun
        for run in done.runs:
            if run.decision == "promoted":
                scoring.swap(Scorer.load(directory.models / f"v{run.version}"))
    trainer.close()
    writer.close()
    newest = scoring.scorer(SATELLITE) or scorer
    manifest = newest.manifest
    size = {"rows": manifest.window.rows, "trees": manifest.trees, "bytes": manifest.bytes}
    batches, _ = flight.batches(
        t + PERIOD_S, t + PERIOD_S + 500, boot=begin, seq=seq, received_ns=0, quality=Quality.NONE
    )
    housekeeping = next(batch for batch in batches if batch.layout.packet == "hk")
    begun = time.process_time()
    scoring.score(housekeeping)
    per_batch = (time.process_time() - begun) / len(housekeeping)
    return spent / cycles, 1e3 * sorted(rows_s)[len(rows_s) // 2], 1e3 * per_batch, size


def _once(directory: MissionDirectory) -> float:
    """CPU seconds of what `trainer --once` does; everything it imports is there already."""
    begun = time.process_time()
    trainer = Trainer(directory, read_mission(directory.path), SystemClock(), lambda _: None)
    audit = Mirror(directory)
    for entry in trainer.cycle(force=True).entries:
        audit.spool(entry)
    trainer.logged(audit.drain())
    trainer.close()
    return time.process_time() - begun
