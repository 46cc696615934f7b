"""The console over real OpenSSH on a bad line: 32 kbit/s, 300 ms each way, one piece in fifty lost or late."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.pty_program import PtyProgram
from bench.slow_wire import SlowWire
from telemetry.store.directory import MissionDirectory
from tests.e2e.loopback_ssh import SSHD, LoopbackSsh
from tests.e2e.test_processes_console import asked, assert_no_frame_missing, ended, station_pid, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
ROUND_TRIP_S = 0.6
STALL_S = 0.6
IN_TIME_S = 1.0 + ROUND_TRIP_S
TRIES, MOST_TRIES = 3, 7
"""Of each key; more where the median is late: on a busy machine it may be the machine that is."""
SETTLES_S = 3.0
"""A whole screen has come by then: a key that is pressed earlier waits for what was asked for before it."""
VALUES = r"Battery .*\d V "
KEYS = {
    "5": "5 EVENTS",
    "2": "2 CLUSTERS",
    "1": "1 LIVE",
    " ": "PAUSED",
    "  ": "1 LIVE",
    "j": "> .Battery curr",
    "k": "> .Battery volt",
}
"""Key (blanks are one key) and the first thing on the screen that answers it."""
NETEM = "delay 300ms loss 2% rate 32kbit limit 100"


@dataclass
class Line:
    """A way to an SSH server, and what goes wrong on it."""

    ssh: LoopbackSsh
    port: int
    wire: SlowWire | None

    @property
    def late(self) -> int:
        """Pieces that came late until now, where that is known."""
        return len(self.wire.stalls) if self.wire is not None else 0

    def breaks(self, client: PtyProgram) -> None:
        """The connection is gone from one moment to the next."""
        if self.wire is not None:
            self.wire.cut()
        else:
            client.process.kill()


@contextlib.contextmanager
def bad_network() -> Iterator[list[str]]:
    """What to put before a command to run it in a network of its own whose only interface is as bad as the line."""
    name = f"cubesat-{uuid.uuid4().hex[:8]}"
    if os.getuid() != 0 or not all(shutil.which(one) for one in ("ip", "tc")):
        pytest.skip("a network namespace needs root, ip and tc")
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no network namespace here: {made.stderr.strip()}")
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "mtu", "1500", "up"], check=True)
        shaped = subprocess.run(
            ["tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", *NETEM.split()],
            capture_output=True,
            text=True,
        )
        if shaped.returncode:
            pytest.skip(f"this kernel makes no bad line with tc: {shaped.stderr.strip()}")
        yield ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


@pytest.fixture(params=["proxy", "tc"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    """A line through a proxy everywhere, and through the kernel where it can."""
    if SSHD is None or shutil.which("ssh") is None:
        if os.environ.get("CI"):
            pytest.fail("OpenSSH is not installed, and CI must not skip the tests of its line")
        pytest.skip("OpenSSH is not installed: apt install openssh-server openssh-client")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    with contextlib.ExitStack() as stack:
        inside: Sequence[str] = stack.enter_context(bad_network()) if request.param == "tc" else ()
        ssh = LoopbackSsh(folder, inside)
        stack.callback(ssh.close)
        wire = stack.enter_context(SlowWire(ssh.port, stall_s=STALL_S)) if request.param == "proxy" else None
        yield Line(ssh, wire.port if wire is not None else ssh.port, wire)


@pytest.fixture
def demo(home: Path) -> MissionDirectory:
    return MissionDirectory(home / ".local/share/cubesat-tui/demo")


@pytest.fixture
def over(line: Line, program: list[str], user_env: dict[str, str]) -> Callable[..., PtyProgram]:
    """The program at the other end of the line: `over("--attach")`."""

    def start(*arguments: str) -> PtyProgram:
        # The rest of its environment is what the server gives to a session.
        environment = [f"{name}={value}" for name, value in user_env.items() if name not in {"TERM", "COLORTERM"}]
        there = ["env", *environment, *program, *arguments]
        return PtyProgram(line.ssh.command(line.port, there), columns=120, rows=40)

    return start


@pytest.fixture
def headless(program: list[str], user_env: dict[str, str], home: Path) -> Iterator[Callable[[], Any]]:
    """Starts a station of the quiet demo mission beside whoever looks at it."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (home / "run.log").open("ab") as log:
            command = [*program, "--scenario", "quiet", "run", "--no-trainer"]
            started.append(subprocess.Popen(command, env=user_env, cwd=home, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.wait(20)


def clock_behind_s(text: str) -> float:
    """By how many seconds the clock on the screen is behind."""
    shown = re.search(r"UTC (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)Z", text)
    assert shown is not None, text
    return time.time() - datetime.fromisoformat(f"{shown[1]}+00:00").timestamp()


def test_keys_answer_and_the_status_is_true(
    line: Line,
    over: Callable[..., PtyProgram],
    headless: Callable[[], subprocess.Popen[bytes]],
    demo: MissionDirectory,
) -> None:
    """Each key within a second plus the round trip; the time shown is now; a station that ends is missed."""
    station = headless()
    wait_until(lambda: station_pid(demo) == station.pid, 60, "the station runs")
    took: dict[str, list[float]] = {key: [] for key in KEYS}
    behind: list[float] = []
    with over("--attach", str(demo.path)) as console:
        console.wait_for(VALUES, 120)
        console.wait_for("line thin", 20)
        console.wait_for("LINK LIVE sim", 120)
        console.pump(5)
        for number in range(MOST_TRIES):
            if number >= TRIES and all(statistics.median(times) <= IN_TIME_S for times in took.values()):
                break
            for key, answer in KEYS.items():
                late, begun = line.late, time.monotonic()
                console.send(key[0])
                console.wait_for(answer, 30)
                # What came late belongs to the round trip of this key.
                took[key].append(time.monotonic() - begun - STALL_S * (line.late - late))
                # Not in step with the program's own second.
                console.pump((SETTLES_S if key.isdigit() else 1.2) + 0.3 * number)
                if answer != "PAUSED":
                    behind.append(clock_behind_s(console.text))
        assert "LINK LIVE" in console.text
        station.terminate()
        gone = time.monotonic()
        console.wait_for("LINK DOWN", 30)
        missed = time.monotonic() - gone
    answered = {key: round(statistics.median(times), 2) for key, times in took.items()}
    assert max(answered.values()) <= IN_TIME_S, f"{answered} of {took}"
    assert statistics.median(behind) <= 3.0, behind
    assert max(behind) <= 8.0, behind
    assert missed <= 10.0


@pytest.mark.parametrize("own", [False, True], ids=["separate-station", "own-station"])
def test_a_line_that_breaks_loses_nothing(
    line: Line,
    over: Callable[..., PtyProgram],
    headless: Callable[[], subprocess.Popen[bytes]],
    demo: MissionDirectory,
    own: bool,
) -> None:
    """What was written stays written, no frame is missing, and `--attach` shows it, whoever ran the station."""
    if not own:
        headless()
        wait_until(lambda: station_pid(demo), 60, "the station runs")
    with over(*(("--scenario", "quiet") if own else ("--attach", str(demo.path)))) as console:
        if own:
            console.wait_for("any key to start", 180)
            console.send("\x1b")
        console.wait_for(VALUES, 120)
        console.send("m")
        console.wait_for("On the shift", 30)
        console.send("heard over a thin line\r")
        wait_until(
            lambda: console.pump(0.2) or asked(demo, lambda r: r.journal_page(None, -1, 5, "note.")), 30, "noted"
        )
        before = station_pid(demo)
        assert before is not None
        line.breaks(console)
        wait_until(lambda: console.pump(0.2) or console.process.poll() is not None, 20, "the client has noticed")
    if own:
        wait_until(lambda: station_pid(demo) not in {None, before}, 30, "a station without a console took over")
        wait_until(lambda: ended(before), 20, "the console that had it has gone")
    else:
        assert station_pid(demo) == before
    frames = asked(demo, lambda r: r.frames_accepted())
    wait_until(lambda: asked(demo, lambda r: r.frames_accepted()) > frames, 20, "the station goes on")
    with over("--attach") as again:
        again.wait_for(VALUES, 120)
        again.send("5")
        again.wait_for("5 EVENTS", 30)
        again.send("\t")
        again.wait_for("heard over a thin line", 30)
    assert_no_frame_missing(demo)
