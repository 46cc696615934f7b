"""Writes to a terminal that may be slow, and asks what to write only when the line has taken what came before."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

CHUNK = 256
"""Written at once: a terminal that says it can take more may still take no more than this without waiting."""
TOGETHER = 512
"""Bytes given at once to a slow line: SSH sends them in one piece, of which nothing is seen before all has come."""
APART_S = 0.005
"""Between two such pieces, so that whoever is to send the first one has read it."""
URGENT_S = 0.5
"""After a key: what is drawn by then is what it asked for."""
MOST_UNDER_WAY = 3
"""Frames without an answer, however many keys are pressed: the line delivers them one behind the other."""
PATIENCE_S = 15.0
"""How long an answer of the terminal is waited for before drawing goes on without it."""
STUCK_S = 3.0
"""A terminal that has taken nothing for so long while the program leaves is left as it is."""


class LineOutput(threading.Thread):
    """Asks `content` for what is to be written whenever `wake` was called and the terminal is ready for it.

    `content` returns the bytes, and whether they end in a question that the terminal answers: nothing more is
    asked for until `answered` is called. It is called on this thread. `took` is told of everything written: bytes,
    seconds until it was answered (without a question: taken), and which of the two. `slow` tells whether this is a
    line on which the beginning of a frame should not wait for its end.
    """

    def __init__(
        self,
        descriptor: int,
        content: Callable[[], tuple[bytes, bool]],
        took: Callable[[int, float, bool], None] = lambda *_: None,
        slow: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(daemon=True, name="line-output")
        self._descriptor = descriptor
        self._content = content
        self._took = took
        self._slow = slow
        self._changed = threading.Condition()
        self._work = self._stopping = self._gone = False
        self._urgent_until = 0.0
        self._asked_at: float | None = None
        self._size = 0
        self._owed = 0
        self._took_at = time.monotonic()

    def wake(self) -> None:
        """There is something to write. Never waits."""
        with self._changed:
            self._work = True
            self._changed.notify_all()

    @property
    def patient(self) -> bool:
        """Whether nothing has been waited for in vain: every question without an answer is still under way."""
        return self._owed == 0 or self._asked_at is not None

    def urge(self) -> None:
        """Somebody waits for what comes now: it follows what is under way without waiting for the answer."""
        with self._changed:
            self._urgent_until = time.monotonic() + URGENT_S
            self._changed.notify_all()

    def answered(self) -> None:
        """The terminal has drawn everything up to the next question it had not answered."""
        with self._changed:
            self._owed = max(0, self._owed - 1)
            if self._owed or self._asked_at is None:
                return
            seconds, size = time.monotonic() - self._asked_at, self._size
            self._asked_at = None
            self._changed.notify_all()
        self._took(size, seconds, True)

    def release(self) -> None:
        """Nobody will tell of answers any more: write on without them."""
        with self._changed:
            self._asked_at = None
            self._owed = 1
            self._changed.notify_all()

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
                while self._asked_at is not None and not self._stopping and not self._may_follow():
                    left = self._asked_at + PATIENCE_S - time.monotonic()
                    if left <= 0:
                        # The answer is still owed, and until it comes nothing more is asked.
                        self._took(self._size, PATIENCE_S, True)
                        self._asked_at = None
                    else:
                        self._changed.wait(left)
                self._work = False
                last = self._stopping
            data, asks = self._content()
            begun = time.monotonic()
            if asks:
                with self._changed:
                    self._asked_at, self._size = begun, len(data)
                    self._owed += 1
            self._write(data)
            if data and not asks:
                self._took(len(data), time.monotonic() - begun, False)
            if last:
                return

    def _may_follow(self) -> bool:
        return self._owed < MOST_UNDER_WAY and time.monotonic() < self._urgent_until

    def _write(self, data: bytes) -> None:
        at = 0
        try:
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            while at < len(data):
                ready.poll()
                if at and at % TOGETHER < CHUNK and self._slow():
                    time.sleep(APART_S)
                at += os.write(self._descriptor, data[at : at + CHUNK])
                self._took_at = time.monotonic()
        except OSError:
            # The terminal went away: whoever watches it ends the program.
            self._gone = True
