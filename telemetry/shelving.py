"""Shelves: an operator puts an alarm aside for a while, with a reason; it comes back by itself at the latest."""

from __future__ import annotations

from telemetry.alarms import BY_OPERATOR, CLEARED, EXPIRED, SHELVED, UNSHELVED, Alarm, Event, Key
from telemetry.clock import NS_PER_S, iso
from telemetry.limits import Level
from telemetry.open_alarms import OpenAlarms, no_alarm
from telemetry.plain_text import plain_text

LONGEST_SHELF_NS = 86_400 * NS_PER_S
LEAST_REASON = 3
"""Characters of a reason or a note that are not blanks."""
LONGEST_REASON = 300


class Shelving(OpenAlarms):
    """Shelves alarms. An act that cannot be done returns the sentence that says why not."""

    def shelve(
        self,
        key: Key,
        actor: str,
        until_ns: int,
        reason: str,
        at_ns: int,
        now_ns: int,
        request: str = "",
        *,
        seen: int | None = None,
        raised_ns: int | None = None,
    ) -> list[Event] | str:
        """Put an alarm aside until `until_ns`.

        It stays so whatever its condition does, unless that becomes more severe than it ever was. `until_ns` and
        `now_ns` are mission time, `at_ns` is when the act is journaled; `seen` and `raised_ns` as in `overtaken`.
        """
        alarm = self._alarms.get(key)
        actor, reason = plain_text(actor, 40).strip(), plain_text(reason, LONGEST_REASON).strip()
        if alarm is None:
            return no_alarm(key)
        if not actor:
            return "a shelf needs the operator's name"
        if alarm.shelved:
            return f"{is_shelved(alarm)}: unshelve it first"
        if too_short(reason):
            return f"a shelf needs a reason of at least {LEAST_REASON} characters"
        if other := overtaken(alarm, seen, raised_ns):
            return other
        if until_ns <= now_ns:
            return f"a shelf ends in the future, and {iso(until_ns)} is past: it is {iso(now_ns)}"
        if until_ns - now_ns > LONGEST_SHELF_NS:
            return f"a shelf ends within 24 h, by {iso(now_ns + LONGEST_SHELF_NS)}, not at {iso(until_ns)}"
        text = f"{actor} shelved until {iso(until_ns)}, {reason}: {alarm.text}"
        body = {"until_ns": until_ns, "reason": reason, "text": text}
        return [self._do(at_ns, key, SHELVED, body, actor=actor, request=request)]

    def unshelve(
        self,
        key: Key,
        actor: str,
        reason: str,
        at_ns: int,
        request: str = "",
        *,
        seen: int | None = None,
        raised_ns: int | None = None,
    ) -> list[Event] | str:
        """End a shelf by hand. Who does has seen the alarm: it is acknowledged with it (ISA-18.2 11.7.3).

        `seen` and `raised_ns` as in `overtaken`.
        """
        alarm = self._alarms.get(key)
        actor, reason = plain_text(actor, 40).strip(), plain_text(reason, LONGEST_REASON).strip()
        if alarm is None:
            return no_alarm(key)
        if not actor:
            return "ending a shelf needs the operator's name"
        if not alarm.shelved:
            return f"{plain_text(key[1], 80)} is not shelved"
        if reason and too_short(reason):
            return f"a reason has at least {LEAST_REASON} characters"
        if other := overtaken(alarm, seen, raised_ns):
            return other
        text = f"{actor} unshelved{', ' if reason else ''}{reason}: {alarm.text}"
        body = {"why": BY_OPERATOR, "reason": reason, "text": text}
        events = [self._do(at_ns, key, UNSHELVED, body, actor=actor, request=request)]
        return events + self._end_of(alarm, at_ns, request)

    def expire(self, now_ns: int) -> list[Event]:
        """End the shelves whose time is over. `now_ns` is mission time, and what the events are journaled with.

        A clock that was set back does not make a shelf longer than one may be.
        """
        events: list[Event] = []
        for alarm in list(self._alarms.values()):
            until_ns = alarm.shelved_until_ns
            if until_ns is None or now_ns < until_ns <= now_ns + LONGEST_SHELF_NS:
                continue
            state = "still so" if alarm.active else "returned meanwhile"
            text = f"shelf of {alarm.shelved_by} expired, {state}: {alarm.text}"
            events.append(self._do(now_ns, alarm.key, UNSHELVED, {"why": EXPIRED, "text": text}))
            events += self._end_of(alarm, now_ns)
        return events

    def _end_of(self, alarm: Alarm, at_ns: int, request: str = "") -> list[Event]:
        """What is over with its shelf is said to be."""
        if alarm.key in self._alarms:
            return []
        body = {"text": f"cleared: {alarm.text}"}
        return [self._do(at_ns, alarm.key, CLEARED, body, request=request)]


def too_short(reason: str) -> bool:
    """Whether a text says too little to be a reason."""
    return sum(not one.isspace() for one in reason) < LEAST_REASON


def overtaken(alarm: Alarm, seen: int | None, raised_ns: int | None) -> str:
    """Why `alarm` is not what the operator saw: raised at another time, or more severe than `seen`; "" if it is."""
    subject = plain_text(alarm.subject, 80)
    if raised_ns is not None and raised_ns != alarm.raised_ns:
        return f"{subject} is another alarm by now, raised {iso(alarm.raised_ns)}: look again"
    if seen is not None and alarm.severity > seen:
        return f"{subject} is now {Level(alarm.severity).name}: look again"
    return ""


def is_shelved(alarm: Alarm) -> str:
    """`adcs.speed is shelved by ann until 2026-11-22T08:00:00Z`."""
    until = "" if alarm.shelved_until_ns is None else f" until {iso(alarm.shelved_until_ns)}"
    return f"{plain_text(alarm.subject, 80)} is shelved by {alarm.shelved_by or 'nobody'}{until}"
