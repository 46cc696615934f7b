"""The server on a thread of its own, as tests hold it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path as File
from typing import Any, TypeVar

from aiohttp import web

from rtdb.recording import Recording
from rtdb.rest import Rest
from rtdb.tokens import ADMIN
from rtdb.values import to_json

T = TypeVar("T")

NAMESPACE = "cubesat-test"


class RtdbServer:
    """A Firebase Realtime Database on 127.0.0.1. All methods may be called from any thread.

    Attributes:
        host: `127.0.0.1:<port>`, as FIREBASE_DATABASE_EMULATOR_HOST wants it.
        namespace: what is used where a request names no `ns`.
    """

    def __init__(self, port: int = 0, namespace: str = NAMESPACE, data: File | None = None) -> None:
        self.namespace = namespace
        self._rest = Rest(namespace, None if data is None else Recording(data))
        self._loop = asyncio.new_event_loop()
        self._web: web.Server[web.BaseRequest] | None = None
        self._socket: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="rtdb", daemon=True)
        self._thread.start()
        self._port = port
        self._await(self._open())

    @property
    def port(self) -> int:
        return self._port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The root; requests to it use the namespace of this server unless they name another."""
        return f"http://{self.host}"

    @property
    def database_url(self) -> str:
        """What firebase-admin takes for a database."""
        return f"{self.url}/?ns={self.namespace}"

    def _await(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def _do(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()

        return self._await(run())

    async def _open(self) -> None:
        self._web = web.Server(self._rest.handle, access_log=None, handler_cancellation=True)
        self._socket = await self._loop.create_server(self._web, "127.0.0.1", self._port)
        self._port = self._socket.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._web is not None:
            for connection in list(self._web.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            await self._web.shutdown(1)
            self._web = None

    def close(self) -> None:
        """Stop for good."""
        self._await(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._rest.close()

    # What is in it.

    def tree(self, path: str = "") -> Any:
        """The data as JSON, at a path if one is given."""
        parts = tuple(part for part in path.split("/") if part)
        return self._do(lambda: to_json(self._rest.database(self.namespace).root.at(parts)))

    def fill(self, value: Any, path: str = "") -> None:
        """Put data above all rules; listeners are told."""
        parts = tuple(part for part in path.split("/") if part)
        self._do(lambda: self._rest.database(self.namespace).put(parts, value, ADMIN))

    @property
    def streams(self) -> int:
        """Streams open now, mute ones too."""
        return self._do(lambda: len(self._rest.streams))

    def wait_for_streams(self, n: int, seconds: float = 10) -> None:
        """Wait until n streams are open; raises `TimeoutError`."""

        async def wait() -> None:
            async with asyncio.timeout(seconds):
                while len(self._rest.streams) != n:
                    await asyncio.sleep(0.005)

        self._await(wait())

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """What was asked, oldest first: method (LISTEN for a stream), path, status."""
        return self._do(lambda: list(self._rest.requests))

    # Bad luck. Each is counted.

    @property
    def counts(self) -> Counter[str]:
        """How often each fault happened, by the names of `faults.Faults`."""
        return self._do(lambda: Counter(self._rest.faults.counts))

    def set(self, **settings: Any) -> None:
        """Change attributes of `faults.Faults`: `set(latency_s=0.06, keep_alive_s=1, charset=False)`."""

        def act() -> None:
            for name, value in settings.items():
                assert hasattr(self._rest.faults, name), name
                setattr(self._rest.faults, name, value)

        self._do(act)

    def lose_replies(self, n: int = 1) -> None:
        """Apply the next n writes and drop the connection instead of answering."""
        self.set(lost=n)

    def unavailable(self, n: int = 1, status: int = 503) -> None:
        """Answer the next n requests with a status, and do nothing."""
        self._do(lambda: self._rest.faults.answers.extend([status] * n))

    def mute_streams(self) -> int:
        """The streams open now say nothing more and stay open, as a half-open link; how many."""

        def act() -> int:
            speaking = [stream for stream in self._rest.streams if not stream.mute]
            for stream in speaking:
                stream.mute = True
                self._rest.faults.counts["mute"] += 1
            return len(speaking)

        return self._do(act)

    def cut_streams(self) -> int:
        """Break all streams; how many."""

        def act() -> int:
            for stream in self._rest.streams:
                stream.cut()
                self._rest.faults.counts["cut"] += 1
            return len(self._rest.streams)

        return self._do(act)

    def snapshot_streams(self) -> int:
        """Send each stream all it listens to again, as the real server does now and then; how many."""

        def act() -> int:
            for stream in self._rest.streams:
                stream.snapshot()
                self._rest.faults.counts["snapshot"] += 1
            return len(self._rest.streams)

        return self._do(act)

    def cancel_streams(self) -> int:
        """Tell all streams that the right to read is gone; how many."""

        def act() -> int:
            for stream in self._rest.streams:
                stream.cancel()
                self._rest.faults.counts["cancel"] += 1
            return len(self._rest.streams)

        return self._do(act)

    def refuse(self) -> None:
        """Break all connections and take no new ones until `accept`."""
        self._do(lambda: self._rest.faults.counts.update(["refused"]))
        self._await(self._shut())

    def accept(self) -> None:
        """Take connections again, on the same port."""
        self._await(self._open())
