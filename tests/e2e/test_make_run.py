"""The two commands on a bare clone: `make run` opens a living console within three minutes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PERIODS_S = {"hk": 1, "pld": 1, "thm": 5, "slow": 10}
"""Packets that are due whether there is a pass or not, and their periods."""
TERMINAL_AND_PIP = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA", "http", "HTTP", "no_proxy", "NO_PROXY")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a stranger gets: the committed files and nothing else."""
    target = tmp_path / "clone"
    done = subprocess.run(["git", "clone", "-q", str(ROOT), str(target)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"not a git work tree: {done.stderr.strip()}")
    return target


def network_settings() -> dict[str, str]:
    """How this machine reaches its package index; a user's own settings are respected."""
    return {k: v for k, v in os.environ.items() if k.startswith(TERMINAL_AND_PIP)}


def words(screen: str) -> list[str]:
    """Everything on the screen that could be a value, with its place."""
    return [f"{y}:{found.start()}:{found[0]}" for y, line in enumerate(screen.splitlines())
            for found in re.finditer(r"\S+", line)]  # fmt: skip


def status(clone: Path, environment: dict[str, str]) -> dict[str, object]:
    command = [str(clone / ".venv/bin/cubesat-tui"), "status", "--json"]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def packets(clone: Path, home: Path) -> tuple[float, dict[str, tuple[int, int]]]:
    """When it was asked, and packet -> (frames, newest generation time), by a process of its own."""
    script = (
        "import json, sys, time\nfrom pathlib import Path\nfrom telemetry.store.reader import StoreReader\n"
        "reader, found = StoreReader(Path(sys.argv[1])), {}\n"
        "at = time.time()\n"
        "for chunk in reader.rows_from(None):\n"
        "    for i, layout in enumerate(chunk.layouts):\n"
        "        t = chunk.t_ns[chunk.layout == i]\n"
        "        count, newest = found.get(layout.packet, (0, 0))\n"
        "        found[layout.packet] = (count + len(t), max(newest, int(t.max(initial=0))))\n"
        "print(json.dumps([at, found]))\n"
    )
    store = home / ".local/share/cubesat-tui/demo/telemetry.db"
    command = [str(clone / ".venv/bin/python"), "-c", script, str(store)]
    return tuple(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_make_run_on_a_bare_clone_opens_a_living_console(window, clone: Path, home: Path, user_env) -> None:
    environment = {**user_env, **network_settings()}
    console = window(["make", "run"], cwd=clone, env=environment)
    console.wait_for("any key to start", 180, "a console within three minutes")
    assert time.monotonic() - console.started < 180
    console.keys("Escape")
    console.wait_for(r"DATA \d", 30)
    deadline = time.monotonic() + 60
    while status(clone, environment)["link"] != "LIVE":
        assert time.monotonic() < deadline, console.screen()
    # The history is written in the background: count live packets only once it is complete.
    settled, frames = 0, -1
    while settled < 2:
        time.sleep(1)
        now = int(str(status(clone, environment)["frames"]))
        settled, frames = (settled + 1 if 0 <= now - frames <= 10 else 0), now
        assert time.monotonic() < deadline, "the history never came to its end"

    before, first, (begun, old) = status(clone, environment), console.screen(), packets(clone, home)
    time.sleep(5)
    after, second, (ended, new) = status(clone, environment), console.screen(), packets(clone, home)

    assert len(set(words(second)) - set(words(first))) >= 10
    assert int(str(after["frames"])) > int(str(before["frames"]))
    assert after["newest_generation_time"] != before["newest_generation_time"]
    passed = ended - begun
    for packet, period in PERIODS_S.items():
        (count, newest), (more, later) = old[packet], new[packet]
        moved = (later - newest) / 1e9
        assert abs((more - count) - moved / period) <= 1, packet
        assert abs(moved - passed) <= 1 + period, packet
