"""Scores of a replica that came before the frames they are about.

Frames and scores are two streams and neither waits for the other on the way. The owner scores what is in the link
already, so a score whose frame has not come although the frames are up to date is one whose frame will never come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.store.rows import ScoreBatch

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.store.writer import StoreWriter

MOST_ROWS = 10_000
"""Above so many the reading of scores waits too."""
PATIENCE_S = 10.0
"""Seconds that a score waits while the frames are up to date."""
FEW = 3
"""Records with rows that wait, up to which each look tries again."""


@dataclass
class _Waiting:
    rows: ScoreBatch
    cursor: str
    tried: bool = False
    since: float | None = None
    """When the frames were first up to date while it waited."""


class WaitingScores:
    """Takes scores in the order of their stream, applies what it can."""

    def __init__(self, writer: StoreWriter, clock: Clock, frames_live: Callable[[], bool]) -> None:
        """`frames_live`: whether all frames that are in the link are here, or on their way into the store."""
        self._writer = writer
        self._clock = clock
        self._frames_live = frames_live
        self._waiting: deque[_Waiting] = deque()
        self._room = asyncio.Event()
        self._room.set()
        self.lost = 0
        """Rows given up since whoever counts them set it to 0."""

    @property
    def rows(self) -> int:
        """How many wait."""
        return sum(len(one.rows) for one in self._waiting)

    async def take(self, scores: ScoreBatch, cursor: str) -> None:
        """The scores of one record and the cursor behind it; returns when there is room for them."""
        await self._room.wait()
        self._waiting.append(_Waiting(scores, cursor))
        if self.rows > MOST_ROWS:
            self._room.clear()

    def apply(self) -> str:
        """Store what has its frame by now; the cursor up to which nothing waits any more, "" where it did not move.

        Raises:
            StoreFull: try again; what was stored is stored.
        """
        now, live = self._clock.monotonic(), self._frames_live()
        incomplete = 0
        for one in self._waiting:
            if len(one.rows) and (incomplete < FEW or (live and not one.tried)):
                # Frames and scores come in the same order: behind some that wait, others wait too.
                one.rows, one.tried = self._writer.replication.apply_scores(one.rows, {}), True
            incomplete += bool(len(one.rows))
            one.since = (now if one.since is None else one.since) if live else None
            if len(one.rows) and one.since is not None and now - one.since >= PATIENCE_S:
                self.lost += len(one.rows)
                one.rows = ScoreBatch.empty()
        done = ""
        while self._waiting and not len(self._waiting[0].rows):
            done = self._waiting.popleft().cursor
        if self.rows <= MOST_ROWS:
            self._room.set()
        return done
