"""A link in the test server: what a publisher would have written, and somebody who follows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.links.endpoint import Endpoint
from telemetry.links.firebase import FirebaseSource
from telemetry.links.firebase_rest import Rest
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record, to_value
from telemetry.links.record_frames import frames_text
from telemetry.links.tokens import EMULATOR_OWNER, Tokens
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

S = 1_000_000_000
T0 = 1_790_000_000 * S
ROOT = "cubesat_tui/kestrel-1"
HK = Layout("hk", (Column("eps.bat_v", "V"), Column("obc.mode", "", ((1, "SAFE"), (3, "NOMINAL")))))


class HastyClock:
    """The machine's clock, so many times as fast: a dead-man of 45 s strikes after a fraction of one."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._begun = time.monotonic()

    def now_ns(self) -> int:
        return T0 + int(self.monotonic() * S)

    def monotonic(self) -> float:
        return (time.monotonic() - self._begun) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)


class Publisher:
    """Writes records of frames as a courier does, without losing or repeating any."""

    def __init__(self, server: RtdbServer, start_s: int = 1_790_000_000) -> None:
        self.server = server
        self.start_s = start_s
        self.next_id = 1
        server.fill(HK.body.decode(), f"{ROOT}/layouts/{HK.digest}")

    def record(self, rows: int = 1, text: str = "ä☃") -> tuple[str, dict]:
        """Key and value of the next record; nobody has it yet."""
        first = self.next_id
        self.next_id += rows
        seqs = np.arange(first, first + rows)
        frames = FrameBatch(
            HK,
            ("KESTREL-1",),
            np.zeros(rows, dtype=np.int64),
            np.full(rows, self.start_s, dtype=np.int64),
            seqs,
            T0 + seqs * S,
            T0 + seqs * S + 5,
            np.full(rows, 8, dtype=np.int64),
            np.stack([seqs / 10, np.full(rows, np.nan)], axis=1),
        )
        key = StreamKey("frames", self.start_s, first).text
        value = to_value(Record(key, first, first + rows - 1, rows, frames_text([frames])), compress=True)
        return key, value | {"note": text}

    def send(self, *records: tuple[str, dict]) -> None:
        """Append records and the head in one write."""
        key, value = records[-1]
        head = {"key": key, "b": value["b"], "n_total": value["b"], "by": "test"}
        for one, stored in records:
            self.server.fill(stored, f"{ROOT}/frames/{one}")
        self.server.fill(head, f"{ROOT}/heads/frames")

    def publish(self, records: int = 1, rows: int = 1) -> None:
        for _ in range(records):
            self.send(self.record(rows))

    def publish_at_once(self, records: int, rows: int = 1) -> None:
        """All in one write, as when an outbox is filled before anybody looks."""
        made = [self.record(rows) for _ in range(records)]
        self.server.fill(dict(made), f"{ROOT}/frames")
        self.server.fill({"key": made[-1][0], "b": self.next_id - 1}, f"{ROOT}/heads/frames")


class Ledger:
    """A store that is filled by a source, in the way of a station: frames and cursor in one transaction."""

    def __init__(self, path: Path, open_source: Callable[[str | None], FirebaseSource]) -> None:
        self.path = path
        self._open = open_source
        self.keep_cursor = True
        self.duplicates = 0

    async def follow(self, until: int, seconds: float = 60.0) -> FirebaseSource:
        """Run from the stored cursor until so many frames are stored, then stop as a station stops."""
        writer = StoreWriter(self.path, HastyClock(1))
        try:
            source = self._open(writer.cursor("firebase") if self.keep_cursor else None)
            stored = self.frames()
            async with asyncio.timeout(seconds):
                if stored < until:
                    async for batch in source:
                        cursors = {} if batch.cursor is None else {"firebase": batch.cursor}
                        result = writer.append([ScoredBatch(batch)], [], cursors)
                        self.duplicates += result.duplicates
                        stored += result.accepted
                        await source.committed(batch)
                        if stored >= until:
                            break
            await source.close()
            return source
        finally:
            writer.close()

    def frames(self) -> int:
        reader = StoreReader(self.path)
        try:
            return reader.frames_accepted()
        finally:
            reader.close()

    def seqs(self) -> list[int]:
        """Sequence numbers in the order in which the frames were stored."""
        reader = StoreReader(self.path)
        try:
            return [frame.seq for batch in reader.outgoing.frames_between(1, 2**62) for frame in batch]
        finally:
            reader.close()


@pytest.fixture
def mission(tmp_path: Path) -> Mission:
    bus = Bus(
        "3u",
        (
            Channel("eps.bat_v", "Battery voltage", "V"),
            Channel("obc.mode", "Mode", enum=((1, "SAFE"), (3, "NOMINAL"))),
        ),
    )
    return Mission(tmp_path, (Satellite("KESTREL-1", "3u"),), {"3u": bus})


@pytest.fixture
def publisher(firebase_server: RtdbServer) -> Publisher:
    return Publisher(firebase_server)


@pytest.fixture
def hasty() -> type[HastyClock]:
    return HastyClock


OpenRest = Callable[..., Rest]


@pytest.fixture
async def open_rest(firebase_server: RtdbServer) -> AsyncIterator[OpenRest]:
    opened: list[Rest] = []

    def make(tokens: Tokens = EMULATOR_OWNER, *, speed: float = 1, **other) -> Rest:
        endpoint = Endpoint.of(firebase_server.url, ROOT)
        rest = Rest(endpoint, tokens, **({"clock": HastyClock(speed)} | other))
        opened.append(rest)
        return rest

    yield make
    for rest in opened:
        await rest.close()


@pytest.fixture
def ledger(tmp_path: Path, open_rest: OpenRest, mission: Mission) -> Callable[..., Ledger]:
    def make(name: str = "a.db", *, speed: float = 1, tokens: Tokens = EMULATOR_OWNER, **other) -> Ledger:
        rest = open_rest(tokens, speed=speed)
        return Ledger(tmp_path / name, lambda cursor: FirebaseSource(rest, cursor, mission, **other))

    return make
