"""Textual's own driver, which takes whatever a terminal sends and leaves nothing behind that it still answers."""

from __future__ import annotations

import logging
import os
import select
import signal
import termios
import time
from typing import TYPE_CHECKING, Any

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message
from textual.messages import InBandWindowResize

from cubesat_tui.terminal.first_line import ENTER
from cubesat_tui.terminal.heard_text import HeardText
from cubesat_tui.terminal.last_answers import LAST_QUESTION, patience, swallow
from cubesat_tui.terminal.line_pace import FULL, LinePace

if TYPE_CHECKING:
    from textual.app import App

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.1
"""How soon leaving is noticed, and that an escape was a key and no beginning."""
READ = 4096


class FullLineDriver(LinuxDriver):
    """`line`, an attribute of the app, says what is known of the terminal."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        line = getattr(app, "line", None)
        self.line: LinePace = line if line is not None else LinePace(FULL)
        self._begun = time.monotonic()
        self._on_interrupt: Any = None
        """What SIGINT did before it was ignored; None while it is not."""

    def _sigtstp_application(self, *_: object) -> None:
        # In the loop's own turn. A signal comes in the middle of anything, of a write as well: Textual's handler
        # writes, and would wait for ever for the lock that the write it has interrupted holds.
        self._loop.call_soon_threadsafe(super()._sigtstp_application)

    def _sigcont_application(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(super()._sigcont_application)

    def write(self, data: str) -> None:
        """As Textual's; the alternate screen is not entered twice, which would clear what stands there."""
        if data == ENTER and self.line.entered:
            self.line.entered = False
            self.entered()
            return
        self.send(data)

    def entered(self) -> None:
        """The alternate screen is on."""

    def send(self, data: str) -> None:
        """Write to the terminal."""
        super().write(data)

    def run_input_thread(self) -> None:
        """As Textual's, for a terminal that may send anything: its own dies of bytes that are no UTF-8."""
        parser, heard = XTermParser(self._debug), HeardText()
        while not self.exit_event.is_set():
            try:
                if select.select([self.fileno], [], [], LOOK_AGAIN_S)[0]:
                    data = os.read(self.fileno, READ)
                    if not data:
                        # The terminal has gone: who watches it ends the program.
                        self.exit_event.wait(LOOK_AGAIN_S)
                        continue
                    text = heard.feed(data)
                    for message in parser.feed(text) if text else ():
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)
            except (ValueError, ArithmeticError, LookupError, StopIteration, ParseError) as error:
                log.warning("not understood, from the terminal: %s", error)
                parser = XTermParser(self._debug)
            except OSError:
                self.exit_event.wait(LOOK_AGAIN_S)

    def process_message(self, message: Message) -> None:
        if isinstance(message, (events.Resize, InBandWindowResize)):
            # The size is the kernel's word, which comes with a signal; what is typed may look like anything.
            return
        if isinstance(message, events.CursorPosition):
            self.line.owed = 0
            self.line.answers = True
        super().process_message(message)

    def start_application_mode(self) -> None:
        super().start_application_mode()
        if self._on_interrupt is not None:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._on_interrupt = None

    def stop_application_mode(self) -> None:
        """As Textual's, and typing is not the shell's before everything that was asked is answered.

        Soon ctrl+c is a signal again. One that comes late, from a key held down, must not cut off what is still to
        be done: the station of this process is handed over or stopped after this.
        """
        if self._on_interrupt is None:
            self._on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) or signal.SIG_DFL
        # As they were only when nothing can be echoed any more.
        before, self.attrs_before = self.attrs_before, None
        super().stop_application_mode()
        if before is None:
            return
        if os.environ.get("TERM", "") not in {"", "dumb"}:
            self.write(LAST_QUESTION)
            self.flush()
            asked_for_s = time.monotonic() - self._begun
            swallow(
                self.fileno,
                patience(answers=self.line.answers, asked_for_s=asked_for_s),
                1 + self.line.owed,
            )
        try:
            termios.tcsetattr(self.fileno, termios.TCSANOW, before)
        except termios.error:
            # The terminal has gone.
            pass
