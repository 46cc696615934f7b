"""Satellites fitted side by side: how many a second with one job and with two, and whether the models are the same.

Each satellite has a window of its own, 500 rows of 12 channels, and gets a forest of 100 trees, its thresholds and
the gate's verdict, as in the trainer's first cycle. Only that is timed, in the lots in which the trainer hands it
over; the second job's processes have imported what they need before. Seconds are those of a clock on the wall: with
other programs on the cores the second job gains less, so the load is printed beside; the CPU seconds tell what a
second job costs whatever else goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.figure import Figure
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Bus, Channel
from telemetry.frame import FrameBatch
from telemetry.store.rows import RunRow
from trainer.batch import judge_window
from trainer.challenger import Challenger, MissionFit, Pace, Step
from trainer.fit_channels import FOREST, Recipe
from trainer.model import Fitted
from trainer.parallel import Work, Workers
from trainer.refits import Due
from trainer.window import Window, from_batches

SATELLITES, ROWS, CHANNELS, TREES = 1000, 500, 12, 100
START_NS = 1_795_000_000 * NS_PER_S
BUS = Bus("b", tuple(Channel(f"a.x{i:02}", f"X {i}") for i in range(CHANNELS)), (), ())
JOBS = 2


def measure(quick: bool = False) -> Iterator[Figure]:
    """Throughputs and their ratio for 1,000 satellites (40 when quick), and how many models differ."""
    count = 40 if quick else SATELLITES
    alone, together = Workers(1), Workers(JOBS)
    list(together.run([_work(number) for number in range(2 * JOBS)]))
    seconds, cpu = {1: 0.0, JOBS: 0.0}, {1: 0.0, JOBS: 0.0}
    differ = 0
    before = os.getloadavg()[0]
    for start in range(0, count, together.at_hand):
        numbers = range(start, min(count, start + together.at_hand))
        found: dict[int, list[Step]] = {}
        # Turn about, so that whatever else goes on meets both.
        for workers in (alone, together):
            lot = [_work(number) for number in numbers]
            begun, used = time.perf_counter(), time.process_time()
            found[workers.jobs] = list(workers.run(lot))
            seconds[workers.jobs] += time.perf_counter() - begun
            cpu[workers.jobs] += time.process_time() - used
        cpu[JOBS] += sum(step.cpu_s for step in found[JOBS])
        differ += sum(
            not _same(number, one, other) for number, one, other in zip(numbers, found[1], found[JOBS], strict=True)
        )
    load = f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores"
    rate = {jobs: count / spent for jobs, spent in seconds.items()}
    yield Figure("forests of 100 trees fitted and gated, 1 job", rate[1], "/s", beside=f"{count:,} satellites")
    yield Figure(f"the same, {JOBS} jobs", rate[JOBS], "/s", beside=load)
    yield Figure(f"{JOBS} jobs, times 1 job", rate[JOBS] / rate[1], "x", at_least=1.5, beside=load)
    beside = f"{1e3 * cpu[1] / count:.0f} ms a satellite with 1 job"
    yield Figure(f"CPU of {JOBS} jobs and the trainer, times that of 1 job", cpu[JOBS] / cpu[1], "x", beside=beside)
    yield Figure(f"models or scores of {JOBS} jobs that differ from those of 1", differ, "", at_most=0)


def _work(number: int) -> Work:
    window = _window(number)
    base = RunRow(retrain=number + 1, at_ns=START_NS, satellite=window.satellite, decision="kept")
    due = Due(True, None, ("a",), window.rows, "first model")
    return Work(Challenger(window, None, due, base), _Fit(FOREST, 0.2), float("inf"), Pace())


class _Fit(MissionFit):
    def recipe(self, challenger: Challenger) -> Recipe:
        return replace(super().recipe(challenger), trees=TREES)


def _window(number: int) -> Window:
    """Rows of one satellite, from its number alone; the day is 500 s long, so that each is a little different."""
    layout = next(iter(BUS.layouts.values()))
    seq = np.arange(ROWS, dtype=np.int64)
    zero = np.zeros(ROWS, dtype=np.int64)
    t_ns = START_NS + seq * NS_PER_S
    noise = np.random.default_rng(number).standard_normal((ROWS, CHANNELS))
    values = 5.0 + number % 7 + 0.2 * np.sin(seq / 80.0)[:, None] + 0.1 * noise
    return from_batches(
        f"S{number}", BUS, [FrameBatch(layout, (f"S{number}",), zero, zero + 1, seq, t_ns, t_ns, zero, values)]
    )


def _same(number: int, one: Step, other: Step) -> bool:
    """The same files, and the same scores of the satellite's own rows, to the last bit."""
    first, second = _fitted(one), _fitted(other)
    window = _window(number)
    packet = window.packets[0]
    scores = [judge_window(fitted.scorer, window, packet) for fitted in (first, second)]
    assert scores[0] is not None
    assert scores[1] is not None
    equal = np.array_equal(scores[0].relative, scores[1].relative, equal_nan=True)
    return bool(equal) and first.packed == second.packed


def _fitted(step: Step) -> Fitted:
    assert step.fitted is not None, step.refusal
    return step.fitted
