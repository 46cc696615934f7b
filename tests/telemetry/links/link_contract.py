"""What every carrier of a link must do: tests over two stores, a publisher's and a follower's, with a link between.

A carrier inherits `LinkContract` and gives the fixture `carrier`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from telemetry.alarms import Event
from telemetry.clock import ManualClock
from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import Column, FrameBatch, Layout, Quality
from telemetry.links.link import LIVE, Followed, Letter, Link, Lost, Pruned, StreamCursor
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record
from telemetry.links.record_frames import frames_of
from telemetry.links.record_journal import events_of, runs_of
from telemetry.links.record_scores import scores_of
from telemetry.links.source import Source
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow, ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter

START = 1_795_400_000
T0 = START * 10**9
CHANNELS = (Channel("eps.bat_v", "Battery voltage", "V"), Channel("thm.bat", "Battery", "degC"))
HK = Layout("hk", (Column("eps.bat_v", "V"),))
THM = Layout("thm", (Column("thm.bat", "degC"), Column("eps.bat_v", "V")))
PATIENCE_S = 20.0

Range = tuple[str, int, int]


class Carrier(Protocol):
    """One link with everything in it, as its server knows it, and its ends."""

    async def publish(self, reader: StoreReader, ranges: Sequence[Range]) -> list[str]:
        """Append ranges (key, first, last) of a store; keys of those that are confirmed to be there."""
        ...

    def link(self) -> Link: ...

    def source(self, cursor: str | None, mission: Mission, missing: Callable[[Lost | Pruned], None]) -> Source: ...

    async def lose(self, key: str) -> None:
        """A record is gone without anybody having deleted it."""
        ...

    async def prune(self, key: str) -> None:
        """Records of a stream before `key` are let go by their writer."""
        ...

    async def spoil(self, key: str) -> None:
        """Something that is no record stands under a key."""
        ...


def frames(seqs: Sequence[int], layout: Layout = HK, boot: int = START, **fields: Any) -> FrameBatch:
    """One frame a second; the values tell which frame they belong to."""
    numbers = np.array(seqs, dtype=np.int64)
    n = len(numbers)
    zeros = np.zeros(n, dtype=np.int64)
    values = fields.get("values", np.tile(numbers[:, np.newaxis] / 10, (1, len(layout))))
    quality = zeros + int(fields.get("quality", 0))
    t_ns = T0 + numbers * 10**9
    return FrameBatch(layout, ("KESTREL-1",), zeros, zeros + boot, numbers, t_ns, t_ns + 137, quality, values)


class Station:
    """The publisher's side: a store and what of it was sent."""

    def __init__(self, folder: Path, carrier: Carrier, start_s: int = START) -> None:
        folder.mkdir()
        self.writer = StoreWriter(folder / "telemetry.db", ManualClock(T0))
        self.reader = StoreReader(folder / "telemetry.db")
        self.start_s = start_s
        self._carrier = carrier

    def store(self, *batches: FrameBatch, score: ScoreColumns | None = None, events: Sequence[Event] = ()) -> None:
        self.writer.append([ScoredBatch(batch, score) for batch in batches], events, {})

    def next_range(self, stream: str = "frames", most: int = 300) -> Range | None:
        """Kept as being on its way."""
        publication = self.writer.publication
        taken = max([publication.sent_until(stream), *(last for _, _, last in publication.unpublished(stream))])
        found = self.reader.outgoing.next_range(stream, taken, most)
        if found is None:
            return None
        key = StreamKey(stream, self.start_s, found[0]).text
        publication.publish_range(key, *found)
        return (key, *found)

    async def send(self, stream: str = "frames", most: int = 300) -> list[str]:
        """Everything that is not sent yet; keys of the records."""
        keys: list[str] = []
        while (one := self.next_range(stream, most)) is not None:
            keys += await self._carrier.publish(self.reader, [one])
            for key in keys:
                self.writer.publication.published(key)
        return keys

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


class Ledger:
    """The follower's side: a store that is filled by a source in the way of a station."""

    def __init__(self, folder: Path, carrier: Carrier) -> None:
        folder.mkdir()
        self.path = folder / "telemetry.db"
        self.missing: list[Lost | Pruned] = []
        self.duplicates = 0
        self.delivered = 0
        self._carrier = carrier
        self._mission = Mission(folder, (Satellite("KESTREL-1", "3u"),), {"3u": Bus("3u", CHANNELS)})

    async def follow(self, until: int) -> None:
        """From the cursor of the batch committed last until so many frames are stored."""
        writer = StoreWriter(self.path, ManualClock(T0))
        source = self._carrier.source(writer.cursor("link"), self._mission, self.missing.append)
        try:
            async with asyncio.timeout(PATIENCE_S):
                if len(self.rows()) < until:
                    async for batch in source:
                        cursors = {} if batch.cursor is None else {"link": batch.cursor}
                        self.delivered += len(batch)
                        self.duplicates += writer.append([ScoredBatch(batch)], [], cursors).duplicates
                        await source.committed(batch)
                        if len(self.rows()) >= until:
                            break
        finally:
            await source.close()
            writer.close()

    def rows(self) -> list[tuple[int, int]]:
        """(boot, seq) in the order in which frames were stored."""
        return [(frame.boot, frame.seq) for batch in self.batches() for frame in batch]

    def batches(self) -> list[FrameBatch]:
        reader = StoreReader(self.path)
        try:
            return reader.outgoing.frames_between(1, 2**40)
        finally:
            reader.close()


async def first(n: int, followed: AsyncIterator[Any]) -> list[Any]:
    """The first n things of an endless iteration."""
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(followed) as things:  # pyright: ignore[reportArgumentType]
        async for one in things:
            found.append(one)
            if len(found) == n:
                break
    return found


async def everything(link: Link, stream: str) -> list[Any]:
    """What is in a stream now."""
    found: list[Any] = []
    followed = link.follow(stream, StreamCursor())
    async with asyncio.timeout(PATIENCE_S), aclosing(followed):  # pyright: ignore[reportArgumentType]
        while True:
            coming = asyncio.ensure_future(anext(followed))
            while not coming.done() and not link.is_live(stream):
                await asyncio.sleep(0.01)
            await asyncio.wait([coming], timeout=0.05)
            if not coming.done():
                coming.cancel()
                await asyncio.wait([coming])
                return found
            found.append(coming.result())


class LinkContract:
    """To be inherited, with a fixture `carrier`."""

    @pytest.fixture
    def station(self, tmp_path: Path, carrier: Carrier) -> Iterator[Station]:
        opened = Station(tmp_path / "station", carrier)
        yield opened
        opened.close()

    @pytest.fixture
    def ledger(self, tmp_path: Path, carrier: Carrier) -> Ledger:
        return Ledger(tmp_path / "ledger", carrier)

    @pytest.fixture
    async def link(self, carrier: Carrier) -> AsyncIterator[Link]:
        opened = carrier.link()
        yield opened
        await opened.close()

    async def test_frames_arrive_as_they_were_stored(self, station: Station, ledger: Ledger):
        odd = np.array([[-0.0, np.nan], [1.5, np.inf], [2.25, -np.inf], [0.1, 5e-324]])
        station.store(frames([1, 2, 5], quality=Quality.SIMULATED), frames([6, 7, 8, 9], THM, values=odd))
        # Recorded on board before, sent down in a pass.
        station.store(frames([3, 4], quality=Quality.SIMULATED | Quality.STORED))
        await station.send(most=3)
        await ledger.follow(9)
        sent, received = station.reader.outgoing.frames_between(1, 9), ledger.batches()
        assert [one.layout for one in received] == [one.layout for one in sent] == [HK, THM]
        for one, other in zip(sent, received, strict=True):
            for name in ("boot", "seq", "t_ns", "received_ns", "quality"):
                assert getattr(other, name).tolist() == getattr(one, name).tolist()
            assert np.array_equal(one.values, other.values, equal_nan=True)
            assert np.array_equal(np.signbit(one.values), np.signbit(other.values))
        assert (ledger.duplicates, ledger.missing) == (0, [])

    async def test_a_follower_goes_on_behind_its_cursor(self, station: Station, ledger: Ledger):
        station.store(frames(range(10)))
        await station.send(most=2)
        await ledger.follow(4)
        stored = len(ledger.rows())
        station.store(frames(range(10, 20)))
        await station.send(most=3)
        await ledger.follow(20)
        assert ledger.rows() == [(START, seq) for seq in range(20)]
        # Nothing but the rest came after the stop: the cursor was that of the frames.
        assert (ledger.delivered, ledger.duplicates) == (20, 0)
        assert stored < 20

    async def test_what_is_published_while_a_follower_listens_arrives(self, station: Station, ledger: Ledger):
        station.store(frames([0]))
        await station.send()
        following = asyncio.create_task(ledger.follow(4))
        while not ledger.path.exists() or not ledger.rows():
            await asyncio.sleep(0.01)
        for seq in (1, 2, 3):
            station.store(frames([seq]))
            await station.send()
        await following
        assert ledger.rows() == [(START, seq) for seq in range(4)]

    async def test_a_range_sent_again_is_there_once(
        self, station: Station, ledger: Ledger, carrier: Carrier, link: Link
    ):
        station.store(frames(range(6)))
        one, two = station.next_range(most=3), station.next_range(most=3)
        assert one is not None and two is not None
        assert await carrier.publish(station.reader, [one]) == [one[0]]
        # The confirmation got lost, and meanwhile there is more to send: the same range goes out again.
        station.store(frames(range(6, 9)))
        assert station.writer.publication.unpublished() == [one, two]
        assert await carrier.publish(station.reader, [one, two]) == [one[0], two[0]]
        records = await everything(link, "frames")
        assert [(record.key, record.first, record.last) for record in records] == [one, two]
        await ledger.follow(6)
        assert ledger.rows() == [(START, seq) for seq in range(6)]
        assert ledger.duplicates == 0

    async def test_twins_of_another_publisher_are_removed(
        self, tmp_path: Path, station: Station, ledger: Ledger, carrier: Carrier
    ):
        station.store(frames(range(5)))
        await station.send()
        other = Station(tmp_path / "other", carrier, START + 60)
        other.store(frames(range(3, 8)))
        await other.send()
        other.close()
        await ledger.follow(8)
        assert ledger.rows() == [(START, seq) for seq in range(8)]
        assert ledger.duplicates == 2
        assert ledger.missing == []

    async def test_a_restarted_publisher_comes_after_all_it_sent_before(self, station: Station, ledger: Ledger):
        station.store(frames([8, 9], boot=START))
        await station.send()
        # Its clock was put back by an hour.
        station.start_s = station.writer.publication.start_after(START - 3600)
        station.store(frames([0, 1], boot=START + 1))
        await station.send()
        await ledger.follow(4)
        assert ledger.rows() == [(START, 8), (START, 9), (START + 1, 0), (START + 1, 1)]

    async def test_frames_the_publisher_never_had_are_no_loss_of_the_link(self, station: Station, ledger: Ledger):
        station.store(frames([0, 1]), frames([5, 6]))
        await station.send(most=2)
        await ledger.follow(4)
        # The gap is in the sequence numbers, for whoever looks for gaps; the keys have none.
        assert [seq for _, seq in ledger.rows()] == [0, 1, 5, 6]
        assert ledger.missing == []

    async def test_a_record_the_link_lost_is_told_in_its_place(
        self, station: Station, ledger: Ledger, carrier: Carrier, link: Link
    ):
        station.store(frames(range(9)))
        keys = await station.send(most=3)
        await carrier.lose(keys[1])
        found = await first(3, link.follow("frames", StreamCursor()))
        assert [_name(one) for one in found] == [keys[0], Lost("frames", 4, 6), keys[2]]
        await ledger.follow(6)
        assert ledger.missing == [Lost("frames", 4, 6)]
        assert [seq for _, seq in ledger.rows()] == [0, 1, 2, 6, 7, 8]

    async def test_a_record_that_was_let_go_is_told_from_a_lost_one(
        self, station: Station, carrier: Carrier, link: Link
    ):
        station.store(frames(range(9)))
        keys = await station.send(most=3)
        (read,) = await first(1, link.follow("frames", StreamCursor()))
        await carrier.prune(keys[2])
        found = await first(2, link.follow("frames", StreamCursor(read.key, read.last)))
        assert [_name(one) for one in found] == [Pruned("frames", 4, 6), keys[2]]

    async def test_what_is_no_record_is_passed_over_and_told(
        self, station: Station, ledger: Ledger, carrier: Carrier
    ):
        station.store(frames(range(9)))
        keys = await station.send(most=3)
        await carrier.spoil(keys[1])
        await ledger.follow(6)
        assert [seq for _, seq in ledger.rows()] == [0, 1, 2, 6, 7, 8]
        assert ledger.missing == [Lost("frames", 4, 6)]

    async def test_every_stream_comes_from_its_own_cursor(self, station: Station, link: Link):
        n = 6
        zeros = np.zeros(n, dtype=np.int64)
        score = ScoreColumns(zeros + 7, np.arange(n) / 3, np.full(n, 0.5), zeros, np.ones((n, 3), np.float32))
        events = [
            Event(at_ns=i, satellite="KESTREL-1", kind="note.shift", body={"text": f"n{i}"}) for i in range(4)
        ]
        station.store(frames(range(n)), score=score, events=events)
        for retrain in (1, 2):
            station.writer.record_run(RunRow(retrain=retrain, at_ns=retrain, decision="kept", reason="same"))
        for stream in ("frames", "scores", "journal", "runs"):
            await station.send(stream, most=2)
        frames_ = await first(3, link.follow("frames", StreamCursor()))
        layouts = await link.layouts(frames_[0])
        assert [f.seq for record in frames_ for batch in frames_of(record, layouts) for f in batch] == list(
            range(n)
        )
        scores = await first(2, link.follow("scores", StreamCursor(StreamKey("scores", START, 1).text, 2)))
        assert [seq for record in scores for seq in scores_of(record).seq] == [2, 3, 4, 5]
        journal = await first(1, link.follow("journal", StreamCursor(StreamKey("journal", START, 1).text, 2)))
        assert [event.text for event in events_of(journal[0])] == ["n2", "n3"]
        (runs,) = await first(1, link.follow("runs", StreamCursor()))
        assert [run.retrain for run in runs_of(runs)] == [1, 2]

    async def test_a_link_says_when_all_was_read(self, station: Station, link: Link):
        station.store(frames(range(4)))
        await station.send(most=2)
        async with asyncio.timeout(PATIENCE_S), aclosing(link.follow("frames", StreamCursor())) as followed:  # pyright: ignore[reportArgumentType]
            await anext(followed)
            await anext(followed)
            waiting = asyncio.ensure_future(anext(followed))
            while not (link.is_live("frames") and link.report.state == LIVE):
                await asyncio.sleep(0.01)
            station.store(frames([4]))
            await station.send()
            assert (await waiting).first == 5

    async def test_a_letter_is_there_once_until_it_is_done(self, carrier: Carrier, link: Link):
        letter = Letter("0192-a", T0, "ack", "mia@ground", {"subjects": ["eps.bat_v"], "note": "☃"})
        later = Letter("0192-b", T0 + 10**9, "note", "mia@ground", {})
        await link.post(letter)
        await link.post(letter)
        await link.post(later)
        owner = carrier.link()
        found = await first(2, owner.letters())
        assert [(one.id, one.at_ns, one.kind, one.actor, one.body) for one in found] == [
            (one.id, one.at_ns, one.kind, one.actor, one.body) for one in (letter, later)
        ]
        assert all(one.uid for one in found)
        await owner.done(found[:1])
        await owner.close()
        again = carrier.link()
        assert [one.id for one in await first(1, again.letters())] == [later.id]
        await again.close()


def _name(one: Followed) -> str | Lost | Pruned:
    return one.key if isinstance(one, Record) else one
