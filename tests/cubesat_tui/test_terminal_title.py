"""The title of a real terminal: pushed, set and given back however the console ends; none where none listens."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import fabricated
import pexpect
import pytest

from cubesat_tui.attention import POP_TITLE, PUSH_TITLE
from telemetry.alarms import Event
from telemetry.clock import SystemClock
from telemetry.store.directory import MissionDirectory
from telemetry.store.writer import StoreWriter

TITLE = "\x1b]2;cubesat-tui KESTREL-1 SIM: 3 NEW, SEVERE Battery voltage\a"


def _console(tmp_path: Path, term: str) -> pexpect.spawn:
    directory: MissionDirectory = fabricated.fill(tmp_path / "m")
    writer = StoreWriter(directory.telemetry, SystemClock())
    body = {"kind": "limit", "level": 5, "text": "Battery voltage 5 V < 6"}
    writer.append([], [Event(fabricated.NOW, "KESTREL-1", "alarm.raised", 5, "eps.bat_v", "", body)], {})
    writer.close()
    return pexpect.spawn(
        sys.executable,
        ["-P", "-m", "cubesat_tui", "--read-only", "--operator", "ann", "--attach", str(directory.path)],
        env={"TERM": term, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        dimensions=(24, 80),
        encoding="utf-8",
        timeout=60,
        cwd=str(Path(__file__).parents[2]),
    )


@pytest.mark.parametrize("end", ["q", "TERM"])
def test_the_title_says_what_is_new_and_is_given_back(tmp_path: Path, end: str) -> None:
    child = _console(tmp_path, "xterm-256color")
    child.expect_exact(PUSH_TITLE + TITLE)
    child.expect_exact("5")
    if end == "q":
        child.send("q")
        child.expect_exact("LEAVE CUBESAT-TUI?")
        child.send("\r")
    else:
        child.kill(signal.SIGTERM)
    child.expect(pexpect.EOF)
    rest = child.before or ""
    child.close()
    assert rest.count(POP_TITLE) == 1
    assert PUSH_TITLE not in rest
    assert "\a" not in rest.replace(TITLE, ""), "a simulator never rings"


def test_a_terminal_without_a_title_is_sent_none(tmp_path: Path) -> None:
    child = _console(tmp_path, "linux")
    child.expect_exact("NEEDS YOU")
    child.send("q")
    child.expect_exact("LEAVE CUBESAT-TUI?")
    child.send("\r")
    child.expect(pexpect.EOF)
    child.close()
    assert "\x1b]2;" not in (child.before or "")
    assert POP_TITLE not in (child.before or "")
