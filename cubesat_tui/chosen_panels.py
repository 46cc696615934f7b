"""The panels an operator chose for Live: read once, asked for in a card, kept in the mission's directory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cubesat_tui.drawing.channel_rows import label_of
from cubesat_tui.drawing.panels import Panel, panels
from cubesat_tui.panel_choice import Choice, ChoiceBroken, PanelFile, chosen, hidden

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.screens.panels import PanelsCard
    from cubesat_tui.snapshot import Snapshot


class ChosenPanels:
    """One choice for each bus of a mission."""

    def __init__(self) -> None:
        self._choices: dict[str, Choice] = {}
        self.left_out = 0
        """Panels of the bus shown last that are hidden."""

    def of(self, snapshot: Snapshot, app: ConsoleApp) -> tuple[Panel, ...]:
        """What to show. A file that is broken is said once, and the mission's own panels are shown."""
        found = panels(snapshot.mission.bus_of(snapshot.satellite))
        bus = _bus(snapshot)
        if bus not in self._choices:
            try:
                self._choices[bus] = PanelFile(app.directory).read(bus)
            except ChoiceBroken as broken:
                self._choices[bus] = ()
                app.say(f"The panels of the mission are shown: {broken}", "warning")
        self.left_out = hidden(self._choices[bus], found)
        return chosen(self._choices[bus], found)

    def card(self, snapshot: Snapshot) -> PanelsCard:
        """The card in which the operator chooses; its result goes to `keep`."""
        from cubesat_tui.screens.panels import PanelsCard

        labels = {name: label_of(now) for name, now in snapshot.channels.items()}
        found = panels(snapshot.mission.bus_of(snapshot.satellite))
        return PanelsCard(self._choices.get(_bus(snapshot), ()), found, labels)

    async def keep(self, snapshot: Snapshot, choice: Choice, app: ConsoleApp) -> None:
        """Show this from now on. What cannot be written holds until the console ends."""
        self._choices[_bus(snapshot)] = choice
        if app.read_only:
            app.say("This console is read-only: the choice holds until it ends.")
            return
        try:
            await asyncio.to_thread(PanelFile(app.directory).write, _bus(snapshot), choice)
        except OSError as error:
            app.say(f"The choice holds until this console ends: {error.strerror or error}.", "warning")


def _bus(snapshot: Snapshot) -> str:
    return snapshot.mission.satellite(snapshot.satellite).bus
