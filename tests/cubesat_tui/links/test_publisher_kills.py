"""kill -9 of a publishing station at the moments where it would hurt: each frame arrives once all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from telemetry.kill_points import VARIABLE

PROCESS = Path(__file__).with_name("publishing_process.py")
ROWS = 2000


def run(path: Path, kill_at: str = "") -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    if kill_at:
        environ[VARIABLE] = kill_at
    line = [sys.executable, str(PROCESS), str(path)]
    return subprocess.run(line, env=environ, stdout=subprocess.PIPE, text=True, check=False, timeout=60)


@pytest.mark.parametrize("point", ["publication:8", "publish:1", "published:1", "published:6"])
async def test_a_station_killed_anywhere_neither_doubles_nor_loses_a_frame(publishing, point: str) -> None:
    mission = publishing()
    mission.store(ROWS)
    mission.writer.close()
    assert run(mission.directory.path, point).returncode == -signal.SIGKILL
    again = run(mission.directory.path)
    assert again.returncode == 0
    # Google's client is the courier's alone.
    assert not {"firebase_admin", "google", "requests", "grpc", "httpx"} & set(json.loads(again.stdout))
    assert mission.seqs() == list(range(ROWS))
    firsts = [record.first for record in mission.records()]
    assert firsts == sorted(set(firsts))


async def test_the_courier_of_a_killed_station_ends_with_it(publishing) -> None:
    mission = publishing()
    mission.store(ROWS)
    mission.writer.close()
    mission.server.set(latency_s=0.5)
    station = subprocess.Popen(
        [sys.executable, str(PROCESS), str(mission.directory.path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    try:
        await_frames(mission)
        (courier,) = couriers(mission.directory.path)
    finally:
        station.kill()
        station.wait()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{courier}").exists():
        assert time.monotonic() < deadline, "the courier outlives its station"
        time.sleep(0.05)


def await_frames(mission) -> None:
    deadline = time.monotonic() + 20
    while not mission.records():
        assert time.monotonic() < deadline, "nothing was published"
        time.sleep(0.05)


def couriers(path: Path) -> list[int]:
    """Process ids of the couriers of a mission directory."""
    found: list[int] = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"telemetry.links.courier" in line and str(path).encode() in line:
                found.append(int(process.name))
    return found
