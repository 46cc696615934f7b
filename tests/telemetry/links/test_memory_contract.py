"""The contract of a link, over a carrier in memory that is nothing but the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
from link_contract import Carrier, LinkContract, Range

from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Layout
from telemetry.links.link import LIVE, Followed, Letter, LinkReport, Lost, Pruned, StreamCursor, Told
from telemetry.links.link_keys import STREAMS, StreamKey
from telemetry.links.record import Record, RecordRefused, from_value, to_value
from telemetry.links.record_frames import digests_of, frames_of, frames_text, layout_of
from telemetry.links.record_journal import events_text, runs_text
from telemetry.links.record_scores import scores_text
from telemetry.store.reader import StoreReader


class MemoryCarrier:
    """Values under keys, as any server would keep them; who follows is woken by each change."""

    def __init__(self) -> None:
        self.streams: dict[str, dict[str, Any]] = {stream: {} for stream in STREAMS}
        self.oldest: dict[str, str] = {}
        self.layouts: dict[str, str] = {}
        self.mailbox: dict[str, Letter] = {}
        self._news = asyncio.Event()

    async def publish(self, reader: StoreReader, ranges: Sequence[Range]) -> list[str]:
        for key, first, last in ranges:
            stream = StreamKey.parse(key).stream
            rows, text = self._read(reader, stream, first, last)
            self.streams[stream].setdefault(key, to_value(Record(key, first, last, rows, text), compress=True))
        self.changed()
        return [key for key, _, _ in ranges]

    def _read(self, reader: StoreReader, stream: str, first: int, last: int) -> tuple[int, str]:
        outgoing = reader.outgoing
        match stream:
            case "frames":
                batches = outgoing.frames_between(first, last)
                self.layouts |= {batch.layout.digest: batch.layout.body.decode() for batch in batches}
                return sum(map(len, batches)), frames_text(batches)
            case "scores":
                scores = outgoing.scores_between(first, last)
                return len(scores), scores_text(scores)
            case "journal":
                events = outgoing.events_between(first, last)
                return len(events), events_text(events)
            case _:
                runs = outgoing.runs_between(first, last)
                return len(runs), runs_text(runs)

    def link(self) -> MemoryLink:
        return MemoryLink(self)

    def source(
        self, cursor: str | None, mission: Mission, missing: Callable[[Lost | Pruned], None]
    ) -> MemorySource:
        del mission
        return MemorySource(self, cursor, missing)

    async def lose(self, key: str) -> None:
        del self.streams[StreamKey.parse(key).stream][key]

    async def prune(self, key: str) -> None:
        stream = StreamKey.parse(key).stream
        self.oldest[stream] = key
        self.streams[stream] = {one: value for one, value in self.streams[stream].items() if one >= key}

    async def spoil(self, key: str) -> None:
        self.streams[StreamKey.parse(key).stream][key] = {"v": 1, "z": "nothing"}

    def changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def change(self) -> None:
        await self._news.wait()


class MemoryLink:
    """Reads the values over and over; what it yields is decided by keys and ids alone."""

    def __init__(self, carrier: MemoryCarrier) -> None:
        self._carrier = carrier
        self._closed = False
        self._live: set[str] = set()

    @property
    def report(self) -> LinkReport:
        return LinkReport(LIVE, "")

    def is_live(self, stream: str) -> bool:
        return stream in self._live

    async def follow(self, stream: str, cursor: StreamCursor) -> AsyncIterator[Followed]:
        while not self._closed:
            values = self._carrier.streams[stream]
            for key in sorted(key for key in values if key > cursor.key):
                try:
                    record = from_value(key, values[key])
                except RecordRefused:
                    continue
                for one in self._between(stream, cursor, StreamKey.parse(key)):
                    yield one
                cursor = StreamCursor(key, record.last)
                yield record
            self._live.add(stream)
            await self._carrier.change()

    def _between(self, stream: str, cursor: StreamCursor, place: StreamKey) -> list[Followed]:
        """What should be between a cursor and the next record; of another start nothing is known."""
        if not cursor.key or StreamKey.parse(cursor.key).start_s != place.start_s:
            return []
        first, last = cursor.last + 1, place.first_id - 1
        kept = self._carrier.oldest.get(stream, "")
        kept_from = StreamKey.parse(kept).first_id if kept else 0
        found: list[Followed] = []
        if first <= last and kept_from > first:
            found.append(Pruned(stream, first, min(last, kept_from - 1)))
            first = kept_from
        if first <= last:
            found.append(Lost(stream, first, last))
        return found

    async def layouts(self, record: Record) -> Mapping[str, Layout]:
        return {digest: layout_of(digest, self._carrier.layouts.get(digest)) for digest in digests_of(record)}

    async def told(self) -> AsyncIterator[Told]:
        return
        yield

    async def letters(self) -> AsyncIterator[Letter]:
        known: set[str] = set()
        while not self._closed:
            for letter in sorted(self._carrier.mailbox.values(), key=lambda one: one.at_ns):
                if letter.id not in known:
                    known.add(letter.id)
                    yield letter
            await self._carrier.change()

    async def post(self, letter: Letter) -> None:
        self._carrier.mailbox[letter.id] = Letter(
            letter.id, letter.at_ns, letter.kind, letter.actor, letter.body, "u1"
        )
        self._carrier.changed()

    async def done(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            self._carrier.mailbox.pop(letter.id, None)

    async def close(self) -> None:
        self._closed = True
        self._carrier.changed()


class MemorySource:
    """The stream of frames as a source."""

    name = "link"
    live = True
    rate = 1.0

    def __init__(
        self, carrier: MemoryCarrier, cursor: str | None, missing: Callable[[Lost | Pruned], None]
    ) -> None:
        self._link = MemoryLink(carrier)
        self._cursor = StreamCursor.of(cursor)
        self._missing = missing

    async def __aiter__(self) -> AsyncIterator[FrameBatch]:
        async for one in self._link.follow("frames", self._cursor):
            if not isinstance(one, Record):
                self._missing(one)
                continue
            cursor = StreamCursor(one.key, one.last).text
            for batch in frames_of(one, await self._link.layouts(one), cursor):
                yield batch

    async def committed(self, batch: FrameBatch) -> None:
        del batch

    async def close(self) -> None:
        await self._link.close()


class TestMemoryContract(LinkContract):
    @pytest.fixture
    async def carrier(self) -> Carrier:
        return MemoryCarrier()
