"""Alarms that outlive what they are about: its satellite, channel or packet is gone, and nothing would end them.

At the start of a station each returns, with an event that says why in words. It is then like any other alarm that
has returned: new until somebody acknowledges it, shelved until its shelf ends, latched until it is cleared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.alarms import ANOMALY_PREFIX, RELEASED, STALE, Alarm, Event
from telemetry.limits import Level
from telemetry.open_alarms import OpenAlarms
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.dictionary import Mission

ORPHANED = "alarm.orphaned"
"""Kind of the event on a satellite that is gone; of no satellite itself, so that every journal shows it."""


class Orphans(OpenAlarms):
    """Lets go of what is monitored no more."""

    def let_go(self, mission: Mission, t_ns: int) -> list[Event]:
        """Return what `mission` knows nothing of; call it once the journal is restored."""
        events: list[Event] = []
        gone: dict[str, list[Alarm]] = {}
        for alarm in list(self._alarms.values()):
            if alarm.satellite not in mission.by_name:
                gone.setdefault(alarm.satellite, []).append(alarm)
            why = _lost(alarm, mission)
            if not why:
                continue
            if alarm.satellite not in mission.by_name and alarm.inhibited_by:
                # What muted it is not looked at any more either.
                body = {"by": alarm.inhibited_by, "text": f"no longer muted by {alarm.inhibited_by}: {alarm.text}"}
                events.append(self._do(t_ns, alarm.key, RELEASED, body))
            if alarm.active:
                events += self._return(alarm, t_ns, {"text": f"{why}: {alarm.text}", "count": alarm.count})
        for name, alarms in gone.items():
            if any(alarm.active for alarm in alarms):
                events.append(_farewell(name, len(alarms), t_ns))
        return events


def _lost(alarm: Alarm, mission: Mission) -> str:
    """What of `alarm` mission.toml no longer has, in words; "" where it can still end by itself."""
    if alarm.satellite not in mission.by_name:
        return f"satellite {plain_text(alarm.satellite, 40)} is no longer in mission.toml"
    bus = mission.bus_of(alarm.satellite)
    if alarm.kind == STALE:
        lost = not any(name in bus.by_name for name in alarm.channels)
        return f"{_listed('channel', alarm.channels)} no longer in mission.toml" if lost else ""
    if not alarm.subject.startswith(ANOMALY_PREFIX):
        channel = plain_text(alarm.subject, 80)
        return "" if alarm.subject in bus.by_name else f"channel {channel} is no longer in mission.toml"
    packets = [str(one) for one in alarm.body.get("packets", ())]
    if not packets:
        return "it is not known which packet would end it"
    if any(one in dict(bus.packets) for one in packets):
        return ""
    return f"{_listed('packet', packets)} no longer in mission.toml"


def _listed(what: str, names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(plain_text(name, 40) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {shown} is" if len(names) == 1 else f"{what}s {shown}{more} are"


def _farewell(satellite: str, count: int, t_ns: int) -> Event:
    name = plain_text(satellite, 40)
    what = "its alarm has returned" if count == 1 else f"its {count} alarms have returned"
    them = "it" if count == 1 else "them"
    text = f"satellite {name} is no longer in mission.toml: {what}; cubesat-tui ack --satellite {name} ends {them}"
    return Event(t_ns, "", ORPHANED, int(Level.WATCH), name, "", {"text": text, "alarms": count})
