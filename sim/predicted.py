"""What an element set says about a satellite at a time: height, light, and how its ground stations see it.

The same geometry as in the simulator, for a satellite that does not send these values itself. A prediction, never a
measurement: it is shown and used as such and stored nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.orbit import Floats, Orbit, Site, geodetic, look, sidereal_angle, to_earth_fixed
from sim.sun import sun, sunlit_fraction


@dataclass(frozen=True, slots=True)
class Predicted:
    """Arrays of shape (n,). The last three tell of the station that sees the satellite highest; NaN without one."""

    alt_km: Floats
    eclipse: Floats
    """1 where less than half of the Sun's disc is visible, else 0."""
    range_km: Floats
    elevation_deg: Floats
    station: npt.NDArray[np.intp]
    """Index of that station, -1 without one."""


def predict(orbit: Orbit, stations: Sequence[Site], t_s: Floats) -> Predicted:
    """Height above WGS-84, light, range and elevation at UTC seconds `t_s` (n,).

    Raises:
        ValueError: the element set does not reach one of these times.
    """
    r, v = orbit.state(t_s)
    angle = sidereal_angle(t_s)
    _, _, altitude = geodetic(to_earth_fixed(r, angle))
    eclipse = (sunlit_fraction(r, *sun(t_s)) < 0.5).astype(np.float64)
    if not stations:
        nowhere = np.full(len(t_s), np.nan)
        return Predicted(altitude / 1e3, eclipse, nowhere, nowhere, np.full(len(t_s), -1, dtype=np.intp))
    seen = [look(station, r, v, angle) for station in stations]
    elevations = np.stack([one.elevation_deg for one in seen])
    best = np.argmax(elevations, axis=0)
    rows = np.arange(len(t_s))
    ranges = np.stack([one.range_m for one in seen])
    return Predicted(altitude / 1e3, eclipse, ranges[best, rows] / 1e3, elevations[best, rows], best)
