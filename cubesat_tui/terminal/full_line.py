"""Textual's own driver, made to leave nothing behind that the terminal still answers."""

from __future__ import annotations

import os
import termios
import time
from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

from cubesat_tui.terminal.last_answers import LAST_QUESTION, patience, swallow
from cubesat_tui.terminal.line_pace import FULL, LinePace

if TYPE_CHECKING:
    from textual.app import App


class FullLineDriver(LinuxDriver):
    """`line`, an attribute of the app, says what is known of the terminal."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        line = getattr(app, "line", None)
        self.line: LinePace = line if line is not None else LinePace(FULL)
        self._begun = time.monotonic()

    def stop_application_mode(self) -> None:
        """As Textual's, and typing is not the shell's before everything that was asked is answered."""
        # As they were only when nothing can be echoed any more.
        before, self.attrs_before = self.attrs_before, None
        super().stop_application_mode()
        if before is None:
            return
        if os.environ.get("TERM", "") not in {"", "dumb"}:
            self.write(LAST_QUESTION)
            self.flush()
            swallow(self.fileno, patience(answers=self.line.answers, asked_for_s=time.monotonic() - self._begun))
        try:
            termios.tcsetattr(self.fileno, termios.TCSANOW, before)
        except termios.error:
            # The terminal has gone.
            pass
