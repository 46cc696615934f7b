"""What all five screens share: status bar above, keys below, snapshots handed in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from cubesat_tui.keymap import keys_line
from cubesat_tui.widgets.keys_line import KeysLine
from cubesat_tui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cubesat_tui.alarm_selection import AlarmSelection
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm

WIDE = (116, 34)
"""From this size on a screen has the class `wide` (the pictures), below it does not (the sketches)."""


class MissionScreen(Screen[None]):
    """Base of the five modes.

    A subclass sets `MODE`, its `BINDINGS = bindings(MODE)`, yields its widgets from `compose_body` and takes news
    in `show`, which the app calls only while the screen is active and not paused, and once on every return to it.
    In fixed time it is given what was known at that moment (`Snapshot.past_ns`).
    What is asked of others is posted as a message of `cubesat_tui.messages`.
    """

    MODE: ClassVar[str] = ""
    ALWAYS_NOW: ClassVar[bool] = False
    """Whether it shows what is now also in fixed time; the banner then says so."""
    SHOWS_ANOMALIES: ClassVar[bool] = False
    """Whether what `i` would accept is to be seen here."""
    AUTO_FOCUS = ""
    DEFAULT_CSS = """
    MissionScreen { layout: vertical; background: $background; color: $foreground; }
    MissionScreen > #body { height: 1fr; width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._laid_for: Size | None = None

    @property
    def console_app(self) -> ConsoleApp:
        """The app, typed."""
        return cast("ConsoleApp", self.app)

    @property
    def wide(self) -> bool:
        """Whether there is room for the layout of the pictures."""
        return self.app.size.width >= WIDE[0] and self.app.size.height >= WIDE[1]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Keys that come in one lump with the one that opened the screen have nothing to act on yet.
        return self.is_mounted and super().check_action(action, parameters)

    def compose(self) -> ComposeResult:
        # Before there are widgets: their first styles and their first layout are then the right ones.
        self.set_class(self.wide, "wide")
        yield StatusBar(self.MODE)
        yield from self.compose_body()
        yield KeysLine(keys_line(self.MODE, self.console_app.simulated))

    def compose_body(self) -> ComposeResult:
        """The widgets between status bar and keys line."""
        yield from ()

    def show(self, snapshot: Snapshot) -> None:
        """Draw `snapshot`. No I/O here: ask `self.console_app.view` from a worker."""

    def selected_anomaly(self, snapshot: Snapshot) -> Alarm | None:
        """The open anomaly that the operator looks at; where a screen selects none, the most urgent."""
        return next((alarm for alarm in snapshot.alarms if alarm.kind == "anomaly"), None)

    def selected_alarm(self, snapshot: Snapshot) -> Alarm | None:
        """The open alarm that `a`, `s` and `m` act on; None where a screen selects none."""
        return None

    def shown_alarms(self, snapshot: Snapshot) -> Sequence[Alarm]:
        """The open alarms listed here, which `A` acknowledges."""
        return ()

    @property
    def no_alarm(self) -> str:
        """What is said to a key that needs a selected alarm where there is none."""
        return "No alarm is selected here: 5 Events lists those that are open."

    @property
    def narrowed(self) -> str:
        """In words what keeps some open alarms off the list: a search, a filter; "" where nothing does."""
        return ""

    @property
    def alarm_selection(self) -> AlarmSelection | None:
        """What keeps the selected alarm, where a list selects one: it is told which alarms were acted on."""
        return None

    def moment(self, snapshot: Snapshot) -> int | None:
        """When the selected row was (UTC ns): what `g` proposes to go to; None where a screen selects no moment."""
        return None

    def satellite_in_hand(self, snapshot: Snapshot) -> str:
        """Whose moment that is: the satellite looked at, unless rows of several are listed."""
        return snapshot.satellite

    def receive(self, snapshot: Snapshot) -> None:
        """Called by the app: the status bar always lives, the rest stands still while paused or in the past."""
        if not any(isinstance(child, StatusBar) for child in self.children):
            # On the way out the widgets go one by one.
            return
        self._show_bar()
        if self.console_app.paused_at is None and (self.ALWAYS_NOW or not self.console_app.time.fixed):
            self.show(snapshot)
        self._show_keys()

    def _show_bar(self) -> None:
        app = self.console_app
        if app.snapshot is not None:
            self.query_one(StatusBar).show(app.snapshot, app.paused_at, app.past_banner)

    def _show_keys(self) -> None:
        """What matters most at present leads the line: the way back to now, what the selected anomaly asks for."""
        app = self.console_app
        first = [("space", "live")] if app.time.fixed or app.paused_at is not None else []
        # A list selects among what it shows: what is now is not asked of one that shows the past.
        now = app.shown if self.SHOWS_ANOMALIES and not app.read_only and not app.time.fixed else None
        if now is not None and self.selected_anomaly(now) is not None:
            first.append(("i", "accept"))
        self.query_one(KeysLine).begin_with(first)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that may fail without ending the console does not fail in silence."""
        if event.state is WorkerState.ERROR and not event.worker.exit_on_error:
            self.console_app.tell_trouble(f"{self.MODE.capitalize()} could not be read", event.worker.error)

    def on_screen_resume(self) -> None:
        self.refresh_snapshot()

    def on_resize(self, event: Resize) -> None:
        if event.size == self._laid_for:
            # Told again, as at every start.
            return
        self._laid_for = event.size
        self.set_class(event.size.width >= WIDE[0] and event.size.height >= WIDE[1], "wide")
        if self.query_one(StatusBar).size.width == event.size.width:
            # Laid out for this size already, as at the start: drawn before the first paint.
            self.refresh_snapshot()
        else:
            self.call_after_refresh(self.refresh_snapshot)

    def refresh_snapshot(self) -> None:
        """Draw again what is known, after a return, a resize, or with another time."""
        if not self.is_current or self._laid_for is None:
            return
        self._show_bar()
        app = self.console_app
        snapshot = app.snapshot if self.ALWAYS_NOW and app.time.fixed else app.shown
        if snapshot is not None:
            self.show(snapshot)
        self._show_keys()
