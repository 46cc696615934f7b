"""Runs a source on a clock that is moved by hand and keeps what it yields."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from sim.source import SimSource
from telemetry.clock import ManualClock
from telemetry.frame import Frame, FrameBatch

S = 1_000_000_000


class Tape:
    """A source being recorded."""

    def __init__(self, source: SimSource, clock: ManualClock) -> None:
        self.source, self.clock = source, clock
        self.batches: list[FrameBatch] = []
        self._task: asyncio.Task[None] | None = None

    async def play(self, seconds: int, step: float = 1.0) -> Tape:
        if self._task is None:
            self._task = asyncio.create_task(self._take(aiter(self.source)))
            await self._settle()
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            await self._settle()
        return self

    async def stop(self) -> str:
        """Close the source; the newest cursor."""
        await self.source.close()
        assert self._task is not None
        await asyncio.wait_for(self._task, 5)
        return next(batch.cursor for batch in reversed(self.batches) if batch.cursor is not None)

    @property
    def frames(self) -> list[Frame]:
        return [frame for batch in self.batches for frame in batch]

    def series(self, channel: str) -> dict[int, float]:
        """Seconds since the first boot -> value."""
        first = int(self.batches[0].t_ns[0])
        return {
            (t - first) // S: value
            for batch in self.batches
            if channel in batch.layout.positions
            for t, value in zip(
                batch.t_ns.tolist(), batch.values[:, batch.layout.positions[channel]].tolist(), strict=True
            )
        }

    async def _take(self, batches: AsyncIterator[FrameBatch]) -> None:
        async for batch in batches:
            self.batches.append(batch)

    async def _settle(self) -> None:
        for _ in range(2_000):
            await asyncio.sleep(0)
            if self.clock.sleepers or (self._task and self._task.done()):
                return
        raise AssertionError("the source neither sleeps nor ends")


def content(frames: list[Frame]) -> dict[tuple[int, int], tuple[int, str, bytes]]:
    """Identity -> everything about a frame but when it was received."""
    found = {(f.boot, f.seq): (f.t_ns, f.layout.packet, f.values.tobytes()) for f in frames}
    assert len(found) == len(frames), "two frames share boot and sequence number"
    return found
