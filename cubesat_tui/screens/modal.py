"""The base of everything that lies over a screen: it is left once, however often somebody asks."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Modal(ModalScreen[Answer]):
    """A `ModalScreen`. A slow line brings `esc esc` in a lump: the second must not leave what lies under it."""

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """As of `Screen`; nothing where it has been left already."""
        return super().dismiss(result) if self.is_current else AwaitComplete()
