"""How an operator leaves the console."""

from __future__ import annotations

import enum


class Departure(enum.Enum):
    """How the operator left; `App.run` returns it, None when the app was ended from outside."""

    LEAVE = "leave"
    """The station is not ours: nothing happens to it."""
    STOP = "stop"
    """Stop the station of this process."""
    NO_STATION = "no station"
    """The station of this process did not start."""
    KEEP_RUNNING = "keep running"
    """Hand the mission to a detached station."""
