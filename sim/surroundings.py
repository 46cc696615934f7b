"""What reaches a satellite whatever it does itself: Sun, shadow, field, the stations in view, the schedule.

Made for whole blocks of 64 s aligned to UTC, for all satellites of a flight, as arrays (seconds, satellites). The
forcing drives the plant; the rest is for the instruments and is worked out when one of them asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sim import grid
from sim.craft import Craft
from sim.elementwise import Floats
from sim.grid import Grid, Nodes
from sim.noise import BLOCK_S, DICE, PATH, PLANT, exponential_kernel, normals, uniforms
from sim.orbit import EARTH_RADIUS_M, EARTH_RATE, Site, geodetic, sidereal_angle, site_axes
from sim.state import Forcing
from sim.sun import sunlit_fraction
from sim.tle import Tle

SOLAR_CONSTANT: Final = 1361.0
ALBEDO: Final = 0.30
TRANSMIT_HALF_WIDTH: Final = np.radians(19.5)
PAYLOAD_HALF_WIDTH: Final = np.radians(45.0)
HALF_SUN: Final = 0.0049
"""Half the Sun's disc and a little more, rad: nearer to the Earth's limb than this the cone is worked out."""
TILE: Final = 512
"""Satellites worked out together; more fall out of the processor's cache."""
KEPT_BLOCKS: Final = 2
FADING_S: Final = 5.0

_LAG = exponential_kernel(FADING_S, 32)
_LAG_WEIGHTS = _LAG[::-1] / np.sqrt(np.sum(_LAG * _LAG))

_ROW: Final = {name: i for i, name in enumerate(Forcing._fields)}
_UP, _NORMAL, _SUN, _FIELD = (slice(_ROW[name], _ROW[name] + 3) for name in ("ux", "nx", "sx", "bx"))
_ERRORS: Final = slice(_ROW["e1"], _ROW["e1"] + 6)


class _Beacon(NamedTuple):
    """A station: place in Earth-fixed metres, its zenith, the sine of its mask."""

    place: tuple[float, float, float]
    up: tuple[float, float, float]
    sin_mask: float


class _Look(NamedTuple):
    """At the station that sees the satellite highest: metres, sine of elevation, its index."""

    range_m: Floats
    sin_elevation: Floats
    station: Floats


class Around:
    """Blocks of 64 s from `start_s`; arrays are (n, satellites) unless they say otherwise."""

    def __init__(self, owner: Surroundings, start_s: int, nodes: Nodes, table: Floats) -> None:
        self.start_s = start_s
        self.forcing: Forcing[Floats] = Forcing(*table)
        self._owner = owner
        self._nodes = nodes
        self.table = table
        """The forcing in one array, shape (fields, n, satellites)."""

    def __len__(self) -> int:
        return self.table.shape[1]

    @cached_property
    def t_s(self) -> Floats:
        """UTC seconds, shape (n,)."""
        return self.start_s + np.arange(len(self), dtype=np.float64)

    @cached_property
    def rows(self) -> list[list[Forcing[float]]]:
        """The forcing second by second and satellite by satellite, as floats."""
        make = Forcing[float]._make
        return [[make(row) for row in second] for second in self.table.transpose(1, 2, 0).tolist()]

    @cached_property
    def sunlit(self) -> Floats:
        """Visible fraction of the Sun's disc."""
        distance = grid.linear(self._nodes.sun[3:, :, None])[0]
        return self.forcing.flux * (distance * distance / SOLAR_CONSTANT)

    @property
    def contact(self) -> Floats:
        """1 while above a station's mask, else 0."""
        return self.forcing.contact

    @cached_property
    def position(self) -> Floats:
        """Metres, inertial, shape (3, n, satellites)."""
        return grid.hermite(self._nodes.values[0:3], self._nodes.values[3:6])

    @property
    def range_m(self) -> Floats:
        """To the station that sees the satellite highest; without a station, the Earth's radius."""
        return self._look.range_m

    @property
    def station(self) -> Floats:
        """Index of that station."""
        return self._look.station

    @cached_property
    def elevation_deg(self) -> Floats:
        """Above the horizon of that station; -90 without a station."""
        return np.degrees(np.arcsin(np.clip(self._look.sin_elevation, -1.0, 1.0)))

    @cached_property
    def station_at(self) -> Floats:
        """Where that station is, inertial metres, shape (3, n, satellites)."""
        cos, sin = np.cos(self._angle), np.sin(self._angle)
        place = np.zeros((3, *self.station.shape))
        for i, beacon in enumerate(self._owner.beacons):
            x, y, z = beacon.place
            at = np.stack((cos * x - sin * y, cos * y + sin * x, np.full_like(cos, z)))
            place = np.where(self.station == i, at, place)
        return place

    @cached_property
    def range_rate(self) -> Floats:
        """m/s, positive going away."""
        (px, py, _) = self.station_at
        dx, dy, dz = self.position - self.station_at
        vx, vy, vz = grid.hermite_slope(self._nodes.values[0:3], self._nodes.values[3:6])
        return (dx * (vx + EARTH_RATE * py) + dy * (vy - EARTH_RATE * px) + dz * vz) / self.range_m

    @cached_property
    def places(self) -> tuple[Floats, Floats, Floats]:
        """Geodetic latitude and longitude (deg) and altitude (km)."""
        x, y, z = self.position
        cos, sin = np.cos(self._angle), np.sin(self._angle)
        fixed = np.stack((cos * x + sin * y, cos * y - sin * x, z), axis=-1).reshape(-1, 3)
        latitude, longitude, altitude = (a.reshape(x.shape) for a in geodetic(fixed))
        return latitude, longitude, altitude / 1e3

    @cached_property
    def fading(self) -> Floats:
        """Of the radio path: unit variance, correlated over 5 s."""
        before = self._owner.path(self._first - 1)
        blocks: list[Floats] = []
        for block in range(self._first, self._first + len(self) // BLOCK_S):
            white = self._owner.path(block)
            recent = np.concatenate((before[-_LAG.size + 1 :], white))
            # Not a matrix product: those wait for other threads.
            blocks.append(np.einsum("nsk,k->ns", sliding_window_view(recent, _LAG.size, axis=0), _LAG_WEIGHTS))
            before = white
        return np.concatenate(blocks)

    @cached_property
    def dice(self) -> Floats:
        """One sample of [0, 1) a second: which frames are lost."""
        blocks = range(self._first, self._first + len(self) // BLOCK_S)
        return np.concatenate([uniforms(self._owner.seed, DICE, block, self._owner.numbers).T for block in blocks])

    @property
    def _first(self) -> int:
        return self.start_s // BLOCK_S

    @cached_property
    def _angle(self) -> Floats:
        return sidereal_angle(self.t_s)[:, None]

    @cached_property
    def _look(self) -> _Look:
        return _best(self._owner.beacons, self.position, np.cos(self._angle), np.sin(self._angle))


class Surroundings:
    """Surroundings of the satellites of one flight, the last blocks kept.

    Transmitter and payload are switched by argument of latitude: a broadcast window around the first station's
    northbound pass in every orbit (and whenever a station is in view), and imaging in the quarter of the day side
    that lies well away from it. `numbers` are the satellites' numbers in their mission, which key their noise.

    Raises:
        ValueError: an element set is malformed.
    """

    def __init__(
        self,
        craft: Craft,
        tles: Sequence[Tle],
        stations: Sequence[Site],
        seed: int,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.craft = craft
        self.seed = seed
        self.numbers = tuple(range(len(tles)) if numbers is None else numbers)
        self.grid = Grid(tles)
        self.beacons = tuple(_beacon(station) for station in stations)
        self._blocks: OrderedDict[tuple[int, int], Around] = OrderedDict()
        self._paths: OrderedDict[int, Floats] = OrderedDict()
        latitude = np.radians(stations[0].lat if stations else 45.0)
        ratio = np.sin(latitude) / np.sin(np.array([orbit.inclination for orbit in self.grid.orbits]))
        home = np.arcsin(np.clip(ratio, -1.0, 1.0))
        imaging = home + (-np.pi / 2.0 if latitude >= 0 else np.pi / 2.0)
        self._home = (np.cos(home), np.sin(home))
        self._imaging = (np.cos(imaging), np.sin(imaging))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def period_s(self) -> float:
        """Of the first satellite's orbit."""
        return self.grid.orbits[0].period_s

    def block(self, first: int, blocks: int = 1) -> Around:
        """Seconds first * 64 to (first + blocks) * 64 - 1 of UTC.

        Raises:
            ValueError: an orbit does not reach these times.
        """
        known = self._blocks.get((first, blocks))
        if known is None:
            known = self._blocks[first, blocks] = self._make(first, blocks)
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return known

    def path(self, block: int) -> Floats:
        """White noise behind the fading of a block, shape (64, satellites)."""
        known = self._paths.get(block)
        if known is None:
            white = normals(self.seed, PATH, block, self.numbers, 1)[:, :, 0].T
            known = self._paths[block] = white.astype(np.float64)
            while len(self._paths) > KEPT_BLOCKS:
                self._paths.popitem(last=False)
        return known

    def _make(self, first: int, blocks: int) -> Around:
        nodes = self.grid.nodes(first - 1, blocks + 3)
        n, satellites = blocks * BLOCK_S, len(self.numbers)
        angle = sidereal_angle(first * BLOCK_S + np.arange(n, dtype=np.float64))[:, None]
        table = np.empty((len(_ROW), n, satellites))
        for begin in range(0, satellites, TILE):
            cut = slice(begin, begin + TILE)
            self._fill(table[:, :, cut], nodes.values[:, :, cut], nodes.sun, angle, cut)
            for i in range(blocks):
                white = normals(self.seed, PLANT, first + i, self.numbers[cut], 6)
                table[_ERRORS, i * BLOCK_S : (i + 1) * BLOCK_S, cut] = white.transpose(2, 1, 0)
        table[_ROW["e1"] : _ROW["e1"] + 3] *= self.craft.attitude_sigma
        table[_ROW["g1"] : _ROW["g1"] + 3] *= self.craft.rate_sigma
        return Around(self, first * BLOCK_S, nodes, table)

    def _fill(self, table: Floats, values: Floats, suns: Floats, angle: Floats, cut: slice) -> None:
        position = grid.hermite(values[0:3], values[3:6])
        over = 1.0 / _length(position)
        ux, uy, uz = up = position * over
        momentum = grid.linear(values[6:9])
        size = _length(momentum)
        nx, ny, nz = normal = momentum / size
        sun = grid.linear(suns[:, :, None])
        solar = SOLAR_CONSTANT / (sun[3] * sun[3])
        k = EARTH_RADIUS_M * over
        facing = ux * sun[0] + uy * sun[1] + uz * sun[2]
        # Argument of latitude as cosine and sine: a window around an angle is a bound on one scalar product.
        across = 1.0 / np.sqrt(nx * nx + ny * ny)
        along = (uy * nx - ux * ny) * across
        aside = uz * across * (nx * nx + ny * ny) - nz * (ux * nx + uy * ny) * across
        near_home = along * self._home[0][cut] + aside * self._home[1][cut] > np.cos(TRANSMIT_HALF_WIDTH)
        imaging = along * self._imaging[0][cut] + aside * self._imaging[1][cut] > np.cos(PAYLOAD_HALF_WIDTH)
        contact = np.zeros(k.shape, dtype=np.bool_)
        for beacon in self.beacons:
            away, height = _seen(beacon, position, np.cos(angle), np.sin(angle))
            contact |= height >= beacon.sin_mask * away
        table[_UP] = up
        table[_NORMAL] = normal
        table[_SUN] = sun[:3]
        table[_FIELD] = grid.cubic(values[9:12])
        table[_ROW["orbit_rate"]] = size * over * over
        table[_ROW["k"]] = k
        table[_ROW["flux"]] = solar * _sunlit(position, k, facing, sun)
        table[_ROW["reflected"]] = (ALBEDO * solar) * np.maximum(0.0, facing)
        table[_ROW["payload"]] = imaging
        table[_ROW["transmit"]] = near_home | contact
        table[_ROW["contact"]] = contact


def _best(beacons: Sequence[_Beacon], position: Floats, cos: Floats, sin: Floats) -> _Look:
    """The view from whichever station sees the satellite highest."""
    shape = position.shape[1:]
    best = _Look(np.full(shape, EARTH_RADIUS_M), np.full(shape, -1.0), np.zeros(shape))
    for i, beacon in enumerate(beacons):
        away, height = _seen(beacon, position, cos, sin)
        height /= away
        higher = height > best.sin_elevation
        best = _Look(
            np.where(higher, away, best.range_m),
            np.where(higher, height, best.sin_elevation),
            np.where(higher, float(i), best.station),
        )
    return best


def _seen(beacon: _Beacon, position: Floats, cos: Floats, sin: Floats) -> tuple[Floats, Floats]:
    """Range from a station and height above its horizon, metres."""
    x, y, z = position
    px, py, pz = beacon.place
    ax, ay, az = beacon.up
    dx, dy, dz = x - (cos * px - sin * py), y - (cos * py + sin * px), z - pz
    away = np.sqrt(dx * dx + dy * dy + dz * dz)
    return away, dx * (cos * ax - sin * ay) + dy * (cos * ay + sin * ax) + dz * az


def _beacon(site: Site) -> _Beacon:
    (x, y, z), (ux, uy, uz) = (axis.tolist() for axis in site_axes(site))
    return _Beacon((x, y, z), (ux, uy, uz), float(np.sin(np.radians(site.mask_deg))))


def _sunlit(position: Floats, k: Floats, facing: Floats, sun: Floats) -> Floats:
    """Visible fraction of the disc; the cone is worked out only where the limb is near."""
    rim, edge = np.sqrt(1.0 - k * k) * np.cos(HALF_SUN), k * np.sin(HALF_SUN)
    light = (-facing <= rim - edge).astype(np.float64)
    near = (-facing < rim + edge) & (light == 0.0)
    if near.any():
        when, who = np.nonzero(near)
        light[when, who] = sunlit_fraction(position[:, when, who].T, sun[:3, when, 0].T, sun[3, when, 0])
    return light


def _length(vectors: Floats) -> Floats:
    x, y, z = vectors
    return np.sqrt(x * x + y * y + z * z)
