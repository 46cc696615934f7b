"""What each screen of an attached console costs, drawn for a thin line and in full, beside htop and btop.

All on pseudo-terminals of one size, one after the other on the same mission: bytes a second, CPU, memory, CPU until
the screen stands, and how late the event loop comes back on a line that takes next to nothing.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.demo_console import PROGRAM, VALUES, WIDE, Metered, mission, set_rate, settings, station
from bench.figure import Figure, cpu_of, peak_rss_mb
from bench.pty_program import PtyProgram

SCREENS: Final = {
    "Live": ("1", VALUES),
    "Clusters": ("2", "MODES, parts of one whole"),
    "Models": ("3", r"#\d+ .*promoted"),
    "Ledger": ("4", r"\d\d:\d\d\.000 hk "),
}
"""Key, and what stands on the screen once it is drawn."""
PEERS: Final = {"htop": ["htop", "-d", "10"], "btop": ["btop"]}
BTOP_SETTINGS: Final = "update_ms = 1000\n"
"""As often as the others; its own default is every 2 s."""
SETTLE_S: Final = 8.0
SLOW_LINES: Final = (2000.0, 500.0)
"""Bytes a second."""
OPENS_S: Final = 240.0
"""A screen of 20 KB on 500 bytes a second, with patience."""


@dataclass(frozen=True)
class Cost:
    """Of one screen or one peer, at one frame a second."""

    bytes_per_s: float
    cpu_a_minute: float
    peak_mb: float
    opened_cpu_s: float
    """From its key, or from the start of the program, until it stands on the screen."""


@dataclass(frozen=True)
class Line:
    """One line of the table; None where there is nothing to measure."""

    name: str
    cost: Cost
    full: float | None = None
    """Bytes a second with the whole of every changed region sent."""
    fast: float | None = None
    """Bytes a second at four frames a second."""
    lags: tuple[float, ...] = ()
    """Worst, on each of `SLOW_LINES`."""


def figures(home: Path, steady: float) -> Iterator[Figure]:
    """Every figure, and on standard error the table of the README."""
    peers = [(name, found) for name in PEERS if (found := peer(name, home, steady)) is not None]
    beside = (
        ", ".join(f"{name} {cost.bytes_per_s:,.0f} B/s" for name, cost in peers) or "neither htop nor btop here"
    )
    memory = ", ".join(f"{name} {cost.peak_mb:.0f} MB" for name, cost in peers)
    lines: list[Line] = []
    costs = {rate: at_rate(home, rate, steady) for rate in (1, 4)}
    set_rate(home, 1)
    for name in SCREENS:
        (cost, full), (fast, fast_full) = costs[1][name], costs[4][name]
        lags = slow_lags(home, name, steady)
        lines.append(Line(name, cost, full.bytes_per_s, fast.bytes_per_s, lags))
        yield Figure(
            f"{name}: bytes per second at 1 Hz, 120x40",
            cost.bytes_per_s,
            "B/s",
            at_most=1500,
            beside=f"full {full.bytes_per_s:,.0f} B/s; {beside}",
        )
        at_four = f"full {fast_full.bytes_per_s:,.0f} B/s"
        yield Figure(f"{name}: bytes per second at 4 Hz", fast.bytes_per_s, "B/s", at_most=5000, beside=at_four)
        yield Figure(
            f"{name}: attached console at 1 Hz, CPU a minute",
            cost.cpu_a_minute,
            "s",
            at_most=4,
            beside=f"full {full.cpu_a_minute:.1f} s; the original's page 42 s",
        )
        yield Figure(
            f"{name}: attached console at 1 Hz, peak memory",
            cost.peak_mb,
            "MB",
            at_most=94.4,
            beside=f"full {full.peak_mb:.0f} MB; the original's page 429 MB; {memory}",
        )
        yield Figure(f"{name}: from its key until it stands, CPU", cost.opened_cpu_s, "s", at_most=0.8)
        beside_lag = f"on a line of {SLOW_LINES[1]:.0f} B/s {lags[1]:.2f} s"
        yield Figure(
            f"{name}: event-loop lag on a line of 2 KB/s, worst", lags[0], "s", at_most=0.4, beside=beside_lag
        )
    yield drawn_in_full(home, steady)
    print(table([*lines, *(Line(name, cost) for name, cost in peers)]), file=sys.stderr)


def at_rate(home: Path, rate: int, steady: float) -> dict[str, tuple[Cost, Cost]]:
    """Of each screen: drawn for a thin line, and in full, side by side, while `rate` frames a second come."""
    set_rate(home, rate)
    with station(home), ThreadPoolExecutor(2) as pool:
        return {
            name: (thin, full)
            for name in SCREENS
            for thin, full in [pool.map(lambda line, name=name: screen(home, name, line, steady), ("thin", "full"))]
        }


def screen(home: Path, name: str, line: str, seconds: float) -> Cost:
    """Of an attached console that shows this screen and nothing else."""
    attached = [*PROGRAM, "--line", line, "--attach", str(mission(home))]
    key, standing = SCREENS[name]
    with Metered(attached, **WIDE, environment=settings(home), cwd=home) as console:
        console.wait_for(VALUES, 60)
        opened = console.spent
        if name != "Live":
            console.pump(2)
            before = cpu_of(console.process.pid)
            console.send(key)
            console.wait_for(standing, 60)
            opened = console.spent - before
        return steady_cost(console, seconds, opened)


def peer(name: str, home: Path, seconds: float) -> Cost | None:
    """Of htop or btop on the same terminal at the same rate; None where it is not installed."""
    if shutil.which(name) is None:
        return None
    (home / ".config/btop").mkdir(parents=True, exist_ok=True)
    (home / ".config/btop/btop.conf").write_text(BTOP_SETTINGS, encoding="utf-8")
    environment = {**settings(home), "XDG_CONFIG_HOME": str(home / ".config")}
    with Metered(PEERS[name], **WIDE, environment=environment, cwd=home) as program:
        program.wait_for("(?i)cpu", 20)
        return steady_cost(program, seconds, program.spent)


def steady_cost(program: PtyProgram, seconds: float, opened: float) -> Cost:
    """What it costs for so long, after it has settled."""
    program.pump(SETTLE_S)
    spent, begun, sent = cpu_of(program.process.pid), program.elapsed, len(program.output)
    program.pump(seconds)
    took = program.elapsed - begun
    cpu = 60 * (cpu_of(program.process.pid) - spent) / took
    told = sum(len(data) for _, data in program.output[sent:])
    return Cost(told / took, cpu, peak_rss_mb(program.process.pid), opened)


def slow_lags(home: Path, name: str, seconds: float) -> tuple[float, ...]:
    """Worst lag of the event loop of a console that shows this screen, on each of the slow lines."""
    with station(home), ThreadPoolExecutor(len(SLOW_LINES)) as pool:
        return tuple(pool.map(lambda slow: worst_lag(home, name, "thin", slow, seconds), SLOW_LINES))


def drawn_in_full(home: Path, seconds: float) -> Figure:
    """The same lag on Live where everything is sent: what a thin line is spared."""
    with station(home):
        lag = worst_lag(home, "Live", "full", SLOW_LINES[0], 2 * seconds)
    return Figure("Live drawn in full: the same lag", lag, "s")


def worst_lag(home: Path, name: str, line: str, bytes_per_s: float, seconds: float) -> float:
    """The longest the event loop of a console came back too late while the screen stood, in seconds."""
    told = home / f"lag-{name}-{line}-{bytes_per_s:.0f}"
    command = [sys.executable, "-m", "bench.lag_probe", str(told), "--line", line, "--attach", str(mission(home))]
    environment = {**settings(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    key, standing = SCREENS[name]
    with PtyProgram(command, **WIDE, environment=environment, cwd=home, bytes_per_s=bytes_per_s) as console:
        console.wait_for(VALUES, OPENS_S)
        if name != "Live":
            console.send(key)
            console.wait_for(standing, OPENS_S)
        # What opening a screen costs is a figure of its own.
        begun = time.monotonic()
        console.pump(seconds)
        # The loop that hangs has told nothing of it yet.
        ended = time.monotonic()
    samples = [tuple(map(float, line.split())) for line in told.read_text().splitlines() if line.count(" ") == 1]
    steady = [(at, one) for at, one in samples if begun <= at <= ended]
    last = max((at for at, _ in steady), default=begun)
    return max([ended - last, *(one for _, one in steady)])


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    told = [
        "| 120x40, one frame a second | B/s | B/s drawn in full | B/s at 4 Hz | CPU s a minute | memory MB "
        "| CPU s until it stands | worst lag at 2 KB/s | at 500 B/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in lines:
        lags = [f"{lag:.2f} s" for lag in one.lags] or ["", ""]
        whole = ["" if rate is None else f"{rate:,.0f}" for rate in (one.full, one.fast)]
        cells = [
            one.name,
            f"{one.cost.bytes_per_s:,.0f}",
            *whole,
            f"{one.cost.cpu_a_minute:.1f}",
            f"{one.cost.peak_mb:.0f}",
            f"{one.cost.opened_cpu_s:.2f}",
            *lags,
        ]
        told.append(f"| {' | '.join(cells)} |")
    return "\n".join(told)
