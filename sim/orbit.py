"""Where the satellite is: SGP4, Earth rotation, geodetic coordinates, topocentric geometry.

Times are UTC seconds since 1970 as float64 arrays of shape (n,); vectors are metres and metres per second, shape
(n, 3). TEME is used as the true equator of date and UT1 as UTC: against an independent predictor that moves a
ground track by at most 0.002 deg and a pass by 0.05 s (tests/sim/reference).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from sgp4.api import Satrec  # pyright: ignore[reportMissingTypeStubs]

from sim.tle import Tle, checksum

Floats = npt.NDArray[np.float64]

EARTH_RADIUS_M = 6_378_137.0
FLATTENING = 1.0 / 298.257223563
EARTH_RATE = 7.292115e-5
UNIX_EPOCH_JD = 2_440_587.5
J2000_UNIX_S = 946_728_000.0


class _Propagator(Protocol):
    no_kozai: float
    inclo: float
    jdsatepoch: float
    jdsatepochF: float  # noqa: N815

    def sgp4_array(self, jd: Floats, fr: Floats) -> tuple[Any, Any, Any]: ...


class Site(Protocol):
    """A place on the ground; `telemetry.dictionary.GroundStation` is one."""

    @property
    def name(self) -> str: ...
    @property
    def lat(self) -> float: ...
    @property
    def lon(self) -> float: ...
    @property
    def alt_m(self) -> float: ...
    @property
    def mask_deg(self) -> float: ...


class Orbit:
    """A two-line element set ready to be propagated.

    Raises:
        ValueError: a line has the wrong length or checksum.
    """

    def __init__(self, tle: Tle) -> None:
        for number, line in enumerate(tle, 1):
            if len(line) != 69 or not line.startswith(f"{number} "):
                raise ValueError(f"TLE line {number}: {line!r}: allowed: 69 columns, beginning with {number}")
            if line[68] != str(checksum(line)):
                raise ValueError(f"TLE line {number}: checksum {line[68]}: allowed: {checksum(line)}")
        self.tle = tle
        self._satrec = cast(_Propagator, cast(Any, Satrec).twoline2rv(*tle))

    @property
    def period_s(self) -> float:
        """Mean period from the element set's mean motion."""
        return 2.0 * np.pi / self._satrec.no_kozai * 60.0

    @property
    def epoch_s(self) -> float:
        """UTC seconds since 1970 of the elements."""
        return ((self._satrec.jdsatepoch - UNIX_EPOCH_JD) + self._satrec.jdsatepochF) * 86_400.0

    @property
    def inclination(self) -> float:
        """Radians."""
        return self._satrec.inclo

    def state(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Position (m) and velocity (m/s) in TEME, shape (n, 3).

        Raises:
            ValueError: SGP4 has no answer at one of the times (decayed, or far outside the elements' validity).
        """
        days = np.floor(t_s / 86_400.0)
        error, r, v = self._satrec.sgp4_array(UNIX_EPOCH_JD + days, (t_s - days * 86_400.0) / 86_400.0)
        if np.any(error):
            raise ValueError(f"SGP4 error {int(np.max(error))}: the element set does not reach this time")
        return np.asarray(r, dtype=np.float64) * 1e3, np.asarray(v, dtype=np.float64) * 1e3


def sidereal_angle(t_s: Floats) -> Floats:
    """Greenwich mean sidereal angle in radians (Meeus, Astronomical Algorithms, 12.4)."""
    d = (t_s - J2000_UNIX_S) / 86_400.0
    c = d / 36_525.0
    degrees = 280.46061837 + 360.98564736629 * d + c * c * (0.000387933 - c / 38_710_000.0)
    return np.radians(degrees % 360.0)


def to_earth_fixed(vectors: Floats, angle: Floats) -> Floats:
    """Rotate inertial (n, 3) vectors about the pole into the Earth-fixed frame."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.stack((cos * x + sin * y, cos * y - sin * x, z), axis=1)


def geodetic(earth_fixed: Floats) -> tuple[Floats, Floats, Floats]:
    """WGS-84 latitude and longitude (deg) and altitude (m); three fixed-point iterations reach the millimetre."""
    e2 = FLATTENING * (2.0 - FLATTENING)
    x, y, z = earth_fixed[:, 0], earth_fixed[:, 1], earth_fixed[:, 2]
    p = np.hypot(x, y)
    lat = np.arctan2(z, p * (1.0 - e2))
    n = np.full_like(p, EARTH_RADIUS_M)
    for _ in range(3):
        sin = np.sin(lat)
        n = EARTH_RADIUS_M / np.sqrt(1.0 - e2 * sin * sin)
        lat = np.arctan2(z + e2 * n * sin, p)
    sin, cos = np.sin(lat), np.cos(lat)
    alt = p * cos + z * sin - EARTH_RADIUS_M * np.sqrt(1.0 - e2 * sin * sin)
    return np.degrees(lat), np.degrees(np.arctan2(y, x)), alt


@dataclass(frozen=True, slots=True)
class Look:
    """The satellite seen from a site: range (m), elevation (deg), range rate (m/s, positive going away)."""

    range_m: Floats
    elevation_deg: Floats
    range_rate: Floats


def site_axes(site: Site) -> tuple[Floats, Floats]:
    """Earth-fixed position (m) and local vertical of a place on WGS-84, each of shape (3,)."""
    e2 = FLATTENING * (2.0 - FLATTENING)
    lat, lon = np.radians(site.lat), np.radians(site.lon)
    n = EARTH_RADIUS_M / np.sqrt(1.0 - e2 * np.sin(lat) ** 2)
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    return np.array([n + site.alt_m, n + site.alt_m, n * (1.0 - e2) + site.alt_m]) * up, up


def earth_fixed_state(r: Floats, v: Floats, angle: Floats) -> tuple[Floats, Floats]:
    """Position and velocity (n, 3) relative to the turning Earth, of inertial states at sidereal `angle` (n,)."""
    fixed = to_earth_fixed(r, angle)
    velocity = to_earth_fixed(v, angle)
    velocity[:, 0] += EARTH_RATE * fixed[:, 1]
    velocity[:, 1] -= EARTH_RATE * fixed[:, 0]
    return fixed, velocity


def look(site: Site, r: Floats, v: Floats, angle: Floats) -> Look:
    """Topocentric geometry of inertial states (n, 3) from `site`; the elevation is geometric, no refraction."""
    position, up = site_axes(site)
    fixed, velocity = earth_fixed_state(r, v, angle)
    offset = fixed - position
    distance = np.sqrt(np.sum(offset * offset, axis=1))
    elevation = np.degrees(np.arcsin(np.clip(np.sum(offset * up, axis=1) / distance, -1.0, 1.0)))
    return Look(distance, elevation, np.sum(offset * velocity, axis=1) / distance)
