"""The console on a terminal: CPU to the first paint, bytes on the line, loop lag while a model is fitted.

Everything is measured from outside, on a pseudo-terminal that answers as a modern one does, with the installed
program on a demo mission that exists and has a model.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, cpu_of, peak_rss_mb
from bench.pty_program import PtyProgram

PROGRAM = [str(Path(sys.executable).parent / "cubesat-tui")]
WIDE = {"columns": 120, "rows": 40}
BARE = "from textual.app import App\nfrom textual.widgets import Static\nclass A(App):\n    def compose(self):\n        yield Static('READY')\nA().run()\n"  # noqa: E501
VALUES = r"Battery .*\d V "
STEADY_S = 30.0
SETTLE_S = 8.0
SLOW_LINE = 2000.0
"""Bytes a second."""
ENOUGH_S = 10.0
"""Of fitting, and of not fitting, before their lags are compared."""


def measure(quick: bool = False) -> Iterator[Figure]:
    """All figures; `quick` makes every steady window a third as long."""
    steady = STEADY_S / 3 if quick else STEADY_S
    with tempfile.TemporaryDirectory(prefix="cubesat-bench-") as folder:
        home = Path(folder)
        make_mission(home)
        yield from first_paint(home)
        yield from traffic(home, steady)
        yield from lag(home, 3 * steady)
        yield from slow_line(home, 2 * steady)


def settings(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "CUBESAT_OPERATOR": "bench",
        # As installed: compiled once, by the run that makes the mission, and not again at every start.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def mission(home: Path) -> Path:
    return home / ".local/share/cubesat-tui/demo"


def make_mission(home: Path) -> None:
    """The demo mission as it is after its first minute: history stored, first model served."""
    with PtyProgram([*PROGRAM, "--scenario", "quiet"], **WIDE, environment=settings(home), cwd=home) as console:
        console.wait_for("any key to start", 90)
        console.send("\x1b")
        console.wait_for(r"MODEL v\d", 120)


class Metered(PtyProgram):
    """A program whose CPU is read with its bytes: `spent` until it had written what is on screen now.

    Read after the emulator had drawn them it would hold what a program does behind its first paint.
    """

    spent = 0.0

    def _take(self) -> bool:
        self.spent = cpu_of(self.process.pid)
        return super()._take()


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


def traffic(home: Path, steady: float) -> Iterator[Figure]:
    """Bytes a second of an attached console at 1 and at 4 Hz, drawn for a thin line and in full, and the cost."""
    peer = htop(steady)
    for rate, budget in ((1, 1500), (4, 5000)):
        set_rate(home, rate)
        with station(home):
            thin, cpu, rss = steady_flow(home, "thin", steady)
            full, full_cpu, full_rss = steady_flow(home, "full", steady)
        beside = f"full {full:,.0f} B/s; {peer}"
        yield Figure(f"bytes per second at {rate} Hz, 120x40", thin, "B/s", at_most=budget, beside=beside)
        if rate == 1:
            original = f"full {full_cpu:.1f} s, {full_rss:.0f} MB; the original's page 42 s, 429 MB"
            yield Figure("attached console at 1 Hz, CPU a minute", cpu, "s", at_most=4, beside=original)
            yield Figure("attached console at 1 Hz, peak memory", rss, "MB", at_most=94.4, beside=original)
    set_rate(home, 1)


def steady_flow(home: Path, line: str, seconds: float) -> tuple[float, float, float]:
    """Of an attached console on Live: bytes a second, CPU seconds a minute, peak memory in MB."""
    attached = [*PROGRAM, "--line", line, "--attach", str(mission(home))]
    with PtyProgram(attached, **WIDE, environment=settings(home), cwd=home) as console:
        console.wait_for(VALUES, 60)
        console.pump(SETTLE_S)
        spent, begun, sent = cpu_of(console.process.pid), console.elapsed, len(console.output)
        console.pump(seconds)
        took = console.elapsed - begun
        cpu = 60 * (cpu_of(console.process.pid) - spent) / took
        return sum(len(data) for _, data in console.output[sent:]) / took, cpu, peak_rss_mb(console.process.pid)


def htop(steady: float) -> str:
    """htop on the same terminal at the same rate, where it is installed."""
    if shutil.which("htop") is None:
        return "htop not installed"
    with PtyProgram(["htop", "-d", "10"], **WIDE) as peer:
        peer.pump(3)
        sent = len(peer.output)
        peer.pump(steady)
        return f"htop {sum(len(data) for _, data in peer.output[sent:]) / steady:,.0f} B/s at 1 Hz"


def set_rate(home: Path, rate: int) -> None:
    """Let the simulator run at `rate` times real time, so that `rate` frames a second come."""
    file = mission(home) / "mission.toml"
    text = re.sub(r"(?m)^rate = .*\n", "", file.read_text(encoding="utf-8"))
    file.write_text(text.replace("[source]\n", f"[source]\nrate = {float(rate)}\n"), encoding="utf-8")


class station:  # noqa: N801 - used as a statement
    """A headless station without a trainer, for as long as the block lasts."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __enter__(self) -> None:
        environment = {**os.environ, **settings(self.home)}
        self.process = subprocess.Popen(
            [*PROGRAM, "run", "--no-trainer"],
            env=environment,
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


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
        console.pump(SETTLE_S)
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


def slow_line(home: Path, seconds: float) -> Iterator[Figure]:
    """Worst lag of an attached console's event loop, on a line of 2 KB/s at 1 Hz."""
    with station(home):
        thin = worst_lag(home, "thin", SLOW_LINE, seconds)
        thinnest = worst_lag(home, "thin", SLOW_LINE / 4, seconds)
        full = worst_lag(home, "full", SLOW_LINE, seconds)
    beside = f"full {full:.1f} s; on a line of 500 B/s {thinnest:.2f} s"
    yield Figure("event-loop lag on a line of 2 KB/s, worst", thin, "s", at_most=0.4, beside=beside)


def worst_lag(home: Path, line: str, bytes_per_s: float, seconds: float) -> float:
    """The longest the event loop of a console on Live came back too late, in seconds."""
    told = home / "slow-lag"
    command = [sys.executable, "-m", "bench.lag_probe", str(told), "--line", line, "--attach", str(mission(home))]
    environment = {**settings(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    with PtyProgram(command, **WIDE, environment=environment, cwd=home, bytes_per_s=bytes_per_s) as console:
        console.wait_for(VALUES, 60)
        begun = time.monotonic()
        console.pump(seconds)
        # The loop that hangs has told nothing of it yet.
        ended = time.monotonic()
    samples = [tuple(map(float, line.split())) for line in told.read_text().splitlines() if line.count(" ") == 1]
    steady = [(at, one) for at, one in samples if begun <= at <= ended]
    last = max((at for at, _ in steady), default=begun)
    return max([ended - last, *(one for _, one in steady)])


def p99(samples: list[float]) -> float:
    return statistics.quantiles(samples, n=100)[98]
