"""Rows that the original system pushed are frames here: each once, the wrong ones counted."""

from __future__ import annotations

import asyncio
import json

import msgspec
import numpy as np
import pytest

from telemetry.clock import SystemClock, parse_iso
from telemetry.dictionary import Bus, Channel, SourceConfig
from telemetry.frame import Quality
from telemetry.links.link import LIVE
from telemetry.links.original_layout import MOST_RECENT, OriginalSource
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

FACES = ("NORTH", "SOUTH", "EAST", "WEST")
ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


def push_id(ms: int, n: int = 0) -> str:
    """A key as `push` makes it: 8 characters of time, 12 that count."""
    time = "".join(ALPHABET[ms >> 6 * place & 63] for place in reversed(range(8)))
    return time + "".join(ALPHABET[n >> 6 * place & 63] for place in reversed(range(12)))


def row(n: int, **other) -> dict:
    return {
        "face": FACES[n % 4],
        "distance_cm": 40 + n / 8,
        "timestamp": f"2026-11-22T07:{n // 60:02d}:{n % 60:02d}.250000",
        "signal_strength": 80 - n / 4,
    } | other


@pytest.fixture
def original(mission):
    """The mission of the original: four faces, and the signal strength of one of them."""
    channels = [Channel(f"pld.dist_{face[0].lower()}_cm", face, "cm") for face in FACES]
    channels.append(Channel("com.strength", "Signal", "%"))
    source = SourceConfig(
        kind="firebase",
        layout="original",
        faces=tuple((f"pld.dist_{face[0].lower()}_cm", face) for face in FACES),
        strengths=(("com.strength", "NORTH"),),
        simulated=True,
    )
    return msgspec.structs.replace(mission, buses={"3u": Bus("3u", tuple(channels))}, source=source)


class Station:
    def __init__(self, path, open_source) -> None:
        self.path, self._open = path, open_source

    async def follow(self, until: int) -> OriginalSource:
        writer = StoreWriter(self.path, SystemClock())
        try:
            source = self._open(writer.cursor("firebase"))
            async with asyncio.timeout(30):
                batches = aiter(source)
                while len(self.rows()) < until:
                    batch = await anext(batches)
                    cursors = {} if batch.cursor is None else {"firebase": batch.cursor}
                    writer.append([ScoredBatch(batch)], [], cursors)
            await source.close()
            return source
        finally:
            writer.close()

    def rows(self) -> list:
        reader = StoreReader(self.path)
        try:
            return [frame for batch in reader.outgoing.frames_between(1, 2**62) for frame in batch]
        finally:
            reader.close()


@pytest.fixture
def station(tmp_path, open_rest, original):
    return Station(tmp_path / "t.db", lambda cursor: OriginalSource(open_rest(), cursor, original))


async def test_a_hundred_rows_of_four_faces_are_all_in_the_ledger_once(firebase_server, station):
    firebase_server.fill({push_id(1000 + n): row(n) for n in range(100)}, "SENSOR_DATA")
    source = await station.follow(100)
    frames = station.rows()
    assert sorted(frame.seq for frame in frames) == list(range(100))
    assert {frame.boot for frame in frames} == {parse_iso("2026-11-22T07:00:00Z") // 10**9}
    for frame in frames:
        n = frame.seq
        assert frame.t_ns == parse_iso("2026-11-22T07:00:00.25Z") + n * 10**9
        assert frame.quality & Quality.NO_SEQUENCE and frame.quality & Quality.SIMULATED
        values = dict(zip(frame.layout.names, frame.values, strict=True))
        wanted = {f"pld.dist_{FACES[n % 4][0].lower()}_cm": 40 + n / 8}
        if n % 4 == 0:
            wanted["com.strength"] = 80 - n / 4
        assert values == wanted
    assert source.refused.total() == 0


async def test_a_restart_goes_on_after_the_last_row(firebase_server, station):
    for n in range(30):
        firebase_server.fill(row(n), f"SENSOR_DATA/{push_id(1000 + n)}")
    await station.follow(30)
    firebase_server.fill({push_id(2000 + n): row(n) for n in range(30, 330)}, "SENSOR_DATA/")
    for n in range(30):
        firebase_server.fill(row(n), f"SENSOR_DATA/{push_id(1000 + n)}")
    following = asyncio.create_task(station.follow(335))
    await asyncio.to_thread(firebase_server.wait_for_streams, 1)
    for n in range(330, 335):
        await asyncio.to_thread(firebase_server.fill, row(n), f"SENSOR_DATA/{push_id(9000 + n)}")
        await asyncio.to_thread(firebase_server.cut_streams)
    await following
    frames = station.rows()
    assert sorted(frame.seq for frame in frames) == list(range(335))
    assert sorted(frame.t_ns for frame in frames) == [
        parse_iso("2026-11-22T07:00:00.25Z") + n * 10**9 for n in range(335)
    ]


async def test_a_row_whose_writer_has_a_slower_clock_is_read_too(firebase_server, station):
    firebase_server.fill({push_id(1000 + 10 * n): row(n) for n in range(20)}, "SENSOR_DATA")
    following = asyncio.create_task(station.follow(22))
    await asyncio.to_thread(firebase_server.wait_for_streams, 1)
    await asyncio.to_thread(firebase_server.fill, row(20), f"SENSOR_DATA/{push_id(1105)}")
    await asyncio.to_thread(firebase_server.fill, row(21), f"SENSOR_DATA/{push_id(5000)}")
    await following
    await station.follow(22)
    assert len({frame.t_ns for frame in station.rows()}) == 22


WRONG = [
    (7, "no row"),
    ("text", "no row"),
    (row(1, face="UP"), "unknown face"),
    (row(1, face=None), "unknown face"),
    (row(1, face={"a": 1}), "unknown face"),
    (row(1, distance_cm="40"), "distance_cm is no number"),
    (row(1, distance_cm=True), "distance_cm is no number"),
    (row(0, signal_strength="loud"), "signal_strength is no number"),
    (row(1, timestamp=None), "no time"),
    (row(1, timestamp="yesterday"), "no time"),
    (row(1, timestamp=-5), "no time"),
    (row(1, timestamp=True), "no time"),
    (row(1, timestamp=1e300), "no time"),
]


async def test_wrong_rows_are_refused_and_counted_and_the_others_are_taken(firebase_server, station):
    rows = {push_id(1000 + n): wrong for n, (wrong, _) in enumerate(WRONG)}
    firebase_server.fill(rows | {push_id(9000): row(50), push_id(500): row(3)}, "SENSOR_DATA")
    source = await station.follow(2)
    reasons = [reason for _, reason in WRONG]
    assert dict(source.refused) == {reason: reasons.count(reason) for reason in reasons}
    assert [frame.seq for frame in station.rows()] == [0, len(WRONG) + 1]


@pytest.mark.parametrize(
    "time",
    [
        1795331400.25,
        1795331400250,
        "2026-11-22T07:10:00.25Z",
        "2026-11-22T08:10:00.25+01:00",
        "2026-11-22 07:10:00.25",
    ],
)
async def test_times_are_understood_in_all_the_shapes_they_were_written_in(firebase_server, station, time):
    firebase_server.fill({push_id(1): row(1, timestamp=time)}, "SENSOR_DATA")
    await station.follow(1)
    assert station.rows()[0].t_ns == parse_iso("2026-11-22T07:10:00.25Z")


async def test_a_value_that_is_not_there_was_sent_and_is_invalid(firebase_server, station):
    firebase_server.fill({push_id(1): {"face": "EAST", "timestamp": 5}}, "SENSOR_DATA")
    await station.follow(1)
    frame = station.rows()[0]
    assert frame.layout.names == ("pld.dist_e_cm",)
    assert np.isnan(frame.values).all()


async def test_the_cursor_stays_small_and_is_refused_when_it_is_another_sources(
    firebase_server, station, original, open_rest
):
    firebase_server.fill({push_id(1000 + n): row(n) for n in range(300)}, "SENSOR_DATA")
    source = await station.follow(300)
    assert source.report.state in (LIVE, "CONNECTING")
    reader = StoreReader(station.path)
    cursor = reader.cursor("firebase")
    reader.close()
    assert len(json.loads(cursor)["keys"]) == MOST_RECENT
    assert len(cursor) < 2000
    with pytest.raises(ValueError, match="not left by rows of the original's layout"):
        OriginalSource(open_rest(), "f6b029a80_0000000001 1", original)
