"""Marking a window on the trend of Live, and the channels that changed in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from cubesat_tui import messages
from cubesat_tui.drawing.channel_rows import label_of
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.widgets.trend import Trend
from cubesat_tui.window_mark import WindowMark

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot


class MarksWindows(MissionScreen):
    """A screen with a trend on which a window is marked: its begin, its end, then the comparison."""

    def __init__(self) -> None:
        super().__init__()
        self._mark = WindowMark()

    def changed(self) -> None:
        """A key of this screen changed something: draw again."""
        self.refresh_snapshot()

    def select(self, channel: str) -> None:
        """Plot `channel`."""

    def finish_mark(self) -> bool:
        """Compare what is marked, or while the begin is moved all that is shown; False while nothing is."""
        if not self._mark.moving:
            return False
        time, begun = self.console_app.time, self._mark.moving == "begin"
        window = (time.t0_ns, time.t1_ns) if begun else self._mark.fix()
        self._mark.leave()
        self._ranked(window)
        self.changed()
        return True

    def leave_mark(self) -> bool:
        """No more marking; False while nothing is marked."""
        marking = bool(self._mark.moving)
        self._mark.leave()
        if marking:
            self.changed()
        return marking

    def action_mark(self) -> None:
        """Mark a window: its begin, its end, and then what changed in it."""
        time = self.console_app.time
        if not self.query_one("#lower").display:
            self.post_message(messages.Notice("There is no room for a trend to mark a window on."))
            return
        if not self._mark.moving:
            self._mark.start(time.t0_ns, time.t1_ns)
        else:
            self._ranked(self._mark.fix())
        self.changed()

    def action_slide(self, steps: int) -> None:
        """Move the end of the window that is being marked, by cells of the trend."""
        if not self._mark.moving:
            self.post_message(messages.Notice("v begins to mark a window; then ← → move its ends."))
            return
        cells = max(1, self.query_one(Trend).bins(self.wide) // 2)
        self._mark.move(steps * max(1, self.console_app.time.span_ns // cells), self.console_app.time.now_ns)
        self.changed()

    def _ranked(self, window: tuple[int, int] | None) -> None:
        snapshot = self.console_app.shown
        if window is not None and snapshot is not None:
            self.post_message(messages.Notice("Comparing the window with what was before it ..."))
            self._compare(snapshot, *window)

    @work(group="compare", exclusive=True)
    async def _compare(self, snapshot: Snapshot, t0_ns: int, t1_ns: int) -> None:
        from cubesat_tui.screens.ranks import RanksCard
        from cubesat_tui.window_compare import compare

        mission, satellite = snapshot.mission, snapshot.satellite
        found = await self.console_app.view.ask_once(lambda r: compare(r, mission, satellite, t0_ns, t1_ns))
        labels = {name: label_of(now) for name, now in snapshot.channels.items()}
        if self.is_current:
            self.app.push_screen(RanksCard(found, labels), lambda name: self.select(name) if name else None)
