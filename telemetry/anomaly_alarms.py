"""Alarms of anomalies, one per episode of the detector: a model's opinion that an operator has to look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from telemetry.alarms import ANOMALY_PREFIX, UPDATED, Alarm, Event, Key
from telemetry.clock import NS_PER_S
from telemetry.limit_alarms import UPDATE_EVERY_NS
from telemetry.limits import Level
from telemetry.open_alarms import OpenAlarms
from telemetry.plain_text import plain_text

REJOIN_NS = 600 * NS_PER_S
"""An anomaly that begins within this time of the end of one it shares a channel with is the same alarm again."""
UNJUDGED_NS = 600 * NS_PER_S
UNJUDGED_ROWS = 60
"""After so long and so many rows that no model judged (one may need some before it begins), nobody will say that an
inherited anomaly is over."""
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


class AnomalyAlarms(OpenAlarms):
    """Turns anomaly reports into alarm events. Each weighs as a WARNING and never stands above a hard limit."""

    def __init__(self, alarms: Mapping[Key, Alarm] | None = None) -> None:
        self._inherited: dict[Key, int] = {}
        """Anomalies from before a restart, and how many rows in a row of their packet were calm."""
        self._unjudged: dict[Key, tuple[int, int]] = {}
        """Of these, since when no row of their packets was judged, and how many came."""
        self._led: dict[Key, str] = {}
        """Subject of the alarm of an episode, by its lead, where it is not that of the lead."""
        self._flagged: dict[Key, int] = {}
        """Flagged rows of an open anomaly that its alarm does not count yet."""
        super().__init__(alarms)

    @property
    def inherited(self) -> bool:
        """Anomalies from before a restart are open, and `nominal` is to be told of calm rows."""
        return bool(self._inherited)

    def _take_up(self, known: Collection[Key]) -> None:
        super()._take_up(known)
        for key, alarm in self._alarms.items():
            if key not in known and alarm.kind == "anomaly" and alarm.active:
                self._inherited[key] = 0

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
            return self._raise(t_ns, (satellite, subject), body, int(Level.WARNING))
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
                self._unjudged.pop(key, None)
                count = self._inherited[key] = before + rows if rows else 0
                if count >= NOMINAL_ROWS:
                    events += self._end(alarm, t_ns, "")
        return events

    def unjudged(self, satellite: str, packet: str, rows: int, t_ns: int) -> list[Event]:
        """`rows` more live rows of a packet, and no model judges them: none serves, or it does not know the packet.

        An anomaly from before a restart is not open for ever because of that: it ends after `UNJUDGED_NS`, and
        `UNJUDGED_ROWS` rows.
        """
        events: list[Event] = []
        for key in list(self._inherited):
            alarm = self._alarms.get(key)
            if alarm is None or not alarm.active or key[0] != satellite or packet not in _packets(alarm):
                continue
            since_ns, before = self._unjudged.get(key, (t_ns, 0))
            self._unjudged[key] = since_ns, before + rows
            if t_ns - since_ns >= UNJUDGED_NS and before + rows >= UNJUDGED_ROWS:
                minutes = (t_ns - since_ns) // (60 * NS_PER_S)
                text = f"no model has judged packet {plain_text(packet, 40)} for {minutes} min: {alarm.text}"
                events += self._end(alarm, t_ns, text)
        return events

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
        self._unjudged.pop(alarm.key, None)
        body = {"text": text or f"over: {alarm.text}", "count": self._counted(alarm)}
        return self._return(alarm, t_ns, body)


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
