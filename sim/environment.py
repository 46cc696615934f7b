"""Everything about the flight that does not depend on the satellite's own past, for whole blocks of seconds.

The attitude is prescribed (nadir pointing with a small jitter), so orbit, Sun, shadow, field, irradiance, link and
schedule are functions of UTC alone and vectorised in time. Body axes: Z down, Y against the orbit normal, X ahead.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.field import field
from sim.noise import BLOCK, coloured, exponential_kernel, swing_kernel
from sim.orbit import EARTH_RADIUS_M, Floats, Look, Orbit, Site, geodetic, look, sidereal_angle, to_earth_fixed
from sim.spacecraft import (
    ABSORPTIVITY,
    AREA,
    CELL_AREA,
    CELL_EFFICIENCY,
    CELLS,
    EARTH_INFRARED,
    EMISSIVITY,
)
from sim.sun import sun, sunlit_fraction
from sim.tle import Tle

FACES = ("px", "mx", "py", "my", "pz", "mz")
SOLAR_CONSTANT = 1361.0
ALBEDO = 0.30
SPEED_OF_LIGHT = 299_792_458.0
CARRIER_HZ = 437e6
JITTER_DEG = 0.12
FADING_DB = 0.8
UPLINK_GAIN_DB = 13.0
"""43 dBm leave the ground, 30 dBm the satellite, over the same path."""
KEPT_BLOCKS = 4
TRANSMIT_HALF_WIDTH = np.radians(19.5)
PAYLOAD_HALF_WIDTH = np.radians(45.0)

_FADING = exponential_kernel(5.0, 32)
_JITTER = swing_kernel(9.0, 120)


@dataclass(frozen=True, slots=True)
class Forcing:
    """What drives power and temperatures: arrays of BLOCK rows, one per UTC second from `start_s`."""

    start_s: int
    sunlit: Floats
    """Visible fraction of the Sun's disc."""
    irradiance: Floats
    """Sun and albedo on each face of FACES, W/m2, shape (BLOCK, 6)."""
    absorbed: Floats
    """Heat each face takes from Sun, albedo and the Earth's infrared, W, shape (BLOCK, 6)."""
    potential: Floats
    """Power each face's cells would give at 28 degC, W, shape (BLOCK, 6)."""
    payload_on: Floats
    transmitter_on: Floats
    contact: Floats
    """1 while above a station's mask, else 0."""
    geometry: _Geometry


@dataclass(frozen=True, slots=True)
class Environment:
    """The rest of what the instruments see in the same block."""

    latitude: Floats
    longitude: Floats
    altitude_km: Floats
    field_ut: Floats
    """Magnetic field in body axes, uT, shape (BLOCK, 3)."""
    rate_deg_s: Floats
    """Body rates, deg/s, shape (BLOCK, 3)."""
    pointing_error_deg: Floats
    range_km: Floats
    elevation_deg: Floats
    doppler_hz: Floats
    downlink_dbm: Floats
    uplink_dbm: Floats


@dataclass(frozen=True, slots=True)
class _Geometry:
    t_s: Floats
    angle: Floats
    fixed: Floats
    axes: Floats
    """Rows are the body axes in inertial coordinates, shape (BLOCK, 3, 3)."""
    jitter: Floats
    orbit_rate: Floats
    look: Look


def path_loss_db(range_m: Floats) -> Floats:
    """Free-space loss at the carrier, dB."""
    return 20.0 * np.log10(4.0 * np.pi * range_m * CARRIER_HZ / SPEED_OF_LIGHT)


def downlink_dbm(range_m: Floats, elevation_deg: Floats) -> Floats:
    """Received power on the ground: 1 W sent, 14 dBi antenna, 3 dB polarisation loss, air loss by elevation."""
    air = 0.5 / np.sin(np.radians(np.maximum(elevation_deg, 1.0)))
    return 30.0 - path_loss_db(range_m) + 14.0 - 3.0 - air


class Surroundings:
    """Environment blocks of one satellite, the last few kept.

    Transmitter and payload are switched by argument of latitude: a broadcast window around the first station's
    northbound pass in every orbit (and whenever a station is in view), and imaging in the quarter of the day side
    that lies well away from it.
    """

    def __init__(self, tle: Tle, stations: Sequence[Site], seed: int, satellite: str) -> None:
        self.orbit = Orbit(tle)
        self._stations = tuple(stations)
        self._seed = seed
        self._name = satellite
        self._forcings: OrderedDict[int, Forcing] = OrderedDict()
        self._environments: OrderedDict[int, Environment] = OrderedDict()
        latitude = np.radians(self._stations[0].lat if self._stations else 45.0)
        ratio = np.sin(latitude) / np.sin(self.orbit.inclination)
        self._home = float(np.arcsin(np.clip(ratio, -1.0, 1.0)))
        self._imaging = self._home + (-np.pi / 2.0 if latitude >= 0 else np.pi / 2.0)

    def forcing(self, number: int) -> Forcing:
        """Seconds number * BLOCK to (number + 1) * BLOCK - 1."""
        known = self._forcings.get(number)
        if known is None:
            known = self._forcings[number] = self._force(number)
            while len(self._forcings) > KEPT_BLOCKS:
                self._forcings.popitem(last=False)
        return known

    def environment(self, number: int) -> Environment:
        """The same seconds, for the instruments."""
        known = self._environments.get(number)
        if known is None:
            known = self._environments[number] = self._surround(number)
            while len(self._environments) > KEPT_BLOCKS:
                self._environments.popitem(last=False)
        return known

    def _force(self, number: int) -> Forcing:
        start = number * BLOCK
        t = start + np.arange(BLOCK, dtype=np.float64)
        r, v = self.orbit.state(t)
        angle = sidereal_angle(t)
        towards_sun, distance = sun(t)
        sunlit = sunlit_fraction(r, towards_sun, distance)
        radius = _length(r)
        up = r / radius[:, None]
        momentum = _cross(r, v)
        size = _length(momentum)
        momentum /= size[:, None]
        axes = np.stack((_cross(momentum, up), -momentum, -up), axis=1)
        jitter = self._jitter(number)
        sun_body = _turned(np.einsum("nij,nj->ni", axes, towards_sun), jitter[1:])
        node_x, node_y = -momentum[:, 1], momentum[:, 0]
        in_plane = _cross(momentum, np.stack((node_x, node_y, np.zeros(BLOCK)), axis=1))
        along = np.arctan2(np.sum(r * in_plane, axis=1), r[:, 0] * node_x + r[:, 1] * node_y)
        seen, contact = self._best_look(r, v, angle)
        near_home = np.abs(_wrapped(along - self._home)) < TRANSMIT_HALF_WIDTH
        view = _earth_view(radius)
        solar = SOLAR_CONSTANT / (distance * distance)
        reflected = ALBEDO * solar * np.maximum(0.0, np.sum(up * towards_sun, axis=1))
        facing = np.maximum(0.0, np.stack([s * sun_body[:, i] for i in range(3) for s in (1.0, -1.0)], axis=1))
        irradiance = (solar * sunlit)[:, None] * facing + reflected[:, None] * view
        return Forcing(
            start_s=start,
            sunlit=sunlit,
            irradiance=irradiance,
            absorbed=(ABSORPTIVITY * irradiance + (EMISSIVITY * EARTH_INFRARED) * view) * np.array(AREA),
            potential=irradiance * (CELL_AREA * CELL_EFFICIENCY * np.array(CELLS)),
            payload_on=(np.abs(_wrapped(along - self._imaging)) < PAYLOAD_HALF_WIDTH).astype(np.float64),
            transmitter_on=np.maximum(contact, near_home.astype(np.float64)),
            contact=contact,
            geometry=_Geometry(t, angle, to_earth_fixed(r, angle), axes, jitter, size / (radius * radius), seen),
        )

    def _surround(self, number: int) -> Environment:
        g = self.forcing(number).geometry
        latitude, longitude, altitude = geodetic(g.fixed)
        inertial_field = to_earth_fixed(field(g.fixed, g.t_s), -g.angle)
        field_body = _turned(np.einsum("nij,nj->ni", g.axes, inertial_field), g.jitter[1:])
        rates = np.diff(np.degrees(g.jitter), axis=0)
        rates[:, 1] -= np.degrees(g.orbit_rate)
        fading = FADING_DB * coloured(self._seed, f"{self._name}/fading", number, _FADING)
        down = downlink_dbm(g.look.range_m, g.look.elevation_deg) + fading
        return Environment(
            latitude=latitude,
            longitude=longitude,
            altitude_km=altitude / 1e3,
            field_ut=field_body * 1e6,
            rate_deg_s=rates,
            pointing_error_deg=np.degrees(_length(g.jitter[1:])),
            range_km=g.look.range_m / 1e3,
            elevation_deg=g.look.elevation_deg,
            doppler_hz=-CARRIER_HZ * g.look.range_rate / SPEED_OF_LIGHT,
            downlink_dbm=down,
            uplink_dbm=down + UPLINK_GAIN_DB,
        )

    def _jitter(self, number: int) -> Floats:
        """Small rotations about the body axes in radians, shape (BLOCK + 1, 3), one second earlier first."""
        columns = [coloured(self._seed, f"{self._name}/jitter_{axis}", number, _JITTER, 1) for axis in "xyz"]
        return np.radians(JITTER_DEG) * np.stack(columns, axis=1)

    def _best_look(self, r: Floats, v: Floats, angle: Floats) -> tuple[Look, Floats]:
        """The geometry to whichever station sees the satellite highest, and 1 where a station sees it at all."""
        contact = np.zeros(BLOCK)
        best = Look(np.full(BLOCK, EARTH_RADIUS_M), np.full(BLOCK, -90.0), np.zeros(BLOCK))
        for station in self._stations:
            seen = look(station, r, v, angle)
            better = seen.elevation_deg > best.elevation_deg
            contact = np.maximum(contact, (seen.elevation_deg >= station.mask_deg).astype(np.float64))
            best = Look(
                np.where(better, seen.range_m, best.range_m),
                np.where(better, seen.elevation_deg, best.elevation_deg),
                np.where(better, seen.range_rate, best.range_rate),
            )
        return best, contact


def _cross(a: Floats, b: Floats) -> Floats:
    return np.stack(
        (
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ),
        axis=1,
    )


def _length(vectors: Floats) -> Floats:
    return np.sqrt(np.sum(vectors * vectors, axis=1))


def _turned(vectors: Floats, rotation: Floats) -> Floats:
    """Components in a frame turned by the small `rotation`, to first order."""
    return vectors - _cross(rotation, vectors)


def _wrapped(angle: Floats) -> Floats:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _earth_view(radius: Floats) -> Floats:
    """View factors of the six faces of a nadir-pointing box, shape (n, 6).

    F = k^2 ((cos + k) / (1 + k))^1.62 with k = Re / r: a smooth fit of the plate-to-sphere factor at any tilt.
    """
    k = EARTH_RADIUS_M / radius
    side = k * k * (k / (1.0 + k)) ** 1.62
    return np.stack((side, side, side, side, k * k, np.zeros_like(k)), axis=1)
