"""The whole journal of a mission, in the order it was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.reader import StoreReader

CHUNK = 10_000


def whole_journal(reader: StoreReader) -> Iterator[Event]:
    """Every event, oldest first; what the open alarms are folded of."""
    after = 0
    while events := reader.journal(after, CHUNK):
        yield from events
        after = events[-1].id
