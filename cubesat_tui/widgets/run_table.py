"""The table of training runs: bounded, newest first, `kept` runs folded until they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.ledger_cells import time_text
from cubesat_tui.drawing.rows import Row, chosen, left, right, row
from cubesat_tui.drawing.run_history import PROMOTED, RunLine, lines
from cubesat_tui.widgets.cursor_lines import CursorLines

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow

NARROW = 116
_WIDE = (
    ("#", 10, False), ("UTC", 19, False), ("decision", 15, False), ("ver", 5, True), ("fit s", 6, True),
    ("rows", 7, True), ("excl", 5, True), ("threshold", 9, True), ("FA/day", 6, True), ("drift", 6, True),
)  # fmt: skip
_NARROW = (("#", 10, False), ("UTC", 19, False), ("decision", 15, False), ("ver", 5, True), ("FA/day", 6, True))


def number(value: float | None, form: str) -> str:
    """A figure, `-` where the run has none."""
    return "-" if value is None else format(value, form)


def decision_style(decision: str) -> str:
    """Promoted stands out, rejected asks to be read, kept is usual."""
    if decision == PROMOTED:
        return "good"
    return "watch" if decision.startswith("reject") else "label"


class RunTable(CursorLines):
    """Rows of runs with a cursor."""

    DEFAULT_CSS = "RunTable { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.runs: Sequence[RunRow] = ()
        self.lines: list[RunLine] = []
        self.champion: int | None = None
        self._open: frozenset[int] = frozenset()

    @property
    def selected(self) -> RunLine | None:
        """The line under the cursor."""
        return self.lines[self.cursor] if self.cursor < len(self.lines) else None

    def show(self, runs: Sequence[RunRow], champion: int | None) -> None:
        """Draw `runs`, newest first; below the top the cursor stays on its run while newer ones come in."""
        before = self.selected
        self.runs, self.champion = runs, champion
        self.lines = lines(runs, self._open)
        if before is not None and self.cursor > 0:
            kept = [i for i, line in enumerate(self.lines) if line.oldest.id == before.oldest.id]
            self.cursor = kept[0] if kept else self.cursor
        self.into_view()

    @property
    def row_count(self) -> int:
        return len(self.lines)

    def toggle(self) -> None:
        """Unfold the group under the cursor, or fold it again from any of its runs."""
        line = self.selected
        if line is None:
            return
        if len(line.runs) > 1:
            self._open |= {line.oldest.id}
        else:
            for group in lines(self.runs):
                if line.newest in group.runs:
                    self._open -= {group.oldest.id}
        self.lines = lines(self.runs, self._open)
        wanted = line.newest.id
        self.cursor = next((i for i, one in enumerate(self.lines) if any(r.id == wanted for r in one.runs)), 0)
        self.into_view()
        self.post_message(self.Moved())

    def redraw(self) -> None:
        """Draw heading and window."""
        size = self.size.width
        if not size:
            return
        columns = _WIDE if size >= NARROW else _NARROW
        head = row(" ", *((f"{_set(title, width, to_right)} ", "title") for title, width, to_right in columns))
        out: list[Row] = [(*head, ("reason", "title"))]
        for i in self.window:
            line = self._line(self.lines[i], columns, i == self.cursor)
            out.append(chosen(line, size) if i == self.cursor else line)
        self.draw(out)

    def _line(self, line: RunLine, columns: Sequence[tuple[str, int, bool]], under: bool) -> Row:
        run = line.newest
        served = run.decision == PROMOTED and run.version is not None and run.version == self.champion
        texts = {
            "#": line.number,
            "UTC": time_text(run.at_ns),
            "decision": ("* " if served else "  ") + line.decision,
            "ver": "-" if run.version is None else f"v{run.version}",
            "fit s": number(run.fit_s, ".2f"),
            "rows": number(run.rows, ",d"),
            "excl": number(run.excluded, "d"),
            "threshold": number(run.threshold, ".4f"),
            "FA/day": number(run.false_alarms_per_day, ".2f"),
            "drift": number(run.drift, ".3f"),
        }
        styles = {"#": "value", "decision": decision_style(run.decision), "UTC": "plain"}
        mark = self.signs.pointer if under else " "
        spans = [
            (f"{_set(texts[title], width, to_right)} ", styles.get(title, "label"))
            for title, width, to_right in columns
        ]
        room = self.size.width - 1 - sum(width + 1 for _, width, _ in columns)
        return row(mark, *spans, (left(run.reason, max(0, room)), "dim"))


def _set(text: str, width: int, to_right: bool) -> str:
    return right(text, width) if to_right else left(text, width)
