"""Two lines on top of every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.events import Resize

from cubesat_tui.drawing.status_lines import status_rows, waiting_rows
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.drawing.past_banner import PastBanner
    from cubesat_tui.snapshot import Snapshot


class StatusBar(Lines):
    """Link, pass and data as three separate truths, then model; tabs, alarm counts, UTC clock."""

    DEFAULT_CSS = "StatusBar { height: 2; dock: top; background: $panel; }"

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode
        self._last: tuple[Snapshot, tuple[int, int] | None, PastBanner | None] | None = None

    def show(self, snapshot: Snapshot, paused: tuple[int, int] | None, past: PastBanner | None = None) -> None:
        """Draw the newest snapshot, paused or not, past or not: this bar never stands still."""
        self._last = (snapshot, paused, past)
        size = self.size.width or self.app.size.width
        line = getattr(self.app, "line", None)
        words = ("", "") if line is None else (line.words, line.short_words)
        self.draw(status_rows(snapshot, self._mode, size, self.signs, paused, past, words))

    def on_resize(self, event: Resize) -> None:
        if self._last is not None:
            self.show(*self._last)
        else:
            self.draw(waiting_rows(self._mode, event.size.width, "waiting for the station's first report"))
