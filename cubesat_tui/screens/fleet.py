"""Fleet: one line a satellite, worst first; enter makes it the one that all other screens show."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from cubesat_tui import messages
from cubesat_tui.drawing.fleet_rows import detail_rows, filter_error_rows, head_row, worst_alarm
from cubesat_tui.drawing.rows import framed, plain, row
from cubesat_tui.fleet import SORTS, ordered
from cubesat_tui.fleet_filter import SHOWN, FleetFilterError, fleet_filter
from cubesat_tui.keymap import bindings
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.widgets.fleet_table import FleetTable
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.fleet import FleetNow, SatelliteNow
    from cubesat_tui.fleet_filter import Test
    from cubesat_tui.snapshot import Snapshot

DETAIL_WIDE = 8


class FleetScreen(MissionScreen):
    """Mode 6, of missions with several satellites."""

    MODE = "fleet"
    ALWAYS_NOW = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("fleet")
    DEFAULT_CSS = """
    FleetScreen #fleet-head { height: 1; }
    FleetScreen #fleet-line { height: 1; background: $panel; display: none; }
    FleetScreen #fleet-line.open { display: block; }
    FleetScreen #fleet-word { width: 9; height: 1; }
    FleetScreen #fleet-filter { width: 1fr; }
    FleetScreen #fleet-error { height: auto; max-height: 3; display: none; }
    FleetScreen #fleet-error.shown { display: block; }
    FleetScreen #fleet-detail { height: 1; background: $surface; }
    FleetScreen.wide #fleet-detail { height: 8; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._sort = next(iter(SORTS))
        self._filter = ""
        self._test: Test | None = None
        self._fleet: FleetNow | None = None
        self._drawn: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        yield Lines(id="fleet-head")
        with Horizontal(id="fleet-line"):
            yield Lines(id="fleet-word")
            line = Input(id="fleet-filter", compact=True, select_on_focus=False)
            line.placeholder = "part of a name, or words: warn  crit  new  lost  quiet  ok  contact  learning"
            line.cursor_blink = False
            yield line
        yield Lines(id="fleet-error")
        yield FleetTable(id="fleet")
        yield Lines(id="fleet-detail")

    def on_mount(self) -> None:
        self.query_one("#fleet-word", Lines).draw((row((" FILTER ", "title")),))
        self.query_one("#fleet-head", Lines).draw((row((" reading all satellites ...", "dim")),))

    @property
    def table(self) -> FleetTable:
        return self.query_one(FleetTable)

    def show(self, snapshot: Snapshot) -> None:
        fleet = snapshot.fleet
        if fleet is None:
            if self._fleet is None and self.console_app.paused_at is not None:
                text = " Paused before the satellites were read: space goes on."
                self.query_one("#fleet-head", Lines).draw((row((text, "value")),))
            return
        # Between two readings of the fleet nothing here can have changed.
        now = (id(fleet), self._sort, self._filter, self.size, self.console_app.signs)
        if self._fleet is fleet and now == self._drawn:
            return
        self._fleet, self._drawn = fleet, now
        shown = ordered(self._passing(fleet), self._sort)
        self.query_one("#fleet-head", Lines).draw(
            (head_row(len(fleet.satellites), len(shown), self._sort, self._filter, self.size.width),)
        )
        self.table.show(shown, fleet, snapshot.mission, self._filter)
        self._draw_detail(snapshot)

    def _passing(self, fleet: FleetNow) -> list[SatelliteNow]:
        return [one for one in fleet.satellites if self._test is None or self._test(one)]

    def _draw_detail(self, snapshot: Snapshot) -> None:
        place = self.query_one("#fleet-detail", Lines)
        one, fleet, signs = self.table.selected, self._fleet, self.console_app.signs
        size, height = self.size.width, DETAIL_WIDE if self.wide else 1
        if one is None or fleet is None:
            place.draw(())
        elif self.wide:
            body = detail_rows(one, fleet, snapshot.mission, size - 2, height - 2, signs)
            place.draw(framed(row((one.name, "title")), body, size, height, signs))
        else:
            place.draw(detail_rows(one, fleet, snapshot.mission, size, 1, signs))

    def _again(self) -> None:
        self._drawn = ()
        self.refresh_snapshot()

    # Keys

    @on(FleetTable.Moved)
    def _moved(self) -> None:
        if self.console_app.shown is not None:
            self._draw_detail(self.console_app.shown)

    def action_move(self, steps: int) -> None:
        self.table.move(steps)
        # Now and not when the message comes: row and detail are then one paint.
        self._moved()

    def action_page(self, steps: int) -> None:
        self.action_move(steps * self.table.page_height())

    def action_first(self) -> None:
        """The first row."""
        self.action_move(-self.table.cursor)

    def action_sort(self) -> None:
        """The next order; the first row is selected, so that what is asked for is seen."""
        names = list(SORTS)
        self._sort = names[(names.index(self._sort) + 1) % len(names)]
        self._again()
        self.action_first()

    def action_look(self) -> None:
        one = self.table.selected
        if one is not None:
            self.post_message(messages.FocusRequested(one.name))

    def action_acknowledge(self) -> None:
        one, snapshot = self.table.selected, self.console_app.snapshot
        if one is None:
            return
        if snapshot is not None and snapshot.fleet is not None:
            # While paused as well: what is acknowledged is what is open now.
            one = next((now for now in snapshot.fleet.satellites if now.name == one.name), one)
        alarm = worst_alarm(one, unacknowledged=True)
        if alarm is None:
            self.post_message(messages.Notice(f"{one.name}: nothing waits for an acknowledgement."))
        else:
            self.post_message(messages.AckRequested(alarm))

    def action_copy(self) -> None:
        one, snapshot = self.table.selected, self.console_app.shown
        if one is not None and self._fleet is not None and snapshot is not None:
            lines = detail_rows(one, self._fleet, snapshot.mission, 400, 9, self.console_app.signs)
            self.post_message(messages.CopyRequested("\n".join(plain(line).strip() for line in lines), one.name))

    # Filter

    def action_find(self) -> None:
        self.query_one("#fleet-line").add_class("open")
        # At once: the next keys of a fast typist belong to the filter.
        self.set_focus(self.query_one("#fleet-filter", Input))

    def action_back(self) -> None:
        """First leave the line as it was, then the filter, then the place."""
        if self.query_one("#fleet-line").has_class("open"):
            self._close_line()
        elif self._filter:
            self._apply("")
        else:
            self.action_first()

    def _close_line(self) -> None:
        self.query_one("#fleet-filter", Input).value = self._filter
        self.query_one("#fleet-line").remove_class("open")
        self.set_focus(None)
        self._say_wrong(None)

    @on(Input.Submitted, "#fleet-filter")
    def _submitted(self, event: Input.Submitted) -> None:
        self._apply(event.value)

    @on(Input.Changed, "#fleet-filter")
    def _typed(self) -> None:
        self._say_wrong(None)

    def _apply(self, text: str) -> None:
        names = [one.name for one in self._fleet.satellites] if self._fleet is not None else []
        try:
            test = fleet_filter(text, names)
        except FleetFilterError as error:
            self._say_wrong(error)
            return
        self._filter = " ".join(text.split())
        self._test = test if self._filter else None
        self._close_line()
        self._again()
        self.table.into_view()
        self._moved()

    def _say_wrong(self, error: FleetFilterError | None) -> None:
        place = self.query_one("#fleet-error", Lines)
        place.set_class(error is not None, "shown")
        place.draw(() if error is None else filter_error_rows(error, SHOWN, self.size.width))
