"""What an operator asks of the station: a row in the inbox, written on a thread of its own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.inbox import Inbox


class Requests:
    """The console's way into the inbox of one mission."""

    def __init__(self, directory: MissionDirectory, clock: Clock, operator: str) -> None:
        self._directory = directory
        self._clock = clock
        self._operator = operator
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._inbox: Inbox | None = None

    async def submit(self, kind: str, body: dict[str, Any]) -> None:
        """Write one request; durable when this returns."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._put, kind, body)

    def _put(self, kind: str, body: dict[str, Any]) -> None:
        if self._inbox is None:
            from telemetry.store.inbox import Inbox

            self._inbox = Inbox(self._directory.inbox)
        self._inbox.submit(kind, body, self._operator, self._clock.now_ns())

    def close(self) -> None:
        """End the thread; the connection closes on it."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            self._pool.submit(inbox.close)
        self._pool.shutdown(wait=False)
