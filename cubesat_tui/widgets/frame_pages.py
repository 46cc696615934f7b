"""Which part of an endless ledger is known: pages by key, rows of the last few, nothing counted that was not read.

The ledger is never counted and never held. What is remembered of a page that was read is its two keys and its
length; the rows of the `KEEP` pages used last stay, the others are read again when they are scrolled back to.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from telemetry.store.rows import Key, LedgerRow, Page

PAGE = 100
KEEP = 8
"""Rows of this many full pages are kept."""
MOST_WANTED = (KEEP - 2) * PAGE
"""Rows that may be wanted at once: the pages they touch fit into what is kept, so reading them comes to an end."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A page that is wanted: strictly older than `before`, or the newest rows where that is None."""

    before: Key | None
    limit: int
    number: int
    """Position among the known pages; equal to their count for the next older one."""


@dataclass(slots=True)
class _Known:
    first: Key
    last: Key
    count: int


class FramePages:
    """The known stretch of a ledger, newest first; row 0 is the newest one known."""

    def __init__(self, start: Key | None = None) -> None:
        """`start`: begin with what is older than this key instead of with the newest row."""
        self.start = start
        self._pages: list[_Known] = []
        self._ends: list[int] = []
        self._held: OrderedDict[int, list[LedgerRow]] = OrderedDict()
        self.older = True
        """Whether the ledger goes on beyond the last known row, as far as is known."""

    @property
    def known(self) -> int:
        """Rows read so far: a number of rows that really exist, not all of them unless `older` is False."""
        return self._ends[-1] if self._ends else 0

    @property
    def newest(self) -> Key | None:
        """Key of row 0."""
        return self._pages[0].first if self._pages else None

    @property
    def held(self) -> int:
        """Rows in memory."""
        return sum(map(len, self._held.values()))

    def row(self, index: int) -> LedgerRow | None:
        """Row `index`, None while its page is not in memory."""
        if not 0 <= index < self.known:
            return None
        number, offset = self._place(index)
        rows = self._held.get(number)
        if rows is None:
            return None
        self._held.move_to_end(number)
        return rows[offset]

    def rows_held(self, index: int) -> Sequence[LedgerRow]:
        """All rows of the page that `index` is on, newest first; empty while it is not in memory."""
        if not 0 <= index < self.known:
            return ()
        return self._held.get(self._place(index)[0], ())

    def wanted(self, first: int, last: int) -> Ask | None:
        """The next page to read so that rows `first` to `last` can be shown, None when all are here.

        At most `MOST_WANTED` rows from `first` on are looked at.
        """
        last = min(last, first + MOST_WANTED - 1)
        for index in range(max(0, first), min(last + 1, self.known)):
            number, _ = self._place(index)
            if number not in self._held:
                page = self._pages[number]
                return Ask(Key(page.first.t_ns, page.first.id + 1), page.count, number)
        if last >= self.known and self.older:
            before = self._pages[-1].last if self._pages else self.start
            return Ask(before, PAGE, len(self._pages))
        return None

    def take(self, ask: Ask, page: Page) -> None:
        """Keep what was read for `ask`.

        A page that comes back different (an older frame arrived late and was stored between its keys) ends the
        known stretch there: what lies behind is read again rather than shown with a hole.
        """
        if ask.number > len(self._pages) or (ask.number < len(self._pages) and not page.rows):
            return
        if ask.number == len(self._pages):
            self.older = page.more
            if not page.rows:
                return
            self._pages.append(_Known(page.rows[0].key, page.rows[-1].key, len(page.rows)))
        else:
            was = self._pages[ask.number]
            now = _Known(page.rows[0].key, page.rows[-1].key, len(page.rows))
            if was != now:
                del self._pages[ask.number :]
                for number in [n for n in self._held if n >= ask.number]:
                    del self._held[number]
                self._pages.append(now)
                self.older = True
        self._hold(ask.number, page.rows)
        self._count()

    def prepend(self, rows: Sequence[LedgerRow]) -> None:
        """Put rows that are newer than row 0 in front of it, newest first, at most `PAGE` of them."""
        if not rows:
            return
        front = self._held.get(0)
        if self._pages and front is not None and self._pages[0].count + len(rows) <= PAGE:
            self._pages[0] = _Known(rows[0].key, self._pages[0].last, self._pages[0].count + len(rows))
            self._held[0] = [*rows, *front]
        else:
            self._pages.insert(0, _Known(rows[0].key, rows[-1].key, len(rows)))
            self._held = OrderedDict((number + 1, held) for number, held in self._held.items())
            self._hold(0, list(rows))
        self._count()

    def _hold(self, number: int, rows: list[LedgerRow]) -> None:
        self._held[number] = rows
        self._held.move_to_end(number)
        while self.held > KEEP * PAGE and len(self._held) > 1:
            self._held.popitem(last=False)

    def _count(self) -> None:
        self._ends = list(accumulate(page.count for page in self._pages))

    def _place(self, index: int) -> tuple[int, int]:
        number = bisect_right(self._ends, index)
        return number, index - (self._ends[number - 1] if number else 0)
