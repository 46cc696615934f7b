"""The passes to come over every ground station, in a card that counts down."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.pass_rows import pass_card_rows
from cubesat_tui.drawing.rows import Row
from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp

SIZE = 78
TICK_S = 0.5


class PassesCard(Modal[None]):
    """Drawn from the app's newest snapshot, paused or not: a pass does not wait."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_card(1)", show=False),
        Binding("up,k", "scroll_card(-1)", show=False),
        Binding("pagedown", "scroll_card(10)", show=False),
        Binding("pageup", "scroll_card(-10)", show=False),
        Binding("escape,enter,q", "close", show=False),
    ]
    DEFAULT_CSS = "PassesCard { align: center middle; background: $background 60%; }"

    def compose(self) -> ComposeResult:
        yield Card(*self._content(), SIZE, foot=(("esc closes", "dim"),))

    def on_mount(self) -> None:
        self.set_interval(TICK_S, lambda: self.query_one(Card).replace(*self._content()))

    def _content(self) -> tuple[str, list[Row]]:
        console = cast("ConsoleApp", self.app)
        snapshot = console.snapshot
        if snapshot is None:
            return "PASSES", []
        return f"PASSES OF {snapshot.satellite}, NEXT 24 HOURS", pass_card_rows(snapshot, SIZE - 2, console.signs)

    def action_scroll_card(self, step: int) -> None:
        self.query_one(Card).scroll(step)

    def action_close(self) -> None:
        self.dismiss(None)
