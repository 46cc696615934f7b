"""Live: what needs you first, then one panel after another, one trend and its why."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical

from cubesat_tui import messages
from cubesat_tui.drawing.channel_rows import label_of, vitals_row
from cubesat_tui.drawing.live_text import SPANS_S, copied, limit_lines, side_rows, trend_title, where_text
from cubesat_tui.drawing.opinion_text import opinion_row
from cubesat_tui.drawing.panels import Panel, ordered, panels
from cubesat_tui.drawing.trend_plot import TrendData, aligned
from cubesat_tui.drawing.why import why_lines
from cubesat_tui.keymap import bindings
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.usual_follower import UsualFollower
from cubesat_tui.widgets.alarm_list import AlarmBox, NeedsYou
from cubesat_tui.widgets.find_line import FindLine
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.panel import PanelBox
from cubesat_tui.widgets.trend import Trend

if TYPE_CHECKING:
    from cubesat_tui.opinion import Opinion
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from cubesat_tui.usual_follower import Asked
    from telemetry.alarms import Alarm

BOXES = 6
USUAL_AFTER_S = 2.0
"""What is usual is read from then on: values come first."""
AHEAD = 0.08
"""Part of a span that ends now which lies ahead of now, where there is a band."""
MOST_AHEAD_NS = 300_000_000_000


class _Wanted(NamedTuple):
    """What the trend shows: a question to the store, equal while the answer would be the same picture.

    `newest_ns` and `frames` are part of it because the answer to an old question changes with what comes.
    """

    satellite: str
    channel: str
    bins: int
    t0_ns: int
    t1_ns: int
    newest_ns: int | None
    frames: int


class LiveScreen(MissionScreen):
    """Mode 1. The selection is an alarm or a channel; until a key moves it, it follows the worst alarm."""

    MODE = "live"
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
        self._panel = 0
        self._alarm: tuple[str, str] | None = None
        self._channel: str | None = None
        self._span = 2
        self._end_ns: int | None = None
        self._data: tuple[_Wanted, TrendData, Opinion | None] | None = None
        self._asked: _Wanted | None = None
        self._fetching = False
        self._heights: tuple[int, ...] = ()
        self._usual: UsualFollower | None = None

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
        if self._alarm is not None and self._alarm[0] != snapshot.satellite:
            self._alarm = None
        found = panels(snapshot.mission.bus_of(snapshot.satellite))
        self._panel = min(self._panel, len(found) - 1)
        alarm, now = self._selection(snapshot)
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
            self.query_one(NeedsYou).show(snapshot.alarms[: self._pinned(snapshot)], snapshot, self._marked(alarm))
            why = self.query_one("#why", Lines)
            if alarm is not None:
                why.draw(why_lines(alarm, snapshot, why.size.width, 2, self.console_app.signs))
            else:
                why.draw(())
        self._show_trend(snapshot, now)

    def _selection(self, snapshot: Snapshot) -> tuple[Alarm | None, ChannelNow | None]:
        """The selected alarm, if one is, and the channel that the trend shows."""
        alarms = snapshot.alarms
        if self._channel is None or self._channel not in snapshot.channels:
            alarm = next((a for a in alarms if a.key == self._alarm), None) or (alarms[0] if alarms else None)
            if alarm is not None and alarm.channel in snapshot.channels:
                return alarm, snapshot.channels[alarm.channel]
            first = self._names(snapshot)
            return alarm, snapshot.channels[first[0]] if first else None
        alarm = next((a for a in alarms if a.channel == self._channel), None)
        return alarm, snapshot.channels[self._channel]

    def _marked(self, alarm: Alarm | None) -> tuple[str, str] | None:
        return alarm.key if alarm is not None and self._channel is None else None

    def _names(self, snapshot: Snapshot) -> list[str]:
        found = panels(snapshot.mission.bus_of(snapshot.satellite))
        return ordered(found[self._panel], snapshot.channels) if found else []

    def _pinned(self, snapshot: Snapshot) -> int:
        """How many alarms are pinned on top at 80 columns."""
        room = self.app.size.height
        return min(len(snapshot.alarms), 3 if room >= 22 else 2 if room >= 16 else 1)

    def _arrange(self, snapshot: Snapshot) -> bool:
        """Share out the rows of an 80-column screen; small ones lose the trend, then the why. True on change."""
        rows = self.app.size.height - 3
        needs = 2 if not snapshot.alarms else 1 + self._pinned(snapshot)
        why = 2 if rows >= 12 and snapshot.alarms else 0
        left = rows - 1 - needs - why
        trend = 0 if left < 10 else min(left - 6, 4 + left // 4)
        heights = (0,) if self.wide else (needs, why, trend, max(1, left - trend))
        if heights == self._heights:
            return False
        self._heights = heights
        self._display("#lower", self.wide or trend > 0)
        for i in range(BOXES):
            self._display(f"#box{i}", self.wide or i == 0)
        if self.wide:
            for name in ("#box0", "#lower"):
                self.query_one(name).styles.clear_rule("height")
            return True
        self.query_one("#needs").styles.height = needs
        self.query_one("#why").styles.height = why
        self.query_one("#lower").styles.height = trend
        self.query_one("#box0").styles.height = max(1, left - trend)
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
        if not self.wide:
            place = f"{self._panel + 1} of {len(found)} (tab)"
            marked = self._channel
            self.query_one("#box0", PanelBox).show(
                found[self._panel], snapshot, marked, framed=False, focused=True, place=place
            )
            return
        first = self._panel // BOXES * BOXES
        for i in range(BOXES):
            box = self.query_one(f"#box{i}", PanelBox)
            if first + i < len(found):
                focused = first + i == self._panel and self._channel is not None
                box.show(found[first + i], snapshot, selected, framed=True, focused=focused, place="")
            else:
                box.clear()

    def _show_trend(self, snapshot: Snapshot, now: ChannelNow | None) -> None:
        trend = self.query_one(Trend)
        if now is None or not self.query_one("#lower").display or trend.size.width < 24:
            return
        bins = trend.bins(self.wide)
        span = round(SPANS_S[self._span] * 1e9)
        usual = self._usual.of(snapshot, now.channel.name) if self._usual is not None else None
        ahead = min(MOST_AHEAD_NS, round(AHEAD * span)) if usual is not None and usual.has_band else 0
        t0, t1 = aligned(self._end_ns or snapshot.now_ns + ahead, span, bins)
        wanted = _Wanted(snapshot.satellite, now.channel.name, bins, t0, t1, now.t_ns, snapshot.frames)
        known = self._data if self._data is not None and self._data[0][:3] == wanted[:3] else None
        signs = self.console_app.signs
        trend.show(
            trend_title(now, SPANS_S[self._span], self._end_ns, signs),
            known[1] if known is not None else None,
            limit_lines(now),
            boxed=self.wide,
            opinion=opinion_row(snapshot, now.channel.name, known[2] if known is not None else None, usual, signs),
            usual=usual,
        )
        if wanted != self._asked and not self._fetching:
            self._fetch(wanted, now)
        elif known is not None and self._usual is not None:
            live = self._end_ns is None
            asked = self._usual.due(snapshot, now.channel.name, (t0, t1), bins, live)
            if asked is not None:
                self._read_usual(self._usual, asked, snapshot)

    @work(group="trend")
    async def _fetch(self, wanted: _Wanted, now: ChannelNow) -> None:
        from cubesat_tui.opinion import opinion

        self._asked, self._fetching = wanted, True
        satellite, channel, bins, t0, t1, *_ = wanted
        try:
            series, found = await self.console_app.view.ask(
                lambda r: (r.series(satellite, channel, t0, t1, bins), opinion(r, satellite, channel, now.t_ns))
            )
        finally:
            self._fetching = False
        join_s = 3 * now.channel.period_s + 1
        self._data = (wanted, TrendData(t0, t1, series.low, series.high, join_s), found)
        self._show_trend_again()

    def _show_trend_again(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is not None and self.is_attached and self.query(Trend):
            # Which channel is wanted may have changed meanwhile: then this asks again. While the app closes, the
            # plot may be gone before its screen.
            self._show_trend(snapshot, self._selection(snapshot)[1])

    @work(group="usual")
    async def _read_usual(self, usual: UsualFollower, asked: Asked, snapshot: Snapshot) -> None:
        await usual.read(self.console_app.view, snapshot, asked)
        self._show_trend_again()

    def go_to(self, t_ns: int, channel: str | None) -> None:
        """Show `channel` around the moment `t_ns`."""
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        span = round(SPANS_S[self._span] * 1e9)
        end = t_ns + span // 2
        self._end_ns = None if end >= snapshot.now_ns else end
        if channel is not None:
            self._select_channel(snapshot, channel)
        self._redraw()

    def next_anomaly(self, step: int) -> None:
        """Select the next open anomaly."""
        snapshot = self.console_app.shown
        anomalies = [a for a in snapshot.alarms if a.kind == "anomaly"] if snapshot is not None else []
        if not anomalies:
            self.post_message(messages.Notice("No anomaly is open."))
            return
        keys = [a.key for a in anomalies]
        at = keys.index(self._alarm) + step if self._alarm in keys else 0
        self._alarm, self._channel = keys[at % len(keys)], None
        self._redraw()

    def _select_channel(self, snapshot: Snapshot, name: str) -> bool:
        for i, panel in enumerate(panels(snapshot.mission.bus_of(snapshot.satellite))):
            if name in panel.channels:
                self._panel, self._channel, self._alarm = i, name, None
                return True
        return False

    def _redraw(self) -> None:
        self.refresh_snapshot()

    def action_move(self, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        alarms = snapshot.alarms if self.wide else snapshot.alarms[: self._pinned(snapshot)]
        items: list[tuple[str, object]] = [("alarm", a.key) for a in alarms]
        items += [("channel", name) for name in self._names(snapshot)]
        if not items:
            return
        alarm, now = self._selection(snapshot)
        here: tuple[str, object] = ("channel", self._channel)
        if self._channel is None:
            here = ("alarm", alarm.key) if alarm is not None else ("channel", now.channel.name if now else "")
        at = items.index(here) if here in items else -1
        kind, what = items[max(0, min(len(items) - 1, at + step))]
        self._alarm = what if kind == "alarm" else None  # pyright: ignore[reportAttributeAccessIssue]
        self._channel = what if kind == "channel" else None  # pyright: ignore[reportAttributeAccessIssue]
        self._redraw()

    def action_panel(self, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        count = len(panels(snapshot.mission.bus_of(snapshot.satellite)))
        self._panel = (self._panel + step) % max(1, count)
        names = self._names(snapshot)
        self._channel = names[0] if names else None
        self._redraw()

    def action_zoom(self, step: int) -> None:
        self._span = max(0, min(len(SPANS_S) - 1, self._span + step))
        self._redraw()

    def action_pan(self, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        end = (self._end_ns or snapshot.now_ns) + step * round(SPANS_S[self._span] * 5e8)
        if end >= snapshot.now_ns:
            if self._end_ns is None:
                self.post_message(messages.Notice("This is now; < goes back."))
            self._end_ns = None
        else:
            self._end_ns = end
        self._redraw()

    async def action_back(self) -> None:
        if self.console_app.has_fleet and (self._end_ns, self._alarm, self._channel) == (None, None, None):
            await self.console_app.action_mode("fleet")
            return
        self._end_ns = None
        self._alarm = self._channel = None
        self._redraw()

    def selected_anomaly(self, snapshot: Snapshot) -> Alarm | None:
        alarm = self._selection(snapshot)[0]
        return alarm if alarm is not None and alarm.kind == "anomaly" else None

    def action_acknowledge(self) -> None:
        snapshot = self.console_app.snapshot
        alarm = self._selection(snapshot)[0] if snapshot is not None else None
        if alarm is None:
            self.post_message(messages.Notice("Nothing to acknowledge on this row."))
        elif not alarm.awaits_operator:
            self.post_message(messages.Notice(f"Acknowledged already by {alarm.acked_by or 'somebody'}."))
        else:
            self.post_message(messages.AckRequested((alarm.key,)))

    def action_inspect(self) -> None:
        from cubesat_tui.screens.why import WhyCard

        snapshot = self.console_app.shown
        if snapshot is not None:
            alarm, now = self._selection(snapshot)
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
            if (wanted in name.casefold() or wanted in label_of(now).casefold()) and self._select_channel(
                snapshot, name
            ):
                self._redraw()
                return
        self.post_message(messages.Notice(f"No channel has {event.text!r} in its name or label."))

    def action_copy(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is not None:
            alarm, now = self._selection(snapshot)
            if now is not None:
                self.post_message(messages.CopyRequested(copied(now, alarm), label_of(now)))
