"""What stands in a link beside its streams: the owner's report and the mailbox, written by anybody with a token."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from telemetry.links.firebase_link import FirebaseLink
from telemetry.links.link import CONNECTING, DOWN, LIVE, Letter, StreamCursor, Told
from telemetry.links.link_health import AccessRefused, LinkFailure
from telemetry.links.tokens import NEVER_NS, StandingToken, Token

ROOT = "cubesat_tui/kestrel-1"
ID = "0198f3a0-0000-7000-8000-0000000000"


def letter(n: int, **other) -> Letter:
    fields = {"id": f"{ID}{n:02d}", "at_ns": n * 10**9, "kind": "ack", "actor": "anna", "body": {"alarm": "a.b"}}
    return Letter(**(fields | other))


class Reading:
    def __init__(self, things) -> None:
        self.found: list = []
        self.task = asyncio.create_task(self._read(things))

    async def _read(self, things) -> None:
        async for one in things:
            self.found.append(one)

    async def has(self, n: int) -> list:
        async with asyncio.timeout(20):
            while len(self.found) < n:
                await asyncio.sleep(0.005)
        return self.found


@pytest.fixture
def link(open_rest):
    return FirebaseLink(open_rest(speed=20))


async def test_a_letter_goes_to_the_owner_and_out_of_the_mailbox_when_it_is_done(firebase_server, link, open_rest):
    console = FirebaseLink(open_rest(StandingToken(Token("owner", NEVER_NS, "owner", "anna"))))
    await console.post(letter(2))
    reading = Reading(link.letters())
    await console.post(letter(1))
    await console.post(letter(1))
    found = await reading.has(2)
    assert {one.id for one in found} == {letter(1).id, letter(2).id}
    assert {(one.uid, one.kind, one.actor) for one in found} == {("anna", "ack", "anna")}
    assert all(one.body == {"alarm": "a.b"} for one in found)
    await asyncio.to_thread(firebase_server.cut_streams)
    await link.done(found)
    assert firebase_server.tree(f"{ROOT}/mailbox") is None
    await link.close()
    await asyncio.wait_for(reading.task, 5)


async def test_the_oldest_letter_comes_first(firebase_server, link, open_rest):
    for uid, n in (("zoe", 1), ("anna", 3), ("anna", 2)):
        console = FirebaseLink(open_rest(StandingToken(Token("owner", NEVER_NS, "owner", uid))))
        await console.post(letter(n))
    found = await Reading(link.letters()).has(3)
    assert [one.at_ns for one in found] == [1e9, 2e9, 3e9]


HOSTILE = [
    7,
    "text",
    {"at_ns": "x", "kind": "ack", "t": "{}", "actor": "a"},
    {"at_ns": 1, "kind": "ack", "t": "[]", "actor": "a"},
    {"at_ns": 1, "kind": "ack", "t": "{", "actor": "a"},
    {"at_ns": 1, "kind": "ack", "t": "[" * 50_000, "actor": "a"},
    {"at_ns": 1, "kind": "ack", "t": json.dumps({"x": "y" * 200_000}), "actor": "a"},
]


async def test_what_is_no_letter_asks_for_nothing_and_can_be_taken_out(firebase_server, link):
    box = {f"{ID}{n:02d}": value for n, value in enumerate(HOSTILE)}
    firebase_server.fill({"mallory": box, "flat": 3}, f"{ROOT}/mailbox")
    found = await Reading(link.letters()).has(len(HOSTILE))
    assert {(one.kind, one.uid) for one in found} == {("", "mallory")}
    await link.done(found)
    assert firebase_server.tree(f"{ROOT}/mailbox") == {"flat": 3}


async def test_hostile_text_of_a_letter_comes_plain(firebase_server, link):
    value = {"at_ns": 1, "kind": "a\x1b[2J", "t": "{}", "actor": "\x1b]0;x\x07" + "y" * 500}
    firebase_server.fill({"mallory": {f"{ID}01": value}}, f"{ROOT}/mailbox")
    found = await Reading(link.letters()).has(1)
    assert "\x1b" not in found[0].kind + found[0].actor
    assert len(found[0].actor) <= 40


async def test_a_user_without_a_name_or_a_right_lays_down_nothing(firebase_server, open_rest):
    nobody = FirebaseLink(open_rest(StandingToken(Token("", NEVER_NS, "auth", ""))))
    with pytest.raises(AccessRefused, match="names no user"):
        await nobody.post(letter(1))
    firebase_server.set_rules({"rules": {"$any": {"$sat": {"mailbox": {"$uid": {".write": "auth.uid === $uid"}}}}}})
    token = firebase_server.issue_token("anna")
    anna = FirebaseLink(open_rest(StandingToken(Token(token, NEVER_NS, "auth", "anna"))))
    as_zoe = FirebaseLink(open_rest(StandingToken(Token(token, NEVER_NS, "auth", "zoe"))))
    await anna.post(letter(1))
    with pytest.raises(AccessRefused, match="not allowed to use cubesat_tui/kestrel-1/mailbox/zoe/"):
        await as_zoe.post(letter(2))
    assert list(firebase_server.tree(f"{ROOT}/mailbox")) == ["anna"]


async def test_a_lost_reply_is_no_answer_and_the_same_letter_again_is_the_same(firebase_server, link):
    firebase_server.lose_replies(1)
    with pytest.raises(LinkFailure):
        await link.post(letter(1))
    await link.post(letter(1))
    assert list(firebase_server.tree(f"{ROOT}/mailbox/service")) == [letter(1).id]


async def test_the_owners_report_comes_whole_however_it_is_written(firebase_server, link):
    reading = Reading(link.told())
    firebase_server.fill({"at": 1000, "by": "x", "t": '{"a": 1}'}, f"{ROOT}/status")
    await reading.has(1)
    rest = link._rest
    await rest.patch(f"{ROOT}/status", {"at": 2000, "t": '{"a": 2}'})
    await reading.has(2)
    await rest.patch(ROOT, {"status": {"at": 3000, "by": "x", "t": '{"a": 3}'}, "other": 1})
    await reading.has(3)
    await rest.put(f"{ROOT}/status", "nonsense")
    await rest.put(f"{ROOT}/status", {"at": {".sv": "timestamp"}, "t": '{"a": 4}'})
    found = await reading.has(4)
    assert found[:3] == [Told(1000.0, '{"a": 1}'), Told(2000.0, '{"a": 2}'), Told(3000.0, '{"a": 3}')]
    assert abs(found[3].stamp_ms / 1000 - time.time()) < 60


async def test_the_worst_of_what_is_followed_is_reported(firebase_server, link):
    assert link.report == (CONNECTING, "")
    frames = Reading(link.follow("frames", StreamCursor()))
    told = Reading(link.told())
    async with asyncio.timeout(20):
        while link.report.state != LIVE:
            await asyncio.sleep(0.01)
    assert link.is_live("frames") and not link.is_live("scores")
    await asyncio.to_thread(firebase_server.refuse)
    async with asyncio.timeout(20):
        while link.report.state != DOWN:
            await asyncio.sleep(0.01)
    assert not link.is_live("frames")
    began = time.monotonic()
    await link.close()
    await asyncio.wait_for(asyncio.gather(frames.task, told.task), 5)
    assert time.monotonic() - began < 5
