"""The station's alarm desk: turns limit transitions, anomaly reports and acknowledgements into alarm events.

The desk keeps no state of its own beside the fold of its events, so a station that starts again continues from the
journal. Callers pass on live data only; the limit monitor and `anomaly` drop what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from telemetry.alarms import (
    ACKNOWLEDGED,
    ANOMALY_PREFIX,
    CLEARED,
    RAISED,
    RETURNED,
    SEVERITY,
    UPDATED,
    Alarm,
    AlarmState,
    Event,
    Key,
    fold,
    fold_all,
    urgency,
)
from telemetry.clock import NS_PER_S, iso
from telemetry.limit_text import limit_text
from telemetry.limits import LIMIT, Level, Transition
from telemetry.movement import movement_text
from telemetry.plain_text import plain_text

UPDATE_EVERY_NS = 10 * NS_PER_S
"""An open alarm tells its newest and worst value at most this often (mission time)."""
REJOIN_NS = 600 * NS_PER_S
"""An anomaly that begins within this time of the end of one it shares a channel with is the same alarm again."""
NOMINAL_ROWS = 5
"""Rows in a row without a flag that end an episode inherited from before a restart."""


@dataclass(frozen=True)
class AnomalyReport:
    """One confirmed verdict of the detector on a packet of a satellite.

    `channels` are the contributing ones, lead first; `text` is the sentence for the operator; `details` goes into
    the event's body and must be JSON-able.
    """

    packet: str
    phase: Literal["started", "ongoing", "ended"]
    channels: tuple[str, ...]
    text: str
    score: float
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Resumes(Protocol):
    """What follows the rules on the channels of a satellite: `telemetry.limits.LimitMonitor`, or more than that."""

    def resume(self, channel: str, level: Level, side: int, count: int, worst: float, rule: str = LIMIT) -> bool:
        """Take up an episode that is open; False where there is no such rule any more."""
        ...


class AlarmDesk:
    """Owner of the open alarms of a station. Every method returns the events to be journaled, already applied."""

    def __init__(self, alarms: Mapping[Key, Alarm] | None = None) -> None:
        self._alarms: dict[Key, Alarm] = dict(alarms or {})
        self._inherited: dict[Key, int] = {}
        """Anomalies from before a restart, and how many rows in a row of their packet were calm."""
        self._led: dict[Key, str] = {}
        """Subject of the alarm of an episode, by its lead, where it is not that of the lead."""
        self._flagged: dict[Key, int] = {}
        """Flagged rows of an open anomaly that its alarm does not count yet."""
        self._inherit(set())

    @property
    def alarms(self) -> Mapping[Key, Alarm]:
        """Open alarms by key; changes with the next event."""
        return self._alarms

    @property
    def inherited(self) -> bool:
        """Anomalies from before a restart are open, and `nominal` is to be told of calm rows."""
        return bool(self._inherited)

    @property
    def by_urgency(self) -> tuple[Alarm, ...]:
        return tuple(sorted(self._alarms.values(), key=urgency))

    def restore(self, events: Iterable[Event]) -> None:
        """Fold journal events that were made elsewhere: the journal at start, or a history."""
        known = set(self._alarms)
        self._alarms = fold_all(events, self._alarms)
        self._inherit(known)

    def resume(self, satellite: str, monitor: Resumes, t_ns: int) -> list[Event]:
        """Hand the open limit alarms of `satellite` to a new monitor, so that their return is noticed.

        An alarm on a channel that has no such rule any more returns at once.
        """
        events: list[Event] = []
        for alarm in [one for one in self._alarms.values() if one.satellite == satellite and one.kind == "limit"]:
            if not alarm.active:
                continue
            worst = alarm.worst if alarm.worst is not None else 0.0
            level = Level(alarm.level)
            if not monitor.resume(alarm.subject, level, alarm.side, alarm.count, worst, alarm.rule or LIMIT):
                text = f"{plain_text(alarm.subject)} is no longer monitored"
                events += self._return(alarm, t_ns, {"text": text, "count": alarm.count})
        return events

    def limits(self, satellite: str, transitions: Sequence[Transition], t_ns: int) -> list[Event]:
        """Alarms of limit transitions; `t_ns` is the generation time of the frame that caused them."""
        events: list[Event] = []
        for change in transitions:
            old = self._alarms.get((satellite, change.channel.name))
            body = _limit_body(change)
            level = int(change.result.level)
            if not change.entered:
                events += self._return(old, t_ns, body) if old is not None and old.active else []
            elif old is None or not old.active:
                events.append(self._do(t_ns, (satellite, change.channel.name), RAISED, body, severity=level))
            elif level > old.severity:
                events.append(self._do(t_ns, (satellite, change.channel.name), SEVERITY, body, severity=level))
            else:
                del body["trigger"]
                events.append(self._do(t_ns, (satellite, change.channel.name), UPDATED, body, severity=level))
        return events

    def progress(self, satellite: str, ongoing: Sequence[Transition], t_ns: int) -> list[Event]:
        """Newest value, worst value and count of the alarms that go on, each at most every `UPDATE_EVERY_NS`."""
        events: list[Event] = []
        for now in ongoing:
            old = self._alarms.get((satellite, now.channel.name))
            if old is None or not old.active or t_ns - old.updated_ns < UPDATE_EVERY_NS or now.count == old.count:
                continue
            body = {"current": now.value, "worst": now.worst, "count": now.count}
            events.append(self._do(t_ns, (satellite, now.channel.name), UPDATED, body, severity=old.level))
        return events

    def anomaly(self, satellite: str, report: AnomalyReport, t_ns: int, *, stored: bool = False) -> list[Event]:
        """The alarm of an anomaly: one per episode, known by its lead channel.

        Further channels of the episode join its alarm, so that a burst is one grouped alarm. An episode that shares
        a channel with one that ended within `REJOIN_NS`, or with one from before a restart, is that alarm again;
        `times` in its body counts how often. It weighs as a WARNING and never outranks a hard limit.
        """
        if stored:
            return []
        alarm = self._alarm_of(satellite, report)
        if report.phase == "ended":
            return [] if alarm is None else self._end(alarm, t_ns, report.text)
        if not report.channels or (alarm is None and report.phase == "ongoing"):
            return []
        if alarm is None:
            again = self._recent(satellite, report.channels, t_ns)
            subject = ANOMALY_PREFIX + report.channels[0] if again is None else again.subject
            self._led[satellite, report.channels[0]] = subject
            channels = report.channels if again is None else _joined(again.channels, report.channels)
            body = _anomaly_body(report, channels, again)
            return [self._do(t_ns, (satellite, subject), RAISED, body, severity=int(Level.WARNING))]
        self._inherited.pop(alarm.key, None)
        channels = _joined((alarm.channel,), _joined(report.channels, alarm.channels))
        body = _anomaly_body(report, channels, alarm)
        body["times"] = alarm.body.get("times", 1)
        if report.channels[:1] != (alarm.channel,):
            del body["text"]
        if set(channels) == set(alarm.channels) and t_ns - alarm.updated_ns < UPDATE_EVERY_NS:
            return []
        return [self._do(t_ns, (satellite, alarm.subject), UPDATED, body, severity=int(Level.WARNING))]

    def flagged(self, satellite: str, rows: int, score: float, t_ns: int) -> list[Event]:
        """`rows` more rows belong to the open anomalies, the worst of them with `score`; told now and then."""
        events: list[Event] = []
        for alarm in self._anomalies(satellite) if rows > 0 else ():
            self._flagged[alarm.key] = self._flagged.get(alarm.key, 0) + rows
            if t_ns - alarm.updated_ns < UPDATE_EVERY_NS:
                continue
            worst = score if alarm.worst is None else max(score, alarm.worst)
            body: dict[str, Any] = {"current": score, "worst": worst, "count": self._counted(alarm)}
            events.append(self._do(t_ns, alarm.key, UPDATED, body, severity=int(Level.WARNING)))
        return events

    def _counted(self, alarm: Alarm) -> int:
        return alarm.count + self._flagged.pop(alarm.key, 0)

    def nominal(self, satellite: str, packet: str, rows: int, t_ns: int) -> list[Event]:
        """`rows` more rows in a row of a packet carry no flag (0: one did).

        The detector reports the end of the episodes it began. One that was open when the station ended has nobody
        to report its end, so it ends after `NOMINAL_ROWS` rows without a flag.
        """
        events: list[Event] = []
        for key, before in list(self._inherited.items()):
            alarm = self._alarms.get(key)
            if alarm is None or not alarm.active:
                del self._inherited[key]
            elif key[0] == satellite and packet in _packets(alarm):
                count = self._inherited[key] = before + rows if rows else 0
                if count >= NOMINAL_ROWS:
                    events += self._end(alarm, t_ns, "")
        return events

    def acknowledge(self, key: Key, actor: str, at_ns: int) -> list[Event] | str:
        """Acknowledge an alarm; the events, or the sentence that says why not.

        An alarm that has returned is cleared with it; one whose condition holds stays acknowledged until it clears.
        A latched one stays even then: it is cleared by the next acknowledgement after its return.
        """
        satellite, subject = key
        alarm = self._alarms.get(key)
        actor = plain_text(actor, 40).strip()
        if alarm is None:
            return f"no open alarm on {plain_text(subject, 80)} of {plain_text(satellite, 40)}"
        if not actor:
            return "an acknowledgement needs the operator's name"
        if alarm.state is AlarmState.LATCH_ACK:
            return [self._clear(alarm, at_ns, actor)]
        if not alarm.needs_acknowledgement:
            when = "" if alarm.acked_ns is None else f" at {iso(alarm.acked_ns)}"
            return f"{plain_text(subject, 80)} was acknowledged by {alarm.acked_by or 'nobody'}{when}"
        returned = alarm.state is AlarmState.RTN_UNACK
        body: dict[str, Any] = {"text": f"{actor} acknowledged: {alarm.text}"}
        events = [self._do(at_ns, (satellite, subject), ACKNOWLEDGED, body, actor=actor)]
        if returned:
            events.append(self._clear(alarm, at_ns))
        return events

    def _do(
        self,
        at_ns: int,
        key: Key,
        kind: str,
        body: dict[str, Any],
        *,
        severity: int = 0,
        actor: str = "",
    ) -> Event:
        satellite, subject = key
        event = Event(at_ns, satellite, kind, severity, subject, actor, body)
        self._alarms = fold(self._alarms, event)
        return event

    def _return(self, alarm: Alarm, t_ns: int, body: dict[str, Any]) -> list[Event]:
        body.pop("trigger", None)
        events = [self._do(t_ns, alarm.key, RETURNED, body)]
        if alarm.acked_ns is not None and not alarm.latch:
            events.append(self._clear(alarm, t_ns))
        return events

    def _clear(self, alarm: Alarm, at_ns: int, actor: str = "") -> Event:
        text = f"{actor} cleared: {alarm.text}" if actor else f"cleared: {alarm.text}"
        return self._do(at_ns, alarm.key, CLEARED, {"text": text}, actor=actor)

    def _anomalies(self, satellite: str) -> list[Alarm]:
        """Anomalies that still hold, oldest first."""
        found = [
            one
            for one in self._alarms.values()
            if one.satellite == satellite and one.kind == "anomaly" and one.active
        ]
        return sorted(found, key=lambda one: one.raised_ns)

    def _alarm_of(self, satellite: str, report: AnomalyReport) -> Alarm | None:
        """The alarm that stands for the episode of a report: its lead's, or one from before a restart."""
        found = self._anomalies(satellite)
        if not report.channels:
            return next((one for one in found if report.packet in _packets(one)), None)
        lead = report.channels[0]
        subject = self._led.get((satellite, lead), ANOMALY_PREFIX + lead)
        for one in found:
            if one.subject == subject:
                return one
        for one in found:
            if one.key in self._inherited and set(one.channels) & set(report.channels):
                self._led[satellite, lead] = one.subject
                return one
        return None

    def _recent(self, satellite: str, channels: Sequence[str], t_ns: int) -> Alarm | None:
        for one in self._alarms.values():
            returned = one.returned_ns
            if one.satellite != satellite or one.kind != "anomaly" or returned is None:
                continue
            if one.channel == channels[0] or (t_ns - returned <= REJOIN_NS and set(channels) & set(one.channels)):
                return one
        return None

    def _end(self, alarm: Alarm, t_ns: int, text: str) -> list[Event]:
        self._inherited.pop(alarm.key, None)
        body = {"text": text or f"over: {alarm.text}", "count": self._counted(alarm)}
        return self._return(alarm, t_ns, body)

    def _inherit(self, known: set[Key]) -> None:
        for key, alarm in self._alarms.items():
            if key not in known and alarm.kind == "anomaly" and alarm.active:
                self._inherited[key] = 0


def _limit_body(change: Transition) -> dict[str, Any]:
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
        body["rule"] = result.rule
        if result.latch or channel.latch:
            body["latch"] = True
        if channel.action:
            body["action"] = channel.action
    return body


def _anomaly_body(report: AnomalyReport, channels: tuple[str, ...], old: Alarm | None) -> dict[str, Any]:
    score = report.score
    times = report.details.get("times", 1)
    return {
        **report.details,
        "text": plain_text(report.text, 300),
        "kind": "anomaly",
        "level": int(Level.WARNING),
        "current": score,
        "worst": score if old is None or old.worst is None else max(score, old.worst),
        "trigger": score if old is None or old.trigger is None else old.trigger,
        "count": 0 if old is None else old.count,
        "channels": list(channels),
        "packets": sorted({*(_packets(old) if old is not None else ()), report.packet}),
        "times": times if old is None else max(times, old.body.get("times", 1) + 1),
    }


def _packets(alarm: Alarm) -> list[str]:
    return [str(one) for one in alarm.body.get("packets", ())]


def _joined(first: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *more)))
