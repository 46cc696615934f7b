"""Requests to a database: who is shown the token, what is said of a failure, when a stream is given up."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import traceback

import httpx
import pytest

from telemetry.clock import ManualClock
from telemetry.links import redaction
from telemetry.links.endpoint import Endpoint, EndpointRefused, address_path
from telemetry.links.firebase_rest import Rest, TooLarge, by_key
from telemetry.links.link import DOWN, LIVE, StreamCursor
from telemetry.links.link_health import AccessRefused, Cut, LinkFailure
from telemetry.links.record import Record
from telemetry.links.stream_follower import StreamFollower
from telemetry.links.tokens import ANYBODY, EMULATOR_OWNER, NEVER_NS, StandingToken, Token

CANARY = "canary-token-2b9f7e31"
HOST = "https://fleet.example.com"
AUTH = StandingToken(Token(CANARY, NEVER_NS, "auth", "u1"))
BEARER = StandingToken(Token(CANARY, NEVER_NS, "bearer", "service"))


class NoWait(ManualClock):
    """Sleeping takes no time and moves the clock; what waits for the network is not slept through."""

    def __init__(self) -> None:
        super().__init__(1_790_000_000_000_000_000)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds == 45.0:
            await super().sleep(seconds)
            return
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


def rest(answer, tokens=ANYBODY, clock=None, url=HOST, root="a", **other) -> Rest:
    async def answered(request: httpx.Request) -> httpx.Response:
        given = answer(request)
        response = await given if inspect.isawaitable(given) else given
        if not response.is_stream_consumed:
            return response
        # As from a network: not read yet.
        return httpx.Response(response.status_code, headers=response.headers, content=pieces(response.content))

    transport = httpx.MockTransport(answered)
    return Rest(Endpoint.of(url, root), tokens, clock=clock or NoWait(), transport=transport, **other)


async def pieces(content: bytes):
    for at in range(0, len(content), 1000):
        yield content[at : at + 1000]


# Where it may go.


@pytest.mark.parametrize(
    "url",
    [
        "http://fleet.example.com",
        "ftp://x",
        "fleet.example.com",
        f"https://user:{CANARY}@x.example",
        "https://x.example/path",
        "https://x.example:99999",
        "",
    ],
)
def test_an_address_that_is_not_encrypted_or_holds_a_password_is_refused(url):
    with pytest.raises(EndpointRefused, match=r"link\.url: .*allowed: https://HOST") as refused:
        Endpoint.of(url)
    assert CANARY not in str(refused.value)


def test_an_emulator_takes_the_place_of_the_address_and_is_on_this_machine():
    environ = {"FIREBASE_DATABASE_EMULATOR_HOST": "127.0.0.1:9000"}
    endpoint = Endpoint.of("https://fleet-1.firebaseio.com", "a/b", environ)
    assert (endpoint.base, endpoint.namespace, endpoint.emulator) == ("http://127.0.0.1:9000", "fleet-1", True)
    assert endpoint.below("frames") == "a/b/frames"
    with pytest.raises(EndpointRefused, match="of this machine"):
        Endpoint.of("https://x.example", "", {"FIREBASE_DATABASE_EMULATOR_HOST": "10.0.0.1:9000"})


@pytest.mark.parametrize("path", ["a/../b", "a//b", "a/b.json", "a/$b", "a/[b]", "a/#", "a/\x00", "x" * 200])
def test_a_path_that_no_node_can_have_is_refused(path):
    with pytest.raises(EndpointRefused):
        address_path(path)


def test_a_path_is_written_as_an_address_wants_it():
    assert address_path("a/Grüße ?&auth=x%2F") == "/a/Gr%C3%BC%C3%9Fe%20%3F%26auth%3Dx%252F.json"


# What it shows.


@pytest.mark.parametrize(
    ("tokens", "auth", "header"),
    [
        (AUTH, CANARY, None),
        (BEARER, None, f"Bearer {CANARY}"),
        (EMULATOR_OWNER, None, "Bearer owner"),
        (ANYBODY, None, None),
    ],
)
async def test_a_token_is_shown_as_it_has_to_be(tokens, auth, header):
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params.get("auth") == auth
        assert request.headers.get("authorization") == header
        assert request.headers["accept-encoding"] == "identity"
        assert json.loads(request.url.params["startAt"]) == 'a"b'
        return httpx.Response(200, json={"k": 1})

    assert await rest(answer, tokens).get("a/b", by_key('a"b', most=3)) == {"k": 1}


async def test_a_redirect_within_the_family_keeps_the_token_and_any_other_is_not_followed():
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        assert request.headers["authorization"] == f"Bearer {CANARY}"
        if request.url.host == "fleet.example.com":
            return httpx.Response(307, headers={"location": f"https://{there}/a/b.json?x=1"})
        return httpx.Response(200, json=7)

    there = "s-usc1c-nss-202.example.com"
    assert await rest(answer, BEARER).get("a/b") == 7
    assert seen == ["fleet.example.com", there]
    for there in ("evil.test", "evilexample.com", "x.example.com@evil.test", "example.com.evil.test"):  # noqa: B007
        with pytest.raises(LinkFailure, match="not its own"):
            await rest(answer, BEARER).get("a/b")
    assert not any("evil" in host for host in seen)


async def test_a_redirect_to_an_address_without_encryption_is_not_followed():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(307, headers={"location": "http://fleet.example.com/a.json"})

    with pytest.raises(LinkFailure, match="not followed"):
        await rest(answer, BEARER).get("a")


async def test_redirects_in_a_circle_come_to_an_end():
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(307, headers={"location": str(request.url)})

    with pytest.raises(LinkFailure, match="redirects without end"):
        await rest(answer).get("a")


# What an operator reads.


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AccessRefused, "access refused: the token is not allowed to use a/b"),
        (403, AccessRefused, "access refused: the token is not allowed to use a/b"),
        (404, LinkFailure, "no database at fleet.example.com (404)"),
        (413, TooLarge, "fleet.example.com takes nothing that large (413)"),
        (429, LinkFailure, "fleet.example.com is not available now (429)"),
        (503, LinkFailure, "fleet.example.com is not available now (503)"),
        (400, LinkFailure, "fleet.example.com does not understand the request (400)"),
    ],
)
async def test_a_status_is_told_in_words(status, kind, words):
    with pytest.raises(kind) as failure:
        await rest(lambda _: httpx.Response(status, json={"error": CANARY}), AUTH).get("a/b")
    assert failure.value.words == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError(CANARY), "no connection to fleet.example.com"),
        (httpx.ConnectTimeout(CANARY), "no connection to fleet.example.com"),
        (
            httpx.ConnectError(f"[SSL: CERTIFICATE_VERIFY_FAILED] {CANARY}"),
            "the certificate of fleet.example.com is not trusted",
        ),
        (httpx.ReadTimeout(CANARY), "no answer from fleet.example.com"),
        (httpx.RemoteProtocolError(CANARY), "the connection to fleet.example.com was cut"),
        (OSError(CANARY), "the connection to fleet.example.com was cut"),
    ],
)
async def test_an_error_of_the_library_is_told_in_words_of_ours(error, words):
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(LinkFailure) as failure:
        await rest(answer, AUTH).get("a/b")
    assert failure.value.words == words
    assert CANARY not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize("body", [b"<html>", b"{", b'"\xff"', b"[" * 100_000], ids=["page", "cut", "bytes", "deep"])
async def test_an_answer_that_is_no_json_is_no_answer(body):
    with pytest.raises(LinkFailure, match="is no JSON"):
        await rest(lambda _: httpx.Response(200, content=body)).get("a")


async def test_a_lone_surrogate_is_read():
    assert await rest(lambda _: httpx.Response(200, content=b'["\\ud800", 1]')).get("a") == ["\ud800", 1]


async def test_an_answer_without_end_is_given_up_while_it_grows(monkeypatch):
    monkeypatch.setattr("telemetry.links.firebase_rest.MOST_BYTES", 10_000)
    sent = 0

    async def endless():
        nonlocal sent
        yield b'{"f6b029a80_0000000001": "'
        while True:
            sent += 1
            yield b"x" * 1000

    with pytest.raises(TooLarge) as failure:
        await rest(lambda _: httpx.Response(200, content=endless())).get("a")
    assert sent < 15
    assert failure.value.opening.startswith(b'{"f6b029a80_0000000001": "')


async def test_a_token_that_is_not_taken_is_renewed_once():
    class Renewing:
        n = 0

        async def current(self) -> Token:
            return Token(f"{CANARY}-{self.n}", NEVER_NS, "auth", "u")

        async def renewed(self) -> Token:
            self.n += 1
            return await self.current()

    def answer(request: httpx.Request) -> httpx.Response:
        good = request.url.params["auth"] == f"{CANARY}-1"
        return httpx.Response(200 if good else 401, json=5)

    tokens = Renewing()
    assert await rest(answer, tokens).get("a") == 5
    tokens.n = 5
    with pytest.raises(AccessRefused):
        await rest(answer, tokens).get("a")
    assert tokens.n == 6


# Streams.


def sse(*messages: tuple[str, object]) -> bytes:
    return b"".join(
        f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode() for name, data in messages
    )


class Database:
    """Records 1 to `n` in pages; the first stream ends after so many bytes, the others bring what is new."""

    def __init__(self, n: int, cut_at: int) -> None:
        self.cut_at = cut_at
        self.streams = 0
        self.there = 1
        self.records = {
            f"f6b029a80_{at:010d}": {"v": 1, "a": at, "b": at, "n": 1, "j": f'["☃ä𝄞 {at}"]'}
            for at in range(1, n + 1)
        }

    def answer(self, request: httpx.Request) -> httpx.Response:
        start = json.loads(request.url.params.get("startAt", '""'))
        here = {
            key: one for at, (key, one) in enumerate(self.records.items(), 1) if at <= self.there and key >= start
        }
        if "text/event-stream" not in request.headers["accept"]:
            return httpx.Response(200, json=here)
        self.streams += 1
        content = self.first(here) if self.streams == 1 else self.rest(here)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=content)

    async def first(self, here):
        messages = [("put", {"path": "/", "data": here or None}), ("keep-alive", None)]
        keys = list(self.records)
        messages += [("put", {"path": f"/{key}", "data": self.records[key]}) for key in keys[1:3]]
        messages += [("patch", {"path": "/", "data": {key: self.records[key] for key in keys[3:]}})]
        raw = sse(*messages)
        self.size = len(raw)
        self.there = len(keys)
        yield raw[: self.cut_at]
        raise httpx.ReadError("cut")

    async def rest(self, here):
        yield sse(("put", {"path": "/", "data": here or None}))
        await asyncio.sleep(3600)


async def follow_once(database: Database, n: int) -> list[int]:
    ids: list[int] = []
    link = rest(database.answer, url="http://127.0.0.1:9")
    records = StreamFollower(link, "frames", StreamCursor()).followed()
    async with asyncio.timeout(20):
        async for one in records:
            assert isinstance(one, Record)
            assert one.text == f'["☃ä𝄞 {one.first}"]'
            ids.append(one.first)
            if len(ids) == n:
                break
    await records.aclose()
    await link.close()
    return ids


async def test_a_stream_may_be_cut_between_any_two_bytes():
    whole = Database(5, 1 << 30)
    assert await follow_once(whole, 5) == [1, 2, 3, 4, 5]
    for cut_at in range(whole.size):
        assert await follow_once(Database(5, cut_at), 5) == [1, 2, 3, 4, 5], cut_at


async def test_a_stream_that_does_not_begin_or_goes_silent_is_given_up_after_45_seconds():
    clock = ManualClock()

    async def silent():
        yield sse(("put", {"path": "/", "data": None}))
        await asyncio.sleep(3600)

    async def answer(request: httpx.Request) -> httpx.Response:
        if stalls:
            await asyncio.sleep(3600)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=silent())

    stalls = False
    link = rest(answer, clock=clock)
    health = link.health()
    changes = link.changes("a", dict, health)
    assert (await anext(changes)).data is None
    assert health.report.state == LIVE
    for began in (False, True):
        waiting = asyncio.ensure_future(anext(changes))
        while not clock.sleepers:
            await asyncio.sleep(0)
        clock.advance(44)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        clock.advance(1.1)
        with pytest.raises(
            Cut, match="no answer from" if began else "nothing heard from fleet.example.com for 45 s"
        ):
            await waiting
        stalls = True
        changes = link.changes("a", dict, health)


async def test_pauses_have_full_jitter_between_nothing_and_30_seconds():
    clock = NoWait()
    health = rest(lambda _: httpx.Response(503), clock=clock).health()
    tops: list[float] = []
    for chance in (0.0, 0.5, 1.0):
        health._chance = lambda value=chance: value
        health._attempts = 0
        clock.slept.clear()
        for _ in range(12):
            await health.pause(LinkFailure("no"))
        tops.append(max(clock.slept))
        assert clock.slept[0] == chance * 0.5
    assert tops == [0.0, 15.0, 30.0]


async def test_the_report_says_when_the_next_attempt_is():
    clock = ManualClock()
    health = rest(lambda _: httpx.Response(503), clock=clock).health()
    health._chance = lambda: 1.0
    assert health.report == ("CONNECTING", "")
    for _ in range(5):
        pausing = asyncio.ensure_future(health.pause(LinkFailure("no connection to fleet.example.com")))
        await asyncio.sleep(0)
        clock.advance(30)
        await pausing
    pausing = asyncio.ensure_future(health.pause(LinkFailure("no connection to fleet.example.com")))
    await asyncio.sleep(0)
    assert health.report == (DOWN, "no connection to fleet.example.com: next attempt in 16 s")
    clock.advance(10)
    assert health.report == (DOWN, "no connection to fleet.example.com: next attempt in 6 s")
    clock.advance(10)
    assert health.report == (DOWN, "no connection to fleet.example.com: trying again")
    await pausing
    health.connected()
    assert health.report == (LIVE, "")


async def test_a_blink_of_a_stream_is_nobodys_concern():
    clock = ManualClock()
    health = rest(lambda _: httpx.Response(503), clock=clock).health()
    health._chance = lambda: 1.0
    health.connected()
    pausing = asyncio.ensure_future(health.pause(Cut("x ended the connection")))
    await asyncio.sleep(0)
    assert health.report.state == LIVE
    assert not health.is_live
    clock.advance(2.1)
    assert health.report.state == DOWN
    await pausing


async def test_no_word_of_a_token_is_logged_told_or_raised_when_everything_fails(caplog):
    """A follower with a canary for a token, every library logging at DEBUG, through every kind of failure."""
    answers = iter(
        [
            lambda _: httpx.Response(503, json={"error": CANARY}),
            lambda r: httpx.Response(307, headers={"location": str(r.url).replace("fleet", "other")}),
            lambda _: httpx.Response(200, content=CANARY.encode()),
            lambda r: (_ for _ in ()).throw(httpx.ConnectError(str(r.url))),
            lambda r: (_ for _ in ()).throw(httpx.RemoteProtocolError(str(r.url))),
            lambda _: httpx.Response(400, json={"error": CANARY}),
            lambda _: httpx.Response(200, json={f"f6b029a80_{1:010d}": CANARY, CANARY: 1}),
            lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=CANARY.encode()),
            lambda _: httpx.Response(401),
        ]
    )

    def fail(request: httpx.Request) -> httpx.Response:
        return next(answers, lambda _: httpx.Response(401))(request)

    told: list[str] = []
    for tokens in (AUTH, BEARER):
        clock = NoWait()
        link = rest(fail, tokens, clock)
        for name in (None, *redaction.TALKATIVE, "asyncio"):
            caplog.set_level(logging.DEBUG, logger=name)
        follower = StreamFollower(link, "frames", StreamCursor())
        task = asyncio.ensure_future(anext(follower.followed()))
        for _ in range(400):
            told.append(" ".join(follower.report))
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        told += [str(one) for one in follower.refused]
        await link.close()
    for name in (None, "httpx", "x"):
        logging.getLogger(name).debug("GET https://x.example/a.json?auth=%s", CANARY)
    assert any("refused" in one for one in told)
    assert len(set(told)) >= 4
    written = caplog.text + "".join(told)
    assert "HTTP Request" in caplog.text
    assert CANARY not in written


async def test_a_server_that_takes_a_request_and_says_nothing_is_given_up():
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Rest(Endpoint.of(f"http://127.0.0.1:{port}"), AUTH, silent_s=0.2)
    with pytest.raises(LinkFailure, match=f"no answer from 127.0.0.1:{port}"):
        await link.get("a")
    await link.close()
    server.close()
