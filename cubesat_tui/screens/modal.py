"""The base of everything that lies over a screen: it is left once, however often somebody asks."""

from __future__ import annotations

from typing import Any, TypeVar

from textual.app import ScreenStackError
from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, Screen

Answer = TypeVar("Answer")


class Modal(ModalScreen[Answer]):
    """A `ModalScreen`. A slow line brings `esc esc` in a lump: the second must not leave what lies under it."""

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """As of `Screen`; nothing where it has been left already, or where another dialog lies over it."""
        return super().dismiss(result) if on_top(self) else AwaitComplete()


def on_top(screen: Screen[Any]) -> bool:
    """Whether keys go to this one. `is_current` is true of what is seen behind a dialog as well.

    Textual leaves whatever is on top, so a dialog that is answered behind another one must not be left.
    """
    try:
        return screen.app.screen is screen
    except ScreenStackError:
        return False
