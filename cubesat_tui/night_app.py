"""Nights: the handover card, and one line of what happened for whoever comes back to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.events import Event as TextualEvent
from textual.events import Key

from cubesat_tui.absence import AWAY_S, absence_line, is_worth_telling, last_trace_ns
from cubesat_tui.mission_app import MissionApp
from cubesat_tui.shift import read_shift
from telemetry.clock import NS_PER_S

if TYPE_CHECKING:
    from cubesat_tui.shift import Shift
    from cubesat_tui.snapshot import Snapshot
    from telemetry.store.reader import StoreReader

TRACES = 2000
"""Journal rows among which the operator's last trace is looked for."""
SHOWN_S = 20.0


class NightApp(MissionApp):
    """Notices that nobody pressed a key for long, and tells of it when somebody does."""

    _pressed_at: float | None = None
    _attach_told = False

    async def on_event(self, event: TextualEvent) -> None:
        if isinstance(event, Key) and not event.is_forwarded:
            now = self.clock.monotonic()
            before, self._pressed_at = self._pressed_at, now
            if before is not None and now - before >= AWAY_S:
                self._tell_of(now - before)
        await super().on_event(event)

    def watch_snapshot(self, snapshot: Snapshot | None) -> None:
        super().watch_snapshot(snapshot)
        if snapshot is not None and not self._attach_told:
            self._attach_told = True
            self._pressed_at = self.clock.monotonic()
            if not self.embedded and not self.first_start:
                self._tell_of(None)

    @work(group="absence", exclusive=True)
    async def _tell_of(self, away_s: float | None) -> None:
        """`away_s`: since the last key; None on attaching, where the operator's last trace says since when."""
        snapshot = self.snapshot
        if snapshot is None:
            return
        now_ns, past = snapshot.now_ns, self.past_journal

        def look(reader: StoreReader) -> Shift | None:
            since_ns = None if away_s is None else now_ns - int(away_s * NS_PER_S)
            if since_ns is None:
                since_ns = last_trace_ns(reader.journal_page(None, -1, TRACES), self.operator)
            return None if since_ns is None else read_shift(reader, snapshot.mission, since_ns, now_ns, past)

        shift = await self.view.ask(look)
        if shift is not None and is_worth_telling(shift):
            self.notify(absence_line(shift), markup=False, timeout=SHOWN_S)

    def action_handover(self) -> None:
        from cubesat_tui.screens.handover import HandoverCard

        if self.snapshot is not None and not isinstance(self.screen, HandoverCard):
            self.push_screen(HandoverCard())
