"""From the queue into the store: one transaction every 100 ms or 1,000 frames, and the confirmation after it.

Everything that is to be journaled goes through here too (`note`), so frames, scores, alarms, acts and cursors are
committed together and in order. A full disk stops this loop, and thereby the reading of the source, until there is
space again; what was judged once is stored as judged, never judged twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from telemetry.alarms import Event
from telemetry.clock import Clock
from telemetry.frame import FrameBatch
from telemetry.limits import Level
from telemetry.store.errors import StoreFull
from telemetry.store.rows import AppendResult, ScoredBatch

if TYPE_CHECKING:
    from cubesat_tui.frame_queue import FrameQueue
    from telemetry.store.writer import StoreWriter

log = logging.getLogger(__name__)

DISK_RETRY_S = 1.0


class Judge(Protocol):
    """Says what a batch means; `cubesat_tui.judgement.Judgement` is the real one."""

    def judge(self, batch: FrameBatch) -> tuple[ScoredBatch, list[Event]]:
        """Validity, limits, score, alarms. Called once for each batch, in the order of arrival."""
        ...


@dataclass
class Work:
    """What one transaction holds."""

    scored: list[ScoredBatch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)
    after: list[Callable[[], None]] = field(default_factory=list)
    """Called once it is durable."""

    @property
    def frames(self) -> int:
        """Frames in it."""
        return sum(len(item.batch) for item in self.scored)

    def __bool__(self) -> bool:
        return bool(self.scored or self.events or self.cursors or self.after)


class Ingest:
    """The committing loop of a station. `confirm` tells the source that a batch is durable."""

    def __init__(
        self,
        queue: FrameQueue,
        judge: Judge,
        writer: StoreWriter,
        clock: Clock,
        source_name: str,
        confirm: Callable[[FrameBatch], Awaitable[None]],
        journaled: Callable[[Sequence[Event], int], None] = lambda _, __: None,
    ) -> None:
        """`journaled` is told of the events of each transaction, and the id of the last, once it is durable."""
        self.accepted = 0
        """Frames stored in all; whoever opens the store sets what was there before."""
        self.refused: Counter[str] = Counter()
        """Frames not stored since the mission began, by reason; duplicates among them."""
        self.disk_full = 0
        """Frames the full disk keeps out now; 0 where there is space."""
        self._queue = queue
        self._judge = judge
        self._writer = writer
        self._clock = clock
        self._source_name = source_name
        self._confirm = confirm
        self._journaled = journaled
        self._next = Work()
        self._stuck: Work | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def note(
        self,
        events: Sequence[Event],
        cursors: dict[str, str] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """Journal `events` with the next transaction, within 100 ms; `after` is called when they are durable."""
        self._next.events.extend(events)
        self._next.cursors.update(cursors or {})
        if after is not None:
            self._next.after.append(after)
        self._idle.clear()
        self._queue.nudge()

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            batches = await self._queue.take()
            self._idle.clear()
            work = self._judged(batches)
            if work:
                await self._commit_patiently(work)
                await self._confirm_all(work)
            if not self._queue.frames and not self._next:
                self._idle.set()

    async def idle(self) -> None:
        """Return when everything put in so far is durable."""
        if self._queue.frames:
            self._idle.clear()
        await self._idle.wait()

    async def finish(self) -> None:
        """Commit what is still here, once `run` was cancelled. What a full disk keeps out is not confirmed."""
        while True:
            work = self._stuck or self._judged(self._queue.take_now())
            if not work:
                return
            try:
                self._commit(work)
            except StoreFull as error:
                log.warning("%s; %d frames were not confirmed", error, work.frames + self._queue.frames)
                return
            await self._confirm_all(work)

    def store(
        self, scored: Sequence[ScoredBatch], events: Sequence[Event], cursors: dict[str, str]
    ) -> AppendResult:
        """Commit something that does not come from the source (history) in a transaction of its own.

        Raises:
            StoreFull: nothing was stored; try again later.
        """
        return self._count(self._writer.append(scored, events, cursors))

    def _judged(self, batches: Sequence[FrameBatch]) -> Work:
        work, self._next = self._next, Work()
        for batch in batches:
            scored, events = self._judge.judge(batch)
            work.scored.append(scored)
            work.events.extend(events)
            if batch.cursor is not None:
                work.cursors[self._source_name] = batch.cursor
        return work

    async def _commit_patiently(self, work: Work) -> None:
        since_ns = 0
        most = 0
        self._stuck = work
        while True:
            try:
                self._commit(work)
                break
            except StoreFull as error:
                if not since_ns:
                    since_ns = self._clock.now_ns()
                    log.warning("%s", error)
                self.disk_full = work.frames + self._queue.frames
                most = max(most, self.disk_full)
                await self._clock.sleep(DISK_RETRY_S)
        if since_ns:
            self.note([_space_again(since_ns, self._clock.now_ns(), most)])

    def _commit(self, work: Work) -> None:
        result = self._count(self._writer.append(work.scored, work.events, work.cursors))
        self._stuck = None
        self.disk_full = 0
        for act in work.after:
            act()
        self._journaled(work.events, result.last_event)

    def _count(self, result: AppendResult) -> AppendResult:
        self.accepted += result.accepted
        self.refused.update(result.refused)
        if result.duplicates:
            self.refused["duplicate"] += result.duplicates
        return result

    async def _confirm_all(self, work: Work) -> None:
        for item in work.scored:
            await self._confirm(item.batch)


def _space_again(since_ns: int, until_ns: int, frames: int) -> Event:
    return Event(
        at_ns=until_ns,
        satellite="",
        kind="store.full",
        severity=int(Level.WARNING),
        subject="store",
        body={
            "from_ns": since_ns,
            "to_ns": until_ns,
            "frames": frames,
            "text": f"DISK FULL, {frames} frames refused until there was space again; they are stored now",
        },
    )
