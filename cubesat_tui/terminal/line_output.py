"""Writes to a terminal that may be slow, and asks what to write only when the line has taken what came before."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

CHUNK = 256
"""Written at once: a terminal that says it can take more may still take no more than this without waiting."""
PATIENCE_S = 15.0
"""How long an answer of the terminal is waited for before drawing goes on without it."""
STUCK_S = 3.0
"""A terminal that has taken nothing for so long while the program leaves is left as it is."""


class LineOutput(threading.Thread):
    """Asks `content` for what is to be written whenever `wake` was called and the terminal is ready for it.

    `content` returns the bytes, and whether they end in a question that the terminal answers: nothing more is
    asked for until `answered` is called. It is called on this thread.
    """

    def __init__(self, descriptor: int, content: Callable[[], tuple[bytes, bool]]) -> None:
        super().__init__(daemon=True, name="line-output")
        self._descriptor = descriptor
        self._content = content
        self._changed = threading.Condition()
        self._work = self._stopping = self._gone = False
        self._asked_at: float | None = None
        self._took_at = time.monotonic()

    def wake(self) -> None:
        """There is something to write. Never waits."""
        with self._changed:
            self._work = True
            self._changed.notify_all()

    def answered(self) -> None:
        """The terminal has drawn everything up to the last question."""
        with self._changed:
            self._asked_at = None
            self._changed.notify_all()

    def settle(self, seconds: float) -> None:
        """Wait for the answer that is under way, so that nobody else reads it; no longer than `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked_at is None, seconds)

    def stop(self) -> None:
        """Write what is left, then end; returns when that is done, or the terminal has stopped taking anything."""
        with self._changed:
            self._stopping = self._work = True
            self._took_at = time.monotonic()
            self._changed.notify_all()
        while self.is_alive() and time.monotonic() - self._took_at < STUCK_S:
            self.join(0.1)

    def run(self) -> None:
        while not self._gone:
            with self._changed:
                self._changed.wait_for(lambda: self._work)
                while self._asked_at is not None and not self._stopping:
                    left = self._asked_at + PATIENCE_S - time.monotonic()
                    if left <= 0:
                        self._asked_at = None
                    else:
                        self._changed.wait(left)
                self._work = False
                last = self._stopping
            data, asks = self._content()
            if asks:
                with self._changed:
                    self._asked_at = time.monotonic()
            self._write(data)
            if last:
                return

    def _write(self, data: bytes) -> None:
        at = 0
        try:
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            while at < len(data):
                ready.poll()
                at += os.write(self._descriptor, data[at : at + CHUNK])
                self._took_at = time.monotonic()
        except OSError:
            # The terminal went away: whoever watches it ends the program.
            self._gone = True
