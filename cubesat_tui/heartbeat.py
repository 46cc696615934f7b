"""What a station says about itself each second: one row of the store, from which every console draws."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from telemetry.store.rows import HealthRow

if TYPE_CHECKING:
    from cubesat_tui.station import Station

STATION = "station"
"""Key of the row; a mission directory has one station."""
PACKETS_OF = 10
"""Above so many satellites the ages of their packets stay out of it: 40 kB a second for what the frames say."""


def health_row(station: Station) -> HealthRow:
    """The heartbeat of this moment."""
    return HealthRow(
        station=STATION,
        beat_ns=station.clock.now_ns(),
        next_retrain_ns=station.trainer_view.next_ns,
        body=health_body(station),
    )


def health_body(station: Station) -> dict[str, Any]:
    """Everything a console needs beside the store's own rows. Times are UTC ns, ages seconds."""
    state, detail = station.link.state
    ingest, rate = station.ingest, station.link.rate
    history = station.history_progress
    child = station.child
    return {
        "link": state,
        "detail": detail,
        "source": station.source_name,
        "rate": None if math.isinf(rate) else rate,
        "live": station.link.live,
        "ended": station.source_ended,
        "simulated": station.mission.simulated,
        "scenario": station.mission.source.scenario if station.mission.flown_here else None,
        "injected": station.faults.running(),
        "accepted": ingest.accepted,
        "refused": refused(station),
        "packets": station.link.packets() if len(station.mission.satellites) <= PACKETS_OF else {},
        "contact": station.contacts.health(station.mission_clock.now_ns()),
        "predicted": station.forecast.health(station.mission_clock.now_ns()),
        "model": station.models.health(),
        "held": station.models.holds(),
        "learning": station.trainer_view.learning,
        "trainer": station.trainer_view.health(child),
        "disk_full": ingest.disk_full,
        "history": None if history is None else {"done": history[0], "of": history[1]},
        "mission_ns": station.mission_clock.now_ns(),
        "pid": os.getpid(),
        "operator": station.operator,
    } | ({} if station.links is None else {"publish": station.links.health()})


def refused(station: Station) -> dict[str, int]:
    """Frames not stored since the mission began, by reason: refused by the source and by the store."""
    counted = dict(station.ingest.refused)
    for reason, count in getattr(station.source, "refused", {}).items():
        counted[reason] = counted.get(reason, 0) + count
    return counted
