"""A Textual driver for bad lines: sends the cells that changed, leaves out frames the line has no room for.

Textual writes whole regions with full colour codes and waits for a slow terminal. Here what it writes is drawn into
a grid of cells; whenever the terminal has taken the last frame, the difference between what it shows and what the
grid holds by then is sent. Whoever writes never waits.

A terminal behind a long line (or its buffers) takes bytes long before it shows them. One that answers whether it
knows synchronised updates is therefore asked that behind every frame, and the next frame waits for the answer.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message import Message
from textual.messages import TerminalSupportsSynchronizedOutput

from cubesat_tui.terminal.changed_cells import QUESTION, ChangedCells
from cubesat_tui.terminal.full_line import FullLineDriver
from cubesat_tui.terminal.line_output import LineOutput

if TYPE_CHECKING:
    from textual.app import App

NO_COLOURED_ERASE = ("screen", "vt", "dumb")


class ThinLineDriver(FullLineDriver):
    """Textual's driver with another way out to the terminal, which measures how fast the terminal takes it."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._cells = ChangedCells(1, 1)
        self._output: LineOutput | None = None
        self._first_asked: float | None = None
        self._encoding = getattr(self._file, "encoding", None) or "utf-8"

    def start_application_mode(self) -> None:
        erases = not os.environ.get("TERM", "").startswith(NO_COLOURED_ERASE)
        self._cells = ChangedCells(*self._get_terminal_size(), erases=erases)
        self._first_asked = None
        self._output = LineOutput(self._file.fileno() if self._file else 2, self._frame, self._took, self._is_thin)
        self._output.start()
        super().start_application_mode()
        resized = signal.getsignal(signal.SIGWINCH)

        def on_resize(number: int, frame: FrameType | None) -> None:
            # Not at once: what is being drawn when the signal comes has the old size.
            self._loop.call_soon_threadsafe(lambda: self._cells.resize(*self._get_terminal_size()))
            if callable(resized):
                resized(number, frame)

        signal.signal(signal.SIGWINCH, on_resize)

    def entered(self) -> None:
        self._cells.entered()

    def send(self, data: str) -> None:
        """Draw into the grid; what the terminal has no time for is never sent."""
        assert self._output is not None, "Driver must be in application mode"
        if self._cells.write(data):
            self._output.wake()

    def forget(self) -> None:
        """What the terminal shows may be anything: send every cell with the next frame."""
        self._cells.forget()

    def process_message(self, message: Message) -> None:
        if isinstance(message, TerminalSupportsSynchronizedOutput):
            known, self._cells.answers = self._cells.answers, True
            if not known and self._first_asked is not None:
                self._took(0, time.monotonic() - self._first_asked, True)
            if self._output is not None:
                self._output.answered()
            if known:
                return
        if isinstance(message, events.Key | events.Paste | events.MouseDown) and self._output is not None:
            self._output.urge()
        super().process_message(message)

    def disable_input(self) -> None:
        super().disable_input()
        if self._output is not None:
            self._output.release()

    def stop_application_mode(self) -> None:
        self._cells.leaving = True
        super().stop_application_mode()

    def close(self) -> None:
        super().close()
        if self._output is not None:
            self._output.stop()

    def _frame(self) -> tuple[bytes, bool]:
        patient = self._output is not None and self._output.patient
        text, asks = self._cells.frame(patient=patient, in_parts=self.line.thin)
        if not self._cells.answers and QUESTION in text:
            self._first_asked = time.monotonic()
        return text.encode(self._encoding, "replace"), asks

    def _took(self, size: int, seconds: float, answered: bool) -> None:
        self.line.took(size, seconds, answered=answered)

    def _is_thin(self) -> bool:
        return self.line.thin
