"""A demo mission in a folder of its own, a console on it in a pseudo-terminal, and a station that runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from bench.figure import cpu_of
from bench.pty_program import PtyProgram

PROGRAM = [str(Path(sys.executable).parent / "cubesat-tui")]
WIDE = {"columns": 120, "rows": 40}
VALUES = r"Battery .*\d V "
"""On Live, once there is something to see."""


def settings(home: Path) -> dict[str, str]:
    """What its programs find in their environment."""
    return {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "CUBESAT_OPERATOR": "bench",
        # As installed: compiled once, by the run that makes the mission, and not again at every start.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def mission(home: Path) -> Path:
    """Where the demo mission of a home is."""
    return home / ".local/share/cubesat-tui/demo"


def make_mission(home: Path, scenario: str = "quiet") -> None:
    """The demo mission as it is after its first minute: history stored, first model served."""
    with PtyProgram([*PROGRAM, "--scenario", scenario], **WIDE, environment=settings(home), cwd=home) as console:
        console.wait_for("any key to start", 90)
        console.send("\x1b")
        console.wait_for(r"MODEL v\d", 120)


def set_rate(home: Path, rate: int) -> None:
    """Let the simulator run at `rate` times real time, so that `rate` frames a second come."""
    file = mission(home) / "mission.toml"
    text = re.sub(r"(?m)^rate = .*\n", "", file.read_text(encoding="utf-8"))
    file.write_text(text.replace("[source]\n", f"[source]\nrate = {float(rate)}\n"), encoding="utf-8")


class station:  # noqa: N801 - used as a statement
    """A headless station, without a trainer unless asked for, for as long as the block lasts."""

    def __init__(self, home: Path, *, trainer: bool = False) -> None:
        self.home = home
        self.trainer = trainer

    def __enter__(self) -> station:
        environment = {**os.environ, **settings(self.home)}
        self.process = subprocess.Popen(
            [*PROGRAM, "run", *([] if self.trainer else ["--no-trainer"])],
            env=environment,
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Metered(PtyProgram):
    """A program whose CPU is read with its bytes: `spent` until it had written what is on screen now.

    Read after the emulator had drawn them it would hold what a program does behind its first paint.
    """

    spent = 0.0

    def _take(self) -> bool:
        self.spent = cpu_of(self.process.pid)
        return super()._take()
