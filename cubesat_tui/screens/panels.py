"""Choose and order the panels of Live, in a card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.panel_lines import panel_lines
from cubesat_tui.panel_editor import PanelEditor
from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.drawing.panels import Panel
    from cubesat_tui.drawing.rows import Row
    from cubesat_tui.panel_choice import PanelOf

SIZE = 66


class PanelsCard(Modal["tuple[PanelOf, ...] | None"]):
    """Its result is the choice, or None where all stays as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("shift+down,J", "shift(1)", show=False),
        Binding("shift+up,K", "shift(-1)", show=False),
        Binding("right,l", "unfold(True)", show=False),
        Binding("left,h", "unfold(False)", show=False),
        Binding("space", "switch", show=False),
        Binding("r", "reset", show=False),
        Binding("enter", "keep", show=False),
        Binding("escape,q,c", "leave", show=False),
    ]
    DEFAULT_CSS = "PanelsCard { align: center middle; background: $background 60%; }"

    def __init__(self, choice: Sequence[PanelOf], found: Sequence[Panel], labels: dict[str, str]) -> None:
        """`found`: the panels of the mission; `labels`: of its channels by name."""
        super().__init__()
        self._editor = PanelEditor(choice, found)
        self._labels = labels
        self._said = ""

    def compose(self) -> ComposeResult:
        foot = (("enter", "key"), (" keep  ", "label"), ("esc", "key"), (" as it was", "label"))
        yield Card("PANELS OF LIVE", self._rows(), SIZE, foot=foot)

    def on_resize(self) -> None:
        self._draw()

    def _rows(self) -> list[Row]:
        signs = cast("ConsoleApp", self.app).signs
        room = max(3, self.app.size.height - 2)
        return panel_lines(self._editor, self._labels, SIZE - 2, room, signs, self._said)

    def _draw(self) -> None:
        self.query_one(Card).replace("PANELS OF LIVE", self._rows())

    def action_move(self, step: int) -> None:
        self._said = ""
        self._editor.move(step)
        self._draw()

    def action_shift(self, step: int) -> None:
        self._said = ""
        self._editor.shift(step)
        self._draw()

    def action_unfold(self, wanted: bool) -> None:
        self._said = ""
        self._editor.unfold(wanted)
        self._draw()

    def action_switch(self) -> None:
        self._said = self._editor.toggle()
        self._draw()

    def action_reset(self) -> None:
        self._editor.reset()
        self._said = "As the mission has it; esc leaves it as it was."
        self._draw()

    def action_keep(self) -> None:
        self.dismiss(self._editor.choice())

    def action_leave(self) -> None:
        self.dismiss(None)
