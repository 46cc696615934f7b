"""Leaving: what becomes of the station is asked, never assumed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from cubesat_tui.departure import Departure
from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card


class QuitDialog(Modal[Departure | None]):
    """Keep running, stop or stay; attached to a station elsewhere: leave or stay. Answers None for stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "choose('keep running')", "keep running", show=False),
        Binding("s", "choose('stop')", "stop", show=False),
        Binding("l,enter", "choose('leave')", "leave", show=False),
        Binding("escape,n,q", "stay", "stay", show=False),
    ]
    DEFAULT_CSS = "QuitDialog { align: center middle; background: $background 60%; }"

    def __init__(self, embedded: bool) -> None:
        """`embedded`: the station runs in this process and ends with it unless it is handed over."""
        super().__init__()
        self._embedded = embedded

    def compose(self):
        if self._embedded:
            body = (
                (("The station runs inside this console.", "plain"),),
                (),
                ((" k ", "key"), ("keep running: the station goes on without a console,", "plain")),
                (("   ", "plain"), ("cubesat-tui attaches to it later", "label")),
                ((" s ", "key"), ("stop: everything stored stays, reception ends", "plain")),
                ((" esc ", "key"), ("stay", "plain")),
            )
        else:
            body = (
                (("The station runs elsewhere and goes on without this console.", "plain"),),
                (),
                ((" enter ", "key"), ("leave", "plain")),
                ((" esc ", "key"), ("stay", "plain")),
            )
        yield Card("LEAVE CUBESAT-TUI?", body, 64)

    def action_choose(self, answer: str) -> None:
        choice = Departure(answer)
        if (choice is Departure.LEAVE) != self._embedded:
            self.dismiss(choice)

    def action_stay(self) -> None:
        self.dismiss(None)
