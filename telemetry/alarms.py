"""Alarms: events in, state out.

The journal is append-only; the open alarms are the fold of its events. Station and console use the same `fold`, so
both show the same list, and a restart changes nothing. `telemetry.alarm_desk` decides which events there are.
States are those of ISA-18.2.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from telemetry.limits import Level

ANOMALY_PREFIX = "anomaly:"
RAISED = "alarm.raised"
SEVERITY = "alarm.severity"
UPDATED = "alarm.updated"
ACKNOWLEDGED = "alarm.acknowledged"
RETURNED = "alarm.returned"
CLEARED = "alarm.cleared"
ALARM_KINDS = (RAISED, SEVERITY, UPDATED, ACKNOWLEDGED, RETURNED, CLEARED)

Key = tuple[str, str]
"""(satellite, subject); the subject is a channel, or `anomaly:<lead channel>`."""


class AlarmState(enum.Enum):
    """ISA-18.2 states. Shelving has no event yet; its name is part of the vocabulary.

    What was declared to latch stays after its return: LATCH_UNACK, then LATCH_ACK until an operator clears it.
    """

    NORMAL = "NORMAL"
    UNACK_ALARM = "UNACK_ALARM"
    ACK_ALARM = "ACK_ALARM"
    RTN_UNACK = "RTN_UNACK"
    LATCH_UNACK = "LATCH_UNACK"
    LATCH_ACK = "LATCH_ACK"
    SHELVED = "SHELVED"

    @property
    def word(self) -> str:
        """The word on screen."""
        return _STATE_WORDS[self]


_STATE_WORDS = {
    AlarmState.NORMAL: "OK",
    AlarmState.UNACK_ALARM: "NEW",
    AlarmState.ACK_ALARM: "ACKED",
    AlarmState.RTN_UNACK: "RETURNED",
    AlarmState.LATCH_UNACK: "LATCHED",
    AlarmState.LATCH_ACK: "LATCHED",
    AlarmState.SHELVED: "SHELVED",
}


class Event(msgspec.Struct, frozen=True):
    """A logged fact: one row of the journal.

    `id` is 0 until the store has numbered it. `severity` is the integer of a `Level`, 0 for what merely happened.
    `subject` is a channel, an alarm's subject or what the kind needs; `actor` the operator, "" for the station.
    """

    at_ns: int
    satellite: str
    kind: str
    severity: int = 0
    subject: str = ""
    actor: str = ""
    body: dict[str, Any] = {}
    id: int = 0

    @property
    def text(self) -> str:
        """The event's sentence, or its kind."""
        return str(self.body.get("text") or self.kind)


class Alarm(msgspec.Struct, frozen=True):
    """Something an operator must handle.

    `severity` is the worst level since it was raised, `level` the present one (IN_LIMITS once returned). For a
    limit alarm `trigger`, `worst` and `current` are values of the channel; for an anomaly they are scores. `count`
    is the number of violating (flagged) samples. `channels` are those of a grouped anomaly, lead first. `rule` says
    which rule on a channel speaks: "limit", "stuck" or "rate", with `limit` as its bound or allowance; "" for an
    anomaly. `latch`: it was raised as one that stays after its return.
    """

    satellite: str
    subject: str
    kind: str
    severity: int
    state: AlarmState
    raised_ns: int
    updated_ns: int
    text: str
    level: int = 0
    side: int = 0
    limit: float | None = None
    set_name: str = ""
    trigger: float | None = None
    worst: float | None = None
    current: float | None = None
    count: int = 0
    channels: tuple[str, ...] = ()
    returned_ns: int | None = None
    acked_by: str = ""
    acked_ns: int | None = None
    rule: str = ""
    latch: bool = False
    body: dict[str, Any] = {}

    @property
    def key(self) -> Key:
        return self.satellite, self.subject

    @property
    def channel(self) -> str:
        """The channel to look at: the monitored one, or the lead of an anomaly."""
        return self.subject.removeprefix(ANOMALY_PREFIX)

    @property
    def active(self) -> bool:
        """Whether the condition still holds."""
        return self.returned_ns is None

    @property
    def needs_acknowledgement(self) -> bool:
        return self.state in (AlarmState.UNACK_ALARM, AlarmState.RTN_UNACK, AlarmState.LATCH_UNACK)

    @property
    def awaits_operator(self) -> bool:
        """Whether an acknowledgement changes it: one that is latched and acknowledged is cleared by the next."""
        return self.needs_acknowledgement or self.state is AlarmState.LATCH_ACK


_ORDER = {
    AlarmState.UNACK_ALARM: 0,
    AlarmState.LATCH_UNACK: 1,
    AlarmState.RTN_UNACK: 2,
    AlarmState.ACK_ALARM: 3,
    AlarmState.LATCH_ACK: 4,
    AlarmState.SHELVED: 5,
    AlarmState.NORMAL: 6,
}


def urgency(alarm: Alarm) -> tuple[int, int, int, int, Key]:
    """Sort key, most urgent first: new, returned, acknowledged; then worst; limits before anomalies; newest."""
    return _ORDER[alarm.state], -alarm.severity, alarm.kind == "anomaly", -alarm.raised_ns, alarm.key


def fold(alarms: Mapping[Key, Alarm], event: Event) -> dict[Key, Alarm]:
    """The open alarms after `event`; `alarms` is not changed.

    Events that are no alarm events, and events on an alarm that is not open, change nothing.
    """
    after = dict(alarms)
    key = (event.satellite, event.subject)
    old = after.get(key)
    if event.kind == RAISED:
        after[key] = _raised(old, event)
    elif old is None:
        return after
    elif event.kind in (SEVERITY, UPDATED):
        after[key] = _updated(old, event)
    elif event.kind == ACKNOWLEDGED and old.acked_ns is None:
        _keep(after, msgspec.structs.replace(old, acked_by=event.actor, acked_ns=event.at_ns))
    elif event.kind == RETURNED and old.returned_ns is None:
        told = _facts(old, event) | {"level": int(Level.IN_LIMITS), "returned_ns": event.at_ns}
        _keep(after, msgspec.structs.replace(old, **told))
    elif event.kind == CLEARED:
        del after[key]
    return after


def fold_all(events: Iterable[Event], alarms: Mapping[Key, Alarm] | None = None) -> dict[Key, Alarm]:
    """`fold` over events in the order of the journal."""
    state = dict(alarms or {})
    for event in events:
        if event.kind in ALARM_KINDS:
            state = fold(state, event)
    return state


def _state(alarm: Alarm) -> AlarmState:
    if alarm.returned_ns is None:
        return AlarmState.UNACK_ALARM if alarm.acked_ns is None else AlarmState.ACK_ALARM
    if alarm.latch:
        return AlarmState.LATCH_UNACK if alarm.acked_ns is None else AlarmState.LATCH_ACK
    return AlarmState.RTN_UNACK if alarm.acked_ns is None else AlarmState.NORMAL


def _keep(alarms: dict[Key, Alarm], alarm: Alarm) -> None:
    """Store `alarm` with the state its facts give; one that is both acknowledged and returned is over."""
    state = _state(alarm)
    if state is AlarmState.NORMAL:
        del alarms[alarm.key]
    else:
        alarms[alarm.key] = msgspec.structs.replace(alarm, state=state)


def _raised(old: Alarm | None, event: Event) -> Alarm:
    """A new alarm; or, while an earlier one of the subject is open, that one again, to be acknowledged anew."""
    fresh = Alarm(
        event.satellite,
        event.subject,
        "anomaly" if event.subject.startswith(ANOMALY_PREFIX) else "limit",
        event.severity,
        AlarmState.UNACK_ALARM,
        event.at_ns,
        event.at_ns,
        event.text,
        level=event.severity,
    )
    fresh = msgspec.structs.replace(fresh, **_facts(fresh, event))
    if old is None:
        return fresh
    return msgspec.structs.replace(
        fresh,
        raised_ns=old.raised_ns,
        severity=max(old.severity, fresh.severity),
        latch=old.latch or fresh.latch,
    )


def _updated(old: Alarm, event: Event) -> Alarm:
    """Newer facts. A severity above the one acknowledged asks again: what was acknowledged was something milder."""
    new = msgspec.structs.replace(old, **_facts(old, event))
    if event.kind == SEVERITY and event.severity > old.severity:
        new = msgspec.structs.replace(new, severity=event.severity, acked_by="", acked_ns=None)
    if "text" in event.body:
        new = msgspec.structs.replace(new, text=event.text)
    return msgspec.structs.replace(new, state=_state(new))


_FACTS = ("kind", "rule", "level", "side", "limit", "trigger", "worst", "current", "count")


def _facts(old: Alarm, event: Event) -> dict[str, Any]:
    body = event.body
    told: dict[str, Any] = {name: body[name] for name in _FACTS if name in body}
    if "set" in body:
        told["set_name"] = str(body["set"])
    if body.get("latch") is True:
        told["latch"] = True
    if "channels" in body:
        told["channels"] = tuple(body["channels"])
    told["updated_ns"] = event.at_ns
    told["body"] = {**old.body, **body}
    return told
