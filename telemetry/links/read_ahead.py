"""A follower that reads in a task of its own, a bounded way ahead of whoever stores what it brings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from telemetry.frame import FrameBatch
from telemetry.links.bundles import Bundles


class ReadAhead:
    """Runs `read`, which fills the bundles it is given, for ever."""

    def __init__(self, read: Callable[[Bundles], Awaitable[None]]) -> None:
        self._read = read
        self._bundles = Bundles()
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    async def batches(self) -> AsyncGenerator[FrameBatch]:
        """What `read` brings, until `close`; raises what it dies of."""
        if self._closed:
            return
        self._reading = asyncio.create_task(self._run())
        try:
            while batches := await self._bundles.get():
                for batch in batches:
                    yield batch
            if not self._closed:
                await self._reading
        finally:
            await self.close()

    async def _run(self) -> None:
        try:
            await self._read(self._bundles)
        finally:
            self._bundles.end()

    async def close(self) -> None:
        """Stop reading; the iteration ends."""
        self._closed = True
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()
            await asyncio.wait((self._reading,))
