"""The journal as the Events screen lists it: what the snapshot holds, and older rows read on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from cubesat_tui.store_view import StoreView
    from telemetry.alarms import Alarm, Event

PAGE = 200
"""Rows read at once beyond those of the snapshot."""
MOST = 20_000
"""Rows kept; who looks further back narrows the list, or goes to a time."""
HISTORY_PAGES = 20

LEVELS = (
    "all levels",
    "from WATCH up",
    "from WARNING up",
    "from DISTRESS up",
    "from CRITICAL up",
    "SEVERE only",
)
"""Words of the severity filter, by the least severity it lets through."""


class JournalList:
    """Rows newest first, without a hole between what was read and what came since."""

    def __init__(self) -> None:
        self._of: tuple[str, int | None, int] = ("", None, 0)
        self._newest: tuple[Event, ...] = ()
        self._older: list[Event] = []
        self._complete = False
        self._reading = False

    def follow(self, snapshot: Snapshot, least: int) -> None:
        """Take up what `snapshot` tells; `least`: severity from which on rows are listed."""
        of = (snapshot.satellite, snapshot.past_ns, least)
        before, self._newest = self._newest, snapshot.events
        if of != self._of:
            self._of, self._older, self._complete = of, [], False
        elif self._older and snapshot.events:
            oldest = snapshot.events[-1].id
            if before and before[0].id < oldest:
                # More came than a snapshot holds while nobody looked: what lies between was not seen.
                self._older, self._complete = [], False
            else:
                top = self._older[0].id
                self._older[:0] = [e for e in before if top < e.id < oldest and e.severity >= least]

    def rows(self, found: Callable[[Event], bool]) -> list[Event]:
        """Those that are listed and `found`."""
        least = self._of[2]
        oldest = self._newest[-1].id if self._newest else 0
        newest = (e for e in self._newest if e.severity >= least)
        return [e for e in (*newest, *(e for e in self._older if e.id < oldest)) if found(e)]

    @property
    def full(self) -> bool:
        """Whether as many rows are held as are ever."""
        return len(self._older) >= MOST

    async def read_older(self, view: StoreView, satellite: str | None) -> bool:
        """Read the next page; True when rows came. `satellite`: of whom, None for all there is."""
        last = self._older[-1] if self._older else self._newest[-1] if self._newest else None
        if self._reading or self._complete or self.full or last is None:
            return False
        self._reading, of = True, self._of
        try:
            page = await view.journal_page(last.id, of[2] or -1, PAGE, satellite)
        finally:
            self._reading = False
        if of != self._of:
            return True
        self._complete = len(page) < PAGE
        past_ns = of[1]
        self._older += [e for e in page if e.id < last.id and (past_ns is None or e.at_ns <= past_ns)]
        return bool(page)


def belongs(alarm: Alarm, event: Event) -> bool:
    """Whether a journal row is one of this alarm's, not of an earlier one on the same subject."""
    return event.subject == alarm.subject and event.satellite == alarm.satellite and event.at_ns >= alarm.raised_ns


def known_history(alarm: Alarm, snapshot: Snapshot) -> list[Event] | None:
    """The rows of an alarm, oldest first, where the snapshot reaches back to its begin; else None."""
    events = snapshot.events
    if events and events[-1].at_ns >= alarm.raised_ns and len(events) < snapshot.told:
        return None
    return [event for event in reversed(events) if belongs(alarm, event)]


async def read_history(view: StoreView, alarm: Alarm) -> list[Event]:
    """The rows of an alarm from the store, oldest first."""
    found: list[Event] = []
    before: int | None = None
    for _ in range(HISTORY_PAGES):
        page = await view.journal_page(before, -1, 5 * PAGE, alarm.satellite)
        found += [event for event in page if belongs(alarm, event)]
        if len(page) < 5 * PAGE or page[-1].at_ns < alarm.raised_ns:
            break
        before = page[-1].id
    return found[::-1]
