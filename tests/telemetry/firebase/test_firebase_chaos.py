"""All of a link under bad luck at once: an outbox, the courier's own work, a database, and two who follow it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from telemetry.clock import ManualClock
from telemetry.frame import Column, FrameBatch, Layout, Quality
from telemetry.links.admin_database import AdminDatabase
from telemetry.links.courier_work import Claim, Courier, Range, Settings
from telemetry.links.link_keys import STREAMS, StreamKey
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

ROOT = "cubesat_tui/kestrel-1"
S = 10**9
T0 = 1_790_000_000 * S
HK = Layout("hk", (Column("eps.bat_v", "V"), Column("obc.mode", "", ((1, "SAFE"), (3, "NOMINAL")))))
FRAMES = 600


def frames(seqs: range, stored: bool) -> FrameBatch:
    """Live frames, or a part of what was recorded before the pass."""
    numbers = np.array(seqs, dtype=np.int64)
    n = len(numbers)
    return FrameBatch(
        HK,
        ("KESTREL-1",),
        np.zeros(n, dtype=np.int64),
        np.full(n, 1_790_000_000, dtype=np.int64),
        numbers,
        T0 + numbers * S,
        T0 + numbers * S + 7,
        np.full(n, int(Quality.STORED) if stored else 0, dtype=np.int64),
        np.stack([numbers / 7, np.where(numbers % 5, 3.0, np.nan)], axis=1),
    )


class Outbox:
    """A store whose frames go into the link in committed ranges, each sent until it is confirmed."""

    def __init__(self, path, server: RtdbServer) -> None:
        self.writer = StoreWriter(path, ManualClock(T0))
        self.reader = StoreReader(path)
        self.said: list[dict[str, Any]] = []
        settings = Settings(server.database_url, ROOT, "station-1", "test", "1")
        database = AdminDatabase(server.database_url, "")
        self.courier = Courier(settings, lambda: self.reader.outgoing, database, self.said.append)
        self.courier.claim(Claim("publisher", list(STREAMS), take_over=True))
        self.start_s = self.writer.publication.start_after(1_790_000_000)

    def publish(self, batch: FrameBatch) -> None:
        result = self.writer.append([ScoredBatch(batch)], [], {})
        key = StreamKey("frames", self.start_s, result.first_id).text
        self.writer.publication.publish_range(key, result.first_id, result.last_id)
        for _ in range(100):
            self.said.clear()
            self.courier.send([Range("frames", key, result.first_id, result.last_id)])
            if {"sent": key} in self.said:
                self.writer.publication.published(key)
                return
        raise AssertionError(f"{key} was never confirmed: {self.said}")

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.mark.timeout(240)
async def test_600_frames_are_stored_once_by_two_followers_whatever_happens(firebase_server, ledger, tmp_path):
    """At least 20 cuts, 10 times 503, 10 lost replies and 3 mutes; one of the followers is started anew twice."""
    server = firebase_server
    server.set(keep_alive_s=0.1)
    outbox = await asyncio.to_thread(Outbox, tmp_path / "outbox.db", server)
    first, second = ledger("a.db", speed=60), ledger("b.db", speed=60)

    async def restarted() -> None:
        for until in (FRAMES // 3, FRAMES // 2, FRAMES):
            await first.follow(until, 200)

    async def strike(act) -> None:
        """Something that happens to whoever listens, as soon as somebody does."""
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(act):
                await asyncio.sleep(0.01)

    following = [asyncio.create_task(restarted()), asyncio.create_task(second.follow(FRAMES, 200))]
    try:
        for step in range(60):
            if step % 6 == 2:
                await asyncio.to_thread(server.lose_replies, 1)
            if step % 6 == 5:
                await asyncio.to_thread(server.unavailable, 1)
            seqs = range(step // 2 * 10, step // 2 * 10 + 10)
            batch = frames(range(300 + seqs[0], 310 + seqs[0]), False) if step % 2 else frames(seqs, True)
            await asyncio.to_thread(outbox.publish, batch)
            if step % 3 == 0:
                await strike(server.cut_streams)
            if step % 15 == 4:
                await strike(server.mute_streams)
            if step % 20 == 7:
                await strike(server.snapshot_streams)
            if step % 10 == 8:
                await asyncio.to_thread(lambda: server.set(reorder=1, duplicate=1))
        await asyncio.gather(*following)
    finally:
        for one in following:
            one.cancel()
        await asyncio.to_thread(outbox.close)
    counts = server.counts
    assert counts["cut"] >= 20
    assert counts["503"] >= 10
    assert counts["lost_reply"] >= 10
    assert counts["mute"] >= 3
    reader = StoreReader(tmp_path / "outbox.db")
    wanted = reader.outgoing.frames_between(1, 2**62)[0]
    reader.close()
    for one in (first, second):
        reader = StoreReader(one.path)
        found = reader.outgoing.frames_between(1, 2**62)[0]
        reader.close()
        assert one.duplicates == 0
        assert len(found) == FRAMES
        for name in ("boot", "seq", "t_ns", "received_ns", "quality"):
            assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name
        np.testing.assert_array_equal(found.values, wanted.values)
