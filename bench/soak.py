"""Hours of a mission at 60 times speed: does memory stay where it is, and does a page cost what it cost?

    python -m bench.soak [--minutes 120] [--rate 60] [--every 120] [--line thin]

A station with its trainer, on the scenario that draws a fault about every half day, and a console attached to it
in a pseudo-terminal that goes over all screens between two samples. Not part of `make bench`: it takes as long as
it is told to. Each sample is printed as it is taken; at the end, or when it is interrupted, the last third is put
beside the second, and the exit code is 1 where a figure has grown by more than it may.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from bench import demo_console
from bench.figure import cpu_of, tree
from bench.pty_program import PtyProgram
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from telemetry.store.rows import Key

SCENARIO = "campaign"
SCREEN_S = 6.0
"""On each screen that is looked at between two samples."""
PAGES = 10
PLACES = 60
MAY_GROW = {
    "station_mb": 1.1,
    "trainer_mb": 1.1,
    "console_mb": 1.1,
    "store_page_ms": 1.5,
    "screen_page_ms": 1.5,
}
"""The last third over the second one; the first, in which caches fill, is not judged."""


@dataclass(frozen=True)
class Sample:
    """One look at all processes. Memory is what is resident now, in MB of a million bytes."""

    minute: float
    frames: int
    station_mb: float
    trainer_mb: float
    console_mb: float
    store_page_ms: float
    """CPU of a page of 50 at a random place of the store, median."""
    screen_page_ms: float
    """CPU of the console for a page of the ledger and what else is drawn in the half second after it, mean."""
    screen_page_s: float
    """From `page down` to the page on the screen, median, by the clock: of use on an idle machine."""
    console_cpu_s: float
    """Of the console, a minute, over all screens."""


def soak(minutes: float, rate: int, every_s: float, line: str) -> list[Sample]:
    """Run for so long and print a sample every `every_s` seconds; what was taken until then on ctrl+c and TERM."""
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="cubesat-soak-") as folder:
        home = Path(folder)
        demo_console.make_mission(home, SCENARIO)
        demo_console.set_rate(home, rate)
        attach = [*demo_console.PROGRAM, "--line", line, "--attach", str(demo_console.mission(home))]
        with demo_console.station(home, trainer=True) as station:
            environment = demo_console.settings(home)
            with PtyProgram(attach, **demo_console.WIDE, environment=environment, cwd=home) as console:
                console.wait_for(demo_console.VALUES, 60)
                begun = time.monotonic()
                print("  ".join(field.name for field in fields(Sample)), flush=True)
                try:
                    while time.monotonic() - begun < 60 * minutes:
                        one = _sample(home, console, station.process.pid, begun, every_s)
                        samples.append(one)
                        print("  ".join(f"{value:.6g}" for value in vars(one).values()), flush=True)
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
    return samples


def _sample(home: Path, console: PtyProgram, station: int, begun: float, every_s: float) -> Sample:
    """Go over all screens, then look, then let the rest of the time pass on Live."""
    since, spent = time.monotonic(), cpu_of(console.process.pid)
    for key in "2356":
        console.send(key)
        console.pump(SCREEN_S)
    screen_ms, screen_s = _page_on_screen(console)
    console.send("1")
    console.pump(max(0.0, every_s - (time.monotonic() - since)))
    frames, page_ms = _page_in_store(MissionDirectory(demo_console.mission(home)).telemetry)
    children = [resident_mb(pid) for pid in tree(station)[1:]]
    return Sample(
        minute=(time.monotonic() - begun) / 60,
        frames=frames,
        station_mb=resident_mb(station),
        trainer_mb=max(children, default=0.0),
        console_mb=resident_mb(console.process.pid),
        store_page_ms=page_ms,
        screen_page_ms=screen_ms,
        screen_page_s=screen_s,
        console_cpu_s=60 * (cpu_of(console.process.pid) - spent) / (time.monotonic() - since),
    )


def _page_on_screen(console: PtyProgram) -> tuple[float, float]:
    """CPU milliseconds of the console for a page of the ledger, and seconds until it is what the screen shows."""
    console.send("4")
    console.wait_for("frames stored", 30)
    console.send("\x1b[H")
    console.pump(2)
    took: list[float] = []
    spent = cpu_of(console.process.pid)
    for _ in range(PAGES):
        before, asked = console.screen.display[-6], time.monotonic()
        console.send("\x1b[6~")
        if console.pump(20, lambda before=before: console.screen.display[-6] != before):
            took.append(time.monotonic() - asked)
        console.pump(0.5)
    cpu_ms = 1000 * (cpu_of(console.process.pid) - spent) / PAGES
    return cpu_ms, statistics.median(took) if took else float("inf")


def _page_in_store(path: Path) -> tuple[int, float]:
    """Frames stored, and the CPU milliseconds of a page of 50 at a random place, median."""
    reader = StoreReader(path)
    try:
        newest = reader.page(limit=1).rows[0]
        oldest = min(reader.first_ns(name) or newest.t_ns for name in reader.satellites())
        places = np.random.default_rng(1).integers(oldest, newest.t_ns, PLACES).tolist()
        took: list[float] = []
        for place in places:
            spent = time.process_time()
            reader.page(before=Key(place, 0))
            took.append(1000 * (time.process_time() - spent))
        return reader.frames_accepted(), statistics.median(took)
    finally:
        reader.close()


def resident_mb(pid: int) -> float:
    """What a process holds in memory now; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def verdict(samples: Sequence[Sample]) -> list[tuple[str, float, float, bool]]:
    """Of every figure that may not grow: its median in the second and in the last third, and whether it is flat."""
    third = len(samples) // 3
    found: list[tuple[str, float, float, bool]] = []
    for name, limit in MAY_GROW.items():
        middle, last = (
            statistics.median(getattr(one, name) for one in part)
            for part in (samples[third : 2 * third], samples[-third:])
        )
        found.append((name, middle, last, last <= limit * middle))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--rate", type=int, default=60)
    parser.add_argument("--every", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--line", choices=("full", "thin"), default="thin")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    samples = soak(asked.minutes, asked.rate, asked.every, asked.line)
    if len(samples) < 3:
        print("fewer than three samples: nothing can be said", file=sys.stderr)
        return 2
    first, newest = samples[0], samples[-1]
    told_s = (newest.frames - first.frames) / (60 * (newest.minute - first.minute))
    print(f"\n{newest.minute:.0f} minutes, {newest.frames:,} frames, {told_s:.0f} frames/s")
    verdicts = verdict(samples)
    for name, middle, last, flat in verdicts:
        print(f"{name:<16} {middle:9.3g} -> {last:9.3g}  {'flat' if flat else 'GROWS'}")
    return 0 if all(flat for *_, flat in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
