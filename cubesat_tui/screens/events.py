"""EventsScreen."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from cubesat_tui.keymap import bindings
from cubesat_tui.screens.mission_screen import MissionScreen


class EventsScreen(MissionScreen):
    """The events mode."""

    MODE = "events"
    BINDINGS: ClassVar[list[BindingType]] = bindings("events")
