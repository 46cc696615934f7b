"""A framed card of rows in the middle of the screen: welcome, keys, why, quit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Resize

from cubesat_tui.drawing.rows import Row, framed
from cubesat_tui.widgets.lines import Lines


class Card(Lines):
    """Rows in a frame as wide as asked or as the terminal allows; `scroll` moves through what does not fit."""

    DEFAULT_CSS = "Card { width: auto; height: auto; background: $surface; }"

    def __init__(
        self, title: str, body: Sequence[Row], size: int, *, foot: Row = (), id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._title = title
        self._body = tuple(body)
        self._wanted = size
        self._foot = foot
        self._top = 0

    def on_mount(self) -> None:
        self._lay()

    def on_resize(self, event: Resize) -> None:
        self._lay()

    def replace(self, title: str, body: Sequence[Row]) -> None:
        """Show other rows."""
        self._title, self._body = title, tuple(body)
        self._lay()

    def scroll(self, step: int) -> None:
        """Move by `step` rows."""
        self._top += step
        self._lay()

    def _lay(self) -> None:
        size = max(10, min(self._wanted, self.app.size.width))
        height = max(3, min(len(self._body) + 2, self.app.size.height))
        self._top = max(0, min(self._top, len(self._body) - (height - 2)))
        self.styles.width, self.styles.height = size, height
        body = self._body[self._top : self._top + height - 2]
        foot = self._foot
        if len(self._body) > height - 2:
            place = f"{self._top + 1}-{self._top + len(body)} of {len(self._body)}, ↓ ↑"
            # How to leave is told however long the card is.
            foot = ((place, "dim"), *((("  ", "dim"), *foot) if foot else ()))
        self.draw(framed(((self._title, "title"),), body, size, height, self.signs, foot=foot))
