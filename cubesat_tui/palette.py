"""The command palette: every key of this screen by its sentence, every channel by its label, every satellite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Provider
from textual.content import Content
from textual.css.query import NoMatches

from cubesat_tui import messages
from cubesat_tui.keymap import KEYS, of_fleet_only
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.screens.modal import on_top

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp


class ConsoleCommands(Provider):
    """Acts that exist here, then `Plot <channel>` and `Focus <satellite>`."""

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        for text, run in self._acts():
            yield DiscoveryHit(Content(text), run, text=text)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        matcher = self.matcher(query)
        for text, run in (*self._acts(), *self._plots(), *self._focuses()):
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, Content(text), run, text=text)

    @property
    def _console(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    def _acts(self) -> list[tuple[str, Callable[[], Any]]]:
        screen = self.screen
        mode = screen.MODE if isinstance(screen, MissionScreen) else ""
        keys = [
            (f"{key.text} ({key.shown})", partial(self._run, key.action, key.scope))
            for key in KEYS
            if key.scope in ("app", mode) and key.id != "quit.interrupt"
            if self._console.has_fleet or not of_fleet_only(key)
        ]
        return [*keys, ("Passes: the next 24 hours over every ground station", self._passes)]

    def _passes(self) -> None:
        from cubesat_tui.screens.passes import PassesCard

        self._console.push_screen(PassesCard())

    async def _run(self, action: str, scope: str) -> None:
        node = self._console if scope == "app" else self._console.screen
        await self._console.run_action(action, node)

    def _focuses(self) -> list[tuple[str, Callable[[], Any]]]:
        snapshot = self._console.snapshot
        if snapshot is None or not self._console.has_fleet:
            return []
        return [
            (f"Focus {name}", partial(self._console.post_message, messages.FocusRequested(name)))
            for name in snapshot.mission.by_name
        ]

    def _plots(self) -> list[tuple[str, Callable[[], Any]]]:
        snapshot = self._console.snapshot
        if snapshot is None:
            return []
        return [
            (
                f"Plot {now.channel.label or name} ({name})",
                partial(self._console.post_message, messages.JumpTo(snapshot.now_ns, name)),
            )
            for name, now in snapshot.channels.items()
            # What is predicted is not stored: there is nothing to plot.
            if name in snapshot.mission.bus_of(snapshot.satellite).by_name
        ]


class OncePalette(CommandPalette):
    """Textual's palette; answered with a key held down it is left once.

    What it was still waiting for when it was left (a search, a countdown) then asks for parts that have been taken
    away, which ends the console: it gets what it had, which nobody sees any more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: dict[Any, Any] = {}

    def query_one(self, selector: Any, expect_type: Any = None) -> Any:
        """As of `Screen`, and once found, found."""
        try:
            self._parts[selector] = super().query_one(selector, expect_type)
        except NoMatches:
            if selector not in self._parts:
                raise
        return self._parts[selector]

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if on_top(self) else AwaitComplete()
