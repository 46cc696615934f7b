"""Everything known about one alarm or one channel, in a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from cubesat_tui.drawing.inspect_rows import inspect_rows
from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from telemetry.alarms import Alarm


class WhyCard(ModalScreen[None]):
    """The row as it was when `enter` was pressed; `g` goes to the moment the alarm was raised."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_card(1)", show=False),
        Binding("up,k", "scroll_card(-1)", show=False),
        Binding("escape,enter,q", "close", show=False),
    ]
    DEFAULT_CSS = "WhyCard { align: center middle; background: $background 60%; }"

    def __init__(self, snapshot: Snapshot, alarm: Alarm | None, now: ChannelNow | None) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._alarm = alarm
        self._now = now

    def compose(self) -> ComposeResult:
        signs = getattr(self.app, "signs", UNICODE)
        title, rows = inspect_rows(self._snapshot, self._alarm, self._now, 76, signs)
        yield Card(title, rows, 78, foot=(("esc closes", "dim"),))

    def action_scroll_card(self, step: int) -> None:
        self.query_one(Card).scroll(step)

    def action_close(self) -> None:
        self.dismiss(None)
