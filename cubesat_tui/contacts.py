"""Passes over the ground stations: computed ahead, stored for the screens, announced when they begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telemetry.alarms import Event
from telemetry.clock import iso
from telemetry.dictionary import Mission
from telemetry.limits import Level
from telemetry.store.rows import ContactRow

HOUR_NS = 3_600_000_000_000
BEHIND_NS = 12 * HOUR_NS
AHEAD_NS = 24 * HOUR_NS
REFRESH_NS = 6 * HOUR_NS
DAY_NS = 24 * HOUR_NS
STALE_DAYS = 30.0
"""Elements farther than this from the mission's time are called stale."""


def compute_contacts(mission: Mission, satellite: str, now_ns: int) -> list[ContactRow]:
    """Passes of `satellite` from 12 hours ago to 24 hours ahead, over all ground stations, in order of time.

    Empty where the mission gives no orbit (no two-line elements) or no ground station, and where the elements do
    not reach these times; `orbit_note` says so. Costs some 10 ms of CPU a satellite: call it in a thread.
    """
    try:
        return contacts_between(mission, satellite, now_ns - BEHIND_NS, now_ns + AHEAD_NS)
    except OrbitEnded:
        return []


class OrbitEnded(Exception):
    """The element set has no answer for the times asked about: decayed, or far outside its validity."""


def contacts_between(
    mission: Mission, satellite: str, t0_ns: int, t1_ns: int, stations: Sequence[str] = ()
) -> list[ContactRow]:
    """Whole passes that are up at any moment between two times, over the named stations or all of them.

    Raises:
        OrbitEnded: the satellite's element set does not reach these times.
    """
    from sim.passes import contacts_over

    elements = mission.satellite(satellite).tle
    if elements is None:
        return []
    places = [place for place in mission.ground_stations if not stations or place.name in stations]
    try:
        found = contacts_over(elements, places, t0_ns, t1_ns)
    except ValueError as error:
        raise OrbitEnded(str(error)) from error
    return [
        ContactRow(
            satellite=satellite,
            station=one.station,
            acquisition_ns=one.acquisition_ns,
            loss_ns=one.loss_ns,
            max_el_deg=one.max_el_deg,
        )
        for one in found
    ]


def elements_epoch_ns(elements: tuple[str, str]) -> int:
    """UTC ns of the epoch of two-line elements."""
    from sim.orbit import Orbit

    return round(Orbit(elements).epoch_s * 1e6) * 1_000


def orbit_note(mission: Mission, satellite: str, now_ns: int) -> str:
    """What is wrong with a satellite's orbit at `now_ns`, in a sentence; empty where nothing is, or none is given.

    Elements of a low orbit lose kilometres a day: after a month a pass may come minutes early or late. Those of a
    simulated satellite never age, it flies what they say.
    """
    elements = mission.satellite(satellite).tle
    if elements is None:
        return ""
    epoch_ns = elements_epoch_ns(elements)
    days = (now_ns - epoch_ns) / DAY_NS
    old = f"the TLE of {satellite} is {abs(days):.0f} days {'old' if days > 0 else 'ahead of the mission time'}"
    told = f"{old} (epoch {iso(epoch_ns)[:16]}Z)"
    try:
        contacts_between(mission, satellite, now_ns, now_ns + HOUR_NS)
    except OrbitEnded:
        return f"{told} and does not reach the present: no passes; put a newer one into mission.toml"
    if abs(days) <= STALE_DAYS or mission.simulated:
        return ""
    return f"{told}: passes may be minutes off; put a newer one into mission.toml"


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

    def expected(self, now_ns: int, grace_ns: int = 0) -> bool:
        """Whether any satellite has been in contact for `grace_ns`: from then on silence is not to be expected."""
        return any(
            row.acquisition_ns + grace_ns <= now_ns < row.loss_ns for rows in self._rows.values() for row in rows
        )

    def known(self, satellite: str) -> bool:
        """Whether the passes of `satellite` were computed, and there are any."""
        return bool(self._rows.get(satellite))

    def planned(self, satellite: str) -> bool:
        """Whether the passes of `satellite` were computed, be there any or none."""
        return satellite in self._rows

    @property
    def none_known(self) -> bool:
        """Whether passes were computed and no satellite has any."""
        return bool(self._rows) and not any(self._rows.values())

    def in_view(self, satellite: str, now_ns: int, rise_ns: int = 0, set_ns: int = 0) -> bool:
        """Whether `satellite` is in contact, since `rise_ns` at least and for `set_ns` more."""
        return any(
            row.acquisition_ns + rise_ns <= now_ns < row.loss_ns - set_ns for row in self._rows.get(satellite, ())
        )

    def unbroken(self, satellite: str, t0_ns: int, t1_ns: int) -> bool:
        """Whether `satellite` was in contact with some station all the time between two times, as far as known."""
        reached_ns = t0_ns
        for row in self._rows.get(satellite, ()):
            if row.acquisition_ns <= reached_ns < row.loss_ns:
                reached_ns = row.loss_ns
        return reached_ns > t1_ns

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
    if kind == "contact.acquired":
        text = f"in contact with {row.station} until {iso(row.loss_ns)[11:19]}Z, highest {row.max_el_deg:.0f} deg"
    else:
        text = f"contact with {row.station} has ended"
    return Event(
        at_ns=at_ns,
        satellite=row.satellite,
        kind=kind,
        severity=int(Level.IN_LIMITS),
        subject=row.station,
        body={
            "acquisition_ns": row.acquisition_ns,
            "loss_ns": row.loss_ns,
            "max_el_deg": row.max_el_deg,
            "text": text,
        },
    )
