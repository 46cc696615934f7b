"""How the models of a satellite came to score: promoted or returned to, when, by whom and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.reader import StoreReader

PUT = ("model.promoted", "model.rolled_back")
MOST = 10_000


def put_there(reader: StoreReader, satellite: str, most: int = MOST) -> list[Event]:
    """The events by which a model came to score, newest first; at most `most` of a kind."""
    found: list[Event] = []
    for kind in PUT:
        page = reader.journal_page(None, limit=most, kind=kind, satellite=satellite)
        found += [event for event in page if event.kind == kind]
    return sorted(found, key=lambda event: -event.id)
