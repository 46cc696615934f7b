"""Alarms of hard limits and of rules on movement, one per channel, from the transitions of its monitor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from telemetry.alarms import SEVERITY, UPDATED, Alarm, Event
from telemetry.clock import NS_PER_S
from telemetry.limit_text import limit_text
from telemetry.limits import LIMIT, Level, Transition
from telemetry.movement import movement_text
from telemetry.open_alarms import OpenAlarms
from telemetry.plain_text import plain_text

UPDATE_EVERY_NS = 10 * NS_PER_S
"""An open alarm tells its newest and worst value at most this often (mission time)."""


class Resumes(Protocol):
    """What follows the rules on the channels of a satellite: `telemetry.limits.LimitMonitor`, or more than that."""

    def resume(self, channel: str, level: Level, side: int, count: int, worst: float, rule: str = LIMIT) -> bool:
        """Take up an episode that is open; False where there is no such rule any more."""
        ...


class LimitAlarms(OpenAlarms):
    """Turns limit transitions into alarm events. Callers pass on live data only."""

    def resume(self, satellite: str, monitor: Resumes, t_ns: int) -> list[Event]:
        """Hand the open limit alarms of `satellite` to a new monitor, so that their return is noticed.

        An alarm on a channel that has no such rule any more returns at once.
        """
        events: list[Event] = []
        for alarm in [one for one in self._alarms.values() if one.satellite == satellite and one.kind == "limit"]:
            if not alarm.active:
                continue
            count, worst = alarm.count - _before(alarm), _worst_of(alarm)
            level, rule = Level(alarm.level), alarm.rule or LIMIT
            if not monitor.resume(alarm.subject, level, alarm.side, count, worst, rule):
                text = f"{plain_text(alarm.subject)} is no longer monitored"
                events += self._return(alarm, t_ns, {"text": text, "count": alarm.count})
        return events

    def limits(self, satellite: str, transitions: Sequence[Transition], t_ns: int) -> list[Event]:
        """Alarms of limit transitions; `t_ns` is the generation time of the frame that caused them."""
        events: list[Event] = []
        for change in transitions:
            key = (satellite, change.channel.name)
            old = self._alarms.get(key)
            level = int(change.result.level)
            if not change.entered:
                if old is not None and old.active:
                    events += self._return(old, t_ns, _body(change) | _counted(old, change))
                continue
            body = _body(change)
            if old is None:
                events += self._raise(t_ns, key, body, level)
            elif not old.active:
                again = {"before": old.count, "count": old.count + change.count}
                events += self._raise(t_ns, key, body | _farthest(old, change) | again, level)
            elif level > old.severity:
                events += self._unshelve_worse(key, level, t_ns)
                events.append(self._do(t_ns, key, SEVERITY, _newer(body, old, change), severity=level))
            else:
                events.append(self._do(t_ns, key, UPDATED, _newer(body, old, change), severity=level))
        return events

    def progress(self, satellite: str, ongoing: Sequence[Transition], t_ns: int) -> list[Event]:
        """Newest value, worst value and count of the alarms that go on, each at most every `UPDATE_EVERY_NS`."""
        events: list[Event] = []
        for now in ongoing:
            old = self._alarms.get((satellite, now.channel.name))
            if old is None or not old.active or t_ns - old.updated_ns < UPDATE_EVERY_NS:
                continue
            body = {"current": now.value} | _counted(old, now)
            if body["count"] != old.count:
                events.append(self._do(t_ns, old.key, UPDATED, body, severity=old.level))
        return events


def _before(alarm: Alarm) -> int:
    """Samples that violated before the alarm returned and came back."""
    return int(alarm.body.get("before", 0))


def _worst_of(alarm: Alarm) -> float:
    """The value farthest out on the side where the alarm is now; of the other side nothing is to be taken up."""
    worst = alarm.worst if alarm.body.get("worst_side", alarm.side) == alarm.side else alarm.current
    return 0.0 if worst is None else worst


def _counted(old: Alarm, change: Transition) -> dict[str, Any]:
    return {"count": max(old.count, _before(old) + change.count)} | _farthest(old, change)


def _newer(body: dict[str, Any], old: Alarm, change: Transition) -> dict[str, Any]:
    """`body` without what triggered the alarm, which stays the first."""
    return {name: value for name, value in body.items() if name != "trigger"} | _counted(old, change)


def _farthest(old: Alarm, change: Transition) -> dict[str, Any]:
    """The worst value so far: the farthest out on its side, unless what is on another one is more severe."""
    side = change.result.side if change.entered else old.side
    before = int(old.body.get("worst_side", old.side))
    if old.worst is None or (side == before == 0):
        return {"worst": change.worst, "worst_side": side}
    if side == before:
        return {"worst": (max if side > 0 else min)(old.worst, change.worst), "worst_side": side}
    if change.entered and change.result.level > old.severity:
        return {"worst": change.worst, "worst_side": side}
    return {"worst": old.worst, "worst_side": before}


def _body(change: Transition) -> dict[str, Any]:
    channel, result = change.channel, change.result
    if result.rule != LIMIT:
        text = movement_text(change)
    elif change.entered:
        text = limit_text(channel, change.value, result, change.set_title)
    else:
        worst = channel.quantity(change.worst)
        now = channel.quantity(change.value)
        text = f"{channel.label} {now} back in limits; worst {worst}, {change.count} samples"
    body: dict[str, Any] = {
        "text": text,
        "kind": "limit",
        "current": change.value,
        "worst": change.worst,
        "trigger": change.value,
        "count": change.count,
    }
    if change.entered:
        body |= {"level": int(result.level), "side": result.side, "limit": result.limit, "set": result.set_name}
        body |= {"rule": result.rule, "worst_side": result.side}
        body["exclusive"] = result.exclusive
        if result.latch or channel.latch:
            body["latch"] = True
        action = channel.action_of(result.set_name)
        if action:
            body["action"] = action
    return body
