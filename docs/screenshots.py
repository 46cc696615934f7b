"""Pictures of every screen of a real run, at both sizes: docs/screenshots/*.png.

    make screenshots

One mission from its first minute: the pictures at 140x42 are taken while its first anomaly is open; then
a console of 80x24 attaches to the same station.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyte

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from demo_cast import Pen

from bench.pty_program import NOISE, PtyProgram

HERE = Path(__file__).parent / "screenshots"
SCREENS = {"1": "live", "2": "clusters", "3": "models", "4": "ledger", "5": "events"}
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


def main() -> None:
    HERE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cubesat-shots-") as folder:
        home = Path(folder)
        settings = {"HOME": folder, "XDG_DATA_HOME": f"{folder}/.local/share", "CUBESAT_OPERATOR": "ann"}
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


if __name__ == "__main__":
    main()
