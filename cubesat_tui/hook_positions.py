"""How far each hook has got, kept in the store: the next station tells what this one could not.

A hook's position is the id of a journal row: everything up to there was told, or was not for it. It is a cursor of
the store, committed after a delivery and before the next one, so that after a crash at most the very last is told
twice (with the same `delivery`). A new station folds the journal up to that row and goes on from there, for an hour
back and as many as may wait; what it gives up on it counts in an event. A simulator's past, which the journal marks
as such, is told to nobody.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from cubesat_tui.journal import journal_after, whole_journal
from telemetry.alarms import ALARM_KINDS, Alarm, Event, Key, fold_all

if TYPE_CHECKING:
    from telemetry.store.reader import StoreReader

CURSOR = "hooks"
PAST = "past"
"""In the body of an event that was made for the past of a simulated mission."""


def past(event: Event) -> Event:
    """The event as history: it is in the journal, and no hook hears of it."""
    return msgspec.structs.replace(event, body={**event.body, PAST: True})


def of_the_past(event: Event) -> bool:
    """Whether an event was written as history."""
    return event.body.get(PAST) is True


def read(cursor: str | None) -> dict[str, int]:
    """Hook -> its position; one that cannot be read is one that has not begun."""
    try:
        told = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return {str(name): at for name, at in told.items() if isinstance(at, int)} if isinstance(told, dict) else {}


def write(positions: Mapping[str, int]) -> str:
    return json.dumps(positions)


def newest_id(reader: StoreReader) -> int:
    """Id of the newest journal row, 0 before the first."""
    page = reader.journal_page(None, limit=1)
    return page[0].id if page else 0


def alarms_at(reader: StoreReader, position: int) -> dict[Key, Alarm]:
    """The alarms that were open after the journal row of that id."""
    return fold_all(itertools.takewhile(lambda event: event.id <= position, whole_journal(reader)))


def alarm_events_after(reader: StoreReader, position: int) -> list[Event]:
    """What happened to alarms since."""
    return [event for event in journal_after(reader, position) if event.kind in ALARM_KINDS]
