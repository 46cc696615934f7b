"""The console: its modes, keys and messages over one mission store. It writes requests; it never computes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.command import CommandPalette
from textual.screen import Screen

from cubesat_tui import messages
from cubesat_tui.keymap import bindings
from cubesat_tui.modes import MODES
from cubesat_tui.night_app import NightApp
from cubesat_tui.operator_acts import OperatorActs, as_seen
from cubesat_tui.palette import ConsoleCommands, OncePalette
from cubesat_tui.protocols import Filters
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.themes import THEMES
from cubesat_tui.time_app import TimeApp
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.alarms import Alarm


class ConsoleApp(TimeApp, NightApp, OperatorActs):
    """The Textual app over one mission directory."""

    TITLE = "cubesat-tui"
    MODES = MODES
    DEFAULT_MODE = "live"
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")
    COMMANDS: ClassVar[set[Any]] = {ConsoleCommands}
    CSS = """
    Toast { background: $panel; }
    ConsoleApp.-ascii .chart-box,
    ConsoleApp.-ascii ClustersScreen.wide #scatter-side, ConsoleApp.-ascii ClustersScreen.wide #cluster-detail,
    ConsoleApp.-ascii ClustersScreen.wide #cluster-modes {
        border: ascii $line; }
    """

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "mode" and parameters == ("fleet",):
            return self.has_fleet
        return super().check_action(action, parameters)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        return ()

    @on(messages.Notice)
    def _notice(self, message: messages.Notice) -> None:
        self.say(message.text, message.severity)

    @on(messages.CopyRequested)
    def _copy(self, message: messages.CopyRequested) -> None:
        self.copy_to_clipboard(message.text)
        self.say(f"{message.what} copied")

    @on(messages.AckRequested)
    def _acknowledge(self, message: messages.AckRequested) -> None:
        for alarm in message.alarms:
            self.ask_about(alarm, "ack", {"satellite": alarm.satellite, "subject": alarm.subject, **as_seen(alarm)})

    @on(messages.EventRequested)
    def _event(self, message: messages.EventRequested) -> None:
        self._submit("event", message.as_request())

    @on(messages.JumpTo)
    async def _jump(self, message: messages.JumpTo) -> None:
        # What is now is shown as it goes on; only what has been is shown standing still.
        if self.snapshot is None or message.t_ns >= self.snapshot.now_ns:
            self.go_live()
        else:
            self.go_to(self.time.at(message.t_ns))
        await self.switch_mode("live")
        if message.channel is not None:
            self.select_channel(message.channel)

    @on(messages.FocusRequested)
    def _focus_asked(self, message: messages.FocusRequested) -> None:
        self._look_at(message.satellite)

    @on(messages.LedgerRequested)
    async def _ledger(self, message: messages.LedgerRequested) -> None:
        await self.switch_mode("ledger")
        if isinstance(self.screen, Filters):
            self.screen.apply_filter(message.filter_text)

    @on(messages.FaultRequested)
    def _fault(self, message: messages.FaultRequested) -> None:
        self._ask_station("inject", message.body)

    @on(messages.AcceptRequested)
    def _accepted(self, message: messages.AcceptRequested) -> None:
        self._ask_station("accept", message.body)

    @on(messages.ModelActRequested)
    def _govern(self, message: messages.ModelActRequested) -> None:
        self._ask_station(message.kind, message.body)

    async def action_mode(self, mode: str) -> None:
        await self.switch_mode(mode)
        if mode == "fleet":
            self._look_at_all()

    def action_inject(self) -> None:
        from cubesat_tui.screens.inject import InjectDialog, why_not

        if not isinstance(self.screen, MissionScreen):
            return
        reason = why_not(self.snapshot, read_only=self.read_only)
        if reason:
            self.say(reason, "warning")
        elif self.snapshot is not None:
            self.push_screen(InjectDialog(self.snapshot))

    def action_accept(self) -> None:
        screen, snapshot = self.mission_screen, self.snapshot
        if screen is not None and snapshot is not None:
            self.accept_as_nominal(screen.selected_anomaly(snapshot))

    def accept_as_nominal(self, alarm: Alarm | None) -> None:
        """Ask for the reason why an anomaly is none."""
        from cubesat_tui.screens.accept import AcceptDialog

        if self.read_only:
            self.say("This console is read-only: nothing can be accepted from here.", "warning")
        elif alarm is None or alarm.kind != "anomaly":
            self.say("No anomaly is selected: n goes to the next open one.")
        elif self.snapshot is not None:
            self.push_screen(AcceptDialog(self.snapshot, alarm))

    def action_command_palette(self) -> None:
        # Textual's has one id for all: a second, opened while the first still goes, ends the program.
        if not any(isinstance(screen, CommandPalette) for screen in self.screen_stack):
            self.push_screen(OncePalette())

    def action_theme(self) -> None:
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0]
        self.say(f"theme: {self.theme}")

    @work(group="save-screen")
    async def action_save_screen(self) -> None:
        """Keep the screen as it is, as text and as a picture."""
        from cubesat_tui.saved_screen import save

        screen = self.mission_screen
        strips = self.screen._compositor.render_strips()[: self.size.height]
        lines = ["".join(segment.text for segment in strip) for strip in strips]
        now_ns = self.snapshot.now_ns if self.snapshot is not None else self.clock.now_ns()
        mode = screen.MODE if screen is not None else "dialog"
        try:
            saved = await asyncio.to_thread(save, self.directory, mode, now_ns, lines, self.export_screenshot())
        except OSError as error:
            self.say(f"The screen could not be saved: {plain_text(error.strerror or str(error))}", "error")
        else:
            self.say(f"Saved: {plain_text(str(saved.text), 500)} and {saved.picture.name}")

    def action_keys(self) -> None:
        from cubesat_tui.screens.help import KeysCard

        self.push_screen(KeysCard(self.mission_screen.MODE if self.mission_screen else "live", self.has_fleet))

    def action_repaint(self) -> None:
        if self.line is not None:
            from cubesat_tui.terminal.thin_line import ThinLineDriver

            if isinstance(self._driver, ThinLineDriver):
                self._driver.forget()
        self.refresh(repaint=True, layout=True)
        self.screen.refresh(repaint=True, layout=True)

    @work(group="quit", exclusive=True)
    async def action_ask_quit(self) -> None:
        from cubesat_tui.screens.quit import QuitDialog

        if isinstance(self.screen, QuitDialog):
            return
        answer = await self.push_screen_wait(QuitDialog(self.embedded and not self.replica))
        if answer is not None:
            self.exit(answer)
