"""What screens may read beyond the snapshot, asynchronously, on one reader thread with one connection.

Await these in an `@work(exclusive=True)` worker: a newer question then replaces an older one, and no screen ever
waits in the event loop for the disk.

A store that cannot be read is told of here, for every screen alike, and asked again until it answers: whoever shows
something shows it late, and none of them can end the console. What a key asked for is not done late, when the
operator has long gone on to something else: that is `ask_once`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from telemetry.alarms import UPDATED
from telemetry.store.errors import StoreError

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.dictionary import Mission
    from telemetry.query import Query
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import Key, LedgerRow, Page, RunRow, Series

T = TypeVar("T")

AGAIN_S = 0.25
MOST_S = 30.0
"""A store that cannot be read is asked again after so long, each time after twice as long, at most so."""


class NotRead(StoreError):
    """The store could not be read; the operator was told."""


class StoreView:
    """Read-only questions to one mission store. Close it to end its thread."""

    def __init__(
        self,
        directory: MissionDirectory,
        mission: Mission | None = None,
        trouble: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """`trouble` is called in the event loop with each error of reading."""
        self._directory = directory
        self._mission = mission
        self._trouble = trouble
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-view")
        self._reader: StoreReader | None = None
        self._closed = False

    async def ask(self, question: Callable[[StoreReader], T]) -> T:
        """Run `question` on the reader thread; anything not covered below. Returns once the store can be read."""
        pause = AGAIN_S
        while True:
            try:
                return await self.ask_once(question)
            except NotRead:
                await asyncio.sleep(pause)
                if self._closed:
                    raise
                pause = min(2 * pause, MOST_S)

    async def ask_once(self, question: Callable[[StoreReader], T]) -> T:
        """As `ask`, for what a key asked for.

        Raises:
            NotRead: the store could not be read. A worker may end by it: the console goes on.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, question)
        except Exception as error:
            if not _is_of_the_store(error):
                raise
            self._trouble(error)
            raise NotRead(str(error)) from error

    def _answer(self, question: Callable[[StoreReader], T]) -> T:
        try:
            return question(self._open())
        except Exception as error:
            reader = self._reader
            if reader is not None and _is_of_the_store(error):
                # The connection may be what broke.
                self._reader = None
                with contextlib.suppress(Exception):
                    reader.close()
            raise

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
        """One ledger row by frame id, for a key; as `ask_once`."""
        return await self.ask_once(lambda r: r.frame_row(frame_id))

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
        self._closed = True
        reader, self._reader = self._reader, None
        if reader is not None:
            self._pool.submit(reader.close)
        self._pool.shutdown(wait=False)


def _is_of_the_store(error: Exception) -> bool:
    """Whether an error says that the store or the definition of the mission cannot be read now."""
    import apsw

    from telemetry.dictionary import MissionError

    return isinstance(error, (apsw.Error, StoreError, OSError, MissionError))
