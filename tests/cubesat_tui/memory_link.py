"""A link in memory: what a server holds, and any number of replicas and an owner on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from telemetry.frame import Layout
from telemetry.links.link import Followed, Letter, LinkReport, StreamCursor, Told
from telemetry.links.link_health import AccessRefused
from telemetry.links.link_keys import STREAMS, StreamKey
from telemetry.links.record import Record
from telemetry.links.record_frames import digests_of, frames_text
from telemetry.links.record_journal import events_text, runs_text
from telemetry.links.record_scores import scores_text
from telemetry.store.reader import StoreReader

START_S = 0x6B000000


class MemoryServer:
    """Streams, layouts, the owner's report and the mailbox. Everything on one loop."""

    def __init__(self) -> None:
        self.streams: dict[str, list[Followed]] = {name: [] for name in STREAMS}
        self.layouts: dict[str, Layout] = {}
        self.report: Told | None = None
        self.mailbox: dict[str, Letter] = {}
        self.taken: list[str] = []
        """Ids of letters that were taken out of the mailbox."""
        self.posts: list[Letter] = []
        self.up = True
        self.denies = False
        self.held: set[str] = set()
        """Streams that say they are not up to date, and yield nothing new."""
        self._sent = dict.fromkeys(STREAMS, 0)
        self._news = asyncio.Condition()
        self.followed: list[tuple[str, StreamCursor]] = []

    async def publish(self, reader: StoreReader, streams: Iterable[str] = STREAMS, most: int = 300) -> None:
        """Append what a store has that is not here yet."""
        for stream in streams:
            while (span := reader.outgoing.next_range(stream, self._sent[stream], most)) is not None:
                first, last = span
                if stream == "frames":
                    batches = reader.outgoing.frames_between(first, last)
                    self.layouts |= {batch.layout.digest: batch.layout for batch in batches}
                    rows, text = sum(map(len, batches)), frames_text(batches)
                elif stream == "scores":
                    scores = reader.outgoing.scores_between(first, last)
                    rows, text = len(scores), scores_text(scores)
                elif stream == "journal":
                    events = reader.outgoing.events_between(first, last)
                    rows, text = len(events), events_text(events)
                else:
                    runs = reader.outgoing.runs_between(first, last)
                    rows, text = len(runs), runs_text(runs)
                self._sent[stream] = last
                self.streams[stream].append(Record(StreamKey(stream, START_S, first).text, first, last, rows, text))
        await self.tell()

    async def append(self, stream: str, item: Followed) -> None:
        """Append anything at all."""
        self.streams[stream].append(item)
        await self.tell()

    async def say(self, stamp_ms: float, text: str) -> None:
        """The owner's report."""
        self.report = Told(stamp_ms, text)
        await self.tell()

    async def tell(self) -> None:
        """Wake whoever follows."""
        async with self._news:
            self._news.notify_all()

    async def wait(self) -> None:
        """Return with the next change."""
        async with self._news:
            await self._news.wait()


class MemoryLink:
    """One end of it. `uid`: who the server knows this end to be."""

    def __init__(self, server: MemoryServer, uid: str = "u1") -> None:
        self.server = server
        self.uid = uid
        self.closed = False

    @property
    def report(self) -> LinkReport:
        return LinkReport("LIVE", "") if self.server.up else LinkReport("DOWN", "nothing heard for 12 s")

    def is_live(self, stream: str) -> bool:
        return self.server.up and stream not in self.server.held

    async def follow(self, stream: str, cursor: StreamCursor) -> AsyncIterator[Followed]:
        self.server.followed.append((stream, cursor))
        place = 0
        while not self.closed:
            rows = self.server.streams[stream]
            if place < len(rows) and self.server.up and stream not in self.server.held:
                item = rows[place]
                place += 1
                if not isinstance(item, Record) or item.key > cursor.key:
                    yield item
            else:
                await self.server.wait()

    async def layouts(self, record: Record) -> Mapping[str, Layout]:
        return {
            digest: self.server.layouts[digest] for digest in digests_of(record) if digest in self.server.layouts
        }

    async def told(self) -> AsyncIterator[Told]:
        last = None
        while not self.closed:
            if self.server.report is not last and self.server.report is not None and self.server.up:
                last = self.server.report
                yield last
            else:
                await self.server.wait()

    async def post(self, letter: Letter) -> None:
        if not self.server.up:
            raise ConnectionError("no answer")
        if self.server.denies:
            raise AccessRefused("Permission denied")
        self.server.posts.append(letter)
        self.server.mailbox[letter.id] = Letter(
            letter.id, letter.at_ns, letter.kind, letter.actor, letter.body, self.uid
        )
        await self.server.tell()

    async def letters(self) -> AsyncIterator[Letter]:
        seen: set[str] = set()
        while not self.closed:
            fresh = [one for number, one in sorted(self.server.mailbox.items()) if number not in seen]
            if fresh and self.server.up:
                seen.add(fresh[0].id)
                yield fresh[0]
            else:
                await self.server.wait()

    async def done(self, letters: Sequence[Letter]) -> None:
        if not self.server.up:
            raise ConnectionError("no answer")
        for letter in letters:
            self.server.taken.append(letter.id)
            self.server.mailbox.pop(letter.id, None)

    def refused(self) -> dict[str, int]:
        return {}

    async def close(self) -> None:
        self.closed = True
        await self.server.tell()
