"""Where frames come from. A simulator, a recorded file, a pipe and a remote station are all sources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from telemetry.frame import FrameBatch


class Source(Protocol):
    """An async iterator of batches with an opaque cursor.

    The station iterates, stores, and calls `committed` once the batch is durable; a source that must confirm to
    someone upstream (a pipe, a link) does so there and not before. A source made with the cursor of its last
    committed batch continues exactly after it.
    """

    @property
    def name(self) -> str:
        """Key of the source's cursor in the store, stable over restarts (`sim`, `replay`, `stream`)."""
        ...

    @property
    def live(self) -> bool:
        """False for a replay or a simulator away from 1x: the mission clock then follows the data."""
        ...

    @property
    def rate(self) -> float:
        """Generation seconds per wall second; `inf` where it runs as fast as it can."""
        ...

    def __aiter__(self) -> AsyncIterator[FrameBatch]: ...

    async def committed(self, batch: FrameBatch) -> None:
        """`batch` is durable: its frames and its cursor are in the mission store."""
        ...

    async def close(self) -> None:
        """Stop producing; the iterator ends."""
        ...
