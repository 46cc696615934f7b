"""Events: what needs you, why, what to do; and everything that ever happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical

from cubesat_tui import messages
from cubesat_tui.drawing.event_rows import (
    acts_rows,
    alarm_detail,
    alarms_table,
    event_detail,
    events_table,
    head_row,
    matches,
)
from cubesat_tui.drawing.live_text import copied, side_rows
from cubesat_tui.drawing.rows import Row, framed, row, rule
from cubesat_tui.drawing.why import alarm_label
from cubesat_tui.keymap import bindings
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.widgets.find_line import FindLine
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Event

OLDER = 200
"""Journal rows read at once beyond those of the snapshot."""


class EventsScreen(MissionScreen):
    """Mode 5: open alarms, unacknowledged first; `tab` for the whole journal."""

    MODE = "events"
    BINDINGS: ClassVar[list[BindingType]] = bindings("events")
    DEFAULT_CSS = """
    EventsScreen #head { height: 1; }
    EventsScreen #both { layout: vertical; height: 1fr; }
    EventsScreen #list { height: 1fr; }
    EventsScreen #right { height: 1fr; }
    EventsScreen #detail { height: 1fr; }
    EventsScreen #coming { display: none; }
    EventsScreen.wide #both { layout: horizontal; }
    EventsScreen.wide #list { width: 2fr; min-width: 81; height: 1fr; }
    EventsScreen.wide #right { width: 1fr; height: 1fr; }
    EventsScreen.wide #coming { display: block; height: 10; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._all = False
        self._search = ""
        self._alarm: tuple[str, str] | None = None
        self._event: int | None = None
        self._older: list[Event] = []
        self._reading = False
        self._complete = False
        self._satellite = ""
        """Whose older events were read."""

    def compose_body(self) -> ComposeResult:
        yield Lines(id="head")
        with Container(id="both"):
            yield Lines(id="list")
            with Vertical(id="right"):
                yield Lines(id="detail")
                yield Lines(id="coming")
        yield FindLine("part of a name, a sentence or a kind, then enter")

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.satellite != self._satellite:
            self._satellite, self._older, self._complete = snapshot.satellite, [], False
            self._alarm = self._event = None
        signs = self.console_app.signs
        head = self.query_one("#head", Lines)
        head.draw((head_row(snapshot, self.app.size.width, all_events=self._all, search=self._search),))
        listing = self.query_one("#list", Lines)
        width, height = listing.size.width - (2 if self.wide else 0), listing.size.height - (2 if self.wide else 0)
        if self._all:
            events = self._events(snapshot)
            event = self._selected_event(snapshot)
            at = next((i for i, e in enumerate(events) if event is not None and e.id == event.id), 0)
            top = self._top(at, max(1, height - 1), len(events))
            table = events_table(
                events[top : top + height - 1], width, signs, event.id if event else None, bool(self._search)
            )
            if at + 2 * height > len(events):
                self._read_older(events[-1].id if events else None)
        else:
            alarms = self._alarms(snapshot)
            alarm = self._selected_alarm(snapshot)
            at = alarms.index(alarm) if alarm in alarms else 0
            top = self._top(at, max(1, height - 1), len(alarms))
            key = alarm.key if alarm is not None else None
            table = alarms_table(alarms[top : top + height - 1], snapshot, width, signs, key)
        if self.wide:
            title = row((f"{'ALL EVENTS' if self._all else 'OPEN ALARMS'}", "title"))
            table = list(framed(title, table, listing.size.width, listing.size.height, signs))
            coming = self.query_one("#coming", Lines)
            coming.draw(side_rows(snapshot, coming.size.width, coming.size.height, signs))
        listing.draw(table)
        detail = self.query_one("#detail", Lines)
        detail.draw(self._detail(snapshot, detail.size.width, detail.size.height))

    @staticmethod
    def _top(at: int, room: int, count: int) -> int:
        """First row shown so that row `at` is among `room`."""
        return max(0, min(at - room // 2, count - room))

    def _detail(self, snapshot: Snapshot, size: int, height: int) -> list[Row]:
        signs = self.console_app.signs
        inner = size - (2 if self.wide else 0)
        acts = acts_rows(snapshot, inner, signs, 5 if self.wide else 2)
        room = max(0, height - (3 if self.wide else 1) - len(acts))
        rows: list[Row] = []
        if self._all:
            event = self._selected_event(snapshot)
            if event is not None:
                rows = event_detail(event, inner, signs)
        else:
            alarm = self._selected_alarm(snapshot)
            if alarm is not None:
                rows = alarm_detail(alarm, snapshot, inner, room, signs)
        rows = rows[:room]
        if self.wide:
            return list(framed(row(("WHY", "title")), [*rows, (), *acts], size, height, signs))
        return [rule((), inner, signs), *rows, *([()] * (room - len(rows))), *acts][:height]

    def _alarms(self, snapshot: Snapshot) -> list[Alarm]:
        return [
            a
            for a in snapshot.alarms
            if matches(self._search, alarm_label(a, snapshot), a.subject, a.text, a.state.word)
        ]

    def _events(self, snapshot: Snapshot) -> list[Event]:
        oldest = snapshot.events[-1].id if snapshot.events else 0
        events = [*snapshot.events, *(e for e in self._older if e.id < oldest)]
        return [e for e in events if matches(self._search, e.kind, e.subject, e.text, e.actor)]

    def _selected_alarm(self, snapshot: Snapshot) -> Alarm | None:
        alarms = self._alarms(snapshot)
        return next((a for a in alarms if a.key == self._alarm), alarms[0] if alarms else None)

    def _selected_event(self, snapshot: Snapshot) -> Event | None:
        events = self._events(snapshot)
        return next((e for e in events if e.id == self._event), events[0] if events else None)

    @work(group="older")
    async def _read_older(self, before_id: int | None) -> None:
        if self._reading or self._complete or before_id is None:
            return
        self._reading = True
        try:
            # Where there are several satellites, the one looked at, as in the snapshot's own events.
            satellite = self._satellite if self.console_app.has_fleet else None
            page = await self.console_app.view.journal_page(before_id, -1, OLDER, satellite)
        finally:
            self._reading = False
        if satellite not in (None, self._satellite):
            return
        self._complete = len(page) < OLDER
        self._older = [*self._older, *(e for e in page if not self._older or e.id < self._older[-1].id)]
        if page:
            self.refresh_snapshot()

    def next_anomaly(self, step: int) -> None:
        """Select the next open anomaly."""
        snapshot = self.console_app.shown
        keys = [a.key for a in snapshot.alarms if a.kind == "anomaly"] if snapshot is not None else []
        if not keys:
            self.post_message(messages.Notice("No anomaly is open."))
            return
        self._all, self._search = False, ""
        at = keys.index(self._alarm) + step if self._alarm in keys else 0
        self._alarm = keys[at % len(keys)]
        self.refresh_snapshot()

    def action_move(self, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        if self._all:
            ids = [e.id for e in self._events(snapshot)]
            event = self._selected_event(snapshot)
            if event is not None:
                self._event = ids[max(0, min(len(ids) - 1, ids.index(event.id) + step))]
        else:
            keys = [a.key for a in self._alarms(snapshot)]
            alarm = self._selected_alarm(snapshot)
            if alarm is not None:
                self._alarm = keys[max(0, min(len(keys) - 1, keys.index(alarm.key) + step))]
        self.refresh_snapshot()

    def action_tab(self) -> None:
        self._all = not self._all
        self.refresh_snapshot()

    def action_back(self) -> None:
        if self._search:
            self._search = ""
        else:
            self._all, self._alarm, self._event = False, None, None
        self.refresh_snapshot()

    def selected_alarm(self, snapshot: Snapshot) -> Alarm | None:
        return None if self._all else self._selected_alarm(snapshot)

    def shown_alarms(self, snapshot: Snapshot) -> list[Alarm]:
        return [] if self._all else self._alarms(snapshot)

    def selected_anomaly(self, snapshot: Snapshot) -> Alarm | None:
        alarm = self._subject_alarm(snapshot)
        return alarm if alarm is not None and alarm.kind == "anomaly" else None

    def action_why(self) -> None:
        from cubesat_tui.screens.why import WhyCard

        snapshot = self.console_app.shown
        alarm = self._subject_alarm(snapshot) if snapshot is not None else None
        if snapshot is not None and alarm is not None:
            self.app.push_screen(WhyCard(snapshot, alarm, snapshot.channels.get(alarm.channel)))
        else:
            self.post_message(messages.Notice("Its alarm is over; the row below holds all that is known."))

    def _subject_alarm(self, snapshot: Snapshot) -> Alarm | None:
        if not self._all:
            return self._selected_alarm(snapshot)
        event = self._selected_event(snapshot)
        return next((a for a in snapshot.alarms if event is not None and a.subject == event.subject), None)

    def action_jump(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        if self._all:
            event = self._selected_event(snapshot)
            if event is not None:
                channel = event.subject.removeprefix("anomaly:")
                self.post_message(messages.JumpTo(event.at_ns, channel if channel in snapshot.channels else None))
            return
        alarm = self._selected_alarm(snapshot)
        if alarm is not None:
            self.post_message(messages.JumpTo(alarm.raised_ns, alarm.channel))

    def action_find(self) -> None:
        self.query_one(FindLine).open()

    @on(FindLine.Found)
    def _found(self, event: FindLine.Found) -> None:
        self._search = event.text.strip()
        self.refresh_snapshot()

    def action_copy(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        if self._all:
            event = self._selected_event(snapshot)
            if event is not None:
                self.post_message(
                    messages.CopyRequested(f"{event.at_ns} {event.kind} {event.subject} {event.text}", "event")
                )
            return
        alarm = self._selected_alarm(snapshot)
        now = snapshot.channels.get(alarm.channel) if alarm is not None else None
        if alarm is not None:
            text = copied(now, alarm) if now is not None else alarm.text
            self.post_message(messages.CopyRequested(text, alarm_label(alarm, snapshot)))
