"""What screens may read beyond the snapshot, asynchronously, on one reader thread with one connection.

Await these in an `@work(exclusive=True)` worker: a newer question then replaces an older one, and no screen ever
waits in the event loop for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from telemetry.alarms import UPDATED

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.dictionary import Mission
    from telemetry.query import Query
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import Key, LedgerRow, Page, RunRow, Series

T = TypeVar("T")


class StoreView:
    """Read-only questions to one mission store. Close it to end its thread."""

    def __init__(self, directory: MissionDirectory, mission: Mission | None = None) -> None:
        self._directory = directory
        self._mission = mission
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-view")
        self._reader: StoreReader | None = None

    async def ask(self, question: Callable[[StoreReader], T]) -> T:
        """Run `question` on the reader thread; anything not covered below."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: question(self._open()))

    def _open(self) -> StoreReader:
        if self._reader is None:
            from cubesat_tui.snapshot_reader import invalid_by
            from telemetry.dictionary import read_mission
            from telemetry.store.reader import StoreReader

            rule = invalid_by(self._mission or read_mission(self._directory.path))
            self._reader = StoreReader(self._directory.telemetry, rule)
        return self._reader

    async def page(
        self, query: Query | None, before: Key | None = None, after: Key | None = None, limit: int = 200
    ) -> Page:
        """A ledger page, newest first, by keyset."""
        return await self.ask(lambda r: r.page(query, before, after, limit))

    async def frame_row(self, frame_id: int) -> LedgerRow | None:
        """One ledger row by frame id."""
        return await self.ask(lambda r: r.frame_row(frame_id))

    async def series(self, satellite: str, channel: str, t0_ns: int, t1_ns: int, bins: int) -> Series:
        """Low, high and last per absolute-time bin of [t0_ns, t1_ns)."""
        return await self.ask(lambda r: r.series(satellite, channel, t0_ns, t1_ns, bins))

    async def runs(
        self,
        before_id: int | None = None,
        limit: int = 200,
        satellite: str | None = None,
        until_ns: int | None = None,
    ) -> list[RunRow]:
        """Training runs, newest first; of one satellite if named, recorded by `until_ns` if given."""
        return await self.ask(lambda r: r.runs(before_id, limit, satellite, until_ns))

    async def journal_page(
        self, before_id: int | None, min_severity: int, limit: int, satellite: str | None = None
    ) -> list[Event]:
        """Journal rows older than `before_id`, newest first; of one satellite, and of none, if named.

        Without the numbers an open alarm counts on with.
        """
        return await self.ask(
            lambda r: r.journal_page(before_id, min_severity, limit, satellite=satellite, without=UPDATED)
        )

    def close(self) -> None:
        """End the reader thread; the connection closes on it."""
        reader, self._reader = self._reader, None
        if reader is not None:
            self._pool.submit(reader.close)
        self._pool.shutdown(wait=False)
