"""Rows with a cursor below a heading: the window follows the cursor, and the wheel moves it."""

from __future__ import annotations

from typing import ClassVar

from textual.events import MouseScrollDown, MouseScrollUp, Resize
from textual.message import Message

from cubesat_tui.widgets.lines import Lines

WHEEL = 3
"""Rows a notch."""


class CursorLines(Lines):
    """Base of the tables. A subclass says how many rows there are, and draws those of `window`."""

    HEAD: ClassVar[int] = 1
    """Lines of the heading."""

    class Moved(Message):
        """Another row is selected, or what is known of the rows has changed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.top = 0
        """The first row of the window."""
        self._at = 0

    @property
    def cursor(self) -> int:
        """The selected row, counted from 0; 0 where there is none."""
        return self._at

    @cursor.setter
    def cursor(self, at: int) -> None:
        self._at = max(0, min(at, self.row_count - 1))

    @property
    def row_count(self) -> int:
        """Rows there are."""
        raise NotImplementedError

    @property
    def window(self) -> range:
        """Rows that are seen."""
        return range(self.top, min(self.top + self.page_height(), self.row_count))

    def page_height(self) -> int:
        """Rows in the window."""
        return max(1, self.size.height - self.HEAD)

    def move(self, steps: int) -> None:
        """Move the cursor; it stops at the ends."""
        self.cursor += steps
        self.into_view()
        self.post_message(self.Moved())

    def into_view(self) -> None:
        """Scroll as little as shows the cursor, leave no room below the last row, and draw."""
        at, height = self.cursor, self.page_height()
        self.top = max(0, min(max(at - height + 1, min(self.top, at)), self.row_count - height))
        self.redraw()

    def redraw(self) -> None:
        """Draw heading and window."""
        raise NotImplementedError

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.move(WHEEL)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.move(-WHEEL)

    def on_resize(self, event: Resize) -> None:
        del event
        self.into_view()
