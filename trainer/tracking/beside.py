"""The mirror on a thread of its own: a tracking server that is slow or silent holds up nobody else."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from trainer.tracking.mirror import Turn

if TYPE_CHECKING:
    from trainer.tracking.mirror import Mirror

log = logging.getLogger(__name__)


class MirrorBeside:
    """Takes a turn when it is woken, and when a pause after a failure is over.

    It ends with the process: whatever it is doing then, the spool knows what is to be done again.
    """

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._done = Turn()
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)

    def wake(self) -> None:
        """There may be something to do; returns at once."""
        if not self._thread.is_alive():
            self._thread.start()
        self._wake.set()

    def taken(self) -> Turn:
        """What the turns since the last call came to."""
        with self._lock:
            done, self._done = self._done, Turn()
        return done

    def _run(self) -> None:
        while True:
            # What is due at no time waits to be woken.
            self._wake.wait(self.mirror.due_s or None)
            self._wake.clear()
            try:
                done = self.mirror.turn()
            except Exception as error:
                # Anything else would end the thread without a word.
                log.exception("the mirror failed")
                self.mirror.failed(error)
                continue
            with self._lock:
                self._done.logged.update(done.logged)
                self._done.moves += done.moves
                self._done.fetched.update(done.fetched)
