"""Events: what needs you, why, what to do; and everything that ever happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical

from cubesat_tui import messages
from cubesat_tui.alarm_selection import AlarmSelection
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
from cubesat_tui.drawing.why import alarm_label, state_word
from cubesat_tui.journal_list import LEVELS, JournalList, known_history, read_history
from cubesat_tui.keymap import bindings
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.widgets.find_line import FindLine
from cubesat_tui.widgets.lines import Lines
from telemetry.limits import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cubesat_tui.minute_moves import Move
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Event


HALF_NS = 30_000_000_000
"""After so long it is known what moved in the minute of an alarm."""
FIXED = 4
"""Rows of the status bar, of the head and of the keys."""
LEAST = 4
"""Rows of the list on the smallest screen, its heading among them."""
DETAIL = {False: 10, True: 9}
"""Rows that the detail keeps beside many alarms, beside all events."""


class EventsScreen(MissionScreen):
    """Mode 5: open alarms, unacknowledged first; `tab` for the whole journal."""

    MODE = "events"
    SHOWS_ANOMALIES = True
    BINDINGS: ClassVar[list[BindingType]] = bindings("events")
    DEFAULT_CSS = """
    EventsScreen #head { height: 1; }
    EventsScreen #both { layout: vertical; height: 1fr; }
    EventsScreen #list { height: 1fr; }
    EventsScreen #right { height: 1fr; }
    EventsScreen #detail { height: 1fr; }
    EventsScreen #coming { display: none; }
    EventsScreen.wide #both { layout: horizontal; }
    EventsScreen.wide #list { width: 3fr; min-width: 84; height: 1fr; }
    EventsScreen.wide #right { width: 2fr; height: 1fr; }
    EventsScreen.wide #coming { display: block; height: 10; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._all = False
        self._search = ""
        self._least = {False: int(Level.WATCH), True: 0}
        """Least severity listed: of open alarms, of all events."""
        self._selection = AlarmSelection()
        self._event: int | None = None
        self._journal = JournalList()
        self._satellite = ""
        self._past_ns: int | None = None
        self._history: tuple[object, list[Event]] = (None, [])
        """Rows of one alarm that reaches further back than the snapshot, and of which alarm, when."""
        self._moves: tuple[tuple[object, ...] | None, list[Move]] = (None, [])

    def compose_body(self) -> ComposeResult:
        yield Lines(id="head")
        with Container(id="both"):
            yield Lines(id="list")
            with Vertical(id="right"):
                yield Lines(id="detail")
                yield Lines(id="coming")
        yield FindLine("parts of names, sentences, kinds or who did it, then enter")

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.satellite != self._satellite:
            self._satellite, self._event = snapshot.satellite, None
            self._selection.release()
        if snapshot.past_ns != self._past_ns:
            # The operator went to another time: what was not open then surprises nobody.
            self._past_ns = snapshot.past_ns
            self._keep_listed(snapshot)
        signs = self.console_app.signs
        listing = self.query_one("#list", Lines)
        width, height = self._arrange(snapshot, listing)
        room, above = max(1, height - 1), 0
        self._journal.follow(snapshot, self._least[True])
        if self._all:
            events = self._events()
            event = self._selected_event(events)
            at = next((i for i, e in enumerate(events) if event is not None and e.id == event.id), 0)
            top = self._top(at, room, len(events))
            narrowed = bool(self._search or self._least[True])
            shown = events[top : top + room]
            table = events_table(shown, width, signs, event.id if event else None, narrowed, self._journal.full)
            if at + 2 * height > len(events):
                self._read_older()
        else:
            alarms = self.shown_alarms(snapshot)
            alarm = self._selection.among(alarms)
            top = self._top(alarms.index(alarm) if alarm is not None else 0, room, len(alarms))
            above = sum(a.needs_acknowledgement for a in alarms[:top])
            table = alarms_table(alarms[top : top + room], snapshot, width, signs, self._selection.key)
        level = LEVELS[self._least[self._all]]
        head = head_row(
            snapshot, self.app.size.width, all_events=self._all, level=level, search=self._search, above=above
        )
        self.query_one("#head", Lines).draw((head,))
        if self.wide:
            title = row((f"{'ALL EVENTS' if self._all else 'OPEN ALARMS'}", "title"))
            table = list(framed(title, table, listing.size.width, listing.size.height, signs))
            coming = self.query_one("#coming", Lines)
            coming.draw(side_rows(snapshot, coming.size.width, coming.size.height, signs))
        listing.draw(table)
        detail = self.query_one("#detail", Lines)
        size, rows = detail.size.width, detail.size.height
        if not self.wide:
            size, rows = width, self.app.size.height - FIXED - height
        detail.draw(self._detail(snapshot, size, rows))

    def _arrange(self, snapshot: Snapshot, listing: Lines) -> tuple[int, int]:
        """Give the list what it needs and the detail the rest, where they stand above each other.

        Returns the cells and rows inside the list, which the layout may have only later.
        """
        if self.wide:
            listing.styles.clear_rule("height")
            return listing.size.width - 2, listing.size.height - 2
        rows = self.app.size.height - FIXED
        needs = rows if self._all else len(self.shown_alarms(snapshot)) + 1
        wanted = max(LEAST, min(needs, rows - DETAIL[self._all]))
        listing.styles.height = wanted
        return self.app.size.width, wanted

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
            event = self._selected_event(self._events())
            if event is not None:
                rows = event_detail(event, inner, signs)
        else:
            alarm = self.selected_alarm(snapshot)
            if alarm is not None:
                history, moved = self._history_of(alarm, snapshot), self._moves_of(alarm, snapshot)
                rows = alarm_detail(alarm, snapshot, history, moved, inner, room, signs)
        rows = rows[:room]
        if self.wide:
            return list(framed(row(("WHY", "title")), [*rows, (), *acts], size, height, signs))
        return [rule((), inner, signs), *rows, *([()] * (room - len(rows))), *acts][:height]

    def _history_of(self, alarm: Alarm, snapshot: Snapshot) -> Sequence[Event]:
        """Its journal rows; while older ones are being read, those that are known."""
        known = known_history(alarm, snapshot)
        if known is not None:
            return known
        wanted = (alarm.key, alarm.raised_ns, snapshot.past_ns)
        if self._history[0] != wanted:
            self._history = (wanted, [])
            self._read_history(alarm, wanted)
        newest = [e for e in reversed(snapshot.events) if e.subject == alarm.subject]
        last = self._history[1][-1].id if self._history[1] else 0
        rows = [*self._history[1], *(e for e in newest if e.id > last and e.satellite == alarm.satellite)]
        return rows if snapshot.past_ns is None else [e for e in rows if e.at_ns <= snapshot.now_ns]

    @work(group="history", exclusive=True)
    async def _read_history(self, alarm: Alarm, wanted: object) -> None:
        rows = await read_history(self.console_app.view, alarm)
        if self._history[0] == wanted:
            self._history = (wanted, rows)
            self.refresh_snapshot()

    def _moves_of(self, alarm: Alarm, snapshot: Snapshot) -> Sequence[Move]:
        """What else moved then; read once, and again when its half minute is over."""
        wanted = (alarm.key, alarm.raised_ns, snapshot.now_ns >= alarm.raised_ns + HALF_NS)
        if self._moves[0] != wanted:
            same = self._moves[0] is not None and self._moves[0][:2] == wanted[:2]
            self._moves = (wanted, self._moves[1] if same else [])
            self._read_moves(alarm, snapshot, wanted)
        return self._moves[1]

    @work(group="moves", exclusive=True)
    async def _read_moves(self, alarm: Alarm, snapshot: Snapshot, wanted: tuple[object, ...]) -> None:
        from cubesat_tui.minute_moves import moves

        channels = snapshot.mission.bus_of(alarm.satellite).channels
        found = await self.console_app.view.ask(
            lambda r: moves(r, alarm.satellite, channels, alarm.raised_ns, alarm.channel)
        )
        if self._moves[0] == wanted and found != self._moves[1]:
            self._moves = (wanted, found)
            self.refresh_snapshot()

    def _events(self) -> list[Event]:
        return self._journal.rows(lambda e: matches(self._search, e.kind, e.subject, e.text, e.actor))

    def _selected_event(self, events: Sequence[Event]) -> Event | None:
        return next((e for e in events if e.id == self._event), events[0] if events else None)

    @work(group="older")
    async def _read_older(self) -> None:
        # Where there are several satellites, the one looked at, as in the snapshot's own events.
        satellite = self._satellite if self.console_app.has_fleet else None
        if await self._journal.read_older(self.console_app.view, satellite):
            self.refresh_snapshot()

    def next_anomaly(self, step: int) -> None:
        """Select the next open anomaly."""
        snapshot = self.console_app.shown
        keys = [a.key for a in snapshot.alarms if a.kind == "anomaly"] if snapshot is not None else []
        if not keys:
            self.post_message(messages.Notice("No anomaly is open."))
            return
        at = keys.index(self._selection.key) + step if self._selection.key in keys else 0
        self._all, self._search, self._least[False] = False, "", int(Level.WATCH)
        self._selection.choose(keys[at % len(keys)])
        self.refresh_snapshot()

    def action_move(self, step: int) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        if self._all:
            events = self._events()
            event = self._selected_event(events)
            if event is not None:
                at = [e.id for e in events].index(event.id) + step
                self._event = events[max(0, min(len(events) - 1, at))].id
        else:
            self._selection.move(self.shown_alarms(snapshot), step)
        self.refresh_snapshot()

    def action_first(self) -> None:
        self._event = None
        snapshot = self.console_app.shown
        alarms = self.shown_alarms(snapshot) if snapshot is not None else []
        if not self._all and alarms:
            self._selection.choose(alarms[0].key)
        self.refresh_snapshot()

    def action_tab(self) -> None:
        self._all = not self._all
        self.refresh_snapshot()

    def action_level(self, step: int) -> None:
        lowest = 0 if self._all else int(Level.WATCH)
        self._least[self._all] = max(lowest, min(len(LEVELS) - 1, self._least[self._all] + step))
        self._changed_list()

    def action_back(self) -> None:
        lowest = 0 if self._all else int(Level.WATCH)
        if self._search or self._least[self._all] > lowest:
            self._search, self._least[self._all] = "", lowest
        elif self._all:
            self._all, self._event = False, None
        else:
            self._selection.release()
        self._changed_list()

    def _changed_list(self) -> None:
        """What is listed was changed by a key: one that is hidden by it is no longer selected."""
        snapshot = self.console_app.shown
        if snapshot is not None:
            self._keep_listed(snapshot)
        self.refresh_snapshot()

    def _keep_listed(self, snapshot: Snapshot) -> None:
        if self._selection.key not in [a.key for a in self.shown_alarms(snapshot)]:
            self._selection.release()

    def selected_alarm(self, snapshot: Snapshot) -> Alarm | None:
        return None if self._all else self._selection.among(self.shown_alarms(snapshot))

    def shown_alarms(self, snapshot: Snapshot) -> list[Alarm]:
        if self._all:
            return []
        least, search = self._least[False], self._search
        return [
            a
            for a in snapshot.alarms
            if a.severity >= least
            and matches(search, alarm_label(a, snapshot), a.subject, a.text, state_word(a), a.shelf_reason)
        ]

    @property
    def alarm_selection(self) -> AlarmSelection:
        return self._selection

    @property
    def no_alarm(self) -> str:
        return "Select an open alarm first: tab lists them." if self._all else "No alarm is listed here."

    @property
    def narrowed(self) -> str:
        words = [f'"{self._search}"'] if self._search else []
        words += [LEVELS[self._least[False]]] if self._least[False] > Level.WATCH else []
        return ", ".join(words)

    def selected_anomaly(self, snapshot: Snapshot) -> Alarm | None:
        alarm = self._subject_alarm(snapshot)
        return alarm if alarm is not None and alarm.kind == "anomaly" else None

    def moment(self, snapshot: Snapshot) -> int | None:
        if self._all:
            event = self._selected_event(self._events())
            return event.at_ns if event is not None else None
        alarm = self.selected_alarm(snapshot)
        return alarm.raised_ns if alarm is not None else None

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
            return self.selected_alarm(snapshot)
        event = self._selected_event(self._events())
        return next((a for a in snapshot.alarms if event is not None and a.subject == event.subject), None)

    def action_find(self) -> None:
        self.query_one(FindLine).open()

    @on(FindLine.Found)
    def _found(self, event: FindLine.Found) -> None:
        self._search = event.text.strip()
        self._changed_list()

    def action_copy(self) -> None:
        snapshot = self.console_app.shown
        if snapshot is None:
            return
        if self._all:
            event = self._selected_event(self._events())
            if event is not None:
                self.post_message(
                    messages.CopyRequested(f"{event.at_ns} {event.kind} {event.subject} {event.text}", "event")
                )
            return
        alarm = self.selected_alarm(snapshot)
        now = snapshot.channels.get(alarm.channel) if alarm is not None else None
        if alarm is not None:
            text = copied(now, alarm) if now is not None else alarm.text
            self.post_message(messages.CopyRequested(text, alarm_label(alarm, snapshot)))
