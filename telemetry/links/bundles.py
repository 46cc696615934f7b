"""Batches on their way from a link to the store: few large ones while the store is behind, else each at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from telemetry.frame import FrameBatch, Int64s

MOST_BUNDLES = 8
"""Bundles that wait; while there are so many nothing more is read from the socket."""
MOST_ROWS = 300
"""Rows that records are put together up to."""


@dataclass
class _Bundle:
    layouts: dict[str, list[FrameBatch]] = field(default_factory=dict[str, list[FrameBatch]])
    rows: int = 0
    cursor: str = ""

    def add(self, batches: Sequence[FrameBatch], cursor: str) -> None:
        for batch in batches:
            self.layouts.setdefault(batch.layout.digest, []).append(batch)
            self.rows += len(batch)
        self.cursor = cursor

    def batches(self) -> list[FrameBatch]:
        """One for each layout; the last carries the cursor."""
        whole = [joined(batches) for batches in self.layouts.values()]
        return [*whole[:-1], replace(whole[-1], cursor=self.cursor)]


class Bundles:
    """A bounded queue between two tasks of one loop."""

    def __init__(self) -> None:
        self._waiting: deque[_Bundle] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False

    async def put(self, batches: Sequence[FrameBatch], cursor: str) -> None:
        """Add the batches of a record, after which a follower is at `cursor`; waits while there is no room."""
        rows = sum(map(len, batches))
        if not rows:
            return
        if not (self._waiting and self._waiting[-1].rows + rows <= MOST_ROWS):
            while len(self._waiting) >= MOST_BUNDLES:
                self._room.clear()
                await self._room.wait()
            self._waiting.append(_Bundle())
        self._waiting[-1].add(batches, cursor)
        self._news.set()

    def end(self) -> None:
        """Nothing more comes, and what waits is dropped: it is read again, all of it, from the cursor."""
        self._ended = True
        self._waiting.clear()
        self._news.set()
        self._room.set()

    async def get(self) -> list[FrameBatch]:
        """The batches of the bundle that waits longest; none when it has ended."""
        while not self._waiting and not self._ended:
            self._news.clear()
            await self._news.wait()
        if not self._waiting:
            return []
        bundle = self._waiting.popleft()
        self._room.set()
        return bundle.batches()


def joined(batches: Sequence[FrameBatch]) -> FrameBatch:
    """Batches of one layout as one, in this order, without a cursor."""
    if len(batches) == 1:
        return batches[0]
    names = tuple(dict.fromkeys(name for batch in batches for name in batch.satellites))
    index = {name: number for number, name in enumerate(names)}

    def column(name: str) -> Int64s:
        return np.concatenate([getattr(batch, name) for batch in batches])

    numbers = [
        np.array([index[name] for name in batch.satellites], dtype=np.int64)[batch.satellite] for batch in batches
    ]
    return FrameBatch(
        batches[0].layout,
        names,
        np.concatenate(numbers),
        column("boot"),
        column("seq"),
        column("t_ns"),
        column("received_ns"),
        column("quality"),
        np.concatenate([batch.values for batch in batches]),
    )
