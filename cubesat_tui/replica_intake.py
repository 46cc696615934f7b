"""From the streams of a link into a replica's store: in order, each record with the cursor behind it.

One transaction takes what has come since the last: frames, journal rows and their cursors together. Scores are
known by their frames and wait for them (`WaitingScores`); considered fits are known by their number. Both may be
applied twice without harm, so their cursors follow with the next transaction. A full queue stops the reading
of its stream, and so does a disk that is.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cubesat_tui.waiting_scores import WaitingScores
from telemetry.alarms import Event
from telemetry.frame import FrameBatch
from telemetry.links.link import StreamCursor
from telemetry.links.link_keys import MOST_ROWS
from telemetry.links.record import Record, RecordRefused
from telemetry.links.record_frames import frames_of
from telemetry.links.record_journal import events_of, runs_of
from telemetry.links.record_scores import scores_of
from telemetry.plain_text import plain_text
from telemetry.store.errors import StoreFull
from telemetry.store.rows import RunRow, ScoreBatch, ScoredBatch

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.links.link import Link
    from telemetry.store.writer import StoreWriter

log = logging.getLogger(__name__)

RETRY_S = 1.0
MOST_RECORDS = 16
"""Records of a stream that wait to be stored."""
LINGER_S = 0.05
"""What comes within this time of the first record is stored with it."""
RECHECK_S = 1.0
"""Scores that wait are looked at again this often."""


class _Item(NamedTuple):
    cursor: StreamCursor
    batches: list[FrameBatch]
    events: list[Event]
    runs: list[RunRow]


class ReplicaIntake:
    """Takes records of all streams, stores them, and says what could not be read."""

    def __init__(
        self,
        link: Link,
        mission: Mission,
        writer: StoreWriter,
        clock: Clock,
        link_name: str,
        accepted: int,
        mirrored: Callable[[list[Event]], None],
    ) -> None:
        """`accepted`: frames stored so far. `mirrored` hears the owner's journal rows once they are durable."""
        self.accepted = accepted
        self.disk_full = 0
        """Frames that a full disk keeps out now."""
        self.refused: Counter[str] = Counter()
        """Records and rows that were not stored, by reason."""
        self._link = link
        self._mission = mission
        self._writer = writer
        self._clock = clock
        self._name = link_name
        self._mirrored = mirrored
        self._queues: dict[str, asyncio.Queue[_Item]] = {
            name: asyncio.Queue(MOST_RECORDS) for name in ("frames", "journal", "runs")
        }
        self._scores = WaitingScores(writer, clock, lambda: link.is_live("frames"))
        self._own: list[Event] = []
        self._cursors: dict[str, str] = {}
        self._news = asyncio.Event()

    @property
    def scores_waiting(self) -> int:
        """Scores whose frame is not here yet."""
        return self._scores.rows

    def note(self, event: Event) -> None:
        """Journal a fact of the replica's own with the next transaction."""
        self._own.append(event)
        self._news.set()

    async def put(self, stream: str, record: Record) -> None:
        """Have a record stored; returns when there is room for another. What cannot be read is counted."""
        cursor = StreamCursor(record.key, record.last)
        batches: list[FrameBatch] = []
        events: list[Event] = []
        runs: list[RunRow] = []
        scores = ScoreBatch.empty()
        try:
            match stream:
                case "frames":
                    layouts = await self._link.layouts(record)
                    batches = [self._known(batch) for batch in frames_of(record, layouts)]
                case "scores":
                    scores = scores_of(record)
                case "journal":
                    events = events_of(record)
                case _:
                    runs = runs_of(record)
        except RecordRefused as error:
            self.refused[error.reason] += 1
            log.warning("%s: %s", plain_text(record.key, 60), error)
        if stream == "scores":
            await self._scores.take(scores, cursor.text)
        else:
            await self._queues[stream].put(_Item(cursor, batches, events, runs))
        self._news.set()

    def _known(self, batch: FrameBatch) -> FrameBatch:
        """The rows of satellites that the mission has."""
        strangers = [i for i, name in enumerate(batch.satellites) if name not in self._mission.by_name]
        if not strangers:
            return batch
        keep = ~np.isin(batch.satellite, strangers)
        self.refused["unknown satellite"] += int((~keep).sum())
        return batch.take(keep)

    async def run(self) -> None:
        """Store what comes until cancelled."""
        while True:
            try:
                async with asyncio.timeout(RECHECK_S if self._scores.rows else None):
                    await self._news.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(LINGER_S)
            self._news.clear()
            await self._patiently()

    def finish(self) -> None:
        """Store what is here, unless the disk is full: then it is read again from its cursor."""
        try:
            self._store(self._taken())
        except StoreFull as error:
            log.warning("%s", error)

    def _taken(self) -> dict[str, list[_Item]]:
        taken: dict[str, list[_Item]] = {}
        for stream, queue in self._queues.items():
            taken[stream] = []
            while not queue.empty():
                taken[stream].append(queue.get_nowait())
        return taken

    async def _patiently(self) -> None:
        taken = self._taken()
        while True:
            try:
                self._store(taken)
            except StoreFull as error:
                if not self.disk_full:
                    log.warning("%s", error)
                waiting = sum(len(batch) for item in taken["frames"] for batch in item.batches)
                self.disk_full = max(1, waiting + MOST_ROWS * self._queues["frames"].qsize())
                await self._clock.sleep(RETRY_S)
            else:
                self.disk_full = 0
                return

    def _store(self, taken: dict[str, list[_Item]]) -> None:
        """Everything of `taken` that is not stored yet; repeated after a full disk it goes on where it stopped."""
        frames, journal = taken["frames"], taken["journal"]
        events = [event for item in journal for event in item.events]
        if frames or journal or self._own or self._cursors:
            batches = [ScoredBatch(batch) for item in frames for batch in item.batches if len(batch)]
            cursors = dict(self._cursors)
            cursors |= {
                self._key(name): taken[name][-1].cursor.text for name in ("frames", "journal") if taken[name]
            }
            own = list(self._own)
            result = self._writer.append(batches, [*events, *own], cursors)
            frames.clear()
            journal.clear()
            del self._own[: len(own)]
            self._cursors.clear()
            self.accepted += result.accepted
            self.refused.update(result.refused)
            if result.duplicates:
                self.refused["duplicate"] += result.duplicates
            if events:
                self._mirrored(events)
        runs = [run for item in taken["runs"] for run in item.runs]
        if taken["runs"]:
            self._writer.replication.apply_runs(runs, {self._key("runs"): taken["runs"][-1].cursor.text})
            taken["runs"].clear()
        done = self._scores.apply()
        if done:
            self._cursors[self._key("scores")] = done
            self._news.set()
        lost = self._scores.lost
        if lost:
            self.refused["score without its frame"] += lost
            self._scores.lost = 0

    def _key(self, stream: str) -> str:
        return f"{self._name}/{stream}"
