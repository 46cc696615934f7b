"""Faults an operator asked for: a request becomes a journal row and something that goes wrong in the simulator.

The journal is what counts: a source that is made anew, by a restart or after it died, is given again what the
journal says was injected and is not over. Nothing real can be broken: what is not the simulator itself is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.limits import Level
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from sim.catalogue import Fault
    from sim.injection import Injectable
    from telemetry.dictionary import Mission
    from telemetry.links.source import Source
    from telemetry.store.inbox import Request

INJECTED = "fault.injected"
CLEARED = "fault.cleared"
KINDS_BEGIN = "fault."
REMEMBERED = 1_000
"""Newest journal rows about faults that are looked through at the start."""
STALE_NS = 60 * NS_PER_S
"""A request to break something that no station saw for so long is refused: nobody expects it any more."""
MADE_AGAIN_S = 60
"""A fault is remembered so long after its end: a source that goes on from its cursor makes a few seconds again."""


class Refused(ValueError):
    """Why nothing was broken or mended, in one sentence."""


class FaultsByHand:
    """The injected faults of a station. `source` tells what feeds it at this moment."""

    def __init__(self, mission: Mission, source: Callable[[], Source | None], now_ns: Callable[[], int]) -> None:
        self._mission = mission
        self._source = source
        self._now_ns = now_ns
        self._faults: dict[str, Fault] = {}

    def restore(self, events: Iterable[Event]) -> None:
        """Take up what was injected before, from journal rows in the order they were written."""
        for event in events:
            if event.kind == INJECTED:
                self._remember(event.body.get("fault"))
            elif event.kind == CLEARED:
                self._shorten(event.body.get("ids", ()), int(event.body.get("end_s", 0)))

    def give(self, source: Source) -> None:
        """Hand a source that begins what is not over yet; one that is not the simulator gets nothing."""
        if not self._faults:
            return
        from sim.injection import Injectable

        if isinstance(source, Injectable):
            self._forget_before(source.next_s)
            for fault in self._faults.values():
                source.inject(fault)

    def running(self) -> list[dict[str, Any]]:
        """What is injected and not over, oldest first, for the heartbeat: id, sentence, times (UTC seconds)."""
        return [
            {
                "id": fault.id,
                "satellite": fault.satellite,
                "text": self._sentence(fault),
                "start_s": fault.start_s,
                "end_s": fault.end_s,
            }
            for fault in self._running()
        ]

    def inject(self, request: Request) -> Event:
        """Break what the request says, or end what its `clear` names ("" for all).

        Raises:
            Refused: nothing was changed, and why.
        """
        source = self._simulator()
        if self._now_ns() - request.at_ns > STALE_NS:
            raise Refused("asked more than a minute ago, when no station took it: ask again")
        if "clear" in request.body:
            return self._clear(source, request, request.body["clear"])
        from sim.catalogue import FaultRefused
        from sim.injection import Wish, as_body, fault_of

        try:
            wish = msgspec.convert(request.body, Wish)
            number, satellites = f"hand-{request.id[-6:]}", tuple(self._mission.by_name)
            fault = fault_of(wish, number, source.next_s, self._channels(wish.satellite), satellites)
            source.inject(fault)
        except msgspec.ValidationError as error:
            raise Refused(f"the request cannot be read: {plain_text(str(error))}") from None
        except FaultRefused as error:
            raise Refused(plain_text(str(error), 400)) from None
        self._faults[fault.id] = fault
        text = self._sentence(fault)
        later = f", in {wish.in_s} s" if wish.in_s else ""
        return self._event(
            request,
            INJECTED,
            fault.satellite,
            fault.target,
            Level.IN_LIMITS if fault.layer == "routine" else Level.WATCH,
            {"text": f"{text}{later}", "id": fault.id, "fault": as_body(fault)},
        )

    def _clear(self, source: Injectable, request: Request, named: object) -> Event:
        end_s = source.next_s
        running = self._running()
        wanted = [fault for fault in running if named in ("", fault.id)]
        if not wanted:
            ids = ", ".join(fault.id for fault in running) or "none"
            raise Refused(
                f"no injected fault is called {plain_text(str(named), 40)!r}; running: {ids}"
                if named
                else "no injected fault is running"
            )
        source.clear(str(named) or None)
        self._shorten([fault.id for fault in wanted], end_s)
        texts = [self._sentence(fault, timed=False) for fault in wanted]
        text = f"{texts[0]}: ended" if len(texts) == 1 else f"{len(texts)} faults ended: {', '.join(texts)}"
        only = wanted[0] if len(wanted) == 1 else None
        return self._event(
            request,
            CLEARED,
            only.satellite if only else "",
            only.target if only else "",
            Level.IN_LIMITS,
            {"text": text, "ids": [fault.id for fault in wanted], "end_s": end_s},
        )

    def _simulator(self) -> Injectable:
        """What can be broken.

        Raises:
            Refused: this station runs no simulator.
        """
        kind = self._mission.source.kind
        if not self._mission.flown_here:
            raise Refused(
                f"only the simulator can be broken, and this mission's source is {kind}: nothing was changed"
            )
        from sim.injection import Injectable

        source = self._source()
        if source is None:
            raise Refused("the simulator is not running at this moment: nothing was changed")
        if not isinstance(source, Injectable):
            raise Refused(
                f"only the station that runs the simulator can break it, and this one is fed by {source.name}:"
                " nothing was changed"
            )
        return source

    def _remember(self, body: object) -> None:
        """A fault of another version of the program or of the mission is not resumed: it cannot be done here."""
        from sim.catalogue import FaultRefused, checked
        from sim.injection import from_body

        try:
            fault = from_body(body)
            satellites = tuple(self._mission.by_name)
            fault = checked(fault, self._channels(fault.satellite), satellites)
        except FaultRefused:
            return
        self._faults[fault.id] = fault

    def _channels(self, satellite: str) -> tuple[str, ...]:
        return tuple(self._mission.bus_of(satellite).by_name) if satellite in self._mission.by_name else ()

    def _shorten(self, ids: Sequence[str], end_s: int) -> None:
        """These end before `end_s`; one that would begin later never happens."""
        for one in ids:
            fault = self._faults.get(one)
            if fault is not None and fault.start_s >= end_s:
                del self._faults[one]
            elif fault is not None:
                self._faults[one] = replace(fault, end_s=min(end_s, fault.end_s))

    def _running(self) -> list[Fault]:
        if not self._faults:
            return []
        from sim.injection import Injectable

        source = self._source()
        if not isinstance(source, Injectable):
            return []
        self._forget_before(source.next_s)
        return [fault for fault in self._faults.values() if fault.end_s > source.next_s]

    def _forget_before(self, t_s: int) -> None:
        self._faults = {one: fault for one, fault in self._faults.items() if fault.end_s + MADE_AGAIN_S >= t_s}

    def _sentence(self, fault: Fault, *, timed: bool = True) -> str:
        from sim.injection import sentence

        channel = self._mission.bus_of(fault.satellite).by_name.get(fault.target)
        return plain_text(sentence(fault, channel.label if channel is not None else "", timed=timed), 300)

    def _event(
        self, request: Request, kind: str, satellite: str, subject: str, level: Level, body: dict[str, Any]
    ) -> Event:
        return Event(
            at_ns=self._now_ns(),
            satellite=satellite,
            kind=kind,
            severity=int(level),
            subject=subject,
            actor=plain_text(request.actor, 40),
            body={**body, "request": request.id},
        )
