"""What a link does not have, as an event."""

from __future__ import annotations

from telemetry.alarms import Event
from telemetry.limits import Level
from telemetry.link_config import FIREBASE
from telemetry.links.link import Lost, Pruned


def missing_event(item: Lost | Pruned, at_ns: int) -> Event:
    """`10 rows of frames are missing in the link`, or that they were let go of there before they were read."""
    rows = item.last - item.first + 1
    pruned = isinstance(item, Pruned)
    text = f"{rows} rows of {item.stream} " + (
        "were let go by the link before they were read here" if pruned else "are missing in the link"
    )
    return Event(
        at_ns=at_ns,
        satellite="",
        kind="link.missing",
        severity=int(Level.WATCH if pruned else Level.WARNING),
        subject=FIREBASE,
        body={"stream": item.stream, "rows": rows, "text": text},
    )
