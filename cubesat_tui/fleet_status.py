"""All satellites as JSON objects: the list `satellites` of `cubesat-tui status --json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telemetry.clock import iso

if TYPE_CHECKING:
    from cubesat_tui.fleet import FleetNow, SatelliteNow


def satellite_objects(fleet: FleetNow | None) -> list[dict[str, Any]]:
    """One object a satellite, in the order of the mission."""
    return [] if fleet is None else [_satellite(one) for one in fleet.satellites]


def _satellite(one: SatelliteNow) -> dict[str, Any]:
    """`state` is what is worst about it: a severity, ANOMALY, LOST, OLD, NEVER, QUIET or OK; times are ISO-8601."""
    contact = one.contact
    return {
        "satellite": one.name,
        "state": "OLD" if one.state == "expired" else one.state.upper(),
        "heard": one.silence.value,
        "age_s": None if one.age_s is None else round(one.age_s, 3),
        "newest_generation_time": _time(one.heard_ns),
        "alarms": {"new": one.new, "active": one.active, "shelved": one.shelved},
        "pass": {
            "in_contact": contact.in_contact,
            "station": contact.station or None,
            "until": _time(contact.until_ns),
            "next": _time(contact.next_ns),
        },
        "missed_pass": None if one.missed is None else iso(one.missed.acquisition_ns),
        "model_version": one.model.version,
        "model_since": _time(one.model.since_ns),
    }


def _time(ns: int | None) -> str | None:
    return None if ns is None else iso(ns)
