"""A request to the station of a mission, and the wait for the journal rows that answer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from cubesat_tui.commands.options import refuse
from cubesat_tui.roles import REPLICA, role_of

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.directory import MissionDirectory, MissionLock

PATIENCE_S = 5.0
LOOK_EVERY_S = 0.05

Answer = TypeVar("Answer")


def ask(
    directory: MissionDirectory,
    kind: str,
    body: dict[str, Any],
    actor: str,
    answered: Callable[[str, list[Event]], Answer | None],
    *,
    silence: str,
    patience_s: float,
    alone: Callable[[MissionLock], None] | None = None,
) -> Answer:
    """Submit a request and return what `answered` makes of its id and of the journal since, once that is not None.

    Args:
        silence: what is told when no answer comes within `patience_s`; the request is taken back.
        alone: does the station's work, and gives the lock back, where no station holds the mission.

    Raises:
        Refusal: a station holds the mission but does not answer, or this is a replica whose link or owner does not
            (exit 3).
    """
    import time

    from telemetry.clock import SystemClock
    from telemetry.store.directory import MissionLock
    from telemetry.store.inbox import Inbox
    from telemetry.store.reader import StoreReader

    replica = role_of(directory) == REPLICA
    if replica and not MissionLock(directory.station_lock).holder():
        refuse(
            f"{directory.path}: this is a replica, and no console of it runs to send the act; nothing was done:"
            f" cubesat-tui --mission {directory.path} --attach opens one",
            exit_code=3,
        )
    reader = StoreReader(directory.telemetry)
    inbox = Inbox(directory.inbox)
    try:
        newest = reader.journal_page(None, -1, 1)
        after = newest[0].id if newest else 0
        request = inbox.submit(kind, body, actor, SystemClock().now_ns())
        until = time.monotonic() + patience_s
        while True:
            answer = answered(request, list(reader.journal(after)))
            if answer is not None:
                return answer
            if alone is not None and not replica:
                lock = MissionLock(directory.station_lock)
                if lock.acquire(0.0):
                    alone(lock)
                    continue
            if time.monotonic() > until and replica:
                refuse("the owner has not answered yet: the act stays pending until it does", exit_code=3)
            if time.monotonic() > until:
                inbox.delete([request])
                refuse(silence, exit_code=3)
            time.sleep(LOOK_EVERY_S)
    finally:
        inbox.close()
        reader.close()


def answer_to(request: str, events: list[Event]) -> Event | None:
    """The event that carries the id of the request."""
    return next((one for one in events if request in (one.body.get("request"), one.body.get("id"))), None)
