"""Requests from the inbox, applied in the order they were made: acts on alarms and models, finished fits, stop.

A request is journaled by the transaction that also remembers its id, and deleted from the inbox after that. A
station killed in between finds the id again and does not apply the request twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cubesat_tui import request_fields
from cubesat_tui.alarm_requests import KINDS, AlarmRequests, refusal
from cubesat_tui.faults_by_hand import Refused
from cubesat_tui.model_acts import MODEL_KINDS
from telemetry.alarms import Event
from telemetry.kill_points import reach
from telemetry.limits import Level
from telemetry.plain_text import plain_text, plain_tree

if TYPE_CHECKING:
    from cubesat_tui.nominal import Accepts
    from telemetry.alarm_desk import AlarmDesk
    from telemetry.store.inbox import Inbox, Request

log = logging.getLogger(__name__)

CURSOR = "inbox"
RUN_RECORDED = "run_recorded"
FREE_KINDS = ("console.", "export.", "trainer.", "mlflow.")
"""What others may have journaled as they say it; the rest of the journal is the station's own word."""

UID = "uid"
"""Field of the body of a request that came over a link, and of the events that answer it."""


@dataclass
class Applied:
    """What a round of requests came to."""

    events: list[Event] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    """All that was applied and is not deleted from the inbox yet, these among them."""
    kept: dict[str, str] = field(default_factory=dict[str, str])
    """Cursors of what changed."""

    def __bool__(self) -> bool:
        return bool(self.ids or self.events)

    def cursors(self) -> dict[str, str]:
        """To be committed with `events`."""
        return {CURSOR: json.dumps(self.waiting), **self.kept}


class Models(Protocol):
    """Keeps the runs of the trainer."""

    def record(self, body: Mapping[str, Any]) -> list[Event]:
        """A finished fit."""
        ...

    def logged(self, body: Mapping[str, Any]) -> None:
        """A fit that MLflow has now."""
        ...


class Governs(Protocol):
    """Promotes and rolls back models; `cubesat_tui.model_acts.ModelActs` is the real one."""

    def apply(self, request: Request) -> tuple[list[Event], dict[str, str]]:
        """The events of a request, and the cursors to commit with them."""
        ...

    def expire(self) -> tuple[list[Event], dict[str, str]]:
        """End what is over."""
        ...


class Faults(Protocol):
    """Breaks what is simulated; `cubesat_tui.faults_by_hand.FaultsByHand` is the real one."""

    def inject(self, request: Request) -> Event:
        """Do what a request `inject` says.

        Raises:
            Refused: nothing was changed; the sentence says why.
        """
        ...


class Acts:
    """Applies requests. `models` takes what the trainer did, `stop` ends the station, `faults` breaks it."""

    def __init__(
        self,
        inbox: Inbox,
        desk: AlarmDesk,
        now_ns: Callable[[], int],
        models: Models,
        stop: Callable[[], None],
        applied_before: str | None = None,
        faults: Faults | None = None,
        nominal: Accepts | None = None,
        mission_now_ns: Callable[[], int] | None = None,
        governance: Governs | None = None,
    ) -> None:
        """`applied_before`: the stored cursor `inbox`, or None. `faults`: None where no station runs.

        `mission_now_ns`: the time that shelves end by, where it is not that of `now_ns`.
        """
        self._governance = governance
        self._unsettled = False
        self._inbox = inbox
        self._alarms = AlarmRequests(desk, now_ns, mission_now_ns or now_ns)
        self._now_ns = now_ns
        self._models = models
        self._stop = stop
        self._faults = faults
        self._nominal = nominal
        done: list[str] = json.loads(applied_before) if applied_before else []
        self._inbox.delete(done)
        self._waiting: set[str] = set()

    def poll(self) -> Applied:
        """Apply what is pending, and what is due. The caller journals the events and then calls `forget`."""
        applied = Applied()
        if self._governance is not None:
            applied.events, applied.kept = self._governance.expire()
        for request in self._inbox.pending():
            unsettled = self._unsettled or bool(applied.kept)
            if request.id in self._waiting or (unsettled and request.kind == RUN_RECORDED):
                # A promotion is durable at once: it must not overtake an act on models that is not yet.
                continue
            uid = request.body.pop(UID, None)
            events = self._apply(request, applied)
            applied.events.extend(events if uid is None else [_by_user(event, uid) for event in events])
            applied.ids.append(request.id)
        if applied.ids:
            reach("acts_applied")
        self._waiting.update(applied.ids)
        applied.waiting = sorted(self._waiting)
        self._unsettled = self._unsettled or bool(applied.kept)
        return applied

    def forget(self, applied: Applied) -> None:
        """The events are durable: delete their requests."""
        reach("acts_journaled")
        self._inbox.delete(applied.ids)
        self._waiting.difference_update(applied.ids)
        if applied.kept:
            self._unsettled = False

    def _apply(self, request: Request, applied: Applied) -> list[Event]:
        try:
            match request.kind:
                case kind if kind in KINDS:
                    return self._alarms.apply(request)
                case "accept":
                    return [self._accept(request)]
                case "event":
                    return [self._note(request)]
                case "inject":
                    return [self._inject(request)]
                case kind if kind in MODEL_KINDS:
                    return self._govern(request, applied)
                case kind if kind == RUN_RECORDED:
                    return self._models.record(request.body)
                case "run_logged":
                    self._models.logged(request.body)
                    return []
                case "stop":
                    self._stop()
                    return []
                case _:
                    return [self._refused(request, f"no request is called {plain_text(request.kind, 40)!r}")]
        except (KeyError, TypeError, ValueError, OverflowError, msgspec.ValidationError) as error:
            return [self._refused(request, f"the request cannot be read: {plain_text(str(error))}")]

    def _inject(self, request: Request) -> Event:
        if self._faults is None:
            return self._refused(request, "no station was running to break: ask again while one does")
        try:
            return self._faults.inject(request)
        except Refused as error:
            return self._refused(request, str(error), str(request.body.get("satellite", "")))

    def _accept(self, request: Request) -> Event:
        if self._nominal is None:
            return self._refused(request, "nothing can be accepted here")
        try:
            return self._nominal.accept(request)
        except Refused as error:
            return self._refused(request, str(error), str(request.body.get("satellite", "")))

    def _govern(self, request: Request, applied: Applied) -> list[Event]:
        if self._governance is None:
            return [self._refused(request, "no models are kept here")]
        events, cursors = self._governance.apply(request)
        applied.kept |= cursors
        return events

    def _note(self, request: Request) -> Event:
        kind = plain_text(request_fields.text(request.body, "kind"), 40)
        if not kind.startswith(FREE_KINDS):
            return self._refused(request, f"nobody but the station journals {kind!r}")
        severity = int(request.body.get("severity", 0))
        body = request.body.get("body", {})
        if not isinstance(body, dict):
            raise TypeError("body: a table is wanted")
        return Event(
            at_ns=request.at_ns,
            satellite=plain_text(str(request.body.get("satellite", "")), 80),
            kind=kind,
            severity=max(int(Level.IN_LIMITS), min(severity, int(Level.WARNING))),
            subject=plain_text(str(request.body.get("subject", "")), 200),
            actor=plain_text(request.actor, 40),
            body=plain_tree(body),
        )

    def _refused(self, request: Request, reason: str, satellite: str = "") -> Event:
        return refusal(request, reason, self._now_ns(), satellite)


def _by_user(event: Event, uid: object) -> Event:
    """With the name under which a link knows whoever asked; the actor is what they call themselves."""
    return msgspec.structs.replace(event, body={**event.body, UID: plain_text(str(uid), 128)})
