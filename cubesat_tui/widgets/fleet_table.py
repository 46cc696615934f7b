"""The satellites of a fleet as a table of any length: draws the rows in its window, repaints those that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.fleet_rows import column_heads, empty_rows, satellite_row, selected_row
from cubesat_tui.drawing.rows import Row
from cubesat_tui.widgets.cursor_lines import CursorLines

if TYPE_CHECKING:
    from cubesat_tui.fleet import FleetNow, SatelliteNow
    from telemetry.dictionary import Mission


class FleetTable(CursorLines):
    """The cursor stays on its satellite while rows change places: no key ever acts on another one."""

    DEFAULT_CSS = "FleetTable { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: Sequence[SatelliteNow] = ()
        self._fleet: FleetNow | None = None
        self._mission: Mission | None = None
        self._filter = ""
        self._name: str | None = None
        self._made: dict[str, Row] = {}
        """Rows of this fleet at this width, made when they are first seen."""
        self._made_for: tuple[object, ...] = ()
        self._last = 0
        """Where the cursor was last: its place is kept when its satellite is filtered away."""

    def show(self, rows: Sequence[SatelliteNow], fleet: FleetNow, mission: Mission, filter_text: str) -> None:
        """Draw `rows` of `fleet`, in this order."""
        self._rows, self._fleet, self._mission, self._filter = rows, fleet, mission, filter_text
        if self._name is None and rows:
            self._name = rows[0].name
        self.redraw()

    @property
    def row_count(self) -> int:
        return len(self._rows)

    @property
    def cursor(self) -> int:
        """Row of the selected satellite."""
        at = next((i for i, one in enumerate(self._rows) if one.name == self._name), None)
        return max(0, min(self._last, self.row_count - 1)) if at is None else at

    @cursor.setter
    def cursor(self, at: int) -> None:
        if self._rows:
            self._last = max(0, min(at, self.row_count - 1))
            self._name = self._rows[self._last].name

    @property
    def selected(self) -> SatelliteNow | None:
        """The satellite under the cursor, None where no row is shown."""
        return self._rows[self.cursor] if self._rows else None

    def redraw(self) -> None:
        """Draw heading and window."""
        size = self.size.width
        if self._fleet is None or self._mission is None or not size:
            return
        self._last = self.cursor
        self.top = max(0, min(self.top, self.row_count - self.page_height()))
        lines: list[Row] = [column_heads(size)]
        if not self._rows:
            lines += empty_rows(self._filter)
        made_for = (id(self._fleet), size, self.signs)
        if self._made_for != made_for:
            self._made, self._made_for = {}, made_for
        for index in self.window:
            one = self._rows[index]
            line = self._made.get(one.name)
            if line is None:
                line = self._made[one.name] = satellite_row(one, self._fleet, self._mission, size, self.signs)
            lines.append(selected_row(line, size, self.signs) if index == self._last else line)
        self.draw(lines)
