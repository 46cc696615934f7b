"""Rows of a mission store as the paths and values of one update of a database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from telemetry.alarms import ANOMALY_PREFIX, RAISED, Event
from telemetry.clock import NS_PER_S, iso
from telemetry.links.courier_database import STAMP
from telemetry.links.record import Record, to_value
from telemetry.links.record_frames import frames_text
from telemetry.links.record_journal import events_text, runs_text
from telemetry.links.record_scores import scores_text
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.frame import Layout
    from telemetry.store.publication import Outgoing

ALERTS = "ML_ALERTS"
"""Where the original put what its model found."""


class Range(NamedTuple):
    """Rows of one stream that go out under one key."""

    stream: str
    key: str
    first: int
    last: int


class Written(NamedTuple):
    """A stream's rows as text; `newest_ns` is the reception or event time of the newest of them."""

    rows: int
    text: str
    newest_ns: int
    beside: dict[str, Any]
    """Path -> value of what goes with them."""


class RecordValues:
    """Makes the values of records, and remembers which layouts stand in the database."""

    def __init__(
        self, outgoing: Callable[[], Outgoing], root: str, station: str, *, compress: bool, mirror_alerts: bool
    ) -> None:
        self._outgoing = outgoing
        self._root = root
        self._station = station
        self._compress = compress
        self._mirror_alerts = mirror_alerts
        self._layouts = f"{root}/layouts/"
        self._known: set[str] = set()

    def values(self, one: Range) -> dict[str, Any]:
        """Path -> value of one record, of what it needs, and of what tells that it is the newest.

        Raises:
            ValueError: the record is too large, or the stream is none.
        """
        written = self._written(one)
        record = Record(one.key, one.first, one.last, written.rows, written.text)
        return {
            **written.beside,
            f"{self._root}/{one.stream}/{one.key}": {
                **to_value(record, self._compress),
                "t": written.newest_ns // NS_PER_S,
            },
            f"{self._root}/heads/{one.stream}": {
                "key": one.key,
                "b": one.last,
                "n_total": one.last,
                "at": dict(STAMP),
                "by": self._station,
            },
        }

    def stands(self, update: Mapping[str, Any]) -> None:
        """The database has taken `update`: its layouts need not be sent again."""
        self._known |= {path for path in update if path.startswith(self._layouts)}

    def _written(self, one: Range) -> Written:
        outgoing, readable = self._outgoing(), not self._compress
        match one.stream:
            case "frames":
                frames = outgoing.frames_between(one.first, one.last)
                newest_ns = max((int(batch.received_ns.max()) for batch in frames), default=0)
                layouts = self._new_layouts([batch.layout for batch in frames])
                return Written(sum(map(len, frames)), frames_text(frames, readable=readable), newest_ns, layouts)
            case "scores":
                scores = outgoing.scores_between(one.first, one.last)
                newest_ns = max(
                    (int(batch.received_ns.max()) for batch in outgoing.frames_between(one.last, one.last)),
                    default=0,
                )
                return Written(len(scores), scores_text(scores, readable=readable), newest_ns, {})
            case "journal":
                events = outgoing.events_between(one.first, one.last)
                newest_ns = max((event.at_ns for event in events), default=0)
                alerts = dict(map(_alert, filter(_is_anomaly, events))) if self._mirror_alerts else {}
                return Written(len(events), events_text(events), newest_ns, alerts)
            case "runs":
                runs = outgoing.runs_between(one.first, one.last)
                return Written(len(runs), runs_text(runs), max((run.at_ns for run in runs), default=0), {})
            case _:
                raise ValueError(f"{one.stream}: no stream")

    def _new_layouts(self, layouts: Sequence[Layout]) -> dict[str, Any]:
        paths = {f"{self._layouts}{layout.digest}": layout.body.decode() for layout in layouts}
        return {path: body for path, body in paths.items() if path not in self._known}


def weight(values: Mapping[str, Any]) -> int:
    """Characters of all texts in it."""
    return sum(map(len, _texts(values)))


def _texts(values: Mapping[str, Any]) -> list[str]:
    return [
        text
        for value in values.values()
        for text in (cast("dict[str, Any]", value).values() if isinstance(value, dict) else (value,))
        if isinstance(text, str)
    ]


def _is_anomaly(event: Event) -> bool:
    return event.kind == RAISED and event.subject.startswith(ANOMALY_PREFIX)


def _alert(event: Event) -> tuple[str, dict[str, Any]]:
    """An anomaly as the original wrote it, under a key that is the same whoever sends it and how often."""
    known = f"{event.satellite}\0{event.subject}\0{event.at_ns}"
    number = "a" + hashlib.sha256(known.encode()).hexdigest()[:20]
    score = event.body.get("trigger")
    return f"{ALERTS}/{number}", {
        "timestamp": iso(event.at_ns),
        "satellite": event.satellite,
        "face": event.subject.removeprefix(ANOMALY_PREFIX),
        "anomaly_score": score if isinstance(score, (int, float)) and abs(score) < 1e300 else None,
        "severity": "WARNING",
        "message": plain_text(event.text, 400),
    }
