"""The terminal before the console draws on it, and after it has left."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from bench.pty_program import PtyProgram
from tests.cubesat_tui import fabricated
from tests.e2e.test_thin_line import SHELL, VALUES, left_behind

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
ROOT = Path(__file__).parents[2]
TELLING = """
import os, sys

class Telling:
    def find_spec(self, name, *_):
        if name in ("textual", "numpy"):
            os.write(1, b"<" + name.encode() + b">")

sys.meta_path.insert(0, Telling())
from cubesat_tui.__main__ import main
main()
"""
SLEEPING = """
import time
import cubesat_tui.commands.console as console
console.open_console = lambda *_: time.sleep(60)
from cubesat_tui.__main__ import main
main()
"""


class LateAnswers(PtyProgram):
    """A terminal at the end of a long way: its answers come `late_s` after the questions."""

    late_s = 2.0

    def __init__(self, *arguments: object, **options: object) -> None:
        self._under_way: list[tuple[float, re.Match[bytes]]] = []
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def _answer(self, found: re.Match[bytes]) -> None:
        self._under_way.append((self.elapsed + self.late_s, found))

    def pump(self, seconds: float, until: object = None) -> bool:
        end = self.elapsed + seconds
        while self.elapsed < end:
            while self._under_way and self._under_way[0][0] <= self.elapsed:
                super()._answer(self._under_way.pop(0)[1])
            if super().pump(min(0.05, max(0.001, end - self.elapsed)), until):  # type: ignore[arg-type]
                return True
        return False


@pytest.fixture
def mission(tmp_path: Path) -> Path:
    """A mission whose station has gone."""
    return fabricated.fill(tmp_path / "mission").path


@pytest.fixture
def environment(user_env: dict[str, str]) -> dict[str, str]:
    return {**user_env, "PYTHONPATH": str(ROOT)}


def told(program: PtyProgram) -> bytes:
    return b"".join(data for _, data in program.output)


def test_the_header_is_on_screen_before_textual_is_imported(mission: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", TELLING, "--attach", str(mission)]
    with PtyProgram(command, columns=100, rows=30, environment=environment) as console:
        console.wait_for(VALUES, 60)
        text = told(console)
    assert -1 < text.find(b" KESTREL-1 ") < text.find(b"<textual>")
    assert text.find(b" KESTREL-1 ") < text.find(b"<numpy>")
    assert text.count(b"\x1b[?1049h") == 1, "the second would clear the line"


@pytest.mark.parametrize("way", ["refusal", "TERM", "ctrl+c"])
def test_before_the_console_draws_the_terminal_is_given_back_too(
    tmp_path: Path, mission: Path, environment: dict[str, str], way: str
) -> None:
    nowhere = str(tmp_path / "nowhere")
    python = [sys.executable, "-c", SLEEPING]
    command = [*([sys.executable, "-m", "cubesat_tui"] if way == "refusal" else python), "--attach"]
    run = ["sh", "-c", SHELL, "sh", *command, nowhere if way == "refusal" else str(mission)]
    with PtyProgram(run, columns=100, rows=30, environment=environment) as shell:
        if way == "TERM":
            shell.wait_for("LINK CONNECTING", 30)
            children = Path(f"/proc/{shell.process.pid}/task/{shell.process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGTERM)
        elif way == "ctrl+c":
            # The signal goes to the shell as well, which would end with it.
            shell.wait_for("LINK CONNECTING", 30)
            children = Path(f"/proc/{shell.process.pid}/task/{shell.process.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGINT)
        shell.wait_for("LEFT", 30)
        text = told(shell)
        shell.send("typed\r")
        shell.wait_for("<typed>", 10)
        assert "\ntyped" in shell.text, "what is typed is not seen"
    assert left_behind(text) == []
    if way == "refusal":
        assert text.find(b"\x1b[?1049l") < text.find(b"unknown target")


@pytest.mark.parametrize("line", ["full", "thin"])
@pytest.mark.parametrize("late_s", [0.8, 3.0])
def test_answers_that_come_late_are_not_typed_at_the_shell(
    mission: Path, program: list[str], environment: dict[str, str], line: str, late_s: float
) -> None:
    run = ["sh", "-c", SHELL, "sh", *program, "--line", line, "--attach", str(mission)]
    with LateAnswers(run, columns=100, rows=30, environment=environment) as shell:
        shell.late_s = late_s
        shell.wait_for(VALUES, 60)
        shell.send("q")
        shell.wait_for("LEAVE CUBESAT-TUI", 30)
        shell.send("l")
        shell.wait_for("LEFT", 30)
        begun = time.monotonic()
        shell.pump(late_s + 0.5)
        assert time.monotonic() > begun
        shell.send("typed\r")
        shell.wait_for("<", 10)
        shell.pump(0.5)
        assert "<typed>" in shell.text, "something else was typed as well"
        assert not re.search(r"\d+;\d+|\$y", shell.text.split("LEFT")[1]), "answers are on screen"
