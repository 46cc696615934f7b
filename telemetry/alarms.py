"""Alarms: events in, state out.

The journal is append-only; the open alarms are the fold of its events. Station and console use the same `fold`, so
both show the same list, and a restart changes nothing. `telemetry.alarm_desk` decides which events there are.
States are those of ISA-18.2, derived from five facts: does the condition hold, was it acknowledged, does it latch,
is it shelved, and is it over.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterable, Mapping
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
ACK_UNDONE = "alarm.ack_undone"
SHELVED = "alarm.shelved"
UNSHELVED = "alarm.unshelved"
INHIBITED = "alarm.inhibited"
RELEASED = "alarm.released"
NOTE = "note.alarm"
SHIFT_NOTE = "note.shift"
"""A note on no alarm; it changes none, so it is not among `ALARM_KINDS`."""
ALARM_KINDS = (
    RAISED,
    SEVERITY,
    UPDATED,
    ACKNOWLEDGED,
    RETURNED,
    CLEARED,
    ACK_UNDONE,
    SHELVED,
    UNSHELVED,
    INHIBITED,
    RELEASED,
    NOTE,
)

EXPIRED, BY_OPERATOR, UNDONE, WORSE = "expired", "operator", "undone", "worse"
"""Why a shelf ended, `why` in the body of `UNSHELVED`; WORSE: it became more severe than what was shelved."""
STALE = "stale"
"""Kind and subject of the one alarm on all values of a satellite that are too old."""
NOTES_KEPT = 5

Key = tuple[str, str]
"""(satellite, subject); the subject is a channel, `anomaly:<lead channel>`, or `stale`."""


class AlarmState(enum.Enum):
    """ISA-18.2 states. An alarm that is NORMAL is over, and not among the open ones.

    What was declared to latch stays after its return: LATCH_UNACK, then LATCH_ACK until an operator clears it. What
    is SHELVED stays so, whatever its condition does, until its shelf ends.
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


class Note(msgspec.Struct, frozen=True):
    """What an operator wrote to an alarm, and when (UTC ns)."""

    at_ns: int
    actor: str
    text: str


class Alarm(msgspec.Struct, frozen=True):
    """Something an operator must handle.

    `severity` is the worst level since it was raised, `level` the present one (IN_LIMITS once returned). For a
    limit alarm `trigger`, `worst` and `current` are values of the channel, for an anomaly scores, for stale values
    how many channels. `count` is the number of violating (flagged) samples since it was raised, `violations` how
    often the condition came true since: more than 1 for one that returned and came back before it was over.
    `channels` are those of a group, lead first. `rule` says which rule on a channel speaks: "limit", "stuck" or
    "rate", with `limit` as its bound or allowance; "" for an anomaly. `latch`: it was raised as one that stays
    after its return.

    `id` is derived from satellite, subject, rule and trigger time: the same alarm has the same one anywhere.
    `shelved_until_ns` is mission time, None for one that is not shelved. `notes`: the newest, oldest first.
    `inhibited_by`: the cause that mutes it ("link down", "loss of signal"), "" without one.
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
    id: str = ""
    violations: int = 1
    shelved_until_ns: int | None = None
    shelved_ns: int | None = None
    shelved_by: str = ""
    shelf_reason: str = ""
    notes: tuple[Note, ...] = ()
    inhibited_by: str = ""

    @property
    def key(self) -> Key:
        return self.satellite, self.subject

    @property
    def channel(self) -> str:
        """The channel to look at: the monitored one, the lead of an anomaly, or the first that is stale."""
        if self.kind == STALE:
            return self.channels[0] if self.channels else ""
        return self.subject.removeprefix(ANOMALY_PREFIX)

    @property
    def active(self) -> bool:
        """Whether the condition still holds."""
        return self.returned_ns is None

    @property
    def shelved(self) -> bool:
        return self.state is AlarmState.SHELVED

    @property
    def muted(self) -> bool:
        """Shelved or inhibited: listed, but neither new nor counted, and it never rings."""
        return self.shelved or bool(self.inhibited_by)

    @property
    def needs_acknowledgement(self) -> bool:
        """Whether it is new to whoever looks; never while it is muted."""
        return not self.muted and self.state in _UNACKNOWLEDGED

    @property
    def awaits_operator(self) -> bool:
        """Whether an acknowledgement changes it: one that is latched and acknowledged is cleared by the next."""
        return self.needs_acknowledgement or (self.state is AlarmState.LATCH_ACK and not self.muted)


_UNACKNOWLEDGED = (AlarmState.UNACK_ALARM, AlarmState.RTN_UNACK, AlarmState.LATCH_UNACK)
_INHIBITED = 5
_ORDER = {
    AlarmState.UNACK_ALARM: 0,
    AlarmState.LATCH_UNACK: 1,
    AlarmState.RTN_UNACK: 2,
    AlarmState.ACK_ALARM: 3,
    AlarmState.LATCH_ACK: 4,
    AlarmState.SHELVED: 6,
    AlarmState.NORMAL: 7,
}


def urgency(alarm: Alarm) -> tuple[int, int, int, int, Key]:
    """Sort key, most urgent first: new, returned, acknowledged, inhibited, shelved; limits before anomalies; then
    worst, then newest. A model's opinion stands below every hard limit of its state, the mildest too."""
    order = _ORDER[alarm.state]
    if alarm.inhibited_by:
        order = max(order, _INHIBITED)
    return order, alarm.kind == "anomaly", -alarm.severity, -alarm.raised_ns, alarm.key


def alarm_id(satellite: str, subject: str, rule: str, trigger_ns: int) -> str:
    """16 hexadecimal digits that name an alarm wherever its telemetry is judged."""
    named = msgspec.json.encode([satellite, subject, rule, trigger_ns])
    return hashlib.blake2s(named, digest_size=8).hexdigest()


def fold(alarms: Mapping[Key, Alarm], event: Event) -> dict[Key, Alarm]:
    """The open alarms after `event`; `alarms` is not changed.

    Events that are no alarm events, and events on an alarm that is not open, change nothing; but for those that
    undo what ended one, which bring their alarm with them.
    """
    after = dict(alarms)
    fold_into(after, event)
    return after


def fold_into(alarms: dict[Key, Alarm], event: Event) -> None:
    """`fold` that changes `alarms`."""
    key = (event.satellite, event.subject)
    new = step(alarms.get(key), event)
    if new is not None and new.state is not AlarmState.NORMAL:
        alarms[key] = new
    else:
        alarms.pop(key, None)


def fold_all(events: Iterable[Event], alarms: Mapping[Key, Alarm] | None = None) -> dict[Key, Alarm]:
    """`fold` over events in the order of the journal."""
    state = dict(alarms or {})
    for event in events:
        if event.kind in ALARM_KINDS:
            fold_into(state, event)
    return state


def step(old: Alarm | None, event: Event) -> Alarm | None:
    """What becomes of the alarm of an event's key; NORMAL once it is over, None where there is none."""
    if event.kind == RAISED:
        return _raised(old, event)
    if old is None and event.kind in (ACK_UNDONE, SHELVED) and "alarm" in event.body:
        old = msgspec.convert(event.body["alarm"], Alarm)
    if old is None or event.kind == CLEARED:
        return None
    rule = _RULES.get(event.kind)
    return old if rule is None else _derived(msgspec.structs.replace(old, **rule(old, event)))


_UNACKED: dict[str, Any] = {"acked_by": "", "acked_ns": None}
_NO_SHELF: dict[str, Any] = {"shelved_until_ns": None, "shelved_ns": None, "shelved_by": "", "shelf_reason": ""}


def _acknowledged(old: Alarm, event: Event) -> dict[str, Any]:
    return {} if old.acked_ns is not None else {"acked_by": event.actor, "acked_ns": event.at_ns}


def _ack_undone(_: Alarm, event: Event) -> dict[str, Any]:
    """`reset`: what is undone is the clearing of a latched alarm, which stays acknowledged."""
    return {} if event.body.get("reset") is True else _UNACKED


def _returned(old: Alarm, event: Event) -> dict[str, Any]:
    if old.returned_ns is not None:
        return {}
    return _facts(old, event) | {"level": int(Level.IN_LIMITS), "returned_ns": event.at_ns}


def _shelved(old: Alarm, event: Event) -> dict[str, Any]:
    until_ns = event.body.get("until_ns")
    if old.shelved_until_ns is not None or not isinstance(until_ns, int):
        return {}
    put = {
        "shelved_until_ns": until_ns,
        "shelved_ns": event.at_ns,
        "shelved_by": event.actor,
        "shelf_reason": str(event.body.get("reason", "")),
    }
    # A shelf whose end was undone is the one that it was.
    again = event.body.get("again")
    return put if not isinstance(again, dict) else put | again


def _unshelved(old: Alarm, event: Event) -> dict[str, Any]:
    """ISA-18.2 11.7.3: by hand it is acknowledged with it, by itself unacknowledged.

    One that returned meanwhile is over with its shelf, unless it latches: nobody is woken for what is no more.
    """
    why = event.body.get("why")
    if old.shelved_until_ns is None:
        return {}
    if why == UNDONE:
        return _NO_SHELF
    over = old.returned_ns is not None and not old.latch
    if why == BY_OPERATOR or (why == EXPIRED and over):
        who = {} if old.acked_ns is not None else {"acked_by": event.actor, "acked_ns": event.at_ns}
        return _NO_SHELF | who
    return _NO_SHELF | _UNACKED


def _inhibited(_: Alarm, event: Event) -> dict[str, Any]:
    return {"inhibited_by": str(event.body.get("by") or "another cause")}


def _released(_: Alarm, __: Event) -> dict[str, Any]:
    return {"inhibited_by": ""}


def _noted(old: Alarm, event: Event) -> dict[str, Any]:
    return {"notes": (*old.notes, Note(event.at_ns, event.actor, event.text))[-NOTES_KEPT:]}


def _derived(alarm: Alarm) -> Alarm:
    """The alarm with the state that its facts give; one that is both acknowledged and returned is over."""
    if alarm.shelved_until_ns is not None:
        state = AlarmState.SHELVED
    elif alarm.returned_ns is None:
        state = AlarmState.UNACK_ALARM if alarm.acked_ns is None else AlarmState.ACK_ALARM
    elif alarm.latch:
        state = AlarmState.LATCH_UNACK if alarm.acked_ns is None else AlarmState.LATCH_ACK
    else:
        state = AlarmState.RTN_UNACK if alarm.acked_ns is None else AlarmState.NORMAL
    return msgspec.structs.replace(alarm, state=state)


def _raised(old: Alarm | None, event: Event) -> Alarm:
    """A new alarm; or, while an earlier one of the subject is open, that one again, to be acknowledged anew.

    It keeps its id, what triggered it first, its shelf and its notes.
    """
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
        return msgspec.structs.replace(fresh, id=alarm_id(event.satellite, event.subject, fresh.rule, event.at_ns))
    kept = {name: getattr(old, name) for name in _KEPT}
    return _derived(
        msgspec.structs.replace(
            fresh,
            **kept,
            trigger=fresh.trigger if old.trigger is None else old.trigger,
            severity=max(old.severity, fresh.severity),
            latch=old.latch or fresh.latch,
            violations=old.violations + (old.returned_ns is not None),
        )
    )


_KEPT = ("id", "raised_ns", "shelved_until_ns", "shelved_ns", "shelved_by", "shelf_reason", "notes", "inhibited_by")


def _updated(old: Alarm, event: Event) -> dict[str, Any]:
    """Newer facts. A severity above the one acknowledged asks again: what was acknowledged was something milder."""
    told = _facts(old, event)
    if event.kind == SEVERITY and event.severity > old.severity:
        told |= {"severity": event.severity} | _UNACKED
    if "text" in event.body:
        told["text"] = event.text
    return told


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


_RULES: Mapping[str, Callable[[Alarm, Event], dict[str, Any]]] = {
    SEVERITY: _updated,
    UPDATED: _updated,
    ACKNOWLEDGED: _acknowledged,
    ACK_UNDONE: _ack_undone,
    RETURNED: _returned,
    SHELVED: _shelved,
    UNSHELVED: _unshelved,
    INHIBITED: _inhibited,
    RELEASED: _released,
    NOTE: _noted,
}
"""The facts that an event changes on an open alarm, by its kind."""
