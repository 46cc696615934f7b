"""A choice of panels while it is being made: a list with a cursor. Pure state, nothing is kept here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cubesat_tui.drawing.panels import Panel
from cubesat_tui.panel_choice import OWN, Choice, PanelOf


class Line(NamedTuple):
    """A panel, or with `channel` one channel under it. `on`: shown, or in the operator's own panel."""

    panel: str
    channel: str
    on: bool
    channels: int


class PanelEditor:
    """Move, shift, hide, and take channels into the operator's own panel."""

    def __init__(self, choice: Sequence[PanelOf], found: Sequence[Panel]) -> None:
        self._found = {panel.title: panel for panel in found}
        known = {name for panel in found for name in panel.channels}
        given = {one.title: one for one in choice if one.title == OWN or one.title in self._found}
        self._order = [*given, *(title for title in self._found if title not in given)]
        if OWN not in self._order:
            self._order.append(OWN)
        self._hidden = {one.title for one in given.values() if one.hidden}
        own = given.get(OWN)
        self._own = [name for name in own.channels if name in known] if own is not None else []
        self._open = ""
        self.at = 0

    def lines(self) -> list[Line]:
        """Panels in their order, the channels of the one unfolded below it."""
        out: list[Line] = []
        for title in self._order:
            names = self._names(title)
            out.append(Line(title, "", title not in self._hidden, len(names)))
            if title == self._open:
                out += [Line(title, name, name in self._own, 0) for name in names]
        return out

    def _names(self, title: str) -> tuple[str, ...]:
        return tuple(self._own) if title == OWN else self._found[title].channels

    @property
    def line(self) -> Line:
        """The line under the cursor."""
        lines = self.lines()
        self.at = max(0, min(self.at, len(lines) - 1))
        return lines[self.at]

    def move(self, step: int) -> None:
        """Another line; stops at the ends."""
        self.at = max(0, min(len(self.lines()) - 1, self.at + step))

    def shift(self, step: int) -> None:
        """The panel of the line one place up or down, and the cursor with it."""
        here = self.line
        at = self._order.index(here.panel)
        to = max(0, min(len(self._order) - 1, at + step))
        self._order.insert(to, self._order.pop(at))
        self.at = self.lines().index(here)

    def unfold(self, wanted: bool = True) -> None:
        """Show the channels of the panel under the cursor, or of none."""
        title = self.line.panel
        self._open = title if wanted else ""
        self.at = next(i for i, line in enumerate(self.lines()) if line.panel == title)

    def toggle(self) -> str:
        """Hide or show the panel, or take the channel into the own panel or out of it; words where it cannot be."""
        line = self.line
        if line.channel:
            if line.channel in self._own:
                self._own.remove(line.channel)
            else:
                self._own.append(line.channel)
            self.at = min(self.at, len(self.lines()) - 1)
            return ""
        if line.panel == OWN and not self._own:
            return f"{OWN} is empty: → unfolds a panel, space on a channel takes it in."
        if line.on and sum(one.on and one.channels > 0 for one in self.lines() if not one.channel) == 1:
            return "One panel has to stay."
        self._hidden ^= {line.panel}
        return ""

    def reset(self) -> None:
        """As the mission has it."""
        self._order = [*self._found, OWN]
        self._hidden, self._own, self._open, self.at = set(), [], "", 0

    def choice(self) -> Choice:
        """What was chosen; empty where it is what the mission has."""
        order = [title for title in self._order if title != OWN or self._own]
        if order == list(self._found) and not self._hidden and not self._own:
            return ()
        return tuple(
            PanelOf(title, title in self._hidden, tuple(self._own) if title == OWN else ()) for title in order
        )
