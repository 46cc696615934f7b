"""The passes to come over every ground station, in a card that counts down."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult

from cubesat_tui.drawing.pass_rows import pass_card_rows
from cubesat_tui.drawing.rows import Row
from cubesat_tui.screens.reading_card import ReadingCard
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp

SIZE = 78
TICK_S = 0.5


class PassesCard(ReadingCard):
    """Drawn from the app's newest snapshot, paused or not: a pass does not wait."""

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
