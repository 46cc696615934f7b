"""LiveScreen."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from cubesat_tui.keymap import bindings
from cubesat_tui.screens.mission_screen import MissionScreen


class LiveScreen(MissionScreen):
    """The live mode."""

    MODE = "live"
    BINDINGS: ClassVar[list[BindingType]] = bindings("live")
