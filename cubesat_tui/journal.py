"""The journal of a mission, in the order it was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.reader import StoreReader

CHUNK = 10_000


def whole_journal(reader: StoreReader) -> Iterator[Event]:
    """Every event, oldest first; what the open alarms are folded of."""
    return journal_after(reader, 0)


def journal_after(reader: StoreReader, after: int) -> Iterator[Event]:
    """Every event written after the one of the id `after`, oldest first."""
    while events := reader.journal(after, CHUNK):
        yield from events
        after = events[-1].id
