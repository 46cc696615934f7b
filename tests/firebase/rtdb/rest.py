"""The REST interface: requests in, answers out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from rtdb.database import Database, NotMatching, etag
from rtdb.faults import Faults
from rtdb.keys import Path, read_path
from rtdb.listening import Listening
from rtdb.query import read_query
from rtdb.recording import Entry, Recording
from rtdb.refused import Refused
from rtdb.tokens import ADMIN, ANYBODY, Account
from rtdb.values import dumps, parse, to_json

MOST_BYTES = 256 * 2**20
"""The largest write by REST, documented."""


class Rest:
    """All databases of the server behind one handler.

    Attributes:
        requests: what was asked, oldest first: method, path with `.json`, status; the last 10,000.
    """

    def __init__(self, namespace: str, recording: Recording | None = None) -> None:
        self.namespace = namespace
        self.faults = Faults()
        self.databases: dict[str, Database] = {}
        self.streams: set[Listening] = set()
        self.requests: list[tuple[str, str, int]] = []
        self.clock_offset_ms = 0
        self.most_bytes = MOST_BYTES
        self._recording = recording
        if recording is not None:
            for entry in recording.entries():
                self.database(entry.ns).restore(tuple(entry.at), entry.value)
            recording.begin([Entry(ns, [], to_json(one.root, export=True)) for ns, one in self.databases.items()])

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.clock_offset_ms

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
        try:
            if self.faults.latency_s:
                self.faults.counts["late"] += 1
                await asyncio.sleep(self.faults.latency_s / 2)
            if self.faults.answers:
                status = self.faults.answers.pop(0)
                self.faults.counts[str(status)] += 1
                raise Refused(status, "Service Unavailable" if status == 503 else "told to")
            if request.method == "GET" and "text/event-stream" in request.headers.get("Accept", ""):
                return await self._listen(request)
            # A client that goes away does not stop what it asked for.
            response = await asyncio.shield(asyncio.ensure_future(self._answer(request)))
        except NotMatching as other:
            response = self._json(to_json(other.node), 412, {"ETag": etag(other.node)})
        except Refused as why:
            response = self._json({"error": why.text}, why.status)
        if self.faults.latency_s:
            await asyncio.sleep(self.faults.latency_s / 2)
        self.requests.append((request.method, request.rel_url.raw_path, response.status))
        del self.requests[:-10_000]
        return response

    def _json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.Response(
            text=dumps(value), status=status, headers=headers, content_type="application/json", charset="utf-8"
        )

    def _place(self, request: web.BaseRequest) -> tuple[Database, Path]:
        path = request.rel_url.raw_path
        if not path.endswith(".json"):
            raise Refused(404, "append .json to your request URI to use the REST API")
        parts = [unquote(part) for part in path.removesuffix(".json").split("/")]
        return self.database(request.rel_url.query.get("ns", self.namespace)), read_path("/".join(parts))

    def account(self, request: web.BaseRequest) -> Account:
        """Who asks; raises `Refused` (401) for a credential that is not valid."""
        if request.headers.get("Authorization") == "Bearer owner":
            return ADMIN
        return ANYBODY

    async def _listen(self, request: web.BaseRequest) -> web.StreamResponse:
        database, path = self._place(request)
        query = read_query(request.rel_url.query)
        stream = Listening(request, database, path, query, lambda: self.account(request), self.faults)
        self.requests.append(("LISTEN", request.rel_url.raw_path, 200))
        self.streams.add(stream)
        try:
            return await stream.run()
        finally:
            self.streams.discard(stream)

    async def _body(self, request: web.BaseRequest) -> Any:
        body = bytearray()
        async for chunk in request.content.iter_chunked(2**16):
            body += chunk
            if len(body) > self.most_bytes:
                raise Refused(413, "Payload is too large.")
        return parse(bytes(body))

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        given = request.rel_url.query
        method = request.method
        if method == "POST":
            method = request.headers.get("X-HTTP-Method-Override", method).upper()
        database, path = self._place(request)
        account = self.account(request)
        if_match = request.headers.get("if-match")
        if method == "GET":
            node = database.read(path, account, read_query(given))
            value = to_json(node, export=given.get("format") == "export")
        elif method in ("PUT", "DELETE"):
            body = None if method == "DELETE" else await self._body(request)
            node = database.put(path, body, account, if_match)
            value = to_json(node)
        elif method == "PATCH":
            value = await self._body(request)
            node = None
            database.patch(path, value, account)
        elif method == "POST":
            node = None
            value = {"name": database.push(path, await self._body(request), account)}
        else:
            raise Refused(405, "Method Not Allowed")
        if method != "GET" and self.faults.lost:
            self.faults.lost -= 1
            self.faults.counts["lost_reply"] += 1
            assert request.transport is not None
            request.transport.abort()
        headers: dict[str, str] = {}
        if node is not None and request.headers.get("X-Firebase-ETag", "").lower() == "true":
            headers["ETag"] = etag(node)
        if given.get("print") == "silent":
            return web.Response(status=204, headers=headers)
        if given.get("print") == "pretty":
            return web.json_response(value, headers=headers, dumps=lambda one: json.dumps(one, indent=2))
        return self._json(value, headers=headers)
