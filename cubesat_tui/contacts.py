"""Passes over the ground stations: computed ahead, stored for the screens, announced when they begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telemetry.alarms import Event
from telemetry.dictionary import Mission
from telemetry.limits import Level
from telemetry.store.rows import ContactRow

HOUR_NS = 3_600_000_000_000
BEHIND_NS = 12 * HOUR_NS
AHEAD_NS = 24 * HOUR_NS
REFRESH_NS = 6 * HOUR_NS


def compute_contacts(mission: Mission, satellite: str, now_ns: int) -> list[ContactRow]:
    """Passes of `satellite` from 12 hours ago to 24 hours ahead, over all ground stations, in order of time.

    Empty where the mission gives no orbit (no two-line elements) or no ground station. Costs some tens of
    milliseconds of CPU: call it in a thread.
    """
    from sim.passes import contacts

    elements = mission.satellite(satellite).tle
    if elements is None:
        return []
    rows = [
        ContactRow(
            satellite=satellite,
            station=station.name,
            acquisition_ns=contact.acquisition_ns,
            loss_ns=contact.loss_ns,
            max_el_deg=contact.max_el_deg,
        )
        for station in mission.ground_stations
        for contact in contacts(elements, station, now_ns - BEHIND_NS, now_ns + AHEAD_NS)
    ]
    return sorted(rows, key=lambda row: row.acquisition_ns)


class ContactWatch:
    """Says which satellite is in contact now, and tells each beginning and end once."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[ContactRow, ...]] = {}
        self._current: dict[str, ContactRow | None] = {}

    def plan(self, satellite: str, rows: Sequence[ContactRow]) -> None:
        """Replace what is known about the passes of `satellite`."""
        self._rows[satellite] = tuple(rows)

    def step(self, now_ns: int) -> list[Event]:
        """Events for what began or ended since the last step.

        A pass that was already running at the first step is told as well: the operator has not heard of it.
        """
        told: list[Event] = []
        for satellite, rows in self._rows.items():
            before = self._current.get(satellite)
            now = next((row for row in rows if row.acquisition_ns <= now_ns < row.loss_ns), None)
            same = before is not None and now is not None and before.station == now.station
            if before is not None and not same:
                told.append(_event(before, "contact.lost", before.loss_ns))
            if now is not None and not same:
                told.append(_event(now, "contact.acquired", now.acquisition_ns))
            self._current[satellite] = now
        return told

    def health(self, now_ns: int) -> dict[str, dict[str, Any]]:
        """For the heartbeat: satellite -> {"station", "until_ns"} in contact, {"station", "next_ns"} before one."""
        told: dict[str, dict[str, Any]] = {}
        for satellite, rows in self._rows.items():
            current = next((row for row in rows if row.acquisition_ns <= now_ns < row.loss_ns), None)
            coming = next((row for row in rows if row.acquisition_ns > now_ns), None)
            if current is not None:
                told[satellite] = {"station": current.station, "until_ns": current.loss_ns}
            elif coming is not None:
                told[satellite] = {"station": coming.station, "next_ns": coming.acquisition_ns}
        return told


def _event(row: ContactRow, kind: str, at_ns: int) -> Event:
    return Event(
        at_ns=at_ns,
        satellite=row.satellite,
        kind=kind,
        severity=int(Level.IN_LIMITS),
        subject=row.station,
        body={"acquisition_ns": row.acquisition_ns, "loss_ns": row.loss_ns, "max_el_deg": row.max_el_deg},
    )
