"""The server on a thread of its own, as tests hold it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path as File
from typing import Any, TypeVar

from aiohttp import web

from rtdb.recording import Recording
from rtdb.rest import Rest
from rtdb.rules import Rules
from rtdb.service_account import service_account
from rtdb.tokens import ADMIN, HOUR_S
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
        self._web: web.Server | None = None
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
        return self._do(lambda: len(self._rest.faults.streams))

    def wait_for_streams(self, n: int, seconds: float = 10) -> None:
        """Wait until n streams are open; raises `TimeoutError`."""

        async def wait() -> None:
            async with asyncio.timeout(seconds):
                while len(self._rest.faults.streams) != n:
                    await asyncio.sleep(0.005)

        self._await(wait())

    @property
    def requests(self) -> list[tuple[str, str, int]]:
        """What was asked, oldest first: method (LISTEN for a stream), path, status."""
        return self._do(lambda: list(self._rest.requests))

    # Who may ask for what.

    def set_rules(self, rules: str | dict[str, Any]) -> None:
        """Security rules, as text (comments allowed) or as an object; streams that lose their right are told."""
        text = rules if isinstance(rules, str) else json.dumps(rules)

        def act() -> None:
            self._rest.database(self.namespace).rules = Rules(text)
            self._rest.faults.review_streams()

        self._do(act)

    def issue_token(self, uid: str, claims: dict[str, Any] | None = None, seconds: int = HOUR_S) -> str:
        """An ID token (`auth=`) of a user, with custom claims, valid for some seconds."""
        return self._do(lambda: self._rest.tokens.issue(uid, claims, seconds))

    def issue_refresh_token(self, uid: str, claims: dict[str, Any] | None = None, seconds: int = HOUR_S) -> str:
        """A refresh token, to be exchanged at `<url>/v1/token` for ID tokens valid for some seconds."""
        return self._do(lambda: self._rest.tokens.issue_refresh(uid, claims, seconds))

    def issue_access_token(self, seconds: int = HOUR_S) -> str:
        """A service account's access token (`Authorization: Bearer`), above the rules."""
        return self._do(lambda: self._rest.tokens.issue_access(seconds))

    def service_account(self) -> dict[str, Any]:
        """A key file's content with a key made just now; its `token_uri` is `<url>/token`."""
        return service_account(self.url, self.namespace)

    def expire_token(self, token: str) -> None:
        """The token's time is over; streams that use it are told."""
        self._do(lambda: (self._rest.tokens.expire(token), self._rest.faults.review_streams()))

    def revoke_token(self, token: str) -> None:
        """The token, of whatever kind, is not valid any more; streams that use it are told."""
        self._do(lambda: (self._rest.tokens.revoke(token), self._rest.faults.review_streams()))

    def believe_unsigned_tokens(self) -> None:
        """From now on take ID tokens that were not issued here too, as Google's emulator does."""
        self._do(lambda: setattr(self._rest.tokens, "trusting", True))

    def rotate_refresh_tokens(self) -> None:
        """From now on each exchange gives a new refresh token, and the old one is not valid after it."""
        self._do(lambda: setattr(self._rest.tokens, "rotate", True))

    # Bad luck. Each is counted.

    @property
    def counts(self) -> Counter[str]:
        """How often each fault happened, by the names of `faults.Faults`."""
        return self._do(lambda: Counter(self._rest.faults.counts))

    def set(self, **settings: Any) -> None:
        """Change attributes of `faults.Faults`: `set(latency_s=0.06, keep_alive_s=1, charset=False)`."""
        self._do(lambda: self._rest.faults.set(**settings))

    def lose_replies(self, n: int = 1) -> None:
        """Apply the next n writes and drop the connection instead of answering."""
        self._do(lambda: self._rest.faults.lose_replies(n))

    def unavailable(self, n: int = 1, status: int = 503) -> None:
        """Answer the next n requests with a status, and do nothing."""
        self._do(lambda: self._rest.faults.answer(n, status))

    def mute_streams(self) -> int:
        """The streams open now say nothing more and stay open, as a half-open link; how many."""
        return self._do(self._rest.faults.mute_streams)

    def cut_streams(self) -> int:
        """Break all streams; how many."""
        return self._do(self._rest.faults.cut_streams)

    def snapshot_streams(self) -> int:
        """Send each stream all it listens to again, as the real server does now and then; how many."""
        return self._do(self._rest.faults.snapshot_streams)

    def cancel_streams(self) -> int:
        """Tell all streams that the right to read is gone; how many."""
        return self._do(self._rest.faults.cancel_streams)

    def refuse(self) -> None:
        """Break all connections and take no new ones until `accept`."""
        self._do(lambda: self._rest.faults.counts.update(["refused"]))
        self._await(self._shut())

    def accept(self) -> None:
        """Take connections again, on the same port."""
        self._await(self._open())
