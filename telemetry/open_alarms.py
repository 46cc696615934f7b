"""The open alarms of a station: the one place where an alarm event is made, applied, and can be taken back.

There is no state beside the fold of the events, so a station that starts again continues from the journal. What may
still be undone is told by the events, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from telemetry.alarms import (
    ACKNOWLEDGED,
    ALARM_KINDS,
    CLEARED,
    INHIBITED,
    RAISED,
    RETURNED,
    SHELVED,
    UNSHELVED,
    WORSE,
    Alarm,
    Event,
    Key,
    fold,
    step,
    urgency,
)
from telemetry.clock import NS_PER_S
from telemetry.limits import Level
from telemetry.plain_text import plain_text

UNDO_NS = 30 * NS_PER_S
"""An operator may take back an act for so long (time of the station's clock, in which acts are journaled)."""
_ACTS = (ACKNOWLEDGED, SHELVED, UNSHELVED, CLEARED)


@dataclass
class Done:
    """An operator's act. `before`: the alarm it was about; `gone`: as it was when it ended, if it has since, and
    `ended_by` the operator who did that, "" where none did."""

    event: Event
    before: Alarm
    gone: Alarm | None = None
    ended_by: str = ""

    @property
    def key(self) -> Key:
        return self.event.satellite, self.event.subject


@dataclass(frozen=True)
class Inhibition:
    """Alarms of these kinds and on these subjects are muted; `by` names the cause that is shown itself."""

    by: str
    kinds: frozenset[str]
    subjects: frozenset[str]

    def covers(self, alarm: Alarm) -> bool:
        return alarm.kind in self.kinds or alarm.subject in self.subjects


class OpenAlarms:
    """Open alarms by key. Every method that returns events has applied them; they are to be journaled."""

    def __init__(self, alarms: Mapping[Key, Alarm] | None = None) -> None:
        self._alarms: dict[Key, Alarm] = dict(alarms or {})
        self._done: list[Done] = []
        """Acts that may still be undone, oldest first."""
        self._inhibitions: dict[str, dict[str, Inhibition]] = {}
        """Satellite -> cause -> what it mutes."""
        self._take_up(frozenset())

    @property
    def alarms(self) -> Mapping[Key, Alarm]:
        """Open alarms by key; changes with the next event."""
        return self._alarms

    @property
    def by_urgency(self) -> tuple[Alarm, ...]:
        return tuple(sorted(self._alarms.values(), key=urgency))

    def restore(self, events: Iterable[Event]) -> None:
        """Fold journal events that were made elsewhere: the journal at start, or a history."""
        known = set(self._alarms)
        for event in events:
            if event.kind in ALARM_KINDS:
                self._take(event)
        self._take_up(known)

    def _take_up(self, known: Collection[Key]) -> None:
        """Alarms that are not `known` were raised elsewhere; for who has to follow them from here."""

    def _take(self, event: Event) -> None:
        key = (event.satellite, event.subject)
        old = self._alarms.get(key)
        self._alarms = fold(self._alarms, event)
        undoes_ns = event.body.get("undoes_ns")
        if undoes_ns is not None:
            self._done = [
                one
                for one in self._done
                if (one.key, one.event.at_ns, one.event.actor) != (key, undoes_ns, event.actor)
            ]
        elif old is not None and event.actor and event.kind in _ACTS:
            self._done = [one for one in self._done if event.at_ns - one.event.at_ns <= UNDO_NS]
            self._done.append(Done(event, old))
        now = self._alarms.get(key)
        for one in self._done:
            if one.key != key:
                continue
            if old is not None and now is None and one.gone is None:
                one.gone, one.ended_by = step(old, event) or old, event.actor
            elif old is None and now is not None and one.gone is not None and one.gone.id == now.id:
                one.gone = None

    def _do(
        self,
        at_ns: int,
        key: Key,
        kind: str,
        body: Mapping[str, Any],
        *,
        severity: int = 0,
        actor: str = "",
        request: str = "",
    ) -> Event:
        """Make an event and apply it. Its body is what the journal will give back: no tuples, NaN or infinities."""
        told = {**body, "id": request} if request else body
        stored: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
        event = Event(at_ns, key[0], kind, severity, key[1], actor, stored)
        self._take(event)
        return event

    def _raise(self, t_ns: int, key: Key, body: Mapping[str, Any], level: int) -> list[Event]:
        """Raise an alarm, or an open one that had returned again; muted at once where a cause says so."""
        events = [*self._unshelve_worse(key, level, t_ns), self._do(t_ns, key, RAISED, body, severity=level)]
        alarm = self._alarms[key]
        cause = self._cause(alarm)
        if cause and not alarm.inhibited_by:
            events.append(self._inhibit(alarm, cause, t_ns))
        return events

    def _unshelve_worse(self, key: Key, level: int, t_ns: int) -> list[Event]:
        """What was shelved was something milder: end its shelf."""
        alarm = self._alarms.get(key)
        if alarm is None or not alarm.shelved or level <= alarm.severity:
            return []
        text = f"shelf of {alarm.shelved_by} ended: {alarm.subject} becomes {Level(level).name}"
        return [self._do(t_ns, key, UNSHELVED, {"why": WORSE, "text": text})]

    def _return(self, alarm: Alarm, t_ns: int, body: Mapping[str, Any]) -> list[Event]:
        """The condition holds no more. What was acknowledged is over with it, and what followed from a cause."""
        told = {name: value for name, value in body.items() if name != "trigger"}
        events = [self._do(t_ns, alarm.key, RETURNED, told)]
        now = self._alarms.get(alarm.key)
        if now is None or (now.inhibited_by and not now.latch and not now.shelved):
            events.append(self._clear(alarm, t_ns))
        return events

    def _clear(self, alarm: Alarm, at_ns: int, actor: str = "", request: str = "") -> Event:
        text = f"{actor} cleared: {alarm.text}" if actor else f"cleared: {alarm.text}"
        return self._do(at_ns, alarm.key, CLEARED, {"text": text}, actor=actor, request=request)

    def _cause(self, alarm: Alarm) -> str:
        """What mutes an alarm, "" where nothing does."""
        rules = self._inhibitions.get(alarm.satellite, {}).values()
        return next((rule.by for rule in rules if rule.covers(alarm)), "")

    def _inhibit(self, alarm: Alarm, by: str, t_ns: int) -> Event:
        body = {"by": by, "text": f"muted by {by}: {alarm.text}"}
        return self._do(t_ns, alarm.key, INHIBITED, body)


def no_alarm(key: Key) -> str:
    """The refusal of an act on an alarm that is not open."""
    return f"no open alarm on {plain_text(key[1], 80)} of {plain_text(key[0], 40)}"
