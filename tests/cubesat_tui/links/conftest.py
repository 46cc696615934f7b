"""Missions that publish to a database of this machine, through the real courier."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from cubesat_tui.publisher import Publisher
from rtdb.tls import Tls
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, SystemClock
from telemetry.dictionary import read_mission
from telemetry.frame import Column, FrameBatch, Layout
from telemetry.links.record import Record, from_value
from telemetry.links.record_frames import frames_of, layout_of
from telemetry.links.record_journal import events_of
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

T0 = 1_790_000_000 * NS_PER_S
HK = Layout("hk", (Column("eps.bat_v", "V"), Column("obc.mode", "", ((1, "SAFE"), (3, "NOMINAL")))))
TOML = """
schema = 1
[[satellite]]
name = "KESTREL-1"
bus = "3u"
[[bus.3u.channel]]
name = "eps.bat_v"
unit = "V"
[[bus.3u.channel]]
name = "obc.mode"
enum = {1 = "SAFE", 3 = "NOMINAL"}
[source]
kind = "stream"
[link]
target = "firebase"
"""
ROOT = "cubesat_tui/kestrel-1"


class Publishing:
    """A mission directory whose rows are published, by one station after the other."""

    def __init__(self, path: Path, server: RtdbServer, url: str, link: str = "") -> None:
        self.server = server
        self.directory = MissionDirectory(path)
        self.directory.create()
        self.directory.toml.write_text(f'{TOML}url = "{url}"\n{link}\n', encoding="utf-8")
        self.mission = read_mission(path)
        self.clock = SystemClock()
        self.writer = StoreWriter(self.directory.telemetry, self.clock)
        self.publisher: Publisher
        self.journaled: list[Event] = []
        self._task: asyncio.Task[None] | None = None
        self.seq = 0

    def store(self, n: int, *, events: int = 0, received_ns: int = T0, nan_at: int | None = None) -> None:
        """Commit n more frames and some events."""
        numbers = np.arange(self.seq, self.seq + n, dtype=np.int64)
        self.seq += n
        values = np.stack([7.0 + numbers / 1000, np.full(n, 3.0)], axis=1)
        if nan_at is not None:
            values[nan_at] = np.nan
        batch = FrameBatch(
            HK,
            ("KESTREL-1",),
            np.zeros(n, dtype=np.int64),
            np.full(n, 1_790_000_000, dtype=np.int64),
            numbers,
            T0 + numbers * NS_PER_S,
            np.full(n, received_ns, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            values,
            None,
        )
        told = [Event(T0, "KESTREL-1", "test.event", body={"text": f"event {i}"}) for i in range(events)]
        self.writer.append([ScoredBatch(batch, None)] if n else [], told, {})

    def note(
        self,
        events: Sequence[Event],
        cursors: dict[str, str] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        self.writer.append([], events, cursors or {})
        self.journaled.extend(events)
        if after is not None:
            after()

    def start(self, streams: Sequence[str] = ("frames",), **options: Any) -> Publisher:
        self.publisher = Publisher(
            self.mission, self.directory, self.writer, self.clock, streams, self.note, name="ann@ground", **options
        )
        self._task = asyncio.create_task(self.publisher.run())
        return self.publisher

    async def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until it is so; the publisher's own end is raised."""
        assert self._task is not None
        async with asyncio.timeout(seconds):
            while not true():
                if self._task.done():
                    self._task.result()
                self.publisher.nudge()
                await asyncio.sleep(0.02)

    async def all_sent(self, seconds: float = 40) -> None:
        """Wait until the database has confirmed all frames."""
        await self.until(lambda: self.writer.publication.sent_until("frames") == self.seq, seconds)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def kinds(self) -> list[str]:
        return [event.kind for event in self.journaled]

    def records(self, stream: str = "frames") -> list[Record]:
        """Records of a stream as they stand in the database, by key."""
        found = self.server.tree(f"{ROOT}/{stream}") or {}
        return [from_value(key, found[key]) for key in sorted(found)]

    def frames(self) -> list[FrameBatch]:
        """Frames in the database, in the order of the link."""
        told = self.server.tree(f"{ROOT}/layouts") or {}
        layouts = {digest: layout_of(digest, text) for digest, text in told.items()}
        return [batch for record in self.records() for batch in frames_of(record, layouts)]

    def seqs(self) -> list[int]:
        """Sequence numbers of all frames in the database, in the order of the link."""
        return [int(seq) for batch in self.frames() for seq in batch.seq]

    def events(self) -> list[Event]:
        """Events in the database, in the order of the link."""
        return [event for record in self.records("journal") for event in events_of(record)]


class Secured(NamedTuple):
    """A database that asks for a key, and a key that it takes."""

    url: str
    key: Path


@pytest.fixture
def secured(tmp_path: Path, firebase_server: RtdbServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secured]:
    """The database of the test behind TLS, closed to everybody by its rules, and a service account's key file."""
    tls = Tls(tmp_path, firebase_server.port)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.certificate))
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
    key = tmp_path / "key.json"
    key.write_text(json.dumps(firebase_server.service_account()), encoding="utf-8")
    key.chmod(0o600)
    firebase_server.set_rules({"rules": {".read": False, ".write": False}})
    yield Secured(f"https://127.0.0.1:{tls.port}", key)
    tls.close()


MakePublishing = Callable[..., Publishing]


@pytest.fixture
async def publishing(
    tmp_path: Path, firebase_server: RtdbServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MakePublishing]:
    """Makes missions that publish to the database of the test."""
    monkeypatch.delenv("FIREBASE_DATABASE_EMULATOR_HOST", raising=False)
    made: list[Publishing] = []

    def make(name: str = "mission", link: str = "", url: str | None = None) -> Publishing:
        made.append(Publishing(tmp_path / name, firebase_server, url or firebase_server.database_url, link))
        return made[-1]

    yield make
    for one in made:
        await one.stop()
        one.writer.close()
