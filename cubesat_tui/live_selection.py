"""What is selected on Live: an alarm or a channel. The selection belongs to what it names, never to a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.alarm_selection import AlarmSelection
from cubesat_tui.drawing.panels import ordered

if TYPE_CHECKING:
    from cubesat_tui.drawing.panels import Panel
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from telemetry.alarms import Alarm, Key

IDLE_NS = 60_000_000_000
"""So long after the last key the selection follows the worst alarm again: nobody is between two keys then."""


class LiveSelection:
    """An alarm, or a channel of a panel. Between two keys a worse alarm moves the list, not the selection."""

    def __init__(self) -> None:
        self.panel = 0
        """Number of the panel that keys go through."""
        self.channel: str | None = None
        self.alarms = AlarmSelection()
        self._touched_ns = 0
        self._satellite = ""

    @property
    def at_rest(self) -> bool:
        """Whether no channel is selected."""
        return self.channel is None

    def rest(self) -> None:
        """Back to the worst alarm."""
        self.channel = None
        self.alarms.release()

    def touch(self, wall_ns: int) -> None:
        """A key was pressed. Where a channel is selected, what became of an alarm surprises nobody.

        A key that met no alarm chose none: the first ones come as they are, the worst selected.
        """
        if self.alarms.key is not None or self.channel is not None:
            self._touched_ns = wall_ns
        if self.channel is not None:
            self.alarms.surprise()

    def fit(self, snapshot: Snapshot, panels: Sequence[Panel]) -> None:
        """Let go of another satellite's alarm and of panels there are no longer; follow the worst where idle."""
        if self._satellite not in ("", snapshot.satellite):
            self.alarms.release()
        self._satellite = snapshot.satellite
        self.panel = max(0, min(self.panel, len(panels) - 1))
        if snapshot.wall_ns - self._touched_ns > IDLE_NS and snapshot.alarms:
            self.alarms.drift(snapshot.alarms[0].key, snapshot.wall_ns)

    def of(self, snapshot: Snapshot, panels: Sequence[Panel]) -> tuple[Alarm | None, ChannelNow | None]:
        """The selected alarm, if one is, and the channel that the trend shows."""
        if self.channel is None or self.channel not in snapshot.channels:
            alarm = self.alarms.among(snapshot.alarms)
            if alarm is not None and alarm.channel in snapshot.channels:
                return alarm, snapshot.channels[alarm.channel]
            first = self.names(snapshot, panels)
            return alarm, snapshot.channels[first[0]] if first else None
        alarm = next((a for a in snapshot.alarms if a.channel == self.channel), None)
        return alarm, snapshot.channels[self.channel]

    def marked(self, alarm: Alarm | None) -> Key | None:
        """The key of the alarm whose row is marked."""
        return alarm.key if alarm is not None and self.channel is None else None

    def pinned(self, snapshot: Snapshot, most: int) -> tuple[Alarm, ...]:
        """The first `most` open alarms, the selected one always among them."""
        alarms = snapshot.alarms
        chosen = self.alarms.among(alarms) if self.channel is None else None
        if chosen is None or chosen in alarms[:most]:
            return tuple(alarms[:most])
        return (*alarms[: most - 1], chosen)

    def names(self, snapshot: Snapshot, panels: Sequence[Panel]) -> list[str]:
        """Channels of the present panel, in the order of its rows."""
        return ordered(panels[self.panel], snapshot.channels) if self.panel < len(panels) else []

    def select(self, panels: Sequence[Panel], name: str) -> None:
        """Select a channel, in the first panel that shows it; one that none shows still has its trend."""
        self.panel = next((i for i, panel in enumerate(panels) if name in panel.channels), self.panel)
        self.channel = name

    def turn(self, snapshot: Snapshot, panels: Sequence[Panel], step: int) -> None:
        """The first row of another panel."""
        self.panel = (self.panel + step) % max(1, len(panels))
        names = self.names(snapshot, panels)
        self.channel = names[0] if names else None

    def move(self, snapshot: Snapshot, panels: Sequence[Panel], step: int) -> None:
        """`step` rows on among the open alarms and then the channels of the panel."""
        items: list[tuple[Key | None, str | None]] = [(a.key, None) for a in snapshot.alarms]
        items += [(None, name) for name in self.names(snapshot, panels)]
        if not items:
            return
        alarm, now = self.of(snapshot, panels)
        here: tuple[Key | None, str | None] = (None, self.channel)
        if self.channel is None:
            here = (alarm.key, None) if alarm is not None else (None, now.channel.name if now else "")
        at = items.index(here) if here in items else -1
        key, self.channel = items[max(0, min(len(items) - 1, at + step))]
        if key is not None:
            self.alarms.choose(key)

    def next_anomaly(self, snapshot: Snapshot, step: int) -> bool:
        """Select the next open anomaly; False where none is open."""
        keys = [a.key for a in snapshot.alarms if a.kind == "anomaly"]
        if not keys:
            return False
        now = self.alarms.key if self.channel is None else None
        self.alarms.choose(keys[(keys.index(now) + step) % len(keys)] if now in keys else keys[0])
        self.channel = None
        return True
