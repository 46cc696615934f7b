"""The console on a terminal: CPU to the first paint, loop lag while a model is fitted, and what each screen costs.

Everything is measured from outside, on a pseudo-terminal that answers as a modern one does, with the installed
program on a demo mission that exists and has a model.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import screens
from bench.demo_console import PROGRAM, VALUES, WIDE, Metered, make_mission, mission, settings, station
from bench.figure import Figure
from bench.pty_program import PtyProgram

BARE = "from textual.app import App\nfrom textual.widgets import Static\nclass A(App):\n    def compose(self):\n        yield Static('READY')\nA().run()\n"  # noqa: E501
STEADY_S = 30.0
ENOUGH_S = 10.0
"""Of fitting, and of not fitting, before their lags are compared."""


def measure(quick: bool = False) -> Iterator[Figure]:
    """All figures; `quick` makes every steady window a third as long."""
    steady = STEADY_S / 3 if quick else STEADY_S
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        home = Path(folder)
        make_mission(home)
        yield from first_paint(home)
        yield from lag(home, 3 * steady)
        yield from screens.figures(home, steady)


def first_paint(home: Path) -> Iterator[Figure]:
    """CPU seconds of a console until its header, and until values, stand on the screen; median of five.

    It is the program as everybody starts it, with a station of its own in the same process; beside it stands one
    that is attached.
    """
    header, live, bare = paints(home, PROGRAM, rounds=5)
    with station(home):
        _, attached, _ = paints(home, [*PROGRAM, "--attach", str(mission(home))], rounds=3)
    beside = f"bare Textual {bare:.2f} s; attached {attached:.2f} s"
    yield Figure("first paint of the header, CPU", header, "s", at_most=0.15, beside=beside)
    yield Figure("first paint of Live, CPU", live, "s", at_most=0.8, beside=beside)


def paints(home: Path, command: list[str], rounds: int) -> tuple[float, float, float]:
    """Medians of the CPU until header, values, and the first word of an empty Textual app, taken in turn."""
    header: list[float] = []
    live: list[float] = []
    bare: list[float] = []
    for _ in range(rounds):
        with Metered(command, **WIDE, environment=settings(home), cwd=home) as console:
            console.wait_for("KESTREL-1", 60)
            header.append(console.spent)
            console.wait_for(VALUES, 60)
            live.append(console.spent)
        with Metered([sys.executable, "-c", BARE], **WIDE, cwd=home) as peer:
            peer.wait_for("READY", 60)
            bare.append(peer.spent)
    return statistics.median(header), statistics.median(live), statistics.median(bare)


def lag(home: Path, seconds: float) -> Iterator[Figure]:
    """Lag of the console's event loop while a trainer fits beside it, and while none does.

    The mission's own trainer fits every few minutes; here one fits a copy of the mission over and over.
    """
    told = home / "lag"
    command = [sys.executable, "-m", "bench.lag_probe", str(told)]
    root = {"PYTHONPATH": str(Path(__file__).parents[1])}
    copy = home / "copy"
    shutil.copytree(mission(home), copy)
    fit = [sys.executable, "-P", "-m", "trainer", "--mission", str(copy), "--once"]
    busy: list[tuple[float, float]] = []
    with PtyProgram(command, **WIDE, environment={**settings(home), **root}, cwd=home) as console:
        console.wait_for(VALUES, 60)
        console.pump(screens.SETTLE_S)
        begun = time.monotonic()
        console.pump(seconds / 2)
        fitting_since = time.monotonic()
        while time.monotonic() - fitting_since < max(ENOUGH_S, seconds / 2):
            at = time.monotonic()
            with subprocess.Popen(fit, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as trainer:
                while trainer.poll() is None:
                    console.pump(0.25)
            if trainer.returncode:
                raise RuntimeError(f"{' '.join(fit[3:])}: exit code {trainer.returncode}")
            busy.append((at, time.monotonic()))
    samples = [tuple(map(float, line.split())) for line in told.read_text().splitlines() if line.count(" ") == 1]
    samples = [(at, one) for at, one in samples if at >= begun]
    fitting = [one for at, one in samples if any(start <= at <= end for start, end in busy)]
    idle = [one for at, one in samples if not any(start <= at <= end for start, end in busy)]
    if len(fitting) < 50 or len(idle) < 50:
        raise RuntimeError(f"{len(fitting)} samples while fitting and {len(idle)} without are too few")
    while_fitting, without = p99(fitting), p99(idle)
    yield Figure("event-loop lag without fitting, p99", 1000 * without, "ms")
    yield Figure(
        "event-loop lag while fitting over without, p99",
        while_fitting / without,
        "x",
        at_most=2,
        beside=f"{1000 * while_fitting:.1f} ms over {1000 * without:.1f} ms",
    )


def p99(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=100)[98]
