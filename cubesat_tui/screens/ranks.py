"""Which channels changed in a marked window, in a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.rank_rows import rank_rows, title
from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.drawing.rows import Row
    from cubesat_tui.window_compare import Compared

SIZE = 80


class RanksCard(Modal["str | None"]):
    """Its result is the channel to plot, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("enter", "choose", show=False),
        Binding("escape,q,v", "leave", show=False),
    ]
    DEFAULT_CSS = "RanksCard { align: center middle; background: $background 60%; }"

    def __init__(self, found: Compared, labels: Mapping[str, str]) -> None:
        """`labels`: of channels by name."""
        super().__init__()
        self._found = found
        self._labels = labels
        self._at = 0

    def compose(self) -> ComposeResult:
        foot = (("enter", "key"), (" into the trend  ", "label"), ("esc", "key"), (" closes", "label"))
        yield Card(title(self._found), self._rows(), SIZE, foot=foot)

    def on_resize(self) -> None:
        self._draw()

    def _rows(self) -> list[Row]:
        room = max(3, self.app.size.height - 2)
        signs = cast("ConsoleApp", self.app).signs
        return rank_rows(self._found, self._labels, SIZE - 2, room, signs, self._at)

    def _draw(self) -> None:
        self.query_one(Card).replace(title(self._found), self._rows())

    def action_move(self, step: int) -> None:
        self._at = max(0, min(len(self._found.ranks) - 1, self._at + step))
        self._draw()

    def action_choose(self) -> None:
        ranks = self._found.ranks
        self.dismiss(ranks[self._at].channel if ranks else None)

    def action_leave(self) -> None:
        self.dismiss(None)
