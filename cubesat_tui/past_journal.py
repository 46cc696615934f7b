"""What the journal said up to a moment: open alarms and newest events, without reading it from the start each time.

The journal is folded once, in chapters of so many rows, by whoever reads it for the present: it hands on what it
reads. Of each chapter the times it spans and the alarms open after it are kept, so that a moment costs one chapter
read again. What counts is every event not later than the moment, in the order in which they were written: a clock
that was set back makes chapters overlap, and those are read again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from cubesat_tui.journal import journal_after
from telemetry.alarms import ALARM_KINDS, UPDATED, fold_all, fold_into

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from telemetry.alarms import Alarm, Event, Key
    from telemetry.store.reader import StoreReader

CHAPTER = 500
"""Journal rows."""
PROMOTED = ("model.promoted", "model.rolled_back")


class Chapter(NamedTuple):
    """What was known after the row `last_id`."""

    last_id: int
    earliest_ns: int
    """The earliest time in this chapter."""
    latest_ns: int
    """The latest time in this chapter and all before it."""
    alarms: Mapping[Key, Alarm]
    """Open after it, of all satellites."""
    version: int | None
    """Of the model promoted last, or rolled back to; None before the first."""


BEGINNING = Chapter(0, 0, 0, {}, None)


class PastJournal:
    """One journal. `take` is for one thread; the other methods are for any, each with a reader of its own.

    What nobody took yet is read where it is asked for.
    """

    def __init__(self, chapter: int = CHAPTER) -> None:
        self._size = chapter
        self._chapters: list[Chapter] = []
        """Grows only; what stands in it does not change."""
        self._open: dict[Key, Alarm] = {}
        self._version: int | None = None
        self._times: list[int] = []
        """Of the rows that are no whole chapter yet."""

    @property
    def newest(self) -> Mapping[Key, Alarm]:
        """The alarms open after what was taken, for the thread that takes; the next `take` changes them."""
        return self._open

    def take(self, events: Iterable[Event]) -> None:
        """Fold the journal's next rows, none left out."""
        for event in events:
            if event.kind in ALARM_KINDS:
                fold_into(self._open, event)
            elif event.kind in PROMOTED:
                self._version = event.body.get("version")
            self._times.append(event.at_ns)
            if len(self._times) == self._size:
                before = self._chapters[-1].latest_ns if self._chapters else self._times[0]
                latest_ns = max(before, *self._times)
                self._chapters.append(
                    Chapter(event.id, min(self._times), latest_ns, dict(self._open), self._version)
                )
                self._times.clear()

    def before(self, t_ns: int) -> Chapter:
        """The last chapter before which, and in which, no event is as late as `t_ns`."""
        chapters = self._chapters[:]
        return _of(chapters, bisect_left(chapters, t_ns, key=lambda chapter: chapter.latest_ns))

    def alarms(self, reader: StoreReader, t_ns: int) -> dict[Key, Alarm]:
        """The alarms open at `t_ns`, of all satellites."""
        chapters = self._chapters[:]
        whole = bisect_right(chapters, t_ns, key=lambda chapter: chapter.latest_ns)
        open_then = dict(_of(chapters, whole).alarms)
        for number in range(whole, len(chapters)):
            if chapters[number].earliest_ns <= t_ns:
                rows = reader.journal(_of(chapters, number).last_id, self._size)
                open_then = fold_all((event for event in rows if event.at_ns <= t_ns), open_then)
        rest = journal_after(reader, _of(chapters, len(chapters)).last_id)
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

    def _end(self, reader: StoreReader, t_ns: int) -> int:
        """Id after which no event is as early as `t_ns`."""
        chapters = self._chapters[:]
        rest = journal_after(reader, _of(chapters, len(chapters)).last_id)
        last = max((event.id for event in rest if event.at_ns <= t_ns), default=None)
        if last is not None:
            return last
        return next((chapter.last_id for chapter in reversed(chapters) if chapter.earliest_ns <= t_ns), 0)


def _of(chapters: Sequence[Chapter], count: int) -> Chapter:
    """What was known after the first `count` chapters."""
    return chapters[count - 1] if count else BEGINNING
