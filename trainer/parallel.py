"""Steps of the challengers of many satellites, several at a time.

One job runs them here, one after the other. More run them in as many processes (joblib's loky), which stay for the
next cycle. A step depends on nothing but what it is given, the forest's seed among it, so that the results are the
same to the last bit, whoever computes them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.challenger import Challenger, Fit, Pace, Step

MOST_JOBS = 64
AT_HAND = 8
"""Challengers prepared for each job: enough that none waits long for the slowest of them, and no more windows in
memory than that."""
LOOK_S = 1.0


class WorkersLost(Exception):
    """A process that was fitting ended: killed, or out of memory. What it fitted is begun anew."""


@dataclass(frozen=True, eq=False)
class Work:
    """One step that is due."""

    challenger: Challenger
    fit: Fit
    budget_s: float
    """CPU seconds."""
    pace: Pace

    def run(self, cpu: Callable[[], float] = time.process_time) -> Step:
        """Take the step."""
        return self.challenger.step(self.fit, self.budget_s, self.pace, cpu)


class Workers:
    """Takes steps in `jobs` processes, or here where that is one."""

    def __init__(self, jobs: int = 1, cpu: Callable[[], float] = time.process_time) -> None:
        """`cpu`: seconds of CPU used so far, of what is done here.

        Raises:
            ValueError: not 1 to `MOST_JOBS`.
        """
        if not 1 <= jobs <= MOST_JOBS:
            raise ValueError(f"jobs {jobs}: allowed: 1 to {MOST_JOBS}")
        self.jobs = jobs
        self._cpu = cpu

    @property
    def at_hand(self) -> int:
        """How many steps to hand over together."""
        return 1 if self.jobs == 1 else AT_HAND * self.jobs

    def run(self, work: Sequence[Work]) -> Iterator[Step]:
        """What came of each, in order, as soon as it is there.

        Raises:
            WorkersLost: a process ended; the others of this round are lost with it.
        """
        if self.jobs == 1 or len(work) < 2:
            yield from (one.run(self._cpu) for one in work)
            return
        from concurrent.futures.process import BrokenProcessPool

        from joblib import Parallel, delayed

        # Mapped from files the arrays would be read-only in there, and the files stay behind after a kill.
        together = Parallel(n_jobs=self.jobs, batch_size=1, max_nbytes=None, return_as="generator")
        here = os.getpid()
        try:
            yield from together(delayed(_in_worker)(one, here) for one in work)
        except BrokenProcessPool as error:
            raise WorkersLost(f"one of {self.jobs} fitting processes ended: {_first_line(error)}") from error


def _in_worker(work: Work, parent: int) -> Step:
    _end_with(parent)
    return work.run()


def _end_with(parent: int) -> None:
    """End this process when the trainer was killed, which cannot tell it so."""
    if any(thread.name == _WATCH for thread in threading.enumerate()):
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_S)
        os._exit(0)

    threading.Thread(target=watch, name=_WATCH, daemon=True).start()


_WATCH = "parent"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
