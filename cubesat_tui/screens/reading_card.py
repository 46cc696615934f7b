"""The base of cards that are read: they scroll with the arrows and close."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card


class ReadingCard(Modal[None]):
    """A subclass composes one `Card`; keys of its own come on top of these."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_card(1)", show=False),
        Binding("up,k", "scroll_card(-1)", show=False),
        Binding("pagedown", "scroll_card(10)", show=False),
        Binding("pageup", "scroll_card(-10)", show=False),
        Binding("escape,enter,q", "close", show=False),
    ]

    def action_scroll_card(self, step: int) -> None:
        self.query_one(Card).scroll(step)

    def action_close(self) -> None:
        self.dismiss(None)
