"""Random histories of a stream: what is published, spoilt, deleted, and done to the messages on the way."""

from __future__ import annotations

import asyncio
import itertools
import json
import random

import httpx
import pytest

from telemetry.clock import ManualClock
from telemetry.links.endpoint import Endpoint
from telemetry.links.firebase_rest import Rest
from telemetry.links.link import Lost, Pruned, StreamCursor
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record
from telemetry.links.stream_follower import StreamFollower
from telemetry.links.tokens import ANYBODY

STEPS = 60


class NoWait(ManualClock):
    """Sleeping takes no time; only a dead-man waits."""

    async def sleep(self, seconds: float) -> None:
        if seconds == 45.0:
            await super().sleep(seconds)
        else:
            self.advance(seconds)
            await asyncio.sleep(0)


class Database:
    """A stream of records, and streams of events about it that are as unlucky as `dice` says."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.start_s, self.next_id = 1_790_000_000, 1
        self.records: dict[str, object] = {}
        self.lo: str | None = None
        self.good: set[int] = set()
        self.deleted: set[int] = set()
        self.poison: set[int] = set()
        self.listeners: list[asyncio.Queue[bytes | None]] = []
        self.held: bytes | None = None

    def make(self) -> tuple[str, object]:
        key = StreamKey("frames", self.start_s, self.next_id).text
        rows = self.dice.randint(1, 3)
        value: object = {"v": 1, "a": self.next_id, "b": self.next_id + rows - 1, "n": rows, "j": '["☃"]'}
        spoilt = self.dice.random() < 0.08
        (self.poison if spoilt else self.good).update(range(self.next_id, self.next_id + rows))
        self.next_id += rows
        return key, "spoilt" if spoilt else value

    def tell(self, event: str, path: str, data: object) -> None:
        body = json.dumps({"path": path, "data": data}, ensure_ascii=False)
        message = f"event: {event}\ndata: {body}\n\n".encode()
        luck = self.dice.random()
        if luck < 0.1 and self.held is None:
            self.held = message
            return
        late, self.held = self.held, None
        for listener in self.listeners:
            for one in (message, message if luck > 0.9 else b"", late or b""):
                if one:
                    listener.put_nowait(one)

    def step(self) -> None:
        luck = self.dice.random()
        if luck < 0.6:
            key, value = self.make()
            self.records[key] = value
            self.tell("put", f"/{key}", value)
        elif luck < 0.75:
            made = dict(self.make() for _ in range(self.dice.randint(2, 4)))
            self.records |= made
            self.tell("patch", "/", made)
        elif luck < 0.82:
            self.tell("put", "/", self.records or None)
        elif luck < 0.9:
            for listener in self.listeners:
                listener.put_nowait(None)
        elif luck < 0.93:
            self.start_s += 100
        elif luck < 0.96 and len(self.records) > 3:
            kept = sorted(self.records)[self.dice.randint(1, 3) :]
            self.lo = kept[0]
            for key in sorted(set(self.records) - set(kept)):
                self.drop(key)
        elif self.records:
            self.drop(self.dice.choice(sorted(self.records)))

    def drop(self, key: str) -> None:
        value = self.records.pop(key)
        if isinstance(value, dict):
            self.deleted.update(range(value["a"], value["b"] + 1))
        self.tell("put", f"/{key}", None)

    def answer(self, request: httpx.Request) -> httpx.Response:
        async def body(raw: bytes):
            yield raw

        if self.dice.random() < 0.1:
            return httpx.Response(503)
        if request.url.path == "/lo/frames.json":
            return httpx.Response(200, content=body(json.dumps(self.lo).encode()))
        if not request.url.path.startswith("/frames"):
            return httpx.Response(200, content=body(b"null"))
        start = json.loads(request.url.params.get("startAt", '""'))
        here = {key: self.records[key] for key in sorted(self.records) if key >= start}
        if "text/event-stream" in request.headers["accept"]:
            headers = {"content-type": "text/event-stream"}
            mine: asyncio.Queue[bytes | None] = asyncio.Queue()
            self.listeners.append(mine)
            return httpx.Response(200, headers=headers, content=self.events(here, mine))
        most = int(request.url.params.get("limitToFirst", "1000"))
        return httpx.Response(200, content=body(json.dumps(dict(list(here.items())[:most]) or None).encode()))

    async def events(self, here: dict[str, object], mine: asyncio.Queue[bytes | None]):
        try:
            yield f"event: put\ndata: {json.dumps({'path': '/', 'data': here or None})}\n\n".encode()
            while (message := await mine.get()) is not None:
                yield message
            # The line is cut within a message.
            yield b"event: put\ndata: {"[: self.dice.randint(0, 18)]
        finally:
            self.listeners.remove(mine)


async def history(seed: int) -> tuple[Database, list[Record | Lost | Pruned], StreamFollower]:
    database = Database(random.Random(seed))
    transport = httpx.MockTransport(database.answer)
    told: list[Record | Lost | Pruned] = []
    cursor = StreamCursor()

    def follower() -> tuple[StreamFollower, asyncio.Task[None]]:
        rest = Rest(Endpoint.of("http://127.0.0.1:9"), ANYBODY, clock=NoWait(), transport=transport)
        one = StreamFollower(rest, "frames", cursor)

        async def run() -> None:
            nonlocal cursor
            async for found in one:
                told.append(found)
                if isinstance(found, Record):
                    cursor = StreamCursor(found.key, found.last)

        return one, asyncio.create_task(run())

    one, task = follower()
    for _ in range(STEPS):
        database.step()
        for _ in range(database.dice.randint(0, 60)):
            await asyncio.sleep(0)
        if database.dice.random() < 0.05:
            # The reader is killed; what it committed is all that is left of it.
            task.cancel()
            await asyncio.wait((task,))
            one, task = follower()
    last = {"v": 1, "a": database.next_id, "b": database.next_id, "n": 1, "j": "[]"}
    database.good.add(database.next_id)
    key = StreamKey("frames", database.start_s, database.next_id).text
    database.records[key] = last
    database.held = None
    database.tell("put", f"/{key}", last)
    for listener in database.listeners:
        listener.put_nowait(None)
    async with asyncio.timeout(20):
        while cursor.key != key and not task.done():
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.result()
    return database, told, one


@pytest.mark.parametrize("seed", range(60))
async def test_each_row_is_delivered_once_in_order_and_nothing_is_called_lost_that_is_there(seed):
    database, told, _ = await history(seed)
    ids = [row for one in told if isinstance(one, Record) for row in range(one.first, one.last + 1)]
    assert ids == sorted(set(ids))
    assert not set(ids) & database.poison
    assert database.good - set(ids) <= database.deleted
    missing = {row for one in told if not isinstance(one, Record) for row in range(one.first, one.last + 1)}
    assert not missing & set(ids)
    assert missing <= database.deleted | database.poison
    lost = {row for one in told if isinstance(one, Lost) for row in range(one.first, one.last + 1)}
    assert lost <= database.poison | database.deleted
    records = [one for one in told if isinstance(one, Record)]
    for one, after in itertools.pairwise(records):
        if StreamKey.parse(one.key).start_s == StreamKey.parse(after.key).start_s:
            assert set(range(one.last + 1, after.first)) <= missing
