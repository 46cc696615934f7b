"""Frames between a source and the store: bounded, so that a slow disk slows the source and never fills memory."""

from __future__ import annotations

import asyncio
from collections import deque

from telemetry.clock import Clock
from telemetry.frame import FrameBatch

COMMIT_EVERY_S = 0.1
COMMIT_FRAMES = 1_000
LIMIT_FRAMES = 8_192


class FrameQueue:
    """Batches in order of arrival; used from one event loop."""

    def __init__(self, clock: Clock, limit: int = LIMIT_FRAMES) -> None:
        self.frames = 0
        """Frames waiting here."""
        self._clock = clock
        self._limit = limit
        self._batches: deque[FrameBatch] = deque()
        self._news = asyncio.Event()
        self._enough = asyncio.Event()
        self._space = asyncio.Event()

    async def put(self, batch: FrameBatch) -> None:
        """Append; waits while the queue is full, which is what stops the reading of a source."""
        while self.frames >= self._limit:
            self._space.clear()
            await self._space.wait()
        self._batches.append(batch)
        self.frames += len(batch)
        self._news.set()
        if self.frames >= COMMIT_FRAMES:
            self._enough.set()

    def nudge(self) -> None:
        """Let `take` return although no frame has come: something else wants to be committed."""
        self._news.set()

    def hurry(self) -> None:
        """Let `take` return now, without waiting for more."""
        self._news.set()
        self._enough.set()

    async def take(self) -> list[FrameBatch]:
        """What belongs into one transaction: all that came within 100 ms of the first, or 1,000 frames."""
        await self._news.wait()
        if not self._enough.is_set():
            window = asyncio.ensure_future(self._clock.sleep(COMMIT_EVERY_S))
            enough = asyncio.ensure_future(self._enough.wait())
            try:
                await asyncio.wait({window, enough}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                window.cancel()
                enough.cancel()
        return self.take_now()

    def take_now(self) -> list[FrameBatch]:
        """As `take`, without waiting: what is here now, up to 1,000 frames (a larger batch is not split)."""
        taken: list[FrameBatch] = []
        count = 0
        while self._batches and (not taken or count + len(self._batches[0]) <= COMMIT_FRAMES):
            batch = self._batches.popleft()
            count += len(batch)
            taken.append(batch)
        self.frames -= count
        self._space.set()
        if not self._batches:
            self._news.clear()
        if self.frames < COMMIT_FRAMES:
            self._enough.clear()
        return taken
