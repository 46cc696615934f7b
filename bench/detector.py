"""What the detector costs on one thread: fitting and scoring a channel, judging a satellite of 44 channels.

The satellite is made up, 44 channels in one packet a second: the worst a frame can hold. Judged are the members and
all that `LiveScoring` does with a frame; storing it is in `store`, the trainer's cycles are in `retrain`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

# A budget is of one thread, and numpy makes its threads when it is imported.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from bench.figure import Figure
from telemetry.dictionary import Bus, Channel, DetectorConfig, Mission, Satellite
from telemetry.frame import FrameBatch, Quality
from trainer.members.fitting import fit_channel
from trainer.model import fit
from trainer.scorer import LiveScoring, Scorer
from trainer.window import from_batches

FIT_ROWS, SCORED_ROWS = 2000, 20_000
CHANNELS, ORBIT_S, ORBITS = 44, 1200, 3
START_S = 1_795_000_000
BATCH = 50
"""Frames that arrive together, as after a moment in which the station was busy."""


def measure(quick: bool = False) -> Iterator[Figure]:
    """CPU seconds of a fit, channel rows a CPU second, frames a CPU second of either kind of detector."""
    fit_s, rows_per_s = _one_channel(SCORED_ROWS // 10 if quick else SCORED_ROWS)
    yield Figure(f"fit of a channel on {FIT_ROWS:,} rows, CPU", fit_s, "s", at_most=1.0)
    yield Figure("scoring, channel rows per CPU second", rows_per_s, "/s", at_least=10_000)
    learned, live = _flown(ORBITS * ORBIT_S), _flown(300 if quick else 2000, later=ORBITS * ORBIT_S)
    mission = Mission(
        Path("nowhere"), (Satellite("BENCHSAT", BUS.name),), {BUS.name: BUS}, detector=DetectorConfig()
    )
    for kind, least in (("fusion", 200), ("isolation_forest", 2000)):
        begun = time.process_time()
        model = fit(
            from_batches("BENCHSAT", BUS, [learned]),
            version=1,
            parent=None,
            created_ns=0,
            false_alarms_per_day=0.2,
            kind=kind,
        )
        spent = time.process_time() - begun
        judged = sum(len(packet.channels) for packet in model.scorer.packets.values())
        yield Figure(f"{kind}: first fit of {judged} channels, CPU", spent, "s")
        single, together = _frames_per_s(mission, model.scorer, live, 1), _frames_per_s(mission, model.scorer, live)
        beside = f"one by one {single:,.0f}"
        yield Figure(
            f"{kind}: frames of {CHANNELS} channels per CPU second", together, "/s", at_least=least, beside=beside
        )


def _one_channel(scored: int) -> tuple[float, float]:
    values = _waves(FIT_ROWS + scored, 0)[:, 0]
    context, broken = np.zeros((len(values), 1)), np.zeros(len(values), dtype=np.bool_)
    broken[0] = True
    accepted = np.ones(FIT_ROWS, dtype=np.bool_)
    begun = time.process_time()
    model = fit_channel(values[:FIT_ROWS], context[:FIT_ROWS], broken[:FIT_ROWS], accepted)
    fitted = time.process_time() - begun
    begun = time.process_time()
    model.score(values[FIT_ROWS:], context[FIT_ROWS:], broken[FIT_ROWS:])
    return fitted, scored / (time.process_time() - begun)


def _waves(n: int, first: int) -> np.ndarray:
    """Channels that follow the orbit, each with a phase and noise of its own, shape (n, CHANNELS)."""
    rng = np.random.default_rng(first + 1)
    t = first + np.arange(n)[:, None]
    phase = np.arange(CHANNELS)
    wave = np.sin(2 * np.pi * t / ORBIT_S + phase) + 0.3 * np.sin(6 * np.pi * t / ORBIT_S + 2 * phase)
    return np.round(20 + 5 * wave + 0.1 * rng.standard_normal((n, CHANNELS)), 2)


BUS = Bus("bench", tuple(Channel(f"eps.v_{i}", f"Voltage {i}", "V", decimals=2) for i in range(CHANNELS)))


def _flown(n: int, later: int = 0) -> FrameBatch:
    (layout,) = BUS.layouts.values()
    seq = later + np.arange(n, dtype=np.int64)
    t_ns = (START_S + seq) * 1_000_000_000
    zeros = np.zeros(n, dtype=np.int64)
    quality = np.full(n, int(Quality.NONE), dtype=np.int64)
    return FrameBatch(layout, ("BENCHSAT",), zeros, zeros + START_S, seq, t_ns, t_ns, quality, _waves(n, later))


def _frames_per_s(mission: Mission, scorer: Scorer, live: FrameBatch, size: int = BATCH) -> float:
    scoring = LiveScoring(mission, [scorer])
    part = len(live) if size > 1 else len(live) // 4
    begun = time.process_time()
    for start in range(0, part, size):
        scoring.score(live.take(np.arange(start, min(start + size, part))))
    return part / (time.process_time() - begun)
