"""The first line of the screen: there before Textual is imported, which takes most of a start.

It stands on the alternate screen, where the console draws over it. Whatever ends the program before that (a
refusal, ctrl+c, TERM) gives the terminal back first. In the same breath the terminal is asked how wide the signs of
the screens are; the answer comes while the rest is imported.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from cubesat_tui.terminal.sign_width import SIGNS, utf8_output

ENTER = "\x1b[?1049h"
LEAVE = "\x1b[0m\x1b[?1049l\x1b[?25h"
ANSWER_S = 1.5
"""After the question; silence is no reason against signs."""
SATELLITE = re.compile(r"^\[\[satellite\]\][^\[]*?^name\s*=\s*([\"'])([^\"'\n]+)\1", re.M | re.S)
REPORT = re.compile(rb"\x1b\[\d+;(\d+)R")


def satellite_named_in(toml: Path) -> str:
    """The name of the first satellite in a `mission.toml`, read without a parser; "" where that finds none."""
    try:
        found = SATELLITE.search(toml.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return found[2] if found else ""


class FirstLine:
    """Use as a context: `show` and, once the console is about to draw, `hand_over`."""

    def __init__(self) -> None:
        self.on_screen = False
        """Whether the alternate screen is on, and nobody else has it."""
        self.answered = False
        """Whether the terminal has answered."""
        self.owed = 0
        """Answers that are to come and were not waited for any longer."""
        self._before: list[Any] | None = None
        self._asked_at: float | None = None

    def show(self, name: str, words: str) -> None:
        """Print the line where there is a terminal to print it on."""
        if os.environ.get("TERM", "") in {"", "dumb"}:
            return
        if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
            return
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        self._before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor, termios.TCSANOW)
        signal.signal(signal.SIGTERM, self._ended)
        # While modules are imported a KeyboardInterrupt may be swallowed: by a callback, by a cache that is built.
        signal.signal(signal.SIGINT, self._ended)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        room = max(0, os.get_terminal_size(sys.stdout.fileno()).columns - len(name) - 3)
        line = f"{ENTER}\x1b[?25l\x1b[2J\x1b[H\x1b[1;7m {name} \x1b[0m {words[:room]}"
        if utf8_output():
            self._asked_at = time.monotonic()
            line += f"\x1b[3;1H\x1b[8m{SIGNS}\x1b[0m\x1b[6n\x1b[2K"
        self.on_screen = True
        _write(line)

    def sign_width(self) -> int | None:
        """Cells that the signs took, or None where the terminal did not say so in time."""
        if self._asked_at is None:
            return None
        heard, until = b"", self._asked_at + ANSWER_S
        self._asked_at, self.owed = None, 1
        while (found := REPORT.search(heard)) is None:
            left = max(0.0, until - time.monotonic())
            if not select.select([sys.stdin.fileno()], [], [], left)[0]:
                return None
            data = os.read(sys.stdin.fileno(), 256)
            if not data:
                return None
            heard += data
        self.answered, self.owed = True, 0
        return int(found[1]) - 1

    def hand_over(self) -> bool:
        """From here on the console has the terminal; whether the alternate screen is on already."""
        shown, self.on_screen = self.on_screen, False
        self._as_before()
        return shown

    def take_back(self) -> None:
        """Give the terminal back as it was."""
        if self.on_screen:
            self.on_screen = False
            _write(LEAVE)
        self._as_before()

    def _as_before(self) -> None:
        if self._before is None:
            return
        import termios

        before, self._before = self._before, None
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, before)
        except termios.error:
            # The terminal has gone.
            pass

    def _ended(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.take_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.take_back()


def _write(text: str) -> None:
    try:
        os.write(sys.stdout.fileno(), text.encode())
    except OSError:
        # The terminal has gone: whoever draws next finds out.
        pass
