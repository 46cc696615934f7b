"""What the journal said up to a moment: open alarms and newest events, without reading it from the start each time.

The journal is folded once, in chapters of so many rows. Of each chapter the times it spans and the alarms open
after it are kept, so that a moment costs one chapter read again. What counts is every event not later than the
moment, in the order in which they were written: a clock that was set back makes chapters overlap, and those are
read again.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from telemetry.alarms import UPDATED, fold_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from telemetry.alarms import Alarm, Event, Key
    from telemetry.store.reader import StoreReader

CHAPTER = 500
"""Journal rows."""


class _Chapter(NamedTuple):
    last_id: int
    earliest_ns: int
    latest_ns: int
    """The latest time in this chapter and all before it."""
    alarms: Mapping[Key, Alarm]
    """Open after it."""


class PastJournal:
    """One journal. Every method on the thread of the reader it is given."""

    def __init__(self, chapter: int = CHAPTER) -> None:
        self._size = chapter
        self._chapters: list[_Chapter] = []

    def read_on(self, reader: StoreReader) -> bool:
        """Fold the next chapter, if the journal holds a whole one more; whether it did."""
        before = self._chapters[-1] if self._chapters else None
        events = reader.journal(before.last_id if before is not None else 0, self._size)
        if len(events) < self._size:
            return False
        times = [event.at_ns for event in events]
        self._chapters.append(
            _Chapter(
                events[-1].id,
                min(times),
                max([*times, before.latest_ns] if before is not None else times),
                fold_all(events, before.alarms if before is not None else None),
            )
        )
        return True

    def alarms(self, reader: StoreReader, t_ns: int) -> dict[Key, Alarm]:
        """The alarms open at `t_ns`, of all satellites."""
        whole = bisect_right(self._chapters, t_ns, key=lambda chapter: chapter.latest_ns)
        open_then = dict(self._chapters[whole - 1].alarms) if whole else {}
        for number in range(whole, len(self._chapters)):
            if self._chapters[number].earliest_ns <= t_ns:
                rows = reader.journal(self._before(number), self._size)
                open_then = fold_all((event for event in rows if event.at_ns <= t_ns), open_then)
        rest = self._rest(reader)
        return fold_all((event for event in rest if event.at_ns <= t_ns), open_then)

    def events(self, reader: StoreReader, t_ns: int, satellite: str | None, most: int) -> list[Event]:
        """The newest `most` events at `t_ns`, newest first, as `StoreReader.journal_page` gives them.

        With a `satellite` its own and those of none; without the numbers an open alarm counts on with.
        """
        before = self._end(reader, t_ns) + 1
        found: list[Event] = []
        while len(found) < most:
            page = reader.journal_page(before, limit=most, satellite=satellite, without=UPDATED)
            found += [event for event in page if event.at_ns <= t_ns]
            if len(page) < most:
                break
            before = page[-1].id
        return found[:most]

    def _before(self, number: int) -> int:
        return self._chapters[number - 1].last_id if number else 0

    def _rest(self, reader: StoreReader) -> list[Event]:
        """What no chapter holds yet."""
        rows: list[Event] = []
        while True:
            page = reader.journal(rows[-1].id if rows else self._before(len(self._chapters)))
            rows += page
            if not page:
                return rows

    def _end(self, reader: StoreReader, t_ns: int) -> int:
        """Id after which no event is as early as `t_ns`."""
        rest = [event.id for event in self._rest(reader) if event.at_ns <= t_ns]
        if rest:
            return rest[-1]
        for chapter in reversed(self._chapters):
            if chapter.earliest_ns <= t_ns:
                return chapter.last_id
        return 0
