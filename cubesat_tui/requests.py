"""What an operator asks of the station: a row in the inbox, written on a thread of its own."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cubesat_tui.store_view import StoreView
    from telemetry.alarms import Event
    from telemetry.clock import Clock
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.inbox import Inbox

PATIENCE_S = 5.0
LOOK_EVERY_S = 0.1
NEWEST = 100
"""Journal rows among which an answer is looked for."""


class Requests:
    """The console's way into the inbox of one mission."""

    def __init__(self, directory: MissionDirectory, clock: Clock, operator: str) -> None:
        self._directory = directory
        self._clock = clock
        self._operator = operator
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._inbox: Inbox | None = None

    async def submit(self, kind: str, body: dict[str, Any]) -> str:
        """Write one request; durable when this returns its id."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._put, kind, body)

    def _put(self, kind: str, body: dict[str, Any]) -> str:
        if self._inbox is None:
            from telemetry.store.inbox import Inbox

            self._inbox = Inbox(self._directory.inbox)
        return self._inbox.submit(kind, body, self._operator, self._clock.now_ns())

    @staticmethod
    async def answers(
        view: StoreView, request: str, subjects: int = 1, patience_s: float | None = None
    ) -> list[Event]:
        """The journal rows in which the station answers a request, oldest first; none where it does not in time.

        `subjects`: how many alarms it is about. They are journaled together, so the first look that finds one
        finds them all.
        """
        until = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
        while True:
            page = await view.journal_page(None, -1, NEWEST + 2 * subjects)
            found = [event for event in page if request in (event.body.get("request"), event.body.get("id"))]
            if found or time.monotonic() > until:
                return found[::-1]
            await asyncio.sleep(LOOK_EVERY_S)

    def close(self) -> None:
        """End the thread; the connection closes on it."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            self._pool.submit(inbox.close)
        self._pool.shutdown(wait=False)
