"""Firebase's Realtime Database over its REST interface: single requests, and a node followed as it changes.

The one file that imports httpx; nobody imports it before a link is used. What comes from the wire is untrusted:
sizes are capped while they grow, nothing is unpacked (`Accept-Encoding: identity`), and an error of the library
becomes a sentence of ours, because its own text may hold an address and the address a token.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import msgspec

from telemetry.clock import NS_PER_S, Clock, SystemClock
from telemetry.link_config import is_loopback
from telemetry.links import redaction
from telemetry.links.endpoint import Endpoint, address_path
from telemetry.links.event_stream import EventParser, EventTooLarge, ServerEvent
from telemetry.links.link_health import AccessRefused, Cut, LinkFailure, LinkHealth
from telemetry.links.tokens import NEVER_NS, Token, Tokens

DEAD_MAN_S = 45.0
"""Silence after which a stream is dead: a server keeps one alive each 30 s or so."""
RENEW_BEFORE_S = 300.0
"""So long before a token ends its successor is shown, on a stream opened before the old one is closed."""
LEAST_STREAM_S = 60.0
"""However little time a token seems to have left: this machine's clock may be wrong."""
SUCCESSOR_PAUSE_S = 30.0
"""Between two attempts to open the stream that is to follow one that still goes."""
CONNECT_S, SILENT_S = 10.0, 20.0
MOST_BYTES = 32 * 2**20
MOST_ERROR_BYTES = 4096
MOST_REDIRECTS = 5
_Result = TypeVar("_Result")

Query = Mapping[str, str]
NO_QUERY: Query = {}


def by_key(start: str = "", *, end: str = "", most: int = 0) -> Query:
    """Children in the order of their keys, from `start` to `end` (both included), the first `most` of them."""
    query = {"orderBy": '"$key"'}
    if start:
        query["startAt"] = json.dumps(start)
    if end:
        query["endAt"] = json.dumps(end)
    if most:
        query["limitToFirst"] = str(most)
    return query


class Change(NamedTuple):
    """What a followed node says: `data` was put at `path` below it, or its children were replaced there."""

    kind: str
    """`put` or `patch`."""
    path: str
    data: Any


class TooLarge(LinkFailure):
    """An answer is larger than is read; `opening` is how it begins."""

    def __init__(self, words: str, opening: bytes = b"") -> None:
        super().__init__(words)
        self.opening = opening


class Rest:
    """Requests to one database. Made and closed on one loop.

    Args:
        tokens: what to show.
        transport: in place of the network, for tests.
        silent_s: silence after which a single request is given up, on the machine's clock.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        tokens: Tokens,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        silent_s: float = SILENT_S,
    ) -> None:
        redaction.install()
        self.endpoint = endpoint
        self.tokens = tokens
        self.clock: Clock = clock if clock is not None else SystemClock()
        self._host = endpoint.host
        self._short = httpx.Timeout(silent_s, connect=min(CONNECT_S, silent_s))
        self._long = httpx.Timeout(None, connect=min(CONNECT_S, silent_s))
        self._client = httpx.AsyncClient(
            transport=transport,
            headers={"Accept-Encoding": "identity", "User-Agent": "cubesat-tui"},
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=4),
            mounts=direct(endpoint),
            verify=_trust(endpoint.base),
        )
        self.bytes_read = 0
        """Of bodies, since the beginning."""

    async def get(self, path: str, query: Query = NO_QUERY) -> Any:
        """The value of a node, decoded; None where there is none.

        Raises:
            LinkFailure: it was not to be had; AccessRefused where this token may not read it, TooLarge.
        """
        return await self._asked("GET", path, query)

    async def put(self, path: str, value: object) -> None:
        """Replace a node.

        Raises:
            LinkFailure: whether it was done is not known; AccessRefused: it was not, and will not be.
        """
        await self._asked("PUT", path, {"print": "silent"}, value)

    async def patch(self, path: str, values: Mapping[str, object]) -> None:
        """Replace several nodes below one at once, all or none; None deletes.

        Raises:
            LinkFailure: as `put`.
        """
        await self._asked("PATCH", path, {"print": "silent"}, values)

    async def delete(self, path: str) -> None:
        """Delete a node; deleting none is no error.

        Raises:
            LinkFailure: as `put`.
        """
        await self._asked("DELETE", path, {"print": "silent"})

    def health(self) -> LinkHealth:
        """The health of something that follows this database."""
        return LinkHealth(self.clock, self._host)

    async def stream(
        self, path: str, query: Query = NO_QUERY, health: LinkHealth | None = None
    ) -> AsyncGenerator[Change]:
        """Changes of a node for ever, over cuts and outages; after each the whole is put again at `/`."""
        health = health if health is not None else self.health()
        while True:
            try:
                async with aclosing(self.changes(path, lambda: query, health)) as changes:
                    async for change in changes:
                        yield change
            except LinkFailure as failure:
                await health.pause(failure)

    async def changes(
        self,
        path: str,
        query: Callable[[], Query],
        health: LinkHealth,
        is_long: Callable[[], bool] = lambda: False,
    ) -> AsyncGenerator[Change]:
        """Changes of a node as long as it can be followed.

        Before the token ends, and when `is_long` says that the window of the stream has grown large, a new stream
        is opened with what `query` says then, and the old one is closed after that.

        Raises:
            LinkFailure: always, in the end.
        """
        stream = await self._open(path, query(), health)
        successor: asyncio.Task[_Stream] | None = None
        not_before = 0.0
        try:
            while True:
                now = self.clock.monotonic()
                if successor is None and now >= not_before and (stream.is_due or is_long()):
                    not_before = now + SUCCESSOR_PAUSE_S
                    opening = self._open(path, query(), health, renew=stream.is_due)
                    successor = asyncio.create_task(opening)
                change = None
                try:
                    change = await stream.next()
                except LinkFailure:
                    if successor is None:
                        raise
                    await stream.close()
                    heir = await successor
                    successor = None
                    stream = heir
                if change is not None:
                    yield change
                if successor is not None and successor.done():
                    # One that could not be opened is tried again later: the old stream still goes.
                    with suppress(LinkFailure):
                        heir = successor.result()
                        await stream.close()
                        stream = heir
                    successor = None
        finally:
            if successor is not None:
                successor.cancel()
                with suppress(asyncio.CancelledError, LinkFailure):
                    await (await successor).close()
            await stream.close()

    async def _open(self, path: str, query: Query, health: LinkHealth, *, renew: bool = False) -> _Stream:
        token = await (self.tokens.renewed() if renew else self.tokens.current())
        opening = asyncio.ensure_future(self._sent("GET", path, query, token, accept="text/event-stream"))
        try:
            response = await within(self.clock, DEAD_MAN_S, opening, f"no answer from {self._host}")
        except BaseException:
            # An answer that came as we gave it up would stay open, and nobody's.
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                await opening.result().aclose()
            raise
        try:
            if response.status_code == 401 and not renew:
                await response.aclose()
                return await self._open(path, query, health, renew=True)
            await self._checked(response, path)
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise LinkFailure(f"{self._host} does not answer with a stream")
        except BaseException:
            await response.aclose()
            raise
        health.connected()
        return _Stream(self, response, path, token, health)

    async def _asked(self, method: str, path: str, query: Query, value: object = None) -> Any:
        """One request and its answer; with a new token once where the old one is not taken."""
        token = await self.tokens.current()
        for renewed in (False, True):
            response = await self._sent(method, path, query, token, value=value)
            try:
                if response.status_code == 401 and not renewed:
                    token = await self.tokens.renewed()
                    continue
                await self._checked(response, path)
                return _decoded(await self._body(response, MOST_BYTES), self._host)
            finally:
                await response.aclose()
        raise AssertionError("unreachable")

    async def _sent(
        self,
        method: str,
        path: str,
        query: Query,
        token: Token,
        *,
        value: object = None,
        accept: str = "application/json",
    ) -> httpx.Response:
        """The answer's head, after redirects, each of which is shown the token where it may see it."""
        parameters = dict(query)
        headers = {"Accept": accept}
        redaction.keep_secret(token.value)
        if token.how == "auth":
            if token.value:
                parameters["auth"] = token.value
        else:
            headers["Authorization"] = f"Bearer {token.value}"
        if self.endpoint.namespace:
            parameters["ns"] = self.endpoint.namespace
        content = None if method in ("GET", "DELETE") else msgspec.json.encode(value)
        timeout = self._long if accept == "text/event-stream" else self._short
        base = self.endpoint.base
        for _ in range(MOST_REDIRECTS):
            request = self._client.build_request(
                method,
                base + address_path(path),
                params=parameters,
                headers=headers,
                content=content,
                timeout=timeout,
            )
            response = await self._guarded(self._client.send(request, stream=True))
            if response.status_code not in (301, 302, 307, 308):
                return response
            await response.aclose()
            base = self._moved(response.headers.get("location", ""))
        raise LinkFailure(f"{self._host} redirects without end")

    def _moved(self, location: str) -> str:
        """Scheme and host of a redirect: encrypted, and of the same family of hosts."""
        try:
            parts = urlsplit(location)
            host = parts.hostname or ""
            there = f"{parts.scheme}://{parts.netloc}"
        except ValueError:
            raise LinkFailure(f"{self._host} redirects to no address") from None
        if not parts.netloc:
            return self.endpoint.base
        here = urlsplit(self.endpoint.base).hostname or ""
        family = "." + ".".join(here.split(".")[-2:])
        own = host == here or (not here.replace(".", "").isdigit() and ("." + host).endswith(family))
        local = self.endpoint.loopback and is_loopback(host)
        if "@" in parts.netloc or not (local or (own and parts.scheme == "https")):
            raise LinkFailure(f"{self._host} redirects to a host that is not its own: not followed")
        return there

    async def _checked(self, response: httpx.Response, path: str) -> None:
        """Raise what a status means, in words."""
        status = response.status_code
        if status in (200, 204):
            return
        if status in (401, 403):
            raise refused(path)
        if status == 404:
            raise LinkFailure(f"no database at {self._host} (404)")
        if status == 413:
            raise TooLarge(f"{self._host} takes nothing that large (413)")
        if status == 429 or status >= 500:
            raise LinkFailure(f"{self._host} is not available now ({status})")
        raise LinkFailure(f"{self._host} does not understand the request ({status})")

    async def _body(self, response: httpx.Response, most: int) -> bytes:
        body = bytearray()
        chunks = response.aiter_raw()
        while (chunk := await self._guarded(_next(chunks))) is not None:
            self.bytes_read += len(chunk)
            body += chunk
            if len(body) > most:
                raise TooLarge(f"an answer of {self._host} is larger than {most} bytes", bytes(body[:1024]))
        return bytes(body)

    async def _guarded(self, work: Awaitable[_Result]) -> _Result:
        return await guarded(work, self._host)

    async def close(self) -> None:
        """Close all connections; what is followed ends."""
        await self._client.aclose()


class _Stream:
    """One open stream of server-sent events."""

    def __init__(self, rest: Rest, response: httpx.Response, path: str, token: Token, health: LinkHealth) -> None:
        self._rest = rest
        self._response = response
        self._path = path
        self._health = health
        self._host = rest.endpoint.host
        self._parser = EventParser()
        self._chunks = response.aiter_raw()
        self._events: deque[ServerEvent] = deque()
        self._closed = False
        left_s = (token.expires_ns - rest.clock.now_ns()) / NS_PER_S - RENEW_BEFORE_S
        ends = token.expires_ns != NEVER_NS
        # By what is left now: setting the machine's clock later makes no token older.
        self._due = rest.clock.monotonic() + max(LEAST_STREAM_S, left_s) if ends else None

    @property
    def is_due(self) -> bool:
        """Whether the token ends soon."""
        return self._due is not None and self._rest.clock.monotonic() >= self._due

    async def next(self) -> Change | None:
        """The next change; None for a keep-alive.

        Raises:
            LinkFailure: the stream is over: AccessRefused, TooLarge, or Cut.
        """
        while not self._events:
            await self._read()
        event = self._events.popleft()
        if event.name in ("put", "patch"):
            return _change(event, self._host)
        if event.name == "cancel":
            raise refused(self._path)
        if event.name == "auth_revoked":
            await self._rest.tokens.renewed()
            raise Cut(f"the token was taken back by {self._host}")
        return None

    async def _read(self) -> None:
        self._health.listening(True)
        work = guarded(_next(self._chunks), self._host)
        chunk = await within(self._rest.clock, DEAD_MAN_S, work, f"nothing heard from {self._host} for 45 s")
        self._health.listening(False)
        if chunk is None:
            raise Cut(f"{self._host} ended the connection")
        self._rest.bytes_read += len(chunk)
        try:
            self._events.extend(self._parser.feed(chunk))
        except EventTooLarge:
            raise TooLarge(f"an event of {self._host} is too large") from None

    async def close(self) -> None:
        """Let go of the connection; twice is allowed."""
        if not self._closed:
            self._closed = True
            self._health.listening(False)
            with suppress(LinkFailure):
                await guarded(self._response.aclose(), self._host)


def direct(endpoint: Endpoint) -> dict[str, None]:
    """No proxy stands before what this machine serves; certificates are trusted as everywhere."""
    return dict.fromkeys(("all://", "http://", "https://"), None) if endpoint.loopback else {}


def refused(path: str) -> AccessRefused:
    """What an operator is told whose token does not open `path`."""
    return AccessRefused(f"access refused: the token is not allowed to use {path}")


async def post_form(url: str, form: Mapping[str, str], *, key: str, silent_s: float = SILENT_S) -> tuple[int, Any]:
    """Post a form to `url?key=...`; the status and the decoded answer, None where it is no JSON.

    Raises:
        LinkFailure: there was no answer.
    """
    redaction.install()
    host = urlsplit(url).hostname or ""
    # Reading the certificates of this machine takes a quarter of a second.
    verify = await asyncio.to_thread(_trust, url)
    async with httpx.AsyncClient(trust_env=not is_loopback(host), timeout=silent_s, verify=verify) as client:
        response = await guarded(client.post(url, params={"key": key}, data=dict(form)), host)
    try:
        return response.status_code, _decoded(response.content[: 1 << 20], host)
    except LinkFailure:
        return response.status_code, None


async def within(clock: Clock, seconds: float, work: Awaitable[_Result], words: str) -> _Result:
    """The result of `work`, given up after so many seconds of `clock`.

    Raises:
        Cut: it took longer; the words say what.
    """
    working = asyncio.ensure_future(work)
    sleeping = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((working, sleeping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Cut(words)
    finally:
        for one in (working, sleeping):
            if not one.done():
                one.cancel()
        await asyncio.gather(working, sleeping, return_exceptions=True)


async def guarded(work: Awaitable[_Result], host: str) -> _Result:
    """The result of `work`, its errors in words of ours, nothing of the library's kept.

    Raises:
        LinkFailure: it failed.
    """
    try:
        return await work
    except httpx.ConnectTimeout:
        words = f"no connection to {host}"
    except httpx.TimeoutException:
        words = f"no answer from {host}"
    except httpx.ConnectError as error:
        untrusted = "CERTIFICATE" in str(error).upper()
        words = f"the certificate of {host} is not trusted" if untrusted else f"no connection to {host}"
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
        if isinstance(error, LinkFailure):
            raise
        words = f"the connection to {host} was cut"
        raise Cut(words) from None
    raise LinkFailure(words) from None


def _trust(url: str) -> ssl.SSLContext:
    """Whose certificates are believed: those this machine believes, and nobody's where none is asked for."""
    return httpx.create_ssl_context() if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _decoded(body: bytes, host: str) -> Any:
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A lone surrogate is JSON to those who wrote it.
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            pass
    except RecursionError:
        pass
    raise LinkFailure(f"the answer of {host} is no JSON")


def _change(event: ServerEvent, host: str) -> Change:
    data = _decoded(event.data, host)
    told = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    path = told.get("path")
    if not isinstance(path, str):
        raise LinkFailure(f"the answer of {host} is no event of a database")
    return Change(event.name, path, told.get("data"))
