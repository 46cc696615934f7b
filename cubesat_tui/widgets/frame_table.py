"""The ledger as a table of any length: draws what is in the window, reads a page when the window reaches it.

Row 0 is the newest row known. At the top the table follows the mission; anywhere else it stands still, so a row
never slips away under the eye.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from textual import work
from textual.events import Resize
from textual.message import Message
from textual.worker import Worker

from cubesat_tui.drawing.rows import Row, Span, chosen, left, right, row
from cubesat_tui.widgets.cursor_lines import CursorLines
from cubesat_tui.widgets.frame_pages import PAGE, FramePages
from telemetry.store.rows import Key, LedgerRow, Page

if TYPE_CHECKING:
    from telemetry.query import Query

Context = Mapping[str, float]
"""Values of the context channels (`obc.mode`, ...) that held when a row was made."""


@dataclass(frozen=True, slots=True)
class LedgerColumn:
    """One column: heading of two lines, width in cells, how a row shows in it; numbers are set to the right."""

    title: tuple[str, str]
    width: int
    cell: Callable[[LedgerRow, Context], Span]
    right: bool = False

    def head(self, line: int) -> str:
        """Line 0 or 1 of the heading, in exactly `width` cells."""
        return (right if self.right else left)(self.title[line], self.width)

    def span(self, ledger_row: LedgerRow, context: Context) -> Span:
        """The cell, in exactly `width` cells."""
        text, style = self.cell(ledger_row, context)
        return (right if self.right else left)(text, self.width), style


class PageSource(Protocol):
    """Where pages come from (`StoreView`)."""

    async def page(
        self, query: Query | None, before: Key | None = None, after: Key | None = None, limit: int = 200
    ) -> Page:
        """Rows newest first: the newest older than `before`, or the oldest newer than `after`."""
        ...


class FrameTable(CursorLines):
    """Virtual table over the store. Give it a source, columns, and a query; it reads, draws and reports."""

    DEFAULT_CSS = "FrameTable { height: 1fr; }"
    HEAD = 2

    class Failed(Message):
        """A page could not be read; `reason` is one line."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.pages = FramePages()
        self.shift = 0
        self.loading = False
        self.query_now: Query | None = None
        self._source: PageSource | None = None
        self._frozen: Sequence[LedgerColumn] = ()
        self._moving: Sequence[LedgerColumn] = ()
        self._context_channels: Sequence[str] = ()
        self._contexts: dict[int, tuple[Sequence[LedgerRow], dict[int, dict[str, float]]]] = {}
        self._news = False
        self._again = False
        self._reading: Worker[None] | None = None
        self._reading_for: FramePages | None = None

    # What is shown

    def columns(
        self, frozen: Sequence[LedgerColumn], moving: Sequence[LedgerColumn], context: Sequence[str] = ()
    ) -> None:
        """Set the columns: `frozen` stay, `moving` are walked through.

        `context`: the channels whose values decide which limits held.
        """
        self._frozen, self._moving, self._context_channels = frozen, moving, context
        self._contexts.clear()
        self.shift = max(0, min(self.shift, len(moving) - 1))
        self.redraw()

    def open(self, source: PageSource, query: Query | None, start: Key | None = None) -> None:
        """Show the rows of `query` from the newest on, or from `start` downwards."""
        self._source, self.query_now = source, query
        self.pages = FramePages(start)
        self.cursor = self.top = 0
        self._contexts.clear()
        self._news = self.loading = False
        self.redraw()
        self._fill()

    @property
    def row_count(self) -> int:
        """Rows known so far."""
        return self.pages.known

    @property
    def selected(self) -> LedgerRow | None:
        """The row under the cursor, None while it is being read or there is none."""
        return self.pages.row(self.cursor)

    @property
    def following(self) -> bool:
        """Whether new frames appear by themselves: only at the top of the ledger."""
        return self.cursor == 0 and self.pages.start is None

    @property
    def shown_columns(self) -> tuple[int, int, int]:
        """First and last (counted from 1) of the moving columns in the window, and how many there are."""
        shown = len(self._visible())
        return (self.shift + 1 if shown else 0), self.shift + shown, len(self._moving)

    def context_of(self, index: int) -> Context:
        """Context values that held at row `index`, taken from older rows of its page where it has none itself."""
        rows = self.pages.rows_held(index)
        wanted = self.pages.row(index)
        if wanted is None:
            return {}
        kept = self._contexts.get(id(rows))
        if kept is None or kept[0] is not rows:
            kept = (rows, contexts(rows, self._context_channels))
            self._contexts = dict(list(self._contexts.items())[-4:])
            self._contexts[id(rows)] = kept
        return kept[1].get(wanted.id, {})

    # Moving

    def into_view(self) -> None:
        """As the base; reading goes on where the window comes to the end of what is known."""
        super().into_view()
        self._fill()

    def home(self) -> None:
        """Back to the newest row, following again."""
        if self.pages.start is not None and self._source is not None:
            self.open(self._source, self.query_now)
            return
        self.move(-self.cursor)
        self.follow()

    def pan(self, steps: int) -> None:
        """Walk through the moving columns."""
        last = max(0, len(self._moving) - 1)
        self.shift = max(0, min(self.shift + steps, last))
        self.redraw()
        self.post_message(self.Moved())

    def on_resize(self, event: Resize) -> None:
        # Called beside the base's: other columns are seen.
        del event
        self.post_message(self.Moved())

    # Reading

    def follow(self) -> None:
        """Read what is newer than the first row, if the table stands at the top."""
        self._news = self._news or (self.following and self.pages.newest is not None)
        self._fill()

    def _fill(self) -> None:
        """See to it that the window gets its rows; one reading at a time, whatever keys are held down."""
        if self._source is None:
            return
        self._again = True
        if self._reading is None or self._reading.is_finished or self._reading_for is not self.pages:
            self._reading_for = self.pages
            self._reading = self._read_all(self._source, self.pages, self.query_now)

    @work(exclusive=True, group="frame-table", exit_on_error=False)
    async def _read_all(self, source: PageSource, pages: FramePages, query: Query | None) -> None:
        try:
            while self._again:
                self._again = False
                await self._read_news(source, pages, query)
                await self._read_window(source, pages, query)
        except Exception as error:  # noqa: BLE001  whatever a store can raise is shown, with the table as it was
            self.post_message(self.Failed(f"{type(error).__name__}: {error}"))
        finally:
            if pages is self.pages:
                self.loading = False
        if pages is self.pages:
            self.redraw()
            self.post_message(self.Moved())

    async def _read_news(self, source: PageSource, pages: FramePages, query: Query | None) -> None:
        while self._news and self.following and pages.newest is not None:
            page = await source.page(query, after=pages.newest, limit=PAGE)
            self._news = page.more and bool(page.rows)
            if pages is self.pages and self.following:
                pages.prepend(page.rows)

    async def _read_window(self, source: PageSource, pages: FramePages, query: Query | None) -> None:
        while pages is self.pages:
            ask = pages.wanted(self.top, self.top + self.page_height() * 2)
            if ask is None:
                return
            self.loading = True
            self.redraw()
            page = await source.page(query, before=ask.before, limit=ask.limit)
            pages.take(ask, page)
            self.loading = False
            if pages is self.pages:
                self.cursor = min(self.cursor, pages.known - 1)
                self.redraw()
                self.post_message(self.Moved())

    # Drawing

    def _visible(self) -> Sequence[LedgerColumn]:
        room = self.size.width - 1 - sum(column.width + 1 for column in self._frozen)
        shown: list[LedgerColumn] = []
        for column in self._moving[self.shift :]:
            room -= column.width + 1
            if room < -1:
                break
            shown.append(column)
        return shown

    def redraw(self) -> None:
        """Draw heading and window."""
        if not self.size.width:
            return
        shown = (*self._frozen, *self._visible())
        lines: list[Row] = [row(" ", *((f"{c.head(line)} ", "title") for c in shown)) for line in range(self.HEAD)]
        for index in self.window:
            lines.append(self._line(index, shown))
        if self.loading and len(lines) < self.page_height() + self.HEAD:
            lines.append(row((" reading ...", "dim")))
        self.draw(lines)

    def _line(self, index: int, shown: Sequence[LedgerColumn]) -> Row:
        ledger_row = self.pages.row(index)
        under = index == self.cursor
        mark = self.signs.pointer if under else " "
        if ledger_row is None:
            blank = [(left("...", column.width) + " ", "dim") for column in shown]
            line: Row = row(mark, *blank)
        else:
            context = self.context_of(index)
            spans: list[Span] = []
            for column in shown:
                spans += [column.span(ledger_row, context), (" ", "plain")]
            line = row(mark, *spans)
        return chosen(line, self.size.width) if under else line


def contexts(rows: Sequence[LedgerRow], channels: Sequence[str]) -> dict[int, dict[str, float]]:
    """Context per row id: its own values, else the last ones of the same satellite among the older rows given.

    `rows` newest first. A packet without the mode still happened in some mode; nothing is carried back in time.
    """
    held: dict[str, dict[str, float]] = {}
    out: dict[int, dict[str, float]] = {}
    for ledger_row in reversed(rows):
        now = held.setdefault(ledger_row.satellite, {})
        positions = ledger_row.layout.positions
        for channel in channels:
            at = positions.get(channel)
            if at is not None and math.isfinite(ledger_row.values[at]):
                now[channel] = float(ledger_row.values[at])
        out[ledger_row.id] = dict(now)
    return out
