"""Events and considered fits as the text of a record: a list of objects, as a person would read them.

The numbers of the publisher's store do not travel: whoever stores them numbers its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

import msgspec

from telemetry.alarms import ALARM_KINDS, Alarm, AlarmState, Event, step
from telemetry.limits import Level
from telemetry.links.record import Record, RecordRefused, all_plain, counted, decoded
from telemetry.links.record_columns import Int64
from telemetry.plain_text import plain_text
from telemetry.store.rows import RunRow


class _EventText(msgspec.Struct):
    at_ns: Int64
    satellite: str
    kind: str
    severity: Annotated[int, msgspec.Meta(ge=int(min(Level)), le=int(max(Level)))]
    subject: str
    actor: str
    body: dict[str, Any]


_EVENTS = msgspec.json.Decoder(list[_EventText])


def events_text(events: Sequence[Event]) -> str:
    """Events as they were written, without the numbers of the store they come from."""
    fields = _EventText.__struct_fields__
    return msgspec.json.encode([{name: getattr(event, name) for name in fields} for event in events]).decode()


def events_of(record: Record) -> list[Event]:
    """The events of a record, not yet numbered.

    Raises:
        RecordRefused: the text is no list of events, or no alarm can be made of what one of them says.
    """
    found = decoded(record, _EVENTS.decode)
    counted(record, len(found))
    events = [
        Event(
            at_ns=one.at_ns,
            satellite=plain_text(one.satellite),
            kind=plain_text(one.kind),
            severity=one.severity,
            subject=plain_text(one.subject),
            actor=plain_text(one.actor),
            body=cast("dict[str, Any]", all_plain(one.body)),
        )
        for one in found
    ]
    for event in events:
        _check_alarm(event)
    return events


_OPEN = Alarm("", "", "limit", 0, AlarmState.UNACK_ALARM, 0, 0, "")


def _check_alarm(event: Event) -> None:
    """See that the fold of every reader can take it: in a store it would be for ever."""
    if event.kind not in ALARM_KINDS:
        return
    try:
        for before in (None, _OPEN):
            after = msgspec.convert(msgspec.to_builtins(step(before, event)), Alarm | None)
            if after is not None:
                _ = Level(after.severity), Level(after.level)
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordRefused("wrong shape", f"{event.kind}: {error}") from error


_Figure = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
"""What charts draw; beyond it they cannot compute."""


class _RunText(msgspec.Struct, kw_only=True):
    retrain: Int64
    at_ns: Int64
    satellite: str | None
    decision: str
    version: Int64 | None = None
    parent: Int64 | None = None
    mlflow_run: str | None = None
    fit_s: _Figure | None = None
    rows: Int64 | None = None
    excluded: Int64 | None = None
    threshold: _Figure | None = None
    false_alarms_per_day: _Figure | None = None
    anomaly_rate: _Figure | None = None
    drift: _Figure | None = None
    window_from: Int64 | None = None
    window_to: Int64 | None = None
    window_hash: str | None = None
    model_sha256: str | None = None
    reason: str = ""
    body: dict[str, Any] = {}


_RUNS = msgspec.json.Decoder(list[_RunText])


def runs_text(runs: Sequence[RunRow]) -> str:
    """Considered fits, without the numbers of the store they come from."""
    fields = _RunText.__struct_fields__
    return msgspec.json.encode([{name: getattr(run, name) for name in fields} for run in runs]).decode()


def runs_of(record: Record) -> list[RunRow]:
    """The considered fits of a record, not yet numbered.

    Raises:
        RecordRefused: the text is no list of runs.
    """
    found = decoded(record, _RUNS.decode)
    counted(record, len(found))
    return [RunRow(**cast("dict[str, Any]", all_plain(msgspec.structs.asdict(one)))) for one in found]
