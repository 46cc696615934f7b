"""Cards of the Models screen: two runs beside each other, and the lineage of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui import messages
from cubesat_tui.drawing.diff_rows import diff_rows, run_name
from cubesat_tui.drawing.lineage_rows import lineage_rows, lineage_title
from cubesat_tui.drawing.rows import Row, plain
from cubesat_tui.screens.reading_card import ReadingCard
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.run_lineage import RunLineage
    from telemetry.store.rows import RunRow

WIDTH = 80


class _RunCard(ReadingCard):
    """Scrolls, copies, closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", show=False),
    ]
    DEFAULT_CSS = "_RunCard { align: center middle; background: $background 60%; }"
    WHAT = ""

    def rows_now(self) -> list[Row]:
        """What the card shows."""
        raise NotImplementedError

    def title_now(self) -> str:
        """Above it."""
        raise NotImplementedError

    def foot(self) -> Row:
        """How it is used and left."""
        return (("y", "key"), (" copies  ", "label"), ("esc", "key"), (" closes", "label"))

    def compose(self) -> ComposeResult:
        yield Card(self.title_now(), self.rows_now(), WIDTH, foot=self.foot())

    def action_copy(self) -> None:
        text = "\n".join([self.title_now(), *(plain(line) for line in self.rows_now())])
        self.app.post_message(messages.CopyRequested(text, self.WHAT))


class DiffCard(_RunCard):
    """`d`: the selected run beside another one, which the arrows to left and right choose."""

    WHAT = "comparison"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "other(1)", show=False),
        Binding("left,h", "other(-1)", show=False),
        Binding("d", "close", show=False),
    ]

    def __init__(self, run: RunRow, others: Sequence[RunRow], at: int, champion: int | None) -> None:
        """`others` in the order of the list, `at` the one to begin with; `champion`: the version that scores."""
        super().__init__()
        self._run = run
        self._others = others
        self._at = at
        self._champion = champion

    def rows_now(self) -> list[Row]:
        return diff_rows(self._others[self._at], self._run, self._champion, WIDTH - 2)

    def title_now(self) -> str:
        return f"DIFF {run_name(self._others[self._at], self._champion)} -> {run_name(self._run, self._champion)}"

    def foot(self) -> Row:
        return (("← →", "key"), (" another run  ", "label"), *super().foot())

    def action_other(self, step: int) -> None:
        self._at = max(0, min(self._at + step, len(self._others) - 1))
        self.query_one(Card).replace(self.title_now(), self.rows_now())


class LineageCard(_RunCard):
    """`enter` on a run: where its model comes from and what it said."""

    WHAT = "lineage"

    def __init__(self, told: RunLineage, now_ns: int) -> None:
        super().__init__()
        self._told = told
        self._now_ns = now_ns

    def rows_now(self) -> list[Row]:
        return lineage_rows(self._told, self._now_ns, WIDTH - 2)

    def title_now(self) -> str:
        return lineage_title(self._told)
