"""What the orbit says about a satellite that does not say it itself; computed by the station, marked predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from telemetry.predicted import predicted_channels

if TYPE_CHECKING:
    from sim.orbit import Orbit
    from telemetry.dictionary import Mission
    from telemetry.frame import Float64s, Int64s

PER_BEAT = 10
"""Satellites told in one heartbeat; a larger fleet takes turns."""


class Forecast:
    """Predicted channels by satellite. Nothing is imported or computed for one that sends them, or has no orbit."""

    def __init__(self, mission: Mission) -> None:
        self._mission = mission
        found = {one.name: predicted_channels(mission, one.name) for one in mission.satellites}
        self._names = {name: tuple(one.name for one in channels) for name, channels in found.items() if channels}
        self._orbits: dict[str, Orbit] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._turn = 0

    def at(self, satellite: str, t_ns: Int64s) -> dict[str, Float64s]:
        """Predicted channel -> values at UTC ns `t_ns` (n,); empty where none is or the orbit does not reach."""
        return self._at(satellite, t_ns)[0]

    def _at(self, satellite: str, t_ns: Int64s) -> tuple[dict[str, Float64s], int]:
        names = self._names.get(satellite)
        if names is None:
            return {}, -1
        from sim.orbit import Orbit
        from sim.predicted import predict

        orbit = self._orbits.get(satellite)
        if orbit is None:
            elements = self._mission.satellite(satellite).tle
            assert elements is not None
            orbit = self._orbits[satellite] = Orbit(elements)
        try:
            found = predict(orbit, self._mission.ground_stations, t_ns / 1e9)
        except ValueError:
            return {}, -1
        values = {
            "orb.alt_km": found.alt_km,
            "orb.eclipse": found.eclipse,
            "gs.range_km": found.range_km,
            "gs.elevation": found.elevation_deg,
        }
        return {name: values[name] for name in names}, int(found.station[-1])

    def health(self, now_ns: int) -> dict[str, dict[str, Any]]:
        """For the heartbeat: satellite -> {"t_ns", "values": {channel: value}, "station"}."""
        names = list(self._names)
        for _ in range(min(PER_BEAT, len(names))):
            satellite = names[self._turn % len(names)]
            self._turn += 1
            values, station = self._at(satellite, np.array([now_ns], dtype=np.int64))
            if not values:
                self._told.pop(satellite, None)
                continue
            self._told[satellite] = {
                "t_ns": now_ns,
                "values": {name: round(float(column[0]), 3) for name, column in values.items()},
                "station": self._mission.ground_stations[station].name if station >= 0 else "",
            }
        return self._told
