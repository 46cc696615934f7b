"""Rows over a link with a round trip of 60 ms: sent by the courier beside `push()`, and caught up by a follower.

The database is the tests' own server in this process, which answers each request so much later. Writing goes
through Google's client, reading through ours, as in a station. These are wall times: what takes long is the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import firebase_admin
import numpy as np
from firebase_admin import credentials, db
from google.auth.credentials import AnonymousCredentials

from bench.figure import Figure
from telemetry.clock import SystemClock
from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import FrameBatch, Quality
from telemetry.links.endpoint import Endpoint
from telemetry.links.firebase import FirebaseSource
from telemetry.links.firebase_rest import Rest
from telemetry.links.link_keys import MOST_ROWS, StreamKey
from telemetry.links.tokens import EMULATOR_OWNER
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "firebase"))

ROUND_TRIP_S = 0.06
ROOT = "cubesat_tui/a"
START_S = 1_795_355_400
CHANNELS = 45
MISSED = 10_000
LIVE_ROWS = 3
"""Rows in a record that was sent live: what the demo's satellite sends in a second."""


def measure(quick: bool = False) -> Iterator[Figure]:
    """Rows a second out and in."""
    from rtdb.server import RtdbServer

    rows = MISSED // 10 if quick else MISSED
    with tempfile.TemporaryDirectory(prefix="cubesat-tui-bench-") as place, contextlib.ExitStack() as opened:
        folder = Path(place)
        bus = Bus("3u", tuple(Channel(f"eps.c{i}", f"Channel {i}") for i in range(CHANNELS)))
        mission = Mission(folder, (Satellite("A", "3u"),), {"3u": bus})
        _store(folder / "telemetry.db", _batch(mission, rows))
        server = RtdbServer()
        opened.callback(server.close)
        courier = _Courier(folder, server.database_url)
        opened.callback(courier.close)

        server.set(latency_s=ROUND_TRIP_S)
        push = _pushed(server.database_url, _batch(mission, 40))
        sent = courier.send(rows)
        beside = f"push() {push:.0f} rows/s"
        yield Figure("link: rows a second at 60 ms, draining", sent, "rows/s", beside=beside)
        yield Figure("link: rows a second at 60 ms over push()", sent / push, "x", at_least=20, beside=beside)

        server.set(latency_s=0)
        server.fill(None, f"{ROOT}/frames")
        courier.send(rows, LIVE_ROWS)
        server.set(latency_s=ROUND_TRIP_S)
        spent = asyncio.run(_caught_up(server.url, mission, folder / "followed.db", rows))
        name = f"link: {rows:,} missed frames caught up at 60 ms"
        yield Figure(name, spent, "s", at_most=30, beside=f"sent live, {LIVE_ROWS} rows a record")


def _batch(mission: Mission, n: int) -> FrameBatch:
    (layout,) = mission.buses["3u"].layouts.values()
    seq, zeros = np.arange(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    t_ns = (START_S + seq) * 10**9
    values = np.round(np.sin(seq[:, np.newaxis] / (100 + np.arange(CHANNELS))) * 50, 2)
    quality = zeros + int(Quality.SIMULATED)
    return FrameBatch(layout, ("A",), zeros, zeros + START_S, seq, t_ns, t_ns + 5_000_000, quality, values)


def _store(path: Path, batch: FrameBatch) -> None:
    writer = StoreWriter(path, SystemClock())
    writer.append([ScoredBatch(batch)], [], {})
    writer.close()


def _pushed(url: str, batch: FrameBatch) -> float:
    """Rows a second when each is pushed."""
    app = firebase_admin.initialize_app(AnonymousCredential(), {"databaseURL": url})
    node = db.reference(f"{ROOT}/pushed", app=app)
    rows = [{"seq": frame.seq, "t_ns": frame.t_ns, "values": frame.values.tolist()} for frame in batch]
    node.push(rows[0])
    begun = time.perf_counter()
    for row in rows:
        node.push(row)
    return len(rows) / (time.perf_counter() - begun)


class AnonymousCredential(credentials.Base):
    """Of a database that is open to all."""

    def get_credential(self) -> AnonymousCredentials:
        return AnonymousCredentials()


class _Courier:
    """The courier's child of a folder with a store, told what to do as a station tells it."""

    def __init__(self, folder: Path, url: str) -> None:
        command = [sys.executable, "-P", "-m", "telemetry.links.courier", str(folder)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        opened = {"url": url, "root": ROOT, "station": "bench", "name": "bench", "session": "1"}
        self._ask({"open": opened}, "opened")
        self._ask({"claim": {"node": "publisher", "streams": ["frames"]}}, "claimed")

    def send(self, rows: int, most: int = MOST_ROWS) -> float:
        """Rows a second."""
        begun = time.perf_counter()
        ranges = [
            ("frames", StreamKey("frames", START_S, first).text, first, min(first + most - 1, rows))
            for first in range(1, rows + 1, most)
        ]
        self._ask({"send": ranges}, "sent", len(ranges))
        return rows / (time.perf_counter() - begun)

    def _ask(self, order: dict[str, Any], answer: str, times: int = 1) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        for line in self._child.stdout:
            said = json.loads(line)
            times -= answer in said
            if "failed" in said or "refused" in said:
                raise RuntimeError(line)
            if not times:
                return
        raise RuntimeError("the courier ended")

    def close(self) -> None:
        self._child.communicate(timeout=10)


async def _caught_up(url: str, mission: Mission, path: Path, rows: int) -> float:
    """Seconds until a follower that had nothing has stored everything."""
    writer = StoreWriter(path, SystemClock())
    rest = Rest(Endpoint.of(url, ROOT), EMULATOR_OWNER)
    source = FirebaseSource(rest, None, mission)
    begun, stored = time.perf_counter(), 0
    async with asyncio.timeout(300):
        async for batch in source:
            stored += writer.append([ScoredBatch(batch)], [], {"firebase": batch.cursor or ""}).accepted
            if stored >= rows:
                break
    spent = time.perf_counter() - begun
    await source.close()
    await rest.close()
    writer.close()
    return spent
