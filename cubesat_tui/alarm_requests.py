"""Requests about alarms: `ack`, `ack_all`, `shelve`, `unshelve`, `note`, `undo`. Each becomes events, or refusals.

    ack       {satellite, subject, severity?, raised_ns?}      severity and raised_ns as they were seen
    ack_all   {subjects: [[satellite, subject, severity?, raised_ns?], ...]}
    shelve    {satellite, subject, until_ns | minutes, reason, severity?, raised_ns?}  mission time; as seen
    unshelve  {satellite, subject, reason?, severity?, raised_ns?}                     as seen
    note      {satellite, subject, text}                        subject "": a note of the shift
    undo      {satellite?, subject?}                            what the same operator did last, within 30 s

What a request cannot do is an event too: `act.refused`, with the sentence that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cubesat_tui import request_fields
from telemetry.alarms import Event, Key
from telemetry.clock import NS_PER_S
from telemetry.limits import Level
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.alarm_desk import AlarmDesk
    from telemetry.store.inbox import Request

KINDS = frozenset({"ack", "ack_all", "shelve", "unshelve", "note", "undo"})


class AlarmRequests:
    """Applies requests about alarms to the desk."""

    def __init__(self, desk: AlarmDesk, now_ns: Callable[[], int], mission_now_ns: Callable[[], int]) -> None:
        """`now_ns`: when acts are journaled. `mission_now_ns`: what shelves end by."""
        self._desk = desk
        self._now_ns = now_ns
        self._mission_now_ns = mission_now_ns

    def apply(self, request: Request) -> list[Event]:
        """The events of a request, one of `KINDS`.

        Raises:
            KeyError, TypeError, ValueError, OverflowError: it cannot be read; nothing was changed.
        """
        body = request.body
        match request.kind:
            case "ack":
                key = _key(body)
                return self._told(request, key, self._ack(request, key, **_as_seen(body)))
            case "ack_all":
                # All are read before the first is applied: a request is done as a whole or not at all.
                wanted = [_wanted(one) for one in body["subjects"]]
                return [
                    event
                    for key, seen, raised_ns in wanted
                    for event in self._told(request, key, self._ack(request, key, seen, raised_ns))
                ]
            case "shelve":
                return self._told(request, _key(body), self._shelve(request))
            case "unshelve":
                key, reason = _key(body), request_fields.text(body, "reason") if "reason" in body else ""
                outcome = self._desk.unshelve(
                    key, request.actor, reason, self._now_ns(), request.id, **_as_seen(body)
                )
                return self._told(request, key, outcome)
            case "note":
                key = (str(body.get("satellite", "")), str(body.get("subject", "")))
                text = request_fields.text(body, "text")
                return self._told(
                    request, key, self._desk.note(key, request.actor, text, self._now_ns(), request.id)
                )
            case _:
                return self._undo(request)

    def _ack(self, request: Request, key: Key, seen: int | None, raised_ns: int | None) -> list[Event] | str:
        now_ns = self._now_ns()
        return self._desk.acknowledge(
            key, request.actor, now_ns, seen=seen, raised_ns=raised_ns, request=request.id
        )

    def _shelve(self, request: Request) -> list[Event] | str:
        body, now_ns = request.body, self._mission_now_ns()
        if ("until_ns" in body) == ("minutes" in body):
            raise ValueError("until_ns or minutes is wanted, one of them")
        if "until_ns" in body:
            until_ns = request_fields.whole(body["until_ns"], "until_ns")
        else:
            minutes = body["minutes"]
            if isinstance(minutes, bool) or not isinstance(minutes, int | float):
                raise TypeError("minutes: a number is wanted")
            until_ns = now_ns + int(minutes * 60 * NS_PER_S)
        reason = request_fields.text(body, "reason")
        return self._desk.shelve(
            _key(body),
            request.actor,
            until_ns,
            reason,
            self._now_ns(),
            now_ns,
            request=request.id,
            **_as_seen(body),
        )

    def _undo(self, request: Request) -> list[Event]:
        satellite, subject = str(request.body.get("satellite", "")), str(request.body.get("subject", ""))
        events, refusals = self._desk.undo(request.actor, self._now_ns(), satellite, subject, request.id)
        return events + [self._refused(request, one, (satellite, subject)) for one in refusals]

    def _told(self, request: Request, key: Key, outcome: list[Event] | str) -> list[Event]:
        return [self._refused(request, outcome, key)] if isinstance(outcome, str) else outcome

    def _refused(self, request: Request, reason: str, key: Key) -> Event:
        return refusal(request, reason, self._now_ns(), *key)


def refusal(request: Request, reason: str, at_ns: int, satellite: str = "", subject: str = "") -> Event:
    """The event that tells whoever asked why nothing was done."""
    return Event(
        at_ns=at_ns,
        satellite=plain_text(satellite, 80),
        kind="act.refused",
        severity=int(Level.IN_LIMITS),
        subject=plain_text(subject or request.kind, 80),
        actor=plain_text(request.actor, 40),
        body={"request": plain_text(request.kind, 40), "id": request.id, "text": reason},
    )


def _key(body: Mapping[str, Any]) -> Key:
    return request_fields.text(body, "satellite"), request_fields.text(body, "subject")


def _wanted(one: Sequence[Any]) -> tuple[Key, int | None, int | None]:
    if isinstance(one, str) or not 2 <= len(one) <= 4:
        raise ValueError(
            "subjects: each is [satellite, subject, severity, raised_ns], the last two as seen or left out"
        )
    seen = [None if number is None else request_fields.whole(number, "subjects") for number in one[2:]]
    severity, raised_ns = (*seen, None, None)[:2]
    return (str(one[0]), str(one[1])), severity, raised_ns


def _as_seen(body: Mapping[str, Any]) -> dict[str, int | None]:
    """`telemetry.shelving.overtaken`: what the operator saw of an alarm, as far as the request says."""
    names = {"seen": "severity", "raised_ns": "raised_ns"}
    return {
        to: None if body.get(name) is None else request_fields.whole(body[name], name) for to, name in names.items()
    }
