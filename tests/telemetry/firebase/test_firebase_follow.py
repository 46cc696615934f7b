"""A link over Firebase brings every frame once and in order, whatever happens to the streams on the way.

The first tests are the five ways in which Google's own `Reference.listen()` fails, and what else was seen of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time

import msgspec
import pytest

from telemetry.links.firebase import FirebaseSource
from telemetry.links.keyed_node import LONGEST_WINDOW, PAGE
from telemetry.links.link import BACKFILL, DOWN, LIVE, REFUSED, STALE, Lost, Pruned, StreamCursor
from telemetry.links.record import Record
from telemetry.links.stream_follower import StreamFollower


async def until(condition, seconds: float = 20.0) -> None:
    """Wait for something that another thread or the network brings about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def do(act, *args):
    """The server lives on a thread of its own and is asked from another, so that it can answer us."""
    return await asyncio.to_thread(act, *args)


class Followed:
    """A follower that runs, and what it has told so far."""

    def __init__(self, follower: StreamFollower) -> None:
        self.follower = follower
        self.told: list[Record | Lost | Pruned] = []
        self.states: list[str] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for one in self.follower:
            self.told.append(one)

    @property
    def ids(self) -> list[int]:
        return [one.first for one in self.told if isinstance(one, Record)]

    @property
    def missing(self) -> list[Lost | Pruned]:
        return [one for one in self.told if not isinstance(one, Record)]

    async def has(self, n: int, seconds: float = 20.0) -> None:
        await until(lambda: self._task.done() or len(self.ids) >= n, seconds)
        if self._task.done():
            self._task.result()

    async def state(self, *states: str, seconds: float = 20.0) -> None:
        await until(lambda: self.follower.report.state in states, seconds)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))


@pytest.fixture
async def follow(open_rest):
    running: list[Followed] = []

    def make(cursor: StreamCursor | None = None, *, speed: float = 1, stream: str = "frames", **other) -> Followed:
        rest = open_rest(speed=speed, **other)
        running.append(Followed(StreamFollower(rest, stream, cursor or StreamCursor())))
        return running[-1]

    yield make
    for one in running:
        await one.stop()


async def test_what_is_there_and_what_comes_is_stored_once_and_in_order(publisher, ledger):
    publisher.publish(5)
    one = ledger()
    following = asyncio.create_task(one.follow(9))
    await do(publisher.server.wait_for_streams, 1)
    await do(publisher.publish, 4)
    await following
    assert one.seqs() == list(range(1, 10))
    assert one.duplicates == 0


async def test_a_server_that_was_away_for_ten_minutes_is_found_again(publisher, follow):
    """`listen()`: its thread dies for good when the server is away for 3 s. Ten minutes here are three seconds."""
    server = publisher.server
    publisher.publish(3)
    one = follow(speed=200)
    await one.has(3)
    await do(server.refuse)
    await one.state(DOWN)
    began = one.follower._rest.clock.monotonic()
    words: set[str] = set()
    while one.follower._rest.clock.monotonic() - began < 600:
        words.add(one.follower.report.detail)
        await asyncio.sleep(0.01)
    attempts = one.follower._health.failures
    await do(server.accept)
    await do(publisher.publish, 2)
    await one.has(5)
    await one.state(LIVE)
    assert one.ids == [1, 2, 3, 4, 5]
    assert 5 <= attempts <= 150, "a pause between attempts grows to 30 s and no further"
    assert any(re.fullmatch(rf"no connection to {server.host}: next attempt in \d+ s", text) for text in words)


async def test_a_mute_stream_is_given_up_after_45_seconds(publisher, follow):
    """`listen()`: a half-open link goes unnoticed for two minutes. 45 s here are half a second."""
    publisher.publish(1)
    one = follow(speed=90)
    await one.has(1)
    await one.state(LIVE)
    await do(publisher.server.mute_streams)
    began = one.follower._rest.clock.monotonic()
    await do(publisher.publish, 3)
    await one.has(4)
    took = one.follower._rest.clock.monotonic() - began
    assert one.ids == [1, 2, 3, 4]
    assert took >= 40


async def test_silence_shows_before_the_stream_is_given_up(publisher, follow):
    publisher.publish(1)
    one = follow(speed=60)
    await one.has(1)
    await one.state(LIVE)
    await do(publisher.server.mute_streams)
    await one.state(STALE)
    assert one.follower.report.detail.startswith(f"nothing heard from {publisher.server.host} for ")


async def test_a_reconnection_asks_for_what_is_new_and_not_for_the_whole_node(publisher, follow):
    """`listen()` sends the whole node again on each reconnection, and each hour."""
    publisher.publish_at_once(400)
    one = follow(speed=20)
    await one.has(400)
    await one.state(LIVE)
    before = one.follower._rest.bytes_read
    for _ in range(5):
        await do(publisher.server.wait_for_streams, 1)
        await do(publisher.server.cut_streams)
        await do(publisher.publish)
        await one.has(one.ids[-1] + 1)
    assert one.ids == list(range(1, 406))
    assert one.follower._rest.bytes_read - before < before / 20


async def test_a_large_window_costs_little(publisher, follow):
    """`listen()` looks at one character at a time: 22 s of CPU for 20,000 rows."""
    publisher.publish_at_once(500, rows=40)
    began = time.thread_time()
    one = follow()
    await one.has(500)
    assert time.thread_time() - began < 3
    assert one.ids[-1] == 500 * 40 - 39


async def test_it_ends_at_once_when_it_is_told_to(publisher, ledger):
    """`listen()`: `close()` blocks until the next byte, up to 30 s, and the process never ends."""
    publisher.publish(1)
    one = ledger()
    source = one._open(None)
    batches = aiter(source)
    assert len(await anext(batches)) == 1
    waiting = asyncio.ensure_future(anext(batches, None))
    await do(publisher.server.wait_for_streams, 1)
    began = time.monotonic()
    await source.close()
    assert await asyncio.wait_for(waiting, 5) is None
    assert time.monotonic() - began < 5
    await do(publisher.server.wait_for_streams, 0)


async def test_a_reader_that_fails_loses_nothing(publisher, ledger):
    """`listen()`: an exception of the callback ends the thread, and nobody is told."""
    publisher.publish(10)
    one = ledger()
    source = one._open(None)
    with pytest.raises(ZeroDivisionError):
        async for _ in source:
            raise ZeroDivisionError
    await source.close()
    await one.follow(10)
    assert one.seqs() == list(range(1, 11))


async def test_a_right_that_is_taken_away_is_told_and_brings_no_storm(publisher, follow):
    """`listen()` drops a `cancel` silently."""
    server = publisher.server
    publisher.publish(1)
    one = follow(speed=50)
    await one.has(1)
    await do(server.wait_for_streams, 1)
    await do(server.cancel_streams)
    await one.state(REFUSED)
    assert (
        one.follower.report.detail == "access refused: the token is not allowed to use cubesat_tui/kestrel-1/frames"
    )
    asked = len(server.requests)
    began = one.follower._rest.clock.monotonic()
    while one.follower._rest.clock.monotonic() - began < 100:
        await asyncio.sleep(0.02)
    assert len(server.requests) == asked
    await do(publisher.publish)
    # The right is asked for again after five minutes: nobody has to start a console anew.
    await one.has(2)
    await one.state(LIVE)


async def test_text_is_utf8_whatever_the_server_says_or_does_not_say(publisher, ledger, follow):
    """`listen()` reads UTF-8 as Latin-1 where the header names no character set."""
    publisher.server.set(charset=False)
    one = follow()
    await do(publisher.server.wait_for_streams, 1)
    await do(publisher.server.fill, "Zürich ☃ 𝄞", "cubesat_tui/kestrel-1/lo/frames")
    await do(publisher.publish, 3)
    await one.has(3)
    assert one.ids == [1, 2, 3]
    assert one.follower.refused.total() == 0


async def test_streams_cut_again_and_again_lose_nothing(publisher, ledger):
    one = ledger(speed=20)
    following = asyncio.create_task(one.follow(60))
    for _ in range(20):
        await do(publisher.publish, 3)
        await do(publisher.server.cut_streams)
    await following
    assert one.seqs() == list(range(1, 61))
    assert one.duplicates == 0


async def test_a_redirect_is_followed(publisher, follow):
    publisher.publish(2)
    publisher.server.set(redirects=3)
    one = follow()
    await one.has(2)
    await one.state(LIVE)
    assert publisher.server.counts["redirect"] == 3


async def test_errors_of_the_server_are_waited_out(publisher, follow):
    publisher.publish(3)
    publisher.server.unavailable(6)
    one = follow(speed=20)
    await one.state(DOWN)
    assert "is not available now (503): " in one.follower.report.detail
    await one.has(3)
    assert one.ids == [1, 2, 3]


async def test_an_hourly_snapshot_changes_nothing(publisher, follow):
    one = follow()
    await do(publisher.server.wait_for_streams, 1)
    await do(publisher.publish, 5)
    await one.has(5)
    for _ in range(3):
        assert await do(publisher.server.snapshot_streams) == 1
    await do(publisher.publish, 1)
    await one.has(6)
    assert one.ids == [1, 2, 3, 4, 5, 6]
    assert one.follower.repeated >= 15


async def test_messages_that_come_twice_or_in_another_order_change_nothing(publisher, follow):
    one = follow()
    await do(publisher.server.wait_for_streams, 1)
    await do(lambda: publisher.server.set(reorder=10, duplicate=10))
    await do(publisher.publish, 40)
    await one.has(40)
    assert one.ids == list(range(1, 41))
    assert publisher.server.counts["reordered"] >= 5
    assert publisher.server.counts["duplicated"] >= 5
    assert one.missing == []


async def test_several_records_in_one_write_come_in_their_order(publisher, follow):
    one = follow()
    await do(publisher.server.wait_for_streams, 1)
    made = dict(publisher.record() for _ in range(5))
    rest = one.follower._rest
    await rest.patch("cubesat_tui/kestrel-1", {f"frames/{key}": made[key] for key in sorted(made, reverse=True)})
    await one.has(5)
    assert one.ids == [1, 2, 3, 4, 5]


async def test_what_is_deleted_while_it_is_followed_is_no_news(publisher, follow):
    publisher.publish(4)
    one = follow()
    await one.has(4)
    await one.state(LIVE)
    for key in list(publisher.server.tree("cubesat_tui/kestrel-1/frames"))[:3]:
        await do(publisher.server.fill, None, f"cubesat_tui/kestrel-1/frames/{key}")
    await do(publisher.publish, 2)
    await one.has(6)
    assert one.ids == [1, 2, 3, 4, 5, 6]
    assert one.missing == []


async def test_what_retention_took_is_told_apart_from_what_was_lost(publisher, follow):
    publisher.publish(10)
    tree = publisher.server.tree("cubesat_tui/kestrel-1/frames")
    keys = sorted(tree)
    for key in (*keys[:4], keys[6]):
        publisher.server.fill(None, f"cubesat_tui/kestrel-1/frames/{key}")
    publisher.server.fill(keys[4], "cubesat_tui/kestrel-1/lo/frames")
    one = follow(StreamCursor(keys[1], 2), speed=20)
    await one.has(5)
    assert one.ids == [5, 6, 8, 9, 10]
    assert one.missing == [Pruned("frames", 3, 4), Lost("frames", 7, 7)]


async def test_a_record_that_comes_late_is_not_lost(publisher, follow):
    """A hole is looked at a second time before anybody is told of it."""
    records = [publisher.record() for _ in range(3)]
    publisher.send(records[0])
    publisher.send(records[2])
    one = follow(speed=4)
    await one.has(1)
    await do(publisher.send, records[1])
    await one.has(3)
    assert one.ids == [1, 2, 3]
    assert one.missing == []


POISON = [
    ("a text", "wrong shape"),
    ({"v": 1}, "wrong shape"),
    ({"v": 2, "a": 2, "b": 2, "n": 1, "z": ""}, "unknown version"),
    ({"v": 1, "a": 2, "b": 2, "n": 1, "z": "not base64"}, "not zlib in base64"),
    ({"v": 1, "a": 3, "b": 3, "n": 1, "j": "[]"}, "wrong range"),
    ({"v": 1, "a": 2, "b": 2, "n": 10**9, "j": "[]"}, "wrong shape"),
]


@pytest.mark.parametrize(("value", "reason"), POISON)
async def test_a_poison_record_is_counted_told_and_passed(publisher, follow, value, reason):
    publisher.publish(1)
    key, _ = publisher.record()
    publisher.server.fill(value, f"cubesat_tui/kestrel-1/frames/{key}")
    publisher.publish(1)
    one = follow()
    await one.has(2)
    assert one.ids == [1, 3]
    assert one.missing == [Lost("frames", 2, 2)]
    assert dict(one.follower.refused) == {reason: 1}
    await do(publisher.server.wait_for_streams, 1)
    key, _ = publisher.record()
    await do(publisher.server.fill, value, f"cubesat_tui/kestrel-1/frames/{key}")
    await do(publisher.publish)
    await one.has(3)
    assert one.ids == [1, 3, 5]
    assert one.missing[1:] == [Lost("frames", 4, 4)]


async def test_what_is_no_record_of_the_stream_moves_no_cursor(publisher, follow):
    for key in ("zzz", "a", "s6b029a80_0000000001", "f6b029a80_1", "12345"):
        publisher.server.fill({"v": 1, "a": 1, "b": 1, "n": 1, "j": "[]"}, f"cubesat_tui/kestrel-1/frames/{key}")
    publisher.publish(2)
    one = follow()
    await one.has(2)
    await one.state(LIVE)
    await do(publisher.server.snapshot_streams)
    await do(publisher.publish, 2)
    await one.has(4)
    assert one.ids == [1, 2, 3, 4]
    assert one.follower.refused == {"no key of this stream": 5}


async def test_a_publisher_that_was_started_again_goes_on(publisher, follow):
    one = follow()
    await do(publisher.server.wait_for_streams, 1)
    await do(publisher.publish, 3)
    publisher.start_s += 1000
    await do(publisher.publish, 3)
    publisher.start_s += 1000
    publisher.next_id = 1
    await do(publisher.publish, 2)
    await one.has(8)
    assert one.ids == [1, 2, 3, 4, 5, 6, 1, 2]
    assert one.missing == []


async def test_a_backlog_says_how_much_of_it_is_done(publisher, follow):
    publisher.publish_at_once(1000)
    publisher.server.set(latency_s=0.05)
    one = follow()
    seen: list[int] = []
    while len(one.ids) < 1000:
        state, detail = one.follower.report
        if state == BACKFILL:
            seen.append(int(detail.removesuffix(" %")))
        assert state in (BACKFILL, "CONNECTING", LIVE)
        await asyncio.sleep(0.01)
    await one.state(LIVE)
    assert seen == sorted(seen)
    assert seen[0] < 30
    assert 60 <= seen[-1] < 100


async def test_a_backlog_says_more_with_each_record_and_not_with_each_page(publisher, open_rest):
    publisher.publish_at_once(400)
    follower = StreamFollower(open_rest(), "frames", StreamCursor())
    seen: set[str] = set()
    async with contextlib.aclosing(follower.followed()) as records:
        async for record in records:
            assert isinstance(record, Record)
            seen.add(follower.report.detail)
            if record.last == PAGE:
                break
    assert len(seen) > 40


async def test_a_window_that_has_grown_is_left_for_a_new_one_without_a_break(publisher, follow, monkeypatch):
    monkeypatch.setattr("telemetry.links.keyed_node.LONGEST_WINDOW", 50)
    assert LONGEST_WINDOW == 2000
    one = follow(speed=100)
    await do(publisher.server.wait_for_streams, 1)
    for _ in range(30):
        await do(publisher.publish, 5)
    await one.has(150)
    assert one.ids == list(range(1, 151))
    # Twice where every publish is seen by itself; a busy machine sees several at once.
    assert one.follower._health.connections >= 2
    assert one.follower._health.failures == 0
    await do(publisher.server.wait_for_streams, 1)


async def test_the_socket_is_not_read_while_the_store_is_behind(publisher, ledger):
    publisher.publish_at_once(3000, rows=10)
    one = ledger()
    source = one._open(None)
    batches = aiter(source)
    first = await anext(batches)
    rest = source._rest
    await asyncio.sleep(0.3)
    read = -1
    while read != rest.bytes_read:
        read = rest.bytes_read
        await asyncio.sleep(0.3)
    whole = len(str(publisher.server.tree("cubesat_tui/kestrel-1/frames")))
    assert read < whole / 3
    rows = len(first)
    async for batch in batches:
        rows += len(batch)
        if rows == 30_000:
            break
    await source.close()


async def test_10000_missed_frames_are_caught_up_within_30_seconds(publisher, ledger):
    publisher.publish_at_once(10_000)
    one = ledger()
    began, cpu = time.monotonic(), time.thread_time()
    await one.follow(10_000)
    took, used = time.monotonic() - began, time.thread_time() - cpu
    assert one.seqs() == list(range(1, 10_001))
    print(f"10,000 frames: {took:.1f} s, {used:.1f} s of CPU with the store")
    assert took <= 30
    assert used <= 10


async def test_a_large_answer_is_read_in_smaller_pieces_and_a_hopeless_one_is_passed(
    publisher, follow, monkeypatch
):
    monkeypatch.setattr("telemetry.links.firebase_rest.MOST_BYTES", 20_000)
    records = [publisher.record(text="x" * (1000 if at != 40 else 30_000)) for at in range(80)]
    publisher.send(*records)
    one = follow(speed=20)
    await one.has(79)
    assert one.ids == [at for at in range(1, 81) if at != 41]
    assert one.missing == [Lost("frames", 41, 41)]
    assert dict(one.follower.refused) == {"too large": 1}
    await one.state(LIVE)


async def test_an_unknown_satellite_or_layout_is_counted_and_the_rest_is_taken(publisher, ledger, mission):
    publisher.publish(2)
    key, value = publisher.record()
    text = '[{"layout":"' + "0" * 64 + '","n":1,"satellites":["KESTREL-1"],"boot":[1],"seq":[1],"t_ns":[1],'
    text += '"delay_ns":[0],"quality":[0],"values":[[1.0]]}]'
    value = {"v": 1, "a": value["a"], "b": value["b"], "n": 1, "j": text}
    publisher.send((key, value))
    publisher.publish(2)
    missing: list[object] = []
    one = ledger(missing=missing.append)
    source = await one.follow(4)
    assert one.seqs() == [1, 2, 4, 5]
    assert missing == [Lost("frames", 3, 3)]
    assert source.refused == {"no layout": 1, "lost in the link": 1}
    other = msgspec.structs.replace(mission, satellites=(msgspec.structs.replace(mission.satellites[0], name="B"),))
    stranger = FirebaseSource(source._rest, None, other)
    task = asyncio.create_task(anext(aiter(stranger)))
    await until(lambda: stranger.refused["unknown satellite"] == 4)
    await stranger.close()
    task.cancel()


async def test_chaos_every_frame_is_stored_once_by_both_followers(publisher, ledger):
    """600 frames under cuts, mutes, lost replies, errors, snapshots, repeats and reorderings, and one restart."""
    server = publisher.server
    server.set(keep_alive_s=0.1)
    first, second = ledger("a.db", speed=100), ledger("b.db", speed=100)

    async def restarted(one) -> None:
        await one.follow(200)
        await one.follow(400)
        await one.follow(600)

    following = [asyncio.create_task(restarted(first)), asyncio.create_task(second.follow(600))]
    try:
        for step in range(60):
            await do(publisher.publish, 10)
            if step % 2 == 0:
                await until(lambda: server.cut_streams() > 0)
            if step % 5 == 1:
                await do(server.unavailable, 2)
            if step % 10 == 3:
                await until(lambda: server.mute_streams() > 0)
            if step % 10 == 5:
                await until(lambda: server.snapshot_streams() > 0)
            if step % 6 == 5:
                await do(lambda: server.set(reorder=2, duplicate=2))
            await asyncio.sleep(0.02)
        await asyncio.gather(*following)
    finally:
        for one in following:
            one.cancel()
    for one in (first, second):
        assert one.seqs() == list(range(1, 601))
        assert one.duplicates == 0
    assert server.counts["cut"] >= 20
    assert server.counts["503"] >= 10
    assert server.counts["mute"] >= 3


async def test_a_follower_that_keeps_no_cursor_would_be_seen(publisher, ledger):
    """What the tests above rest on: without the cursor the same frames are delivered again."""
    publisher.publish(20)
    one = ledger()
    one.keep_cursor = False
    await one.follow(10)
    await do(publisher.publish, 5)
    await one.follow(25)
    assert one.duplicates > 0
