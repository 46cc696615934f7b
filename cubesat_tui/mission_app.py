"""One mission on screen, before anything is drawn: the newest snapshot, the pause, requests, and how it ends.

The station runs elsewhere, even when it is a thread of this process: what the operator asks for goes through
the inbox; what becomes of the station on leaving is the app's return value (`Departure`), which the command line
acts on.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import work
from textual._context import active_message_pump
from textual.app import App, ScreenStackError
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.dom import NoScreen
from textual.reactive import reactive
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.worker import WorkerFailed

from cubesat_tui import collector
from cubesat_tui.conductor import TimeView
from cubesat_tui.departure import Departure
from cubesat_tui.drawing.signs import SignSet
from cubesat_tui.modes import warm
from cubesat_tui.past_journal import PastJournal
from cubesat_tui.pending_acts import waiting_words
from cubesat_tui.protocols import OwnStation, Snapshots
from cubesat_tui.reported import SILENT_S
from cubesat_tui.requests import Requests
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.store_view import NotRead, StoreView
from cubesat_tui.stylesheet import SteadyStylesheet
from cubesat_tui.terminal.line_choice import over_ssh
from cubesat_tui.terminal.line_pace import FULL, LinePace
from cubesat_tui.themes import THEMES
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.driver import Driver

    from cubesat_tui.snapshot import Snapshot
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory

log = logging.getLogger(__name__)

TICK_S = 0.25
"""At most four snapshots a second; fewer where the line has no room for them (`LinePace.period_s`)."""
FIRST_READ_S = 0.5
START_TIMEOUT_S = 20.0
"""A station of this process has to run by then."""
TOAST_S = 4.0
SETTLED_S = 2.0
"""After the start, by when values are on screen: what only later keys need is done from then on."""


def _driver_for(line: LinePace) -> type[Driver]:
    if line.asked == FULL:
        from cubesat_tui.terminal.full_line import FullLineDriver

        return FullLineDriver
    from cubesat_tui.terminal.thin_line import ThinLineDriver

    return ThinLineDriver


def _of_what_has_left(app: App[Any]) -> bool:
    """Whether what runs now belongs to a screen that is not on the stack of screens any more."""
    node = active_message_pump.get(None)
    try:
        return isinstance(node, Widget) and node.screen not in app.screen_stack
    except (NoScreen, ScreenStackError):
        return True


def _dialog_of_now() -> Screen[Any] | None:
    """What lies over a screen, where what runs now belongs to it."""
    node = active_message_pump.get(None)
    try:
        return node.screen if isinstance(node, Widget) and isinstance(node.screen, ModalScreen) else None
    except NoScreen:
        return None


class MissionApp(App[Departure]):
    """Base of the console: follows one mission directory and hands what it reads to the active screen."""

    snapshot: reactive[Snapshot | None] = reactive(None, init=False, repaint=False)
    time: reactive[TimeView] = reactive(TimeView(0), init=False, repaint=False)
    """Which stretch of mission time all screens show."""

    def __init__(
        self,
        directory: MissionDirectory,
        *,
        clock: Clock,
        operator: str,
        read_only: bool = False,
        station: OwnStation | None = None,
        first_start: bool = False,
        ascii_signs: bool = False,
        block_dots: bool = False,
        notice: str = "",
        mission: Mission | None = None,
        snapshots: Snapshots | None = None,
        replica: bool = False,
        line: LinePace | None = None,
    ) -> None:
        """`station`: that of this process, started once the first screen is painted; None when attached.

        `notice`: one plain line to show at the start. `mission`: its definition, where it was read already.
        `snapshots` replaces the reader of the mission store (tests). `replica`: what runs in this process only
        mirrors a station that runs elsewhere. `line`: what leads to the terminal, where one is drawn on.
        """
        super().__init__(driver_class=None if line is None else _driver_for(line))
        self.line = line
        self.directory = directory
        self.clock = clock
        self.operator = operator
        self.read_only = read_only
        self.embedded = station is not None
        self.replica = replica
        self._station = station
        self.first_start = first_start
        self._notice_at_start = notice
        self.signs = SignSet(ascii=ascii_signs, blocks=block_dots)
        self.set_class(ascii_signs, "-ascii")
        self.view = StoreView(directory, mission, self._unread)
        self._trouble_said: tuple[str, float] = ("", -math.inf)
        self.past_journal = PastJournal()
        self.paused_at: tuple[int, int] | None = None
        self._still: Snapshot | None = None
        self._mission = mission
        self._first: asyncio.Future[Snapshot | None] | None = None
        self._snapshots = snapshots
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._requests = Requests(directory, clock, operator)
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.stylesheet = SteadyStylesheet(self.get_css_variables())

    @property
    def shown(self) -> Snapshot | None:
        """What the screens stand on: the newest snapshot, or the one at which they were paused."""
        return self._still if self.paused_at is not None else self.snapshot

    @property
    def mission_screen(self) -> MissionScreen | None:
        """The active mode's screen, also while a dialog lies over it; None while its widgets are still to come."""
        screen = next((s for s in reversed(self.screen_stack) if isinstance(s, MissionScreen)), None)
        return screen if screen is not None and screen.is_mounted else None

    @property
    def has_fleet(self) -> bool:
        """Whether the mission has several satellites."""
        return self.snapshot is not None and len(self.snapshot.mission.satellites) > 1

    @property
    def simulated(self) -> bool:
        """Whether what is shown comes from the simulator; while nothing is known it does not."""
        mission = self._mission or (self.snapshot and self.snapshot.mission)
        return mission is not None and mission.simulated

    async def on_load(self) -> None:
        """Read first, so that the first paint shows values; a store that takes long is waited for on screen."""
        self._first = asyncio.get_running_loop().run_in_executor(self._reading, self._poll)
        done, _ = await asyncio.wait({self._first}, timeout=FIRST_READ_S)
        if done and self._first.exception() is None:
            self.snapshot = self._first.result()

    def on_mount(self) -> None:
        self._follow()
        self.app_resume_signal.subscribe(self, self._come_back)
        self.set_timer(SETTLED_S, self._settle)
        if self._notice_at_start:
            self.say(self._notice_at_start)
        if self._station is not None:
            self.call_after_refresh(self._begin, self._station)
        if self.first_start:
            from cubesat_tui.screens.welcome import WelcomeCard

            self.push_screen(WelcomeCard())

    @work(group="station")
    async def _begin(self, station: OwnStation) -> None:
        try:
            await asyncio.wait_for(asyncio.wrap_future(station.start()), START_TIMEOUT_S)
        except Exception:  # whatever it is: the command line tells it, where the screen is given back
            log.exception("the station did not start")
            self.exit(Departure.NO_STATION)

    def _come_back(self, _: App[Any]) -> None:
        # The terminal was the shell's meanwhile.
        self.refresh(repaint=True, layout=True)
        self.screen.refresh(repaint=True, layout=True)

    def _settle(self) -> None:
        collector.release()
        self.run_worker(warm, group="warm", thread=True)

    @work(exclusive=True, group="snapshots")
    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        reading = self._first
        while True:
            try:
                news = await (reading or loop.run_in_executor(self._reading, self._poll))
            except Exception as error:  # noqa: BLE001  whatever reading died of, the console lives on and says so
                failures += 1
                self._unread(error)
                await asyncio.sleep(min(2.0**failures, 30.0))
                continue
            finally:
                reading = None
            failures = 0
            if news is not None:
                self.snapshot = news
            await asyncio.sleep(max(TICK_S, self.line.period_s if self.line is not None else 0.0))

    def _unread(self, error: Exception) -> None:
        self.tell_trouble("The mission store could not be read", error)

    def tell_trouble(self, what: str, error: BaseException | None) -> None:
        """Say what failed; of several workers that meet the same at once, one says it."""
        log.error("%s", what, exc_info=error)
        text, now = f"{what}: {plain_text(str(error))}", self.clock.monotonic()
        if self._trouble_said[0] != text or now - self._trouble_said[1] >= TOAST_S:
            self._trouble_said = (text, now)
            self.say(text, "error")

    async def _read_now(self, read: Callable[..., Snapshot | None], *args: str) -> None:
        """The newest snapshot at once, not with the next tick; which brings it where this cannot be read."""
        try:
            news = await asyncio.get_running_loop().run_in_executor(self._reading, read, *args)
        except Exception as error:  # noqa: BLE001  as in `_follow`
            self._unread(error)
            return
        if news is not None:
            self.snapshot = news

    def _poll(self) -> Snapshot | None:
        if self._snapshots is None:
            from cubesat_tui.snapshot_reader import SnapshotReader

            self._snapshots = SnapshotReader(
                self.directory,
                self.clock,
                mission=self._mission,
                station_pid=os.getpid() if self.embedded else None,
                past=self.past_journal,
            )
        return self._snapshots.poll(fleet=True) if self.current_mode == "fleet" else self._snapshots.poll()

    def _turn_to(self, satellite: str) -> Snapshot | None:
        if self._snapshots is not None:
            self._snapshots.focus(satellite)
        return self._poll()

    def watch_snapshot(self, snapshot: Snapshot | None) -> None:
        if snapshot is not None and self.paused_at is None:
            self.time = self.time.tick(snapshot.now_ns)
        screen = self.mission_screen
        if snapshot is not None and screen is not None and screen.is_mounted:
            with self.batch_update():
                screen.receive(snapshot)

    async def on_unmount(self) -> None:
        self.view.close()
        if self._snapshots is not None:
            self._reading.submit(self._snapshots.close)
        self._reading.shutdown(wait=False)
        self._requests.close()

    def run(self, *, mouse: bool | None = None, **options: Any) -> Departure | None:
        """`App.run`; the mouse is off over SSH unless asked for: it belongs to the terminal there."""
        return super().run(mouse=not over_ssh(os.environ) if mouse is None else mouse, **options)

    def _handle_exception(self, error: Exception) -> None:
        """What a key asked for could not be read: that was told, and the console goes on.

        So it does where a dialog that has been left, or a palette that was answered twice, failed on its way out,
        and leaves as it was asked to where something fails while it leaves.
        """
        if isinstance(error.error if isinstance(error, WorkerFailed) else error, NotRead):
            return
        if self._exit or _of_what_has_left(self):
            log.warning("failed on its way out", exc_info=error)
            return
        # The palette is Textual's own, and what fails in it may run in the app's turn.
        dialog = self.screen if isinstance(self.screen, CommandPalette) else _dialog_of_now()
        if isinstance(error, NoMatches) and dialog is not None:
            # It is half built or half gone: no reason to lose the console.
            log.warning("a dialog failed", exc_info=error)
            self.call_later(self._leave, dialog)
            return
        super()._handle_exception(error)

    def _leave(self, dialog: Screen[Any]) -> None:
        if self.screen is dialog:
            self.pop_screen()

    def _fatal_error(self) -> None:
        """Leave with one line instead of Textual's traceback, which goes to the log."""
        error = sys.exc_info()[1]
        log.error("the console failed", exc_info=error)
        text = f"cubesat-tui: the console failed: {type(error).__name__}: {plain_text(str(error))}"
        self._exit_renderables.append(Text(f"{text}; details in {self.directory.log}"))
        self._close_messages_no_wait()

    def say(self, text: str, severity: Any = "information") -> None:
        """A toast of plain text."""
        self.notify(text, severity=severity, markup=False, timeout=TOAST_S)

    @work(exclusive=True, group="focus")
    async def _look_at(self, satellite: str) -> None:
        # A pause would go on showing the satellite that was left.
        self.paused_at = self._still = None
        await self._read_now(self._turn_to, satellite)
        await self.switch_mode("live")

    @work(exclusive=True, group="fleet")
    async def _look_at_all(self) -> None:
        await self._read_now(self._poll)

    @work(group="inbox")
    async def _submit(self, kind: str, body: dict[str, Any]) -> None:
        if self.read_only:
            self.say("This console is read-only: nothing was asked of the station.", "warning")
            return
        request = await self._left(kind, body)
        if request is not None:
            self._say_waiting()

    def _say_waiting(self, *, patient: bool = False) -> bool:
        """Say why what was asked for has no answer; False where one may still come."""
        if self.snapshot is None:
            return False
        link = self.snapshot.link
        alive = link.beat_age_s is not None and link.beat_age_s <= SILENT_S
        words = waiting_words(link, self.snapshot.health, alive=alive, patient=patient)
        if words:
            self.say(words, "warning")
        return bool(words)

    async def _left(self, kind: str, body: dict[str, Any]) -> str | None:
        """Leave a request; its id, or None after words that say why the inbox did not take it."""
        try:
            return await self._requests.submit(kind, body)
        except Exception as error:  # whatever writing died of (a full disk): the console says so and lives on
            log.exception("the request %s could not be left", kind)
            self.say(f"Nothing was asked of the station: {plain_text(str(error))}", "error")
            return None

    def action_pause(self) -> None:
        if self.paused_at is None and self.snapshot is not None:
            self._still = self.snapshot
            self.paused_at = (self.snapshot.now_ns, self.snapshot.frames)
        else:
            self.paused_at = self._still = None
        if self.snapshot is not None:
            self.watch_snapshot(self.snapshot)
