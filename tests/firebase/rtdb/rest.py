"""The REST interface: requests in, answers out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from rtdb.database import Database, NotMatching, etag
from rtdb.faults import CONTROLS, Faults
from rtdb.keys import Path, read_path
from rtdb.listening import Listening
from rtdb.query import NAMES, read_query
from rtdb.recording import Entry, Recording
from rtdb.refused import Refused
from rtdb.rules import Rules
from rtdb.tokens import ANYBODY, Account, Tokens
from rtdb.tree import Node
from rtdb.values import dumps, parse, to_json

REMEMBERED = 10_000
"""Requests that `Rest.requests` holds."""


class Rest:
    """All databases of the server behind one handler.

    Attributes:
        requests: what was asked, oldest first: method (LISTEN for a stream), path with `.json`, status.
    """

    def __init__(self, namespace: str, recording: Recording | None = None) -> None:
        self.namespace = namespace
        self.faults = Faults()
        self.databases: dict[str, Database] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.tokens = Tokens(lambda: self.now_ms() / 1000, namespace)
        self._recording = recording
        if recording is not None:
            for entry in recording.entries():
                self.database(entry.ns).restore(tuple(entry.at), entry.value)
            recording.begin([Entry(ns, [], to_json(one.root, export=True)) for ns, one in self.databases.items()])

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + round(self.faults.clock_offset_s * 1000)

    def database(self, namespace: str) -> Database:
        """The database of a namespace, made when it is first asked for."""
        if namespace not in self.databases:
            self.databases[namespace] = Database(self.now_ms, partial(self._keep, namespace))
        return self.databases[namespace]

    def _keep(self, namespace: str, path: Path, value: Any) -> None:
        if self._recording is not None:
            self._recording.add(Entry(namespace, list(path), value))

    def close(self) -> None:
        if self._recording is not None:
            self._recording.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, with the bad luck that is due."""
        if request.path == "/.faults":
            return await self._control(request)
        faults = self.faults
        try:
            if faults.latency_s:
                faults.counts["late"] += 1
                await asyncio.sleep(faults.latency_s / 2)
            if faults.answers:
                status = faults.answers.pop(0)
                faults.counts[str(status)] += 1
                raise Refused(status, "Service Unavailable" if status == 503 else f"status {status} was asked for")
            if request.method == "GET" and "text/event-stream" in request.headers.get("Accept", ""):
                return await self._listen(request)
            # A client that goes away does not stop what it asked for.
            response = await asyncio.shield(asyncio.ensure_future(self._answer(request)))
        except NotMatching as other:
            response = _json(to_json(other.node), 412, {"ETag": etag(other.node)})
        except Refused as why:
            response = _json({"error": why.text}, why.status)
        if faults.latency_s:
            await asyncio.sleep(faults.latency_s / 2)
        self._remember(request.method, request, response.status)
        return response

    def _remember(self, method: str, request: web.BaseRequest, status: int) -> None:
        self.requests.append((method, request.rel_url.raw_path, status))
        del self.requests[:-REMEMBERED]

    async def _control(self, request: web.BaseRequest) -> web.Response:
        """Bad luck for a server in a process of its own: `{"cut_streams": {}, "set": {"latency_s": 0.06}}`."""
        done: dict[str, Any] = {}
        if request.method == "POST":
            for name, arguments in (await request.json()).items():
                if name not in CONTROLS:
                    return _json({"error": f"{name} is none of {', '.join(CONTROLS)}"}, 400)
                done[name] = getattr(self.faults, name)(**arguments)
        return _json({"done": done, "counts": self.faults.counts, "streams": len(self.faults.streams)})

    def _place(self, request: web.BaseRequest) -> tuple[Database, Path]:
        path = request.rel_url.raw_path
        if not path.endswith(".json"):
            raise Refused(404, "append .json to your request URI to use the REST API")
        try:
            parts = [unquote(part, errors="strict") for part in path.removesuffix(".json").split("/")]
        except UnicodeDecodeError:
            raise Refused(400, "Invalid path: no UTF-8") from None
        return self.database(request.rel_url.query.get("ns", self.namespace)), read_path("/".join(parts))

    def account(self, request: web.BaseRequest) -> Account:
        """Who asks; raises `Refused` (401) for a credential that is not valid."""
        given = request.rel_url.query
        header = request.headers.get("Authorization", "")
        token = header[7:] if header.startswith("Bearer ") else given.get("access_token", given.get("auth"))
        account = ANYBODY if token is None else self.tokens.account(token)
        if "auth_variable_override" not in given:
            return account
        if not account.admin:
            raise Refused(401, "auth_variable_override is for administrators alone")
        return Account(auth=parse(given["auth_variable_override"].encode()))

    async def _listen(self, request: web.BaseRequest) -> web.StreamResponse:
        database, path = self._place(request)
        query = read_query(request.rel_url.query)
        database.read(path, self.account(request), query)
        if self.faults.redirects:
            self.faults.redirects -= 1
            self.faults.counts["redirect"] += 1
            # Another origin, as in the real service: a client that drops its credentials there is found out.
            to = request.url.with_host("localhost" if request.url.host == "127.0.0.1" else "127.0.0.1")
            self._remember("LISTEN", request, 307)
            return web.Response(status=307, headers={"Location": str(to)})
        self._remember("LISTEN", request, 200)
        stream = Listening(request, database, path, query, partial(self.account, request), self.faults)
        self.faults.streams.add(stream)
        try:
            return await stream.run()
        finally:
            self.faults.streams.discard(stream)

    async def _body(self, request: web.BaseRequest) -> bytes:
        body = bytearray()
        async for chunk in request.content.iter_chunked(2**16):
            body += chunk
            if len(body) > self.faults.most_bytes:
                raise Refused(413, "Data to write exceeds the maximum size of a single request.")
        return bytes(body)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.path in ("/v1/token", "/token"):
            return await self._token(request)
        if request.path == "/.settings/rules.json":
            return await self._rules(request)
        method = request.method
        if method == "POST":
            method = request.headers.get("X-HTTP-Method-Override", method).upper()
        database, path = self._place(request)
        account = self.account(request)
        given = request.rel_url.query
        if given.get("print") not in (None, "pretty", "silent"):
            raise Refused(400, "print must be pretty or silent")
        if method == "GET":
            return self._get(request, database, path, account)
        value, node = await self._write(method, request, database, path, account)
        if self.faults.lost:
            self.faults.lost -= 1
            self.faults.counts["lost_reply"] += 1
            assert request.transport is not None
            request.transport.abort()
        return _answer(request, value, node)

    def _get(self, request: web.BaseRequest, database: Database, path: Path, account: Account) -> web.Response:
        given = request.rel_url.query
        if given.get("shallow") == "true":
            if {"orderBy", *NAMES} & given.keys():
                raise Refused(400, "shallow cannot be combined with other query parameters")
            node = database.read(path, account)
            value = dict.fromkeys(node.ordered, True) if node.children else node.value
        else:
            node = database.read(path, account, read_query(given))
            value = to_json(node, export=given.get("format") == "export")
        if "if-none-match" in request.headers and request.headers["if-none-match"] == etag(node):
            return web.Response(status=304, headers={"ETag": etag(node)})
        return _answer(request, value, node)

    async def _write(
        self, method: str, request: web.BaseRequest, database: Database, path: Path, account: Account
    ) -> tuple[Any, Node | None]:
        """Write; what is answered, and the node where there is one to name by an ETag."""
        if_match = request.headers.get("if-match")
        if method in ("PUT", "DELETE"):
            sent = None if method == "DELETE" else parse(await self._body(request))
            node = database.put(path, sent, account, if_match)
            return (None if method == "DELETE" else to_json(node, export=_has_priority(sent))), node
        if method not in ("PATCH", "POST"):
            raise Refused(405, "Method Not Allowed")
        if if_match is not None:
            raise Refused(400, f"if-match is not supported for {method}")
        sent = parse(await self._body(request))
        if method == "POST":
            return {"name": database.push(path, sent, account)}, None
        database.patch(path, sent, account)
        return sent, None

    async def _token(self, request: web.BaseRequest) -> web.Response:
        """What `securetoken.googleapis.com/v1/token` does (any `key`), and a service account's `token_uri`."""
        if request.method != "POST":
            raise Refused(405, "Method Not Allowed")
        try:
            return _json(self.tokens.exchange(dict(parse_qsl((await self._body(request)).decode()))))
        except Refused as why:
            body = {"error": {"code": why.status, "message": why.text, "status": "INVALID_ARGUMENT"}}
            return _json(body, why.status)

    async def _rules(self, request: web.BaseRequest) -> web.Response:
        if not self.account(request).admin:
            raise Refused(401, "Permission denied")
        database = self.database(request.rel_url.query.get("ns", self.namespace))
        if request.method == "PUT":
            database.rules = Rules((await self._body(request)).decode())
            self.faults.review_streams()
            return _json({"status": "ok"})
        return web.Response(text=database.rules.text, content_type="application/json")


def _has_priority(sent: Any) -> bool:
    return isinstance(sent, dict) and (".priority" in sent or ".value" in sent)


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        text=dumps(value), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def _answer(request: web.BaseRequest, value: Any, node: Node | None) -> web.Response:
    """The answer as the request wants it printed."""
    headers: dict[str, str] = {}
    if node is not None and request.headers.get("X-Firebase-ETag", "").lower() == "true":
        headers["ETag"] = etag(node)
    print_as = request.rel_url.query.get("print")
    if print_as == "silent":
        return web.Response(status=204, headers=headers)
    if print_as == "pretty":
        return web.json_response(value, headers=headers, dumps=partial(json.dumps, indent=2, ensure_ascii=False))
    return _json(value, headers=headers)
