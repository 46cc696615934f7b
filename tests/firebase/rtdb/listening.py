"""Streams that are open: one queue each, and what can be done to them all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from aiohttp import web

from rtdb.database import Change, Database
from rtdb.faults import Faults
from rtdb.keys import Path
from rtdb.query import Query
from rtdb.refused import Refused
from rtdb.streams import AUTH_REVOKED, CANCEL, KEEP_ALIVE, messages, whole
from rtdb.tokens import Account


class Listening:
    """One open stream.

    Args:
        renew: the account of the stream's credential as of now; raises `Refused` once it is no longer valid.
    """

    def __init__(
        self,
        request: web.BaseRequest,
        database: Database,
        path: Path,
        query: Query | None,
        renew: Callable[[], Account],
        faults: Faults,
    ) -> None:
        self._request = request
        self._database = database
        self._path = path
        self._query = query
        self._renew = renew
        self._faults = faults
        self._queue: asyncio.Queue[tuple[float, bytes, bool]] = asyncio.Queue()
        self._held: bytes | None = None
        self._over = False
        self.mute = False

    def changed(self, change: Change) -> None:
        """Queue what this listener is told of a change."""
        for message in messages(change, self._path, self._query):
            self._tell(message.encode())

    def _tell(self, text: bytes) -> None:
        faults = self._faults
        if self._held is not None:
            held, self._held = self._held, None
            faults.counts["reordered"] += 1
            self._send(text)
            self._send(held)
        elif faults.reorder:
            faults.reorder -= 1
            self._held = text
            asyncio.get_running_loop().call_later(faults.overtake_s, self._let_go, text)
        else:
            self._send(text)
            if faults.duplicate:
                faults.duplicate -= 1
                faults.counts["duplicated"] += 1
                self._send(text)

    def _let_go(self, text: bytes) -> None:
        if self._held is text:
            self._held = None
            self._send(text)

    def _send(self, text: bytes, last: bool = False) -> None:
        self._over = self._over or last
        due = asyncio.get_running_loop().time() + self._faults.latency_s / 2
        self._queue.put_nowait((due, text, last))

    def snapshot(self) -> None:
        """Send all that is listened to again."""
        self._send(whole(self._database.root.at(self._path), self._query).encode())

    def review(self) -> bool:
        """End the stream if its credential or its right is gone; whether that is so."""
        if self._over:
            return True
        try:
            account = self._renew()
        except Refused:
            self._send(AUTH_REVOKED, last=True)
            self._faults.counts["revoked"] += 1
            return True
        try:
            self._database.check_read(self._path, account)
        except Refused:
            self.cancel()
            return True
        return False

    def cancel(self) -> None:
        """Tell that the right to read is gone, and end."""
        self._send(CANCEL, last=True)

    def cut(self) -> None:
        """Break the connection."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> web.StreamResponse:
        """Send until the other side goes, or the last message is sent."""
        charset = "; charset=utf-8" if self._faults.charset else ""
        response = web.StreamResponse(
            headers={"Content-Type": f"text/event-stream{charset}", "Cache-Control": "no-cache"}
        )
        self.snapshot()
        self._database.listeners.append(self.changed)
        try:
            await response.prepare(self._request)
            loop = asyncio.get_running_loop()
            while True:
                try:
                    due, text, last = await asyncio.wait_for(self._queue.get(), self._faults.keep_alive_s)
                except TimeoutError:
                    due, text, last = 0.0, KEEP_ALIVE, False
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                if not last and self.review():
                    continue
                if not self.mute:
                    await response.write(text)
                    if last:
                        return response
        except ConnectionError:
            return response
        finally:
            with contextlib.suppress(ValueError):
                self._database.listeners.remove(self.changed)
