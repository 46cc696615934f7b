"""From a frame that a station receives to the same value painted by a console elsewhere, 60 ms from the database.

Two programs and a database: a station that is fed line by line and publishes, and a console on a replica in a
pseudo-terminal. A counter is sent as a channel's value; what is timed is until that number stands on the screen.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.figure import Figure
from bench.pty_program import PtyProgram

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "firebase"))

ROUND_TRIP_S = 0.06
FRAMES = 60
FIRST = 100_001
PROGRAM = [sys.executable, "-m", "cubesat_tui"]
TOML = """schema = 1
[[satellite]]
name = "A"
bus = "3u"
[[bus.3u.channel]]
name = "eps.count"
label = "Counter"
period_s = 1
[source]
kind = "stream"
"""


def measure(quick: bool = False) -> Iterator[Figure]:
    """The 95th percentile over a minute at 1 Hz."""
    from rtdb.server import RtdbServer

    with tempfile.TemporaryDirectory(prefix="cubesat-tui-bench-") as place:
        server = RtdbServer()
        try:
            server.set(latency_s=ROUND_TRIP_S)
            took = _times(Path(place), server.host, FRAMES // 4 if quick else FRAMES)
        finally:
            server.close()
    p50, p95 = np.percentile(took, (50, 95)).tolist()
    beside = f"p50 {p50:.2f} s, most {max(took):.2f} s, {len(took)} frames"
    yield Figure("link: publish to paint p95, at 60 ms", p95, "s", at_most=1.5, beside=beside)


def _times(folder: Path, host: str, frames: int) -> list[float]:
    """Seconds from each line to its number on screen."""
    for name in ("station", "console"):
        (folder / name).mkdir()
        (folder / name / "mission.toml").write_text(TOML, encoding="utf-8")
    environment = {"FIREBASE_DATABASE_EMULATOR_HOST": host, "CUBESAT_OPERATOR": "bench"}
    command = [*PROGRAM, "run", "--mission", str(folder / "station"), "--source", "-", "--publish", "firebase"]
    with (folder / "station.log").open("wb") as log:
        station = subprocess.Popen(
            [*command, "--no-trainer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, **environment},
        )
    try:
        attach = [*PROGRAM, "--mission", str(folder / "console"), "--attach", "firebase"]
        with PtyProgram(attach, columns=80, rows=24, environment=environment) as console:
            took = [_painted(station, console, number) for number in range(FIRST, FIRST + frames + 5)]
    finally:
        station.terminate()
        station.wait(10)
    # Until the first are on screen both programs are still starting.
    return took[5:]


def _painted(station: subprocess.Popen[bytes], console: PtyProgram, number: int) -> float:
    assert station.stdin is not None
    line = {"satellite": "A", "boot": 1, "seq": number, "t": time.time_ns(), "values": {"eps.count": number}}
    begun = time.monotonic()
    station.stdin.write(json.dumps(line).encode() + b"\n")
    station.stdin.flush()
    console.wait_for(str(number), 60)
    took = time.monotonic() - begun
    # No whole second: the programs' own ticks must not fall in step with it.
    console.pump(1.0 + random.random() / 3)
    return took


if __name__ == "__main__":
    for figure in measure("--quick" in sys.argv):
        print(figure.name, f"{figure.value:.2f}", figure.unit, figure.budget, figure.beside)
