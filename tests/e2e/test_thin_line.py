"""The console on a terminal that is drawn for a thin line, beside one that is drawn in full."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.pty_program import PtyProgram
from tests.cubesat_tui import fabricated

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
ROOT = Path(__file__).parents[2]
VALUES = r"Battery .*\d V "
SHELL = '"$@"; printf "LEFT\\n"; read -r typed; printf "<%s>" "$typed"'
CRASHING = (
    "import cubesat_tui.app as a; a.ConsoleApp.action_theme = lambda self: 1 / 0;"
    "from cubesat_tui.__main__ import main; main()"
)
LINES = [("full", None), ("thin", None), ("thin", 4000.0)]


@pytest.fixture
def attached(tmp_path: Path) -> list[str]:
    """Arguments of a console that looks at a mission whose station has gone."""
    return ["--attach", str(fabricated.fill(tmp_path / "mission").path)]


def left_behind(output: bytes) -> list[str]:
    """What a program has set in its terminal and not taken back."""
    found: set[str] = set()
    for mode, way in re.findall(r"\x1b\[\?([\d;]+)([hl])", output.decode("utf-8", "replace")):
        usual = mode in {"7", "25"}
        (found.discard if (way == "h") is usual else found.add)(mode)
    keyboards = len(re.findall(rb"\x1b\[>\d+u", output)) - len(re.findall(rb"\x1b\[<u", output))
    titles = len(re.findall(rb"\x1b\[22;\d+t", output)) - len(re.findall(rb"\x1b\[23;\d+t", output))
    colours = re.findall(rb"\x1b\[([\d;:]*)m", output)
    plain = not colours or colours[-1] in {b"", b"0"}
    return [*sorted(found), *["keyboard"] * keyboards, *["title"] * titles, *["colour"] * (not plain)]


@pytest.mark.parametrize(("line", "bytes_per_s"), LINES)
@pytest.mark.parametrize("way", ["quit", "crash", "TERM"])
def test_the_terminal_is_left_as_it_was(
    attached: list[str],
    program: list[str],
    user_env: dict[str, str],
    line: str,
    bytes_per_s: float | None,
    way: str,
) -> None:
    """No mode, colour, keyboard or title stays, nothing is typed at the shell, and typing is seen again."""
    command = [sys.executable, "-c", CRASHING] if way == "crash" else program
    run = ["sh", "-c", SHELL, "sh", *command, "--line", line, *attached]
    environment = {**user_env, "PYTHONPATH": str(ROOT)}
    with PtyProgram(run, columns=100, rows=30, environment=environment, bytes_per_s=bytes_per_s) as shell:
        shell.wait_for(VALUES, 60)
        if way == "quit":
            shell.send("q")
            shell.wait_for("LEAVE CUBESAT-TUI", 20)
            shell.send("l")
        elif way == "crash":
            shell.send("t")
        else:
            children = Path(f"/proc/{shell.process.pid}/task/{shell.process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
        shell.wait_for("LEFT", 30)
        told = b"".join(data for _, data in shell.output)
        shell.send("typed\r")
        shell.wait_for("<typed>", 10)
        assert "\ntyped" in shell.text, "what is typed is not seen"
    assert left_behind(told) == []


@pytest.mark.parametrize("line", ["full", "thin"])
def test_ctrl_c_held_down_while_it_leaves_breaks_nothing_off(
    attached: list[str], program: list[str], user_env: dict[str, str], line: str
) -> None:
    """From where the terminal makes a signal of it until the program has gone."""
    with PtyProgram([*program, "--line", line, *attached], columns=100, rows=30, environment=user_env) as console:
        console.wait_for(VALUES, 60)
        console.send("\x03")
        console.wait_for("LEAVE CUBESAT-TUI", 20)
        console.send("l")
        until = time.monotonic() + 30
        while console.process.poll() is None and time.monotonic() < until:
            if console.interrupts:
                console.send("\x03")
            console.pump(0.005)
        console.pump(5)
        told = b"".join(data for _, data in console.output)
    assert console.process.returncode == 0, told[-500:]
    assert b"Traceback" not in told
    assert b"Aborted" not in told
    assert left_behind(told) == []


@pytest.mark.parametrize("line", ["full", "thin"])
def test_stopped_and_continued(
    window: Callable[..., Any], program: list[str], attached: list[str], line: str
) -> None:
    """ctrl+z as the shell does it: the terminal is the shell's, and after `fg` every row is back."""
    shell = window(["bash", "--norc", "--noprofile"], columns=100, rows=30)
    shell.type(" ".join([*program, "--line", line, *attached]) + "\n")
    rows = ("LINK DOWN", "NEEDS YOU", "POWER ", "Battery voltage", "WHEEL X SPEED", "WHY ", "a acknowledge")
    shell.wait_for(lambda text: all(row in text for row in rows), 60)
    pid = int(Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()[0])
    os.kill(pid, signal.SIGTSTP)
    shell.wait_for("Stopped", 10)
    shell.type("fg\n")
    shell.wait_for(lambda text: all(row in text for row in rows), 20, f"every one of {rows}")


@pytest.mark.parametrize("line", ["full", "thin"])
def test_a_closed_connection_ends_the_console(terminal: Callable[..., Any], attached: list[str], line: str) -> None:
    console = terminal("--line", line, *attached)
    console.wait_for(VALUES, 60)
    pid = console.pid
    console.hang_up()
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("bytes_per_s", [2000.0])
def test_a_slow_terminal_holds_nothing_up(
    attached: list[str], user_env: dict[str, str], tmp_path: Path, bytes_per_s: float
) -> None:
    """On 2 KB/s the event loop goes on, frames are left out, and what a key asked for comes before long."""
    told = tmp_path / "lag"
    run = [sys.executable, "-m", "bench.lag_probe", str(told), "--line", "thin", *attached]
    environment = {**user_env, "PYTHONPATH": str(ROOT)}
    with PtyProgram(run, columns=120, rows=40, environment=environment, bytes_per_s=bytes_per_s) as console:
        console.wait_for(VALUES, 60)
        begun = time.monotonic()
        for key, wanted in (("5", "OPEN ALARMS"), ("4", "frames stored"), ("1", VALUES)):
            console.send(key)
            console.wait_for(wanted, 20)
        console.pump(5)
    samples = [
        [float(word) for word in one.split()] for one in told.read_text().splitlines() if one.count(" ") == 1
    ]
    worst = max(lag for at, lag in samples if at > begun)
    assert worst < 2.0
    assert console.unreadable == []
