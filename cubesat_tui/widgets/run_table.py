"""The table of training runs: bounded, in the order asked for, `kept` runs folded until they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.rows import Row, chosen, left, row
from cubesat_tui.drawing.run_columns import (
    COLUMNS,
    FIXED,
    Column,
    decision_text,
    next_columns,
    shown_columns,
)
from cubesat_tui.drawing.run_history import RunLine, lines
from cubesat_tui.widgets.cursor_lines import CursorLines
from telemetry.run_query import NEWEST

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow


class RunTable(CursorLines):
    """Rows of runs with a cursor."""

    DEFAULT_CSS = "RunTable { height: 1fr; }"

    class NearEnd(Message):
        """The cursor comes near the last run that is known."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.runs: Sequence[RunRow] = ()
        self.lines: list[RunLine] = []
        self.champion: int | None = None
        self.sort = NEWEST
        self._left_behind: Collection[int] = frozenset()
        self._open: frozenset[int] = frozenset()
        self._folds = True
        self._first = 0
        """Column that comes first after those that always stay."""
        self._made: dict[int, Row] = {}
        """Rows by the number of their newest run, as they were drawn without the cursor."""
        self._made_for: tuple[object, ...] = ()

    @property
    def selected(self) -> RunLine | None:
        """The line under the cursor."""
        return self.lines[self.cursor] if self.cursor < len(self.lines) else None

    def show(
        self,
        runs: Sequence[RunRow],
        champion: int | None,
        *,
        sort: str = NEWEST,
        folds: bool = True,
        left_behind: Collection[int] = (),
    ) -> None:
        """Draw `runs` in their order; below the top the cursor stays on its run while others come in.

        `folds`: `kept` runs in a row are one line; `left_behind`: versions that were rolled back from.
        """
        before = self.selected
        self.runs, self.champion, self.sort, self._folds = runs, champion, sort, folds
        self._left_behind = frozenset(left_behind)
        self._made.clear()
        self._lay()
        if before is not None and self.cursor > 0:
            kept = [i for i, line in enumerate(self.lines) if line.oldest.id == before.oldest.id]
            self.cursor = kept[0] if kept else self.cursor
        self.into_view()

    def _lay(self) -> None:
        self.lines = lines(self.runs, self._open) if self._folds else [RunLine((run,)) for run in self.runs]

    @property
    def row_count(self) -> int:
        return len(self.lines)

    @property
    def unfolded(self) -> bool:
        """Whether any group is open."""
        return bool(self._open) and self._folds

    def unfold(self) -> bool:
        """Open the group under the cursor; False where it is no group."""
        line = self.selected
        if line is None or len(line.runs) == 1:
            return False
        self._again(self._open | {line.oldest.id}, line.newest.id)
        return True

    def fold(self) -> None:
        """Close every group; the cursor goes to the line that its run is on then."""
        line = self.selected
        self._again(frozenset(), None if line is None else line.newest.id)

    def _again(self, opened: frozenset[int], wanted: int | None) -> None:
        self._open = opened
        self._made.clear()
        self._lay()
        self.cursor = next((i for i, one in enumerate(self.lines) if any(r.id == wanted for r in one.runs)), 0)
        self.into_view()
        self.post_message(self.Moved())

    def move(self, steps: int) -> None:
        super().move(steps)
        if self.row_count - self.cursor <= 2 * self.page_height():
            self.post_message(self.NearEnd())

    # Columns

    def next_columns(self) -> None:
        """The columns behind those that are shown; behind the last ones the first."""
        self._first = next_columns(self.size.width, self._first, self.sort)
        self.redraw()

    def shift_columns(self, step: int) -> None:
        """One column on or back."""
        self._first = max(0, min(self._first + step, len(COLUMNS) - 1))
        self.redraw()

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is shown of each run beside its number, time, decision and version."""
        return shown_columns(self.size.width, self._first, self.sort)

    # Drawing

    def redraw(self) -> None:
        """Draw heading and window."""
        size = self.size.width
        if not size:
            return
        columns = self.columns
        made_for = (size, columns, self.signs, self.champion, self._left_behind)
        if made_for != self._made_for:
            self._made, self._made_for = {}, made_for
        head = (" ", left("#", 11), left("UTC", 20) + "  ", left("decision", 14) + "  ver ")
        titles = ((f"{one.set(one.title)} ", "key" if one.sort == self.sort else "title") for one in columns)
        out: list[Row] = [(*((text, "title") for text in head), *titles, ("reason", "title"))]
        for i in self.window:
            line = self.lines[i]
            made = self._made.get(line.newest.id)
            if made is None:
                made = self._made[line.newest.id] = self._line(line, columns)
            if i == self.cursor:
                made = chosen(((self.signs.pointer, "plain"), *made[1:]), size)
            out.append(made)
        self.draw(out)

    def _line(self, line: RunLine, columns: Sequence[Column]) -> Row:
        run = line.newest
        decision, style = decision_text(line, self.champion, self._left_behind)
        version = "-" if run.version is None else f"v{run.version}"
        spans = ((f"{one.set(one.cell(run))} ", "value" if one.sort == self.sort else "label") for one in columns)
        room = self.size.width - FIXED - sum(one.width + 1 for one in columns)
        return row(
            " ",
            (left(line.number, 10) + " ", "value"),
            (time_text(run.at_ns) + " ", "plain"),
            (left(decision, 15) + " ", style),
            (f"{version:>5} ", "label"),
            *spans,
            (left(run.reason, max(0, room)), "dim"),
        )
