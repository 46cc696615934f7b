"""What the owner of a satellite judged, written into the store of one who follows it.

Frames and events of another station are appended as those of any source (`StoreWriter.append`); opinions and
considered fits have their own way, because they belong to frames and retrains the store may know already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from telemetry.frame import Int64s
from telemetry.kill_points import reach
from telemetry.store.connection import Database
from telemetry.store.recorded import write_cursors, write_run, write_scores
from telemetry.store.rows import RunRow, ScoreBatch


class Replication:
    """The writer's side. `transaction` is the writer's own: each call is one, and durable when it returns."""

    def __init__(self, connection: Database, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._connection = connection
        self._transaction = transaction

    def apply_scores(self, scores: ScoreBatch, cursors: Mapping[str, str], *, give_up: bool = False) -> ScoreBatch:
        """Write opinions about frames that are here, replacing older ones; those about other frames come back.

        While any comes back the cursors stay where they are, so that a crash forgets none: the same scores are to
        be applied again when more frames are here, as often as it takes. With `give_up` the cursors move all the
        same.
        """
        frames, numbers, t_ns = self._frames(scores)
        here = frames > 0
        with self._transaction():
            write_scores(self._connection, frames[here], numbers[here], t_ns[here], scores.columns.take(here))
            reach("replication")
            if give_up or bool(here.all()):
                write_cursors(self._connection, cursors.items())
        return scores.take(~here)

    def apply_runs(self, runs: Sequence[RunRow], cursors: Mapping[str, str]) -> int:
        """Write considered fits that are not here yet; how many were new.

        Where another owner has counted its retrains anew, the later fit takes the place of the one before it.
        """
        new = 0
        with self._transaction():
            for run in runs:
                self._connection.run(
                    "DELETE FROM run WHERE retrain = ? AND ifnull(satellite, '') = ifnull(?, '') AND at_ns < ?",
                    (run.retrain, run.satellite, run.at_ns),
                )
                new += write_run(self._connection, run)
            reach("replication")
            write_cursors(self._connection, cursors.items())
        return new

    def _frames(self, scores: ScoreBatch) -> tuple[Int64s, Int64s, Int64s]:
        """Store id of each row's frame (0 where it is not here), of its satellite, and its generation time."""
        known = dict(self._connection.rows("SELECT name, id FROM satellite"))
        numbers = np.array([known.get(name, 0) for name in scores.satellites], dtype=np.int64)[scores.satellite]
        frames, t_ns = np.zeros_like(numbers), np.zeros_like(numbers)
        places = zip(numbers.tolist(), scores.boot.tolist(), scores.seq.tolist(), strict=True)
        for at, place in enumerate(places):
            row = self._connection.one(
                "SELECT id, t_ns FROM frame WHERE satellite = ? AND boot = ? AND seq = ?", place
            )
            if row is not None:
                frames[at], t_ns[at] = row
        return frames, numbers, t_ns
