"""Everything known about one alarm or one channel, in a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.inspect_rows import inspect_rows
from cubesat_tui.drawing.rows import Row
from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from telemetry.alarms import Alarm


class WhyCard(Modal[None]):
    """The row on which `enter` was pressed, as it is now: its ages grow, or stand still with a paused screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_card(1)", show=False),
        Binding("up,k", "scroll_card(-1)", show=False),
        Binding("i", "accept", show=False),
        Binding("escape,enter,q", "close", show=False),
    ]
    DEFAULT_CSS = "WhyCard { align: center middle; background: $background 60%; }"

    def __init__(self, snapshot: Snapshot, alarm: Alarm | None, now: ChannelNow | None) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._alarm = alarm
        self._now = now

    def compose(self) -> ComposeResult:
        yield Card(*self._content(), 78, foot=(("esc closes", "dim"),))

    def on_mount(self) -> None:
        self.watch(self.app, "snapshot", self._follow, init=False)

    def _follow(self) -> None:
        snapshot = cast("ConsoleApp", self.app).shown
        if snapshot is None or snapshot is self._snapshot:
            return
        self._snapshot = snapshot
        if self._now is not None:
            self._now = snapshot.channels.get(self._now.channel.name, self._now)
        if self._alarm is not None:
            # One that is over and acknowledged is no longer told of: it stays as it was last.
            key = self._alarm.key
            self._alarm = next((alarm for alarm in snapshot.alarms if alarm.key == key), self._alarm)
        self.query_one(Card).replace(*self._content())

    def _content(self) -> tuple[str, list[Row]]:
        signs = getattr(self.app, "signs", UNICODE)
        return inspect_rows(self._snapshot, self._alarm, self._now, 76, signs)

    def action_scroll_card(self, step: int) -> None:
        self.query_one(Card).scroll(step)

    def action_accept(self) -> None:
        cast("ConsoleApp", self.app).accept_as_nominal(self._alarm)

    def action_close(self) -> None:
        self.dismiss(None)
