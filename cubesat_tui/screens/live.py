"""Live: what needs you first, then one panel after another, one trend and its why."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical

from cubesat_tui import messages
from cubesat_tui.chosen_panels import ChosenPanels
from cubesat_tui.drawing.channel_rows import label_of, vitals_row
from cubesat_tui.drawing.live_text import copied, curve_name, limit_lines, side_rows, trend_title, where_text
from cubesat_tui.drawing.opinion_text import opinion_row, packet_of
from cubesat_tui.drawing.panels import Panel
from cubesat_tui.drawing.trend_curves import MOST
from cubesat_tui.drawing.trend_plot import aligned
from cubesat_tui.drawing.why import why_lines
from cubesat_tui.keymap import bindings
from cubesat_tui.live_layout import LiveHeights, heights, pinned
from cubesat_tui.live_selection import LiveSelection
from cubesat_tui.screens.live_marking import MarksWindows
from cubesat_tui.trend_follower import TrendFollower, Wanted
from cubesat_tui.usual_follower import UsualFollower
from cubesat_tui.widgets.alarm_list import AlarmBox, NeedsYou
from cubesat_tui.widgets.find_line import FindLine
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.panel import PanelBox
from cubesat_tui.widgets.trend import Trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cubesat_tui.alarm_selection import AlarmSelection
    from cubesat_tui.panel_choice import Choice
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from cubesat_tui.usual_follower import Asked
    from telemetry.alarms import Alarm

BOXES = 6
USUAL_AFTER_S = 2.0
"""What is usual is read from then on: values come first."""
AHEAD = 0.08
"""Part of a span that ends now which lies ahead of now, where there is a band."""
MOST_AHEAD_NS = 300_000_000_000


class LiveScreen(MarksWindows):
    """Mode 1. The selection is an alarm or a channel; the trend shows it and up to three channels followed."""

    MODE = "live"
    SHOWS_ANOMALIES = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("live")
    DEFAULT_CSS = """
    LiveScreen #vitals { height: 1; }
    LiveScreen #boxes { layout: vertical; height: auto; }
    LiveScreen #side { display: none; }
    LiveScreen #lower { height: 1fr; }
    LiveScreen #trend { height: 1fr; }
    LiveScreen.wide #needs, LiveScreen.wide #why { display: none; }
    LiveScreen.wide #boxes { layout: grid; grid-size: 3 2; grid-rows: 9; height: 18; }
    LiveScreen.wide PanelBox { height: 9; }
    LiveScreen.wide #side { display: block; width: 48; }
    LiveScreen.wide #alarms { height: 1fr; }
    LiveScreen.wide #next { height: 8; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._selected = LiveSelection()
        self._followed: tuple[str, ...] = ()
        self._trend = TrendFollower()
        self._usual: UsualFollower | None = None
        self._heights: LiveHeights | None = None
        self._chosen = ChosenPanels()

    def on_mount(self) -> None:
        self.set_timer(USUAL_AFTER_S, self._settle)

    def _settle(self) -> None:
        self._usual = UsualFollower(self.console_app.directory)
        self.refresh_snapshot()

    def compose_body(self) -> ComposeResult:
        yield Lines(id="vitals")
        yield NeedsYou(id="needs")
        with Container(id="boxes"):
            for i in range(BOXES):
                yield PanelBox(id=f"box{i}")
        with Horizontal(id="lower"):
            yield Trend(id="trend")
            with Vertical(id="side"):
                yield AlarmBox(id="alarms")
                yield Lines(id="next")
        yield Lines(id="why")
        yield FindLine("part of a channel's name or label, then enter")

    def show(self, snapshot: Snapshot) -> None:
        found = self._panels(snapshot)
        self._selected.fit(snapshot, found)
        alarm, now = self._selected.of(snapshot, found)
        if self._arrange(snapshot):
            # Heights changed: widgets draw for the size they get, which they know after the layout.
            self.call_after_refresh(self.refresh_snapshot)
        self.query_one("#vitals", Lines).draw((self._vitals(snapshot),))
        self._show_panels(snapshot, found, now)
        if self.wide:
            self.query_one(AlarmBox).show(snapshot, alarm)
            side = self.query_one("#next", Lines)
            side.draw(side_rows(snapshot, side.size.width, side.size.height, self.console_app.signs))
        else:
            pins = self._selected.pinned(snapshot, pinned(len(snapshot.alarms), self.app.size.height))
            self.query_one(NeedsYou).show(pins, snapshot, self._selected.marked(alarm))
            why = self.query_one("#why", Lines)
            if alarm is not None:
                why.draw(why_lines(alarm, snapshot, why.size.width, 2, self.console_app.signs))
            else:
                why.draw(())
        self._show_trend(snapshot, now)

    def _panels(self, snapshot: Snapshot) -> tuple[Panel, ...]:
        return self._chosen.of(snapshot, self.console_app)

    def _arrange(self, snapshot: Snapshot) -> bool:
        """Share out the rows of the screen. True on change."""
        shared = LiveHeights() if self.wide else heights(len(snapshot.alarms), self.app.size.height)
        if shared == self._heights:
            return False
        self._heights = shared
        self._display("#lower", self.wide or shared.trend > 0)
        for i in range(BOXES):
            self._display(f"#box{i}", self.wide or i == 0)
        if self.wide:
            for name in ("#box0", "#lower"):
                self.query_one(name).styles.clear_rule("height")
            return True
        self.query_one("#needs").styles.height = shared.needs
        self.query_one("#why").styles.height = shared.why
        self.query_one("#lower").styles.height = shared.trend
        self.query_one("#box0").styles.height = shared.panel
        return True

    def _display(self, name: str, wanted: bool) -> None:
        widget = self.query_one(name)
        if widget.display != wanted:
            widget.display = wanted

    def _vitals(self, snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
        named = {"Altitude": "orb.alt_km", "Signal": "com.rssi_dn"}
        known = {title: snapshot.channels[name] for title, name in named.items() if name in snapshot.channels}
        signs = self.console_app.signs
        return vitals_row(known, self.app.size.width, signs, where_text(snapshot, signs))

    def _show_panels(self, snapshot: Snapshot, found: tuple[Panel, ...], now: ChannelNow | None) -> None:
        selected = now.channel.name if now is not None else None
        if not found:
            return
        panel = self._selected.panel
        if not self.wide:
            left_out = self._chosen.left_out
            place = f"{f'{left_out} hidden, ' if left_out else ''}{panel + 1} of {len(found)} (tab)"
            marked = self._selected.channel
            self.query_one("#box0", PanelBox).show(
                found[panel], snapshot, marked, framed=False, focused=True, place=place
            )
            return
        first = panel // BOXES * BOXES
        for i in range(BOXES):
            box = self.query_one(f"#box{i}", PanelBox)
            if first + i < len(found):
                focused = first + i == panel and not self._selected.at_rest
                box.show(found[first + i], snapshot, selected, framed=True, focused=focused, place="")
            else:
                box.clear()

    def _curves(self, snapshot: Snapshot, now: ChannelNow) -> tuple[ChannelNow, ...]:
        """The selected channel, then those followed beside it."""
        others = [n for n in self._followed if n != now.channel.name and n in snapshot.channels]
        return (now, *(snapshot.channels[name] for name in others[: MOST - 1]))

    def _show_trend(self, snapshot: Snapshot, now: ChannelNow | None) -> None:
        trend, app = self.query_one(Trend), self.console_app
        if now is None or not self.query_one("#lower").display or trend.size.width < 24:
            return
        time, channel, signs = app.time, now.channel.name, app.signs
        curves = self._curves(snapshot, now)
        bins = trend.bins(self.wide, len(curves) > 1)
        usual = self._usual.of(snapshot, channel) if self._usual is not None else None
        ahead = 0
        if usual is not None and usual.has_band and not time.fixed:
            ahead = min(MOST_AHEAD_NS, round(AHEAD * time.span_ns))
        t0, t1 = aligned(time.t1_ns + ahead, time.span_ns, bins)
        names = tuple(curve.channel.name for curve in curves)
        wanted = Wanted(snapshot.satellite, names, bins, t0, t1, now.t_ns, snapshot.frames)
        known = self._trend.known(wanted)
        trend.show(
            trend_title(now, time.span_s, signs),
            known,
            limit_lines(now),
            names=[curve_name(curve, signs) for curve in curves],
            boxed=self.wide,
            packet=packet_of(snapshot, channel),
            opinion=opinion_row(snapshot, channel, known.opinion if known is not None else None, usual, signs),
            usual=usual,
            marks=self._mark.marks,
            said=self._mark.said,
        )
        if self._trend.due(wanted):
            self._fetch(wanted, snapshot)
        elif known is not None and self._usual is not None:
            asked = self._usual.due(snapshot, channel, (t0, t1), bins, not time.fixed)
            if asked is not None:
                self._read_usual(self._usual, asked, snapshot)

    @work(group="trend")
    async def _fetch(self, wanted: Wanted, snapshot: Snapshot) -> None:
        await self._trend.read(self.console_app.view, wanted, snapshot)
        self._show_trend_again()

    def _show_trend_again(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is not None and self.is_attached and self.query(Trend):
            # Which channel is wanted may have changed meanwhile: then this asks again. While the app closes, the
            # plot may be gone before its screen.
            self._show_trend(snapshot, self._selected.of(snapshot, self._panels(snapshot))[1])

    @work(group="usual")
    async def _read_usual(self, usual: UsualFollower, asked: Asked, snapshot: Snapshot) -> None:
        await usual.read(self.console_app.view, snapshot, asked)
        self._show_trend_again()

    def changed(self) -> None:
        if self.console_app.snapshot is not None:
            self._selected.touch(self.console_app.snapshot.wall_ns)
        self.refresh_snapshot()

    def select(self, channel: str) -> None:
        """Plot `channel`."""
        snapshot = self.console_app.shown or self.console_app.snapshot
        if snapshot is not None and channel in snapshot.channels:
            self._selected.select(self._panels(snapshot), channel)
            self.changed()

    def next_anomaly(self, step: int) -> None:
        """Select the next open anomaly."""
        snapshot = self.console_app.shown
        if snapshot is None or not self._selected.next_anomaly(snapshot, step):
            self.post_message(messages.Notice("No anomaly is open."))
        self.changed()

    def selected_anomaly(self, snapshot: Snapshot) -> Alarm | None:
        alarm = self.selected_alarm(snapshot)
        return alarm if alarm is not None and alarm.kind == "anomaly" else None

    def selected_alarm(self, snapshot: Snapshot) -> Alarm | None:
        return self._selected.of(snapshot, self._panels(snapshot))[0]

    def shown_alarms(self, snapshot: Snapshot) -> Sequence[Alarm]:
        """Those pinned on top; all of them where they have a box."""
        most = len(snapshot.alarms)
        return self._selected.pinned(snapshot, most if self.wide else pinned(most, self.app.size.height))

    @property
    def alarm_selection(self) -> AlarmSelection | None:
        return self._selected.alarms

    def action_move(self, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is not None:
            self._selected.move(snapshot, self._panels(snapshot), step)
            self.changed()

    def action_panel(self, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is not None:
            self._selected.turn(snapshot, self._panels(snapshot), step)
            self.changed()

    def action_choose(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is not None:
            self.app.push_screen(self._chosen.card(snapshot), partial(self._panels_chosen, snapshot))

    def _panels_chosen(self, snapshot: Snapshot, choice: Choice | None) -> None:
        if choice is not None:
            self._keep(snapshot, choice)

    @work(group="panels")
    async def _keep(self, snapshot: Snapshot, choice: Choice) -> None:
        await self._chosen.keep(snapshot, choice, self.console_app)
        self.changed()

    def action_follow(self) -> None:
        """Follow the marked channel beside others, or no longer."""
        snapshot = self.console_app.shown
        now = self._selected.of(snapshot, self._panels(snapshot))[1] if snapshot is not None else None
        if now is None:
            return
        name, label = now.channel.name, label_of(now)
        if name in self._followed:
            self._followed = tuple(n for n in self._followed if n != name)
            text = f"{label} leaves the trend with the next row you mark."
        elif len(self._followed) >= MOST - 1:
            text = f"The trend holds {MOST}: the marked one and {MOST - 1} kept. + on one of these lets it go."
        else:
            self._followed = (*self._followed, name)
            text = f"{label} stays in the trend: mark another row. + on it again lets it go."
        self.post_message(messages.Notice(text))
        self.changed()

    async def action_back(self) -> None:
        app = self.console_app
        if self.leave_mark():
            return
        if app.has_fleet and not app.time.fixed and self._selected.at_rest and not self._followed:
            await app.action_mode("fleet")
            return
        self._followed = ()
        self._selected.rest()
        app.go_live()
        self.changed()

    def action_inspect(self) -> None:
        from cubesat_tui.screens.why import WhyCard

        if self.finish_mark():
            return
        snapshot = self.console_app.shown
        if snapshot is not None:
            alarm, now = self._selected.of(snapshot, self._panels(snapshot))
            if now is not None:
                self.app.push_screen(WhyCard(snapshot, alarm, now))

    def action_find(self) -> None:
        self.query_one(FindLine).open()

    @on(FindLine.Found)
    def _found(self, event: FindLine.Found) -> None:
        snapshot = self.console_app.shown
        wanted = event.text.strip().casefold()
        if snapshot is None or not wanted:
            return
        for name, now in snapshot.channels.items():
            if wanted in name.casefold() or wanted in label_of(now).casefold():
                self._selected.select(self._panels(snapshot), name)
                self.changed()
                return
        self.post_message(messages.Notice(f"No channel has {event.text!r} in its name or label."))

    def action_copy(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is not None:
            alarm, now = self._selected.of(snapshot, self._panels(snapshot))
            if now is not None:
                self.post_message(messages.CopyRequested(copied(now, alarm), label_of(now)))
