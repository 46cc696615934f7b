"""What follows from something else does not ring: stale values are one alarm, and a cause mutes what it causes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from telemetry.alarms import RELEASED, STALE, UPDATED, Event
from telemetry.limits import Level
from telemetry.open_alarms import Inhibition, OpenAlarms
from telemetry.plain_text import plain_text

NAMED = 3
"""Stale channels that a sentence names before it counts."""


class Suppression(OpenAlarms):
    """Inhibition (ISA-18.2: suppressed by design) and the grouped alarm on values that are too old."""

    def inhibit(
        self,
        satellite: str,
        by: str,
        t_ns: int,
        *,
        kinds: Collection[str] = (STALE,),
        subjects: Collection[str] = (),
    ) -> list[Event]:
        """Mute what follows from `by`, "link down" or "loss of signal": what is open and what will be raised.

        Muted alarms are listed and counted on; they are not new, and what returns meanwhile is over. Saying it
        again changes nothing. Not journaled as a rule: after a restart, say it again or `release`.
        """
        rule = Inhibition(by, frozenset(kinds), frozenset(subjects))
        self._inhibitions.setdefault(satellite, {})[by] = rule
        return [
            self._inhibit(alarm, by, t_ns)
            for alarm in list(self._alarms.values())
            if alarm.satellite == satellite and not alarm.inhibited_by and rule.covers(alarm)
        ]

    def release(self, satellite: str, by: str, t_ns: int) -> list[Event]:
        """`by` is over: what it muted asks again, unless another cause mutes it.

        Call it once what follows from the cause had time to return, or that will be new for a moment. Does no harm
        where nothing was inhibited; releases what was before a restart.
        """
        self._inhibitions.get(satellite, {}).pop(by, None)
        events: list[Event] = []
        for alarm in list(self._alarms.values()):
            if alarm.satellite != satellite or alarm.inhibited_by != by:
                continue
            other = self._cause(alarm)
            if other:
                events.append(self._inhibit(alarm, other, t_ns))
            else:
                body = {"by": by, "text": f"no longer muted by {by}: {alarm.text}"}
                events.append(self._do(t_ns, alarm.key, RELEASED, body))
        return events

    def stale(
        self, satellite: str, channels: Sequence[str], t_ns: int, text: str = "", *, again: bool = False
    ) -> list[Event]:
        """`channels` of a satellite are those whose values are too old now, worst first: one alarm for all of them.

        It returns once there is none. Call it as often as they are looked at: only a change is told.

        Args:
            text: the sentence; by default it names the first channels and counts the others.
            again: tell it also of the same channels, because the sentence is another.
        """
        key = (satellite, STALE)
        old = self._alarms.get(key)
        if not channels:
            body = {"text": "all values are fresh again", "current": 0}
            return self._return(old, t_ns, body) if old is not None and old.active else []
        was = old.channels if old is not None and old.active else ()
        if set(was) == set(channels) and not again:
            return []
        count, level = len(channels), int(Level.WARNING)
        before = 0 if old is None else int(old.worst or 0)
        body: dict[str, Any] = {
            "text": plain_text(text, 300) or stale_text(channels),
            "kind": STALE,
            "rule": STALE,
            "level": level,
            "current": count,
            "worst": max(count, before),
            "count": max(count, 0 if old is None else old.count),
            "channels": list(channels),
        }
        if old is None or not old.active:
            return self._raise(t_ns, key, body | {"trigger": count}, level)
        return [self._do(t_ns, key, UPDATED, body, severity=level)]


def stale_text(channels: Sequence[str]) -> str:
    """`5 channels too old: eps.bat_v, eps.bat_i, eps.bat_t and 2 more`."""
    named = ", ".join(plain_text(name, 40) for name in channels[:NAMED])
    more = len(channels) - NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"{len(channels)} channel{'s' if len(channels) > 1 else ''} too old: {named}{rest}"
