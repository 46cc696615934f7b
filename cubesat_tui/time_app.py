"""The time conductor's acts: pause, earlier and later, shorter and longer, a moment, the next alarm, and back.

Keys change the `TimeView` at once; the snapshot of that moment is read on the store view's thread and shown when it
is there. While a key is held down only the moment wanted last is read next, so keys never wait for the disk.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
from textual import work

from cubesat_tui import messages
from cubesat_tui.conductor import TimeView
from cubesat_tui.drawing.numbers import clock_text, span_text
from cubesat_tui.drawing.past_banner import PastBanner
from cubesat_tui.mission_app import MissionApp
from cubesat_tui.protocols import FindsAnomalies, SelectsChannel
from telemetry.alarms import ANOMALY_PREFIX, RAISED
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from cubesat_tui.snapshot_at import PastReader
    from telemetry.alarms import Alarm

log = logging.getLogger(__name__)

AT_NOW = "This is now, space for live."


class TimeApp(MissionApp):
    """A console that can look at the past while everything goes on underneath."""

    _past: Snapshot | None = None
    """What was known at the moment that was read last; None in real time."""
    _past_reader: PastReader | None = None
    _first_of = ""
    """Whose oldest frame is known."""
    _seen_new: frozenset[tuple[object, ...]] = frozenset()
    """The new alarms at the time when now was left."""
    _reading_past = False

    @property
    def shown(self) -> Snapshot | None:
        """What the screens stand on: now, the moment of the pause, or a moment of the past.

        None for as long as that moment is being read for the first time.
        """
        return self._past if self.time.fixed else super().shown

    @property
    def past_banner(self) -> PastBanner | None:
        """What line 2 says in fixed time; None in real time."""
        if not self.time.fixed:
            return None
        news = 0 if self.snapshot is None else len(_new_alarms(self.snapshot) - self._seen_new)
        return PastBanner(self.time.t0_ns, self.time.t1_ns, news, reading=self._wanted() != self._read())

    # Changing the time

    def watch_time(self, before: TimeView, after: TimeView) -> None:
        """Whoever changed it: screens follow. That only now moved on is told by the snapshot that brought it."""
        if (before.end_ns, before.span_s) == (after.end_ns, after.span_s):
            return
        if before.fixed != after.fixed:
            self.paused_at = self._still = self._past = None
            self._seen_new = _new_alarms(self.snapshot) if self.snapshot is not None else frozenset()
        self.show_time()

    def go_live(self) -> None:
        """Now again, moving on."""
        was_paused = self.paused_at is not None
        self.paused_at = self._still = None
        time = self.time.live()
        self.time = time if self.snapshot is None else time.tick(self.snapshot.now_ns)
        if was_paused:
            self.watch_snapshot(self.snapshot)

    def go_to(self, time: TimeView) -> None:
        """Show `time`, at most now."""
        self.time = time if self.snapshot is None else time.tick(self.snapshot.now_ns)

    def show_time(self) -> None:
        """Draw the bounds at once, and the moment as soon as it is read."""
        screen = self.mission_screen
        if screen is not None and screen.is_mounted:
            screen.refresh_snapshot()
        if self.time.fixed and not self._reading_past and self._wanted() != self._read():
            self._reading_past = True
            self._read_past()

    def _wanted(self) -> tuple[str, int] | None:
        return None if self.snapshot is None else (self.snapshot.satellite, self.time.t1_ns)

    def _read(self) -> tuple[str, int | None] | None:
        return None if self._past is None else (self._past.satellite, self._past.past_ns)

    @work(group="past")
    async def _read_past(self) -> None:
        from cubesat_tui.snapshot_at import PastReader

        try:
            while self.time.fixed and self.snapshot is not None and self._wanted() != self._read():
                if self._past_reader is None:
                    self._past_reader = PastReader(self.snapshot.mission, self.past_journal)
                await self._find_first(self.snapshot.satellite)
                wanted = self._wanted()
                found = await self._past_reader.read(self.view, self.snapshot, self.time.t1_ns)
                if not self.time.fixed:
                    return
                self._past = found
                if wanted == self._wanted():
                    self.show_time()
        except Exception as error:  # whatever reading died of: the console says so and shows what it has, now
            log.exception("the past could not be read")
            self.go_live()
            self.say(f"That moment could not be read: {plain_text(str(error))}", "error")
        finally:
            self._reading_past = False

    async def _find_first(self, satellite: str, *, once: bool = False) -> None:
        """Fixed time does not end before the oldest frame: there is nothing to show."""
        if satellite == self._first_of:
            return
        ask = self.view.ask_once if once else self.view.ask
        first = await ask(lambda reader: reader.first_ns(satellite))
        if first is not None:
            self._first_of = satellite
        time = msgspec.structs.replace(self.time, first_ns=first)
        self.time = time.at(time.t1_ns) if time.fixed else time

    def watch_snapshot(self, snapshot: Snapshot | None) -> None:
        super().watch_snapshot(snapshot)
        if self.time.fixed and self._wanted() != self._read():
            # Another satellite is looked at.
            self.show_time()

    # Keys

    def action_pause(self) -> None:
        """The screen stands still; or, if it does or shows the past, back to now."""
        if self.time.fixed or self.paused_at is not None:
            self.go_live()
        else:
            super().action_pause()

    def action_pan(self, steps: int) -> None:
        """Half a stretch earlier or later, never past now."""
        if self.snapshot is None:
            return
        # From a pause, earlier than what stands there; the clock went on meanwhile.
        at = self.time
        if steps > 0 and not at.fixed and self.paused_at is None:
            self.say(AT_NOW)
            return
        self.go_to(at.pan(steps))
        if steps > 0 and self.time.is_at_now:
            self.say(AT_NOW)
        elif steps < 0 and self.time.t1_ns == at.t1_ns:
            self.say("Nothing is stored from before this.")

    def action_zoom(self, steps: int) -> None:
        """A shorter (-1) or longer (1) stretch; its end stays."""
        before = self.time.span_s
        self.time = self.time.zoom(steps)
        if self.time.span_s == before:
            self.say(f"{span_text(before)} is the {'longest' if steps > 0 else 'shortest'} stretch.")
        elif not self.time.fixed and self.current_mode != "live":
            # In fixed time the banner says it, on Live the title of the trend.
            self.say(f"Stretch of time: {span_text(self.time.span_s)}.")

    @work(exclusive=True, group="go-to")
    async def action_go_to_time(self) -> None:
        """Ask which moment; the selected row's is proposed, in the past else the present one."""
        from cubesat_tui.screens.go_to import GoToDialog

        screen, live = self.mission_screen, self.snapshot
        if screen is None or live is None or self.screen is not screen:
            return
        await self._find_first(live.satellite, once=True)
        shown = self.shown
        proposed = None if shown is None else screen.moment(shown)
        satellite = live.satellite if shown is None else screen.satellite_in_hand(shown)

        def go(answer: int | None) -> None:
            if answer is None:
                return
            if answer == proposed and satellite != live.satellite:
                self.post_message(messages.FocusRequested(satellite))
            self.go_to(self.time.at(answer))

        if proposed is None and self.time.fixed:
            proposed = self.time.t1_ns
        await self.push_screen(GoToDialog(live.now_ns, self.time.first_ns, proposed), go)

    async def action_next_anomaly(self, step: int) -> None:
        """Now: select the next open anomaly. In the past: go to when the next alarm or anomaly was raised."""
        if self.time.fixed:
            self._go_to_alarm(step)
            return
        if not isinstance(self.screen, FindsAnomalies):
            await self.switch_mode("events")
        if isinstance(self.screen, FindsAnomalies):
            self.screen.next_anomaly(step)

    @work(exclusive=True, group="next-alarm")
    async def _go_to_alarm(self, step: int) -> None:
        if self.snapshot is None:
            return
        satellite, t_ns = self.snapshot.satellite, self.time.t1_ns
        event = await self.view.ask_once(
            lambda reader: reader.event_beside(RAISED, satellite, t_ns, later=step > 0)
        )
        if event is None or event.at_ns > self.snapshot.now_ns:
            self.say("No alarm was raised after this." if step > 0 else "No alarm was raised before this.")
            return
        self.go_to(self.time.at(event.at_ns))
        self.select_channel(event.subject.removeprefix(ANOMALY_PREFIX))
        self.say(f"{clock_text(event.at_ns)}Z {plain_text(event.text)}")

    def select_channel(self, channel: str) -> None:
        """Where the active screen plots a channel, plot this one."""
        screen = self.mission_screen
        if isinstance(screen, SelectsChannel):
            screen.select(channel)


def _new_alarms(snapshot: Snapshot) -> frozenset[tuple[object, ...]]:
    """What tells a new alarm from one seen before: of the same subject another one, or the same one worse."""
    alarms: tuple[Alarm, ...] = (*snapshot.alarms, *snapshot.elsewhere)
    return frozenset((a.key, a.raised_ns, a.severity) for a in alarms if a.needs_acknowledgement)
