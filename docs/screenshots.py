"""Pictures of every screen of a real run, at both sizes, of three scenarios and a fleet: docs/screenshots/*.png.

    make screenshots
    python docs/screenshots.py dead-panel fleet

One mission from its first minute: the pictures at 140x42 are taken while its first anomaly is open; then
a console of 80x24 attaches to the same station. The others are missions of their own, which can be named singly.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from demo_cast import Pen

from bench.pty_program import NOISE, PtyProgram
from sim.preset import demo_mission_toml
from telemetry.clock import SystemClock
from telemetry.store.directory import MissionDirectory

HERE = Path(__file__).parent / "screenshots"
SCREENS = {"1": "live", "2": "clusters", "3": "models", "4": "ledger", "5": "events"}
BROKEN = (
    ("KESTREL-007", "latchup", "--target", "3v3", "--size", "0.6"),
    ("KESTREL-031", "latchup", "--target", "5v", "--size", "0.6"),
    ("KESTREL-064", "gap"),
)
PROGRAM = [str(Path(sys.executable).parent / "cubesat-tui")]


def still(console: PtyProgram, columns: int, rows: int, name: str) -> None:
    """What the terminal shows now."""
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    for _, data in console.output:
        stream.feed(NOISE.sub(b"", data))
    Pen().draw(screen).save(HERE / f"{name}-{columns}x{rows}.png", optimize=True)


def walk(console: PtyProgram, columns: int, rows: int) -> None:
    """Every screen once."""
    for key, name in SCREENS.items():
        console.send(key)
        console.pump(5)
        still(console, columns, rows, name)


def screens() -> None:
    """The first minutes of `hello`."""
    with tempfile.TemporaryDirectory(prefix="cubesat-shots-") as folder:
        home = Path(folder)
        settings = _settings(home)
        wide = {"columns": 140, "rows": 42}
        with PtyProgram(PROGRAM, **wide, environment=settings, cwd=home) as console:
            console.wait_for("any key to start", 60)
            console.pump(4)
            still(console, 140, 42, "welcome")
            console.send("\x1b")
            console.wait_for("ANOM", 90)
            console.pump(20)
            walk(console, 140, 42)
            with PtyProgram([*PROGRAM, "--attach"], columns=80, rows=24, environment=settings, cwd=home) as small:
                small.wait_for("ANOM", 30)
                walk(small, 80, 24)
                small.send("?")
                small.pump(3)
                still(small, 80, 24, "keys")
                small.send("\x1b")
                small.pump(1)
                small.send("4")
                small.pump(2)
                small.send("e")
                small.pump(3)
                still(small, 80, 24, "export")


def dead_panel() -> None:
    """A minute of the panel's loss on Live."""
    with _mission("dead-panel") as (console, _, _):
        console.wait_for("ANOM", 180)
        console.pump(60)
        still(console, 140, 42, "dead-panel")


def tumble() -> None:
    """A satellite that was kicked by hand, on Clusters."""
    with _mission("quiet") as (console, home, settings):
        console.wait_for("retrain in", 120)
        kick = ["inject", "tumble", "--target", "y", "--size", "2", "--lasts", "10min"]
        subprocess.run([*PROGRAM, *kick], env=settings, cwd=home, check=True)
        console.wait_for("ANOM", 60)
        console.pump(90)
        console.send("2")
        console.pump(6)
        still(console, 140, 42, "tumble")


def stuck_heater() -> None:
    """A battery that grows warmer than it should, on Events: the slowest of them, about a quarter of an hour."""
    with _mission("stuck-heater") as (console, _, _):
        console.wait_for("ANOM", 1500)
        console.pump(45)
        console.send("5")
        console.pump(5)
        still(console, 140, 42, "stuck-heater")


def fleet() -> None:
    """A hundred satellites, three of them broken."""
    with tempfile.TemporaryDirectory(prefix="cubesat-shots-") as folder:
        home = Path(folder)
        directory = MissionDirectory(home / "fleet")
        directory.create()
        directory.toml.write_text(demo_mission_toml(SystemClock().now_ns(), 1, "quiet", satellites=100))
        settings = {**os.environ, **_settings(home)}
        open_fleet = [*PROGRAM, "--mission", str(directory.path)]
        with PtyProgram(open_fleet, columns=80, rows=24, environment=settings, cwd=home) as console:
            console.wait_for("LIVE", 120)
            console.pump(60)
            for name, *fault in BROKEN:
                command = ["inject", *fault, "--satellite", name, "--mission", str(directory.path)]
                subprocess.run([*PROGRAM, *command], env=settings, cwd=home, check=True)
            console.send("6")
            console.pump(90)
            still(console, 80, 24, "fleet")


PICTURES: dict[str, Callable[[], None]] = {
    "screens": screens,
    "dead-panel": dead_panel,
    "tumble": tumble,
    "stuck-heater": stuck_heater,
    "fleet": fleet,
}


@contextlib.contextmanager
def _mission(scenario: str) -> Iterator[tuple[PtyProgram, Path, dict[str, str]]]:
    """A console of 140x42 on a new mission, its welcome card closed; its home and the settings to join it with."""
    with tempfile.TemporaryDirectory(prefix="cubesat-shots-") as folder:
        home = Path(folder)
        settings = _settings(home)
        command = [*PROGRAM, "--scenario", scenario]
        with PtyProgram(command, columns=140, rows=42, environment=settings, cwd=home) as console:
            console.wait_for("any key to start", 60)
            console.send("\x1b")
            yield console, home, {**os.environ, **settings}


def _settings(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "XDG_DATA_HOME": f"{home}/.local/share", "CUBESAT_OPERATOR": "ann"}


def main() -> None:
    HERE.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        PICTURES[name]()


if __name__ == "__main__":
    main()
