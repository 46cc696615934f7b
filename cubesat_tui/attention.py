"""What calls an operator who looks elsewhere: the terminal's bell, and its title.

The bell rings once for a new CRITICAL or SEVERE alarm of a real link, at most every `QUIET_S`; what is shelved or
inhibited never rings, nor does a simulator or a replay. The title says what is new and is given back at the end.
Both are escape sequences, so nothing is written where no terminal listens, and every name passes `plain_text`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cubesat_tui.drawing.why import alarm_label
from telemetry.alarms import AlarmState
from telemetry.limits import Level
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Key

QUIET_S = 10.0
"""At most one bell in this time."""
BELL = "\a"
PUSH_TITLE = "\x1b[22;2t"
POP_TITLE = "\x1b[23;2t"
TITLE_ROOM = 100
_SILENT_TERMS = frozenset({"", "dumb", "linux", "unknown"})
"""Terminals without a title; the Linux console prints what it does not know."""


def listens(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a terminal with a bell and a title is written to (Textual draws on stderr)."""
    return environ.get("TERM", "") not in _SILENT_TERMS and sys.__stderr__ is not None and sys.__stderr__.isatty()


class Attention:
    """Told of every snapshot; writes little, and only on change."""

    def __init__(self, write: Callable[[str], None], monotonic: Callable[[], float]) -> None:
        """`write` puts characters on the terminal; `monotonic` in seconds."""
        self._write = write
        self._monotonic = monotonic
        self._title: str | None = None
        self._known: dict[tuple[Key, int], int] | None = None
        """Severity already told, by alarm and time of its raise; None before the first snapshot."""
        self._rang_at = -QUIET_S
        self.bell_on = True

    def look(self, snapshot: Snapshot) -> None:
        """Ring and write the title if `snapshot` has news."""
        self._ring(snapshot)
        title = title_of(snapshot)
        if title != self._title:
            self._write(f"{PUSH_TITLE if self._title is None else ''}\x1b]2;{title}{BELL}")
            self._title = title

    @property
    def titled(self) -> bool:
        """Whether the terminal wears a title of ours."""
        return self._title is not None

    def leave(self) -> None:
        """Give the terminal its own title back; nothing to do where it was never changed."""
        if self._title is not None:
            self._title = None
            self._write(POP_TITLE)

    def _ring(self, snapshot: Snapshot) -> None:
        alarms = {(a.key, a.raised_ns): a for a in (*snapshot.alarms, *snapshot.elsewhere)}
        news = {one: alarm.severity for one, alarm in alarms.items() if rings(alarm)}
        # What somebody dealt with has been told; what is shelved is told again when its shelf ends.
        dealt = {one: a.severity for one, a in alarms.items() if one not in news and not a.muted}
        if self._known is None:
            # What was open when the console came is on its first screen.
            self._known = {**dealt, **news}
            return
        kept = {one: told for one, told in self._known.items() if one in alarms and not alarms[one].shelved}
        self._known = {**kept, **dealt}
        news = {one: severity for one, severity in news.items() if severity > self._known.get(one, 0)}
        if not news:
            return
        if not self.bell_on or not is_real(snapshot):
            self._known |= news
        elif self._monotonic() - self._rang_at >= QUIET_S:
            self._rang_at = self._monotonic()
            self._known |= news
            self._write(BELL)


def is_real(snapshot: Snapshot) -> bool:
    """Whether what is shown happens now to a satellite: no simulator, no replay."""
    return not snapshot.simulated and snapshot.link.state != "REPLAY"


def rings(alarm: Alarm) -> bool:
    """New, CRITICAL or worse, and nobody silenced it."""
    return alarm.state is AlarmState.UNACK_ALARM and alarm.severity >= Level.CRITICAL and not alarm.muted


def title_of(snapshot: Snapshot) -> str:
    """`cubesat-tui KESTREL-1: 2 NEW, CRITICAL Wheel X speed`, or without news the satellite alone."""
    name = f"cubesat-tui {plain_text(snapshot.satellite, 30)}{' SIM' if snapshot.simulated else ''}"
    new = [a for a in snapshot.alarms if a.state is AlarmState.UNACK_ALARM and not a.muted]
    if not new:
        return name
    worst = min(new, key=lambda a: (-a.severity, a.kind == "anomaly"))
    word = "anomaly" if worst.kind == "anomaly" else Level(worst.severity).name
    text = f"{name}: {len(new)} NEW, {word} {plain_text(alarm_label(worst, snapshot), 40)}"
    return plain_text(text, TITLE_ROOM)
