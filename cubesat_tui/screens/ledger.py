"""Ledger: every frame ever stored, filtered by one expression, exported as it is filtered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from cubesat_tui import messages
from cubesat_tui.drawing.ledger_cells import (
    channel_span,
    channel_width,
    chosen_first,
    heading,
    quality_text,
    score_span,
    state_span,
    time_text,
)
from cubesat_tui.drawing.ledger_lines import count_row, empty_rows, error_rows, examples, selected_rows
from cubesat_tui.drawing.numbers import count_text
from cubesat_tui.drawing.rows import Row, row
from cubesat_tui.export_run import ExportRun
from cubesat_tui.keymap import bindings
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.widgets.frame_table import FrameTable, LedgerColumn
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import iso
from telemetry.query_syntax import QueryError, SatelliteTest, text_of
from telemetry.store.rows import Key

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from exports.request import ExportRequest
    from telemetry.dictionary import Channel
    from telemetry.query import Query
    from telemetry.store.rows import LedgerRow

_LAST_ID = 2**62
"""Above every id: all rows of a moment lie before it."""


class LedgerScreen(MissionScreen):
    """Filter line, count line, the table, and everything about the selected row in two lines."""

    MODE = "ledger"
    BINDINGS: ClassVar[list[BindingType]] = bindings("ledger")
    DEFAULT_CSS = """
    LedgerScreen #filter-line { height: 1; background: $panel; }
    LedgerScreen #filter-word { width: 9; height: 1; }
    LedgerScreen #filter { width: 1fr; }
    LedgerScreen #filter-error { height: auto; max-height: 4; display: none; }
    LedgerScreen #filter-error.shown { display: block; }
    LedgerScreen #ledger-count { height: 1; }
    LedgerScreen #ledger-detail { height: 2; background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._query: Query | None = None
        self._opened = False
        self._waiting_filter: str | None = None
        self._satellite: str | None = None
        self._past_ns: int | None = None
        """The moment below which rows are shown; None while the newest are."""
        self._own_filter = ""
        """The filter put there because of the satellite that is looked at, not by the operator."""
        self._columns_for: tuple[object, ...] = ()
        self._first_channel: str | None = None

    # What is on it

    def compose_body(self) -> ComposeResult:
        with Horizontal(id="filter-line"):
            yield Lines(id="filter-word")
            line = Input(id="filter", compact=True, select_on_focus=False)
            line.cursor_blink = False
            yield line
        yield Lines(id="filter-error")
        yield Lines(id="ledger-count")
        yield FrameTable(id="frames")
        yield Lines(id="ledger-detail")

    def on_mount(self) -> None:
        self.query_one("#filter-word", Lines).draw((row((" FILTER ", "title")),))

    @property
    def table(self) -> FrameTable:
        return self.query_one(FrameTable)

    @property
    def filter_text(self) -> str:
        """The filter in force, canonical; empty for every row."""
        return self._query.text if self._query is not None else ""

    def show(self, snapshot: Snapshot) -> None:
        line = self.query_one("#filter", Input)
        if not line.placeholder:
            line.placeholder = examples(snapshot, self.wide)
        self._set_columns(snapshot)
        if not self._opened:
            self._opened, self._past_ns = True, snapshot.past_ns
            self._open(None)
            if self._waiting_filter is not None:
                self.apply_filter(self._waiting_filter)
        elif snapshot.past_ns != self._past_ns:
            self._past_ns = snapshot.past_ns
            # What `time in last ...` counts back from is the time that is looked at.
            self._query = None if self._query is None else self._query.at(snapshot.now_ns)
            self._open(self._query)
        else:
            self.table.follow()
        self._follow_satellite(snapshot)
        self._draw_lines(snapshot)

    def _open(self, query: Query | None) -> None:
        """The rows of `query` from now on, or in the past from that moment downwards: there nothing is newer."""
        start = None if self._past_ns is None else Key(self._past_ns, _LAST_ID)
        self.table.open(self.console_app.view, query, start)

    # Filter

    def _follow_satellite(self, snapshot: Snapshot) -> None:
        """Of several satellites show the one looked at, as a filter that is seen; never in place of another one."""
        before, self._satellite = self._satellite, snapshot.satellite
        if before == snapshot.satellite or len(snapshot.mission.satellites) == 1:
            return
        if self.filter_text in ("", self._own_filter):
            self.apply_filter(text_of(SatelliteTest("=", snapshot.satellite)))
            self._own_filter = self.filter_text

    def apply_filter(self, text: str) -> None:
        """Put `text` on the filter line and into force; what is wrong with it is shown under the line."""
        snapshot = self.console_app.shown
        if snapshot is None or not self._opened:
            self._waiting_filter = text
            return
        from telemetry.query import parse

        self._waiting_filter = None
        line = self.query_one("#filter", Input)
        line.value = text
        try:
            query = parse(text, snapshot.mission, snapshot.now_ns) if text.strip() else None
        except QueryError as error:
            self._say_wrong(error_rows(error, text, self.size.width, line.scroll_offset.x))
            return
        self._say_wrong(())
        self._query = query
        if line.has_focus:
            self.set_focus(None)
        self._columns_for = ()
        self._set_columns(snapshot)
        self._open(query)
        self._draw_lines(snapshot)

    def _say_wrong(self, lines: tuple[Row, ...]) -> None:
        place = self.query_one("#filter-error", Lines)
        place.set_class(bool(lines), "shown")
        place.draw(lines)

    @on(Input.Submitted, "#filter")
    def _submitted(self, event: Input.Submitted) -> None:
        self.apply_filter(event.value)

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        self._say_wrong(())

    def action_find(self) -> None:
        # At once: the next keys of a fast typist, or of a line that delivers in bursts, belong to the filter.
        self.screen.set_focus(self.query_one("#filter", Input))

    def action_back(self) -> None:
        """First leave the line as it was, then the filter, then the place."""
        line = self.query_one("#filter", Input)
        if line.has_focus or line.value != self.filter_text:
            line.value = self.filter_text
            self.set_focus(None)
            self._say_wrong(())
        elif self._query is not None:
            self.apply_filter("")
        else:
            self.action_newest()

    # Table

    def _set_columns(self, snapshot: Snapshot) -> None:
        named = tuple(sorted(self._query.channels())) if self._query is not None else ()
        troubled = tuple(
            name for name, now in snapshot.channels.items() if now.anomalous or int(now.result.level) > 0
        )
        if self._columns_for and not self.table.following:
            return  # a column never moves away under the eye of somebody who reads further down
        chosen = self._first_channel
        wish = (snapshot.satellite, named, troubled, chosen, self.wide, self.console_app.signs)
        if wish == self._columns_for:
            return
        self._columns_for = wish
        bus = snapshot.mission.bus_of(snapshot.satellite)
        first = (*((chosen,) if chosen else ()), *named)
        order = chosen_first(bus.channels, first, troubled, list(snapshot.channels))
        signs = self.console_app.signs
        frozen = [LedgerColumn(("", "Time UTC"), 23 if self.wide else 19, partial(_time, fraction=self.wide))]
        state = [
            LedgerColumn(("", "Packet"), 6, lambda r, _: (r.layout.packet, "label")),
            LedgerColumn(("", "State"), 7, lambda r, _: state_span(r, signs)),
            LedgerColumn(("", "Score"), 5, lambda r, _: score_span(r), right=True),
        ]
        ground = [
            LedgerColumn(("", "Quality"), 10, lambda r, _: (quality_text(r.quality), "label")),
            LedgerColumn(("Received", "UTC"), 19, lambda r, _: (time_text(r.received_ns), "label")),
            LedgerColumn(("", "Seq"), 9, lambda r, _: (str(r.seq), "label"), right=True),
        ]
        channels = [self._channel_column(channel) for channel in order]
        if len(snapshot.mission.satellites) > 1:
            frozen.append(LedgerColumn(("", "Satellite"), 12, lambda r, _: (r.satellite, "value")))
        if self.wide:
            self.table.columns([*frozen, *state, *ground[:2]], [*channels, ground[2]], bus.context)
        else:
            self.table.columns([*frozen, *state], [*channels, *ground], bus.context)

    def _channel_column(self, channel: Channel) -> LedgerColumn:
        signs = self.console_app.signs
        return LedgerColumn(
            heading(channel),
            channel_width(channel),
            lambda r, context: channel_span(channel, r, context, signs),
            right=True,
        )

    @on(FrameTable.Moved)
    def _moved(self) -> None:
        if self.console_app.shown is not None:
            self._draw_lines(self.console_app.shown)

    @on(FrameTable.Failed)
    def _failed(self, event: FrameTable.Failed) -> None:
        self.post_message(messages.Notice(f"the ledger cannot be read: {event.reason}", "error"))

    def action_move(self, steps: int) -> None:
        self.table.move(steps)

    def action_page(self, steps: int) -> None:
        self.table.move(steps * self.table.page_height())

    def action_newest(self) -> None:
        if self._past_ns is None:
            self.table.home()
        else:
            self._open(self._query)

    def action_columns_on(self, steps: int) -> None:
        self.table.pan(steps)

    def action_columns(self) -> None:
        """Put the next subsystem's channels first."""
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        bus = snapshot.mission.bus_of(snapshot.satellite)
        subsystems = [name for name, _ in bus.subsystems]
        firsts = [next(c.name for c in bus.channels if c.subsystem == name) for name in subsystems]
        at = firsts.index(self._first_channel) + 1 if self._first_channel in firsts else 0
        self._first_channel = firsts[at] if at < len(firsts) else None
        self._columns_for = ()
        self._set_columns(snapshot)
        self.table.shift = 0
        self.table.pan(0)

    def action_copy(self) -> None:
        chosen = self.table.selected
        if chosen is not None:
            values = zip(chosen.layout.names, chosen.values.tolist(), strict=True)
            text = " ".join(f"{name}={value!r}" for name, value in values)
            line = f"{iso(chosen.t_ns)} {chosen.satellite} {chosen.layout.packet} {chosen.boot}/{chosen.seq} {text}"
            self.post_message(messages.CopyRequested(line, "row"))

    def moment(self, snapshot: Snapshot) -> int | None:
        chosen = self.table.selected
        return None if chosen is None else chosen.t_ns

    def satellite_in_hand(self, snapshot: Snapshot) -> str:
        chosen = self.table.selected
        known = chosen is not None and chosen.satellite in snapshot.mission.by_name
        return chosen.satellite if chosen is not None and known else snapshot.satellite

    def next_anomaly(self, step: int) -> None:
        """Go to the next older (1) or newer (-1) confirmed anomaly of the filter."""
        chosen = self.table.selected
        if chosen is not None:
            self._to_anomaly(chosen.key, step)

    @work(exclusive=True, group="ledger-anomaly")
    async def _to_anomaly(self, key: Key, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        from telemetry.query import parse

        both = f"({self.filter_text}) and state = confirmed" if self.filter_text else "state = confirmed"
        query = parse(both, snapshot.mission, self._query.now_ns if self._query is not None else snapshot.now_ns)
        where: dict[str, Any] = {"before": key} if step > 0 else {"after": key}
        page = await self.console_app.view.ask_once(lambda r: r.page(query, limit=1, **where))
        if not page.rows:
            self.post_message(messages.Notice("no older anomaly here" if step > 0 else "no newer anomaly here"))
            return
        found = page.rows[0].key
        self.table.open(self.console_app.view, self._query, Key(found.t_ns, found.id + 1))

    @work(exclusive=True, group="ledger-inspect")
    async def action_inspect(self) -> None:
        chosen, snapshot = self.table.selected, self.console_app.shown
        if chosen is None or snapshot is None:
            return
        from cubesat_tui.screens.frame_card import FrameCard

        context = dict(self.table.context_of(self.table.cursor))
        self.app.push_screen(FrameCard(chosen, context, snapshot.mission, snapshot.events))

    # Export

    def action_export(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        from cubesat_tui.screens.export import ExportDialog, Offer

        chosen = self.table.selected
        instant = None
        if chosen is not None:
            moment = iso(chosen.t_ns)
            instant = f"time >= {moment} and time <= {moment}"
        offer = Offer(
            mission=Path(self.console_app.directory.path),
            satellite=snapshot.satellite,
            simulated=snapshot.simulated,
            filter_text="" if self._query is None else self._query.pinned().text,
            filter_rows=self._count_words(),
            all_rows=f"{count_text(snapshot.frames)} rows",
            instant=instant,
        )
        self.app.push_screen(ExportDialog(offer, self._start_export))

    def _start_export(self, request: ExportRequest) -> ExportRun:
        return ExportRun(request, Path(self.console_app.directory.log) / "exports.log")

    # Lines

    def _count_words(self) -> str:
        known = self.table.pages.known
        return f"at least {count_text(known)}" if self.table.pages.older else f"all {count_text(known)}"

    def _draw_lines(self, snapshot: Snapshot) -> None:
        table, chosen = self.table, self.table.selected
        count = count_row(
            count_text(snapshot.frames),
            self._count_words() if self._query is not None else "",
            table.shown_columns,
            self.size.width,
            loading=table.loading,
            following=table.following,
            past_ns=self._past_ns,
        )
        self.query_one("#ledger-count", Lines).draw((count,))
        if chosen is None:
            rows = empty_rows(loading=table.loading, filtered=self._query is not None, stored=snapshot.frames)
        else:
            rows = selected_rows(chosen, self.console_app.signs)
        self.query_one("#ledger-detail", Lines).draw(rows)


def _time(ledger_row: LedgerRow, context: Mapping[str, float], fraction: bool) -> tuple[str, str]:
    del context
    return time_text(ledger_row.t_ns, fraction), "value"
