"""One subsystem on Live: rows that repaint only where a text changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.drawing.panels import Panel, boxed, ruled
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot


class PanelBox(Lines):
    """A panel, in a frame at 140 columns or under a rule at 80."""

    def show(
        self, panel: Panel, snapshot: Snapshot, selected: str | None, *, framed: bool, focused: bool, place: str
    ) -> None:
        """Draw `panel`; `place` is `1 of 6 (tab)`."""
        size, height = self.size.width, self.size.height
        if framed:
            self.draw(boxed(panel, snapshot, size, height, self.signs, selected, focused))
        else:
            self.draw(ruled(panel, snapshot, size, height, self.signs, selected, place))

    def clear(self) -> None:
        """Draw nothing."""
        self.draw(())
