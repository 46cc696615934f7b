"""What screens may read beyond the snapshot, asynchronously, on one reader thread with one connection.

Await these in an `@work(exclusive=True)` worker: a newer question then replaces an older one, and no screen ever
waits in the event loop for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from telemetry.frame import Float64s, Int64s

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.query import Query
    from telemetry.store.reader import StoreReader

    from telemetry.store.directory import MissionDirectory

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class ClusterPoints:
    """n scored frames, oldest first. `axes` (n, 3) in the served model's projection; `state` as in the store."""

    ids: Int64s
    t_ns: Int64s
    axes: Float64s
    state: Int64s
    score: Float64s
    p: Float64s
    model: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class OriginalAxes:
    """n frames of one channel, oldest first: `axes` (n, 3) is value, rolling mean, rolling deviation in its unit."""

    ids: Int64s
    t_ns: Int64s
    axes: Float64s


class StoreView:
    """Read-only questions to one mission store. Close it to end its thread."""

    def __init__(self, directory: MissionDirectory) -> None:
        self._directory = directory
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

            rule = invalid_by(read_mission(self._directory.path))
            self._reader = StoreReader(self._directory.telemetry, rule)
        return self._reader

    async def page(self, query: Query | None, before: Any = None, after: Any = None, limit: int = 200) -> Any:
        """A ledger page (`telemetry.store.reader.Page`), newest first, by keyset."""
        return await self.ask(lambda r: r.page(query, before, after, limit))

    async def frame_row(self, frame_id: int) -> Any:
        """One ledger row by frame id."""
        return await self.ask(lambda r: r.frame_row(frame_id))

    async def series(self, satellite: str, channel: str, t0_ns: int, t1_ns: int, bins: int) -> Any:
        """Low, high and last per absolute-time bin (`telemetry.store.reader.Series`)."""
        return await self.ask(lambda r: r.series(satellite, channel, t0_ns, t1_ns, bins))

    async def gaps(self, satellite: str, t0_ns: int, t1_ns: int) -> list[tuple[int, int]]:
        """Gaps found in [t0_ns, t1_ns)."""
        return await self.ask(lambda r: r.gaps(satellite, t0_ns, t1_ns))

    async def cluster_points(self, satellite: str, limit: int = 1200) -> ClusterPoints:
        """The newest `limit` scored frames."""

        def read(reader: StoreReader) -> ClusterPoints:
            s = reader.scores(satellite, limit)
            return ClusterPoints(
                s.ids, s.t_ns, np.asarray(s.axes, dtype=np.float64), s.state, s.score, s.p, s.model
            )

        return await self.ask(read)

    async def original_axes(
        self, satellite: str, channel: str, t0_ns: int, t1_ns: int, window: int = 10, max_rows: int = 1200
    ) -> OriginalAxes:
        """Value, rolling mean and rolling deviation of a channel: the axes of the original program."""

        def read(reader: StoreReader) -> OriginalAxes:
            from trainer.features import rolling

            t_ns, values, ids = reader.window(satellite, [channel], t0_ns, t1_ns, max_rows)
            mean, deviation = rolling(values, window)
            axes = np.column_stack([values[:, 0], mean[:, 0], deviation[:, 0]])
            keep = np.isfinite(axes).all(axis=1)
            return OriginalAxes(ids[keep], t_ns[keep], axes[keep])

        return await self.ask(read)

    async def runs(self, before_id: int | None = None, limit: int = 200) -> Any:
        """Training runs, newest first."""
        return await self.ask(lambda r: r.runs(before_id, limit))

    async def journal_page(self, before_id: int | None, min_severity: int, limit: int) -> list[Event]:
        """Journal rows older than `before_id`, newest first."""
        return await self.ask(lambda r: r.journal_page(before_id, min_severity, limit))

    async def contacts(self, t0_ns: int, t1_ns: int) -> Any:
        """Contacts that touch [t0_ns, t1_ns)."""
        return await self.ask(lambda r: r.contacts(t0_ns, t1_ns))

    def close(self) -> None:
        """End the reader thread; the connection closes on it."""
        reader, self._reader = self._reader, None
        if reader is not None:
            self._pool.submit(reader.close)
        self._pool.shutdown(wait=False)
