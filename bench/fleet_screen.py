"""Fleet with a hundred satellites at 1 Hz: how soon a key is answered, and what the screen costs.

A console attached to the mission draws on a pseudo-terminal; another process writes every packet of every satellite
each second. A key is answered when the screen of the terminal shows what it asked for.
"""

from __future__ import annotations

import os
import random
import re
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.demo_console import PROGRAM, WIDE, settings
from bench.figure import Figure, cpu_of
from bench.fleet_feed import SATELLITES, prepare
from bench.pty_program import NOISE, PtyProgram

KEYS, QUICK_KEYS = 200, 40
STEADY_S, QUICK_S = 20.0, 6.0
PATIENCE_S = 10.0


class Reader(PtyProgram):
    """A terminal that takes what is there before it draws any of it.

    The emulator draws slower than any real terminal; a program that waits for it would be measured with it.
    """

    eager = False
    """From when the program has asked what it asks of a terminal at its start."""

    def _take(self) -> bool:
        if not self.eager:
            return super()._take()
        taken: list[bytes] = []
        while select.select([self._fd], [], [], 0.004 if taken else 0)[0]:
            try:
                taken.append(os.read(self._fd, 65536))
            except OSError:
                return False
            if not taken[-1]:
                return False
            self.output.append((self.elapsed, taken[-1]))
        self._stream.feed(NOISE.sub(b"", b"".join(taken)))
        return True


def measure(quick: bool = False) -> Iterator[Figure]:
    """Latency of keys, of coming to the screen, CPU and bytes of standing on it."""
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        home = Path(folder)
        mission = prepare(home / "mission")
        feed = subprocess.Popen(
            [sys.executable, "-m", "bench.fleet_feed", str(mission.path)],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        try:
            attached = [*PROGRAM, "--attach", str(mission.path)]
            with Reader(attached, **WIDE, environment=settings(home), cwd=home) as console:
                console.wait_for("LINK LIVE", 60)
                console.send("6")
                console.wait_for(f"{SATELLITES} shown", 60)
                console.pump(5)
                console.eager = True
                yield from latency(console, QUICK_KEYS if quick else KEYS)
                yield from standing(console, QUICK_S if quick else STEADY_S)
        finally:
            feed.communicate(b"end\n", timeout=20)


def latency(console: PtyProgram, count: int) -> Iterator[Figure]:
    """Moves and sorts at random moments; then to another screen and back."""
    draw = random.Random(7)
    moved = [answered(console, draw, draw.choice("jjkS")) for _ in range(count)]
    p95 = statistics.quantiles(moved, n=20)[18]
    beside = f"median {1000 * statistics.median(moved):.0f} ms, worst {1000 * max(moved):.0f} ms"
    yield Figure("Fleet, 100 satellites at 1 Hz: key to paint, p95", 1000 * p95, "ms", at_most=100, beside=beside)
    back: list[float] = []
    for _ in range(max(5, count // 20)):
        answered(console, draw, "1")
        back.append(answered(console, draw, "6"))
    yield Figure("Fleet from Live: key to paint, median", 1000 * statistics.median(back), "ms")


def answered(console: PtyProgram, draw: random.Random, key: str) -> float:
    """Seconds from a key to the paint of what it asks for.

    Raises:
        TimeoutError: nothing came.
    """
    console.pump(0.15 + 0.4 * draw.random())
    shown = {"S": sort, "1": tab, "6": tab}.get(key, selected)
    before, begun = shown(console), console.elapsed
    console.send("j" if key == "k" and first(console) else key)
    if not console.pump(PATIENCE_S, lambda: shown(console) != before):
        raise TimeoutError(f"{key!r} was not answered:\n{console.text}")
    return console.output[-1][0] - begun


def selected(console: PtyProgram) -> str:
    """The satellite named in the frame of details."""
    found = re.search(r"KESTREL-\d+", "\n".join(console.screen.display[-9:]))
    return found.group() if found else ""


def first(console: PtyProgram) -> bool:
    """Whether the first row is selected, above which there is none."""
    return console.screen.display[4].startswith(">")


def sort(console: PtyProgram) -> str:
    return console.screen.display[2]


def tab(console: PtyProgram) -> bool:
    """Whether Fleet is on screen with its rows."""
    return f"{SATELLITES} shown" in console.screen.display[2]


def standing(console: PtyProgram, seconds: float) -> Iterator[Figure]:
    """CPU and bytes of the console while nobody presses a key."""
    spent, begun, sent = cpu_of(console.process.pid), console.elapsed, len(console.output)
    console.pump(seconds)
    took = console.elapsed - begun
    cpu = 60 * (cpu_of(console.process.pid) - spent) / took
    flow = sum(len(data) for _, data in console.output[sent:]) / took
    yield Figure("Fleet standing, 100 satellites at 1 Hz: CPU a minute", cpu, "s")
    yield Figure("Fleet standing, 100 satellites at 1 Hz: bytes, 120x40", flow, "B/s")
