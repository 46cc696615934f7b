"""Where satellites are and what field they fly through, at nodes 64 s apart and at every second between them.

SGP4 and the field model are evaluated at nodes on an absolute grid of UTC, always a whole group of eight at once;
the seconds between follow by interpolation: position by a cubic Hermite polynomial (less than a metre off), the
field by a cubic through four nodes (less than three nanotesla off), momentum and Sun linearly. Arrays are
(components, nodes or seconds, satellites).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np
from sgp4.api import Satrec, SatrecArray  # pyright: ignore[reportMissingTypeStubs]

from sim.elementwise import Floats
from sim.field import field
from sim.noise import BLOCK_S
from sim.orbit import UNIX_EPOCH_JD, Orbit, sidereal_angle
from sim.sun import sun
from sim.tle import Tle

GROUP: Final = 8
KEPT_GROUPS: Final = 6
DAY_S: Final = 86_400
FIELD_POINTS: Final = 4096
"""Points of the field model evaluated together; more fall out of the processor's cache."""

COMPONENTS: Final = ("x", "y", "z", "vx", "vy", "vz", "mx", "my", "mz", "bx", "by", "bz")


class Nodes(NamedTuple):
    """State at nodes: metres, metres per second, momentum m2/s, tesla; all inertial (TEME)."""

    values: Floats
    """Shape (12, nodes, satellites), rows as COMPONENTS."""
    sun: Floats
    """Unit vector to the Sun and its distance in astronomical units, shape (4, nodes)."""


class Grid:
    """Nodes of several satellites, the last groups kept.

    Raises:
        ValueError: an element set is malformed.
    """

    def __init__(self, tles: Sequence[Tle]) -> None:
        self.orbits = tuple(Orbit(tle) for tle in tles)
        twoline = cast(Any, Satrec).twoline2rv
        self._satellites = cast(Any, SatrecArray)([twoline(*tle) for tle in tles])
        self._groups: OrderedDict[int, Nodes] = OrderedDict()

    def nodes(self, first: int, count: int) -> Nodes:
        """Nodes first * 64 s, (first + 1) * 64 s ... of UTC.

        Raises:
            ValueError: SGP4 has no answer at one of them (decayed, or far outside the elements' validity).
        """
        begin, end = first // GROUP, (first + count - 1) // GROUP + 1
        missing = [group for group in range(begin, end) if group not in self._groups]
        for run in _runs(missing):
            self._evaluate(run[0], len(run))
        parts = [self._groups[group] for group in range(begin, end)]
        for group in range(begin, end):
            self._groups.move_to_end(group)
        while len(self._groups) > max(KEPT_GROUPS, end - begin):
            self._groups.popitem(last=False)
        cut = slice(first - begin * GROUP, first - begin * GROUP + count)
        if len(parts) == 1:
            return Nodes(parts[0].values[:, cut], parts[0].sun[:, cut])
        return Nodes(
            np.concatenate([part.values for part in parts], axis=1)[:, cut],
            np.concatenate([part.sun for part in parts], axis=1)[:, cut],
        )

    def _evaluate(self, first_group: int, groups: int) -> None:
        t = np.arange(first_group * GROUP, (first_group + groups) * GROUP, dtype=np.float64) * BLOCK_S
        days = np.floor(t / DAY_S)
        error, r, v = self._satellites.sgp4(UNIX_EPOCH_JD + days, (t - days * DAY_S) / DAY_S)
        if np.any(error):
            raise ValueError(f"SGP4 error {int(np.max(error))}: the element set does not reach this time")
        n, satellites = t.size, len(self.orbits)
        values = np.empty((12, n, satellites))
        values[0:3] = np.moveaxis(np.asarray(r), (0, 1, 2), (2, 1, 0))
        values[3:6] = np.moveaxis(np.asarray(v), (0, 1, 2), (2, 1, 0))
        values[:6] *= 1e3
        x, y, z, vx, vy, vz = values[:6]
        values[6], values[7], values[8] = y * vz - z * vy, z * vx - x * vz, x * vy - y * vx
        angle = sidereal_angle(t)[:, None]
        cos, sin = np.cos(angle), np.sin(angle)
        fixed = np.stack((cos * x + sin * y, cos * y - sin * x, z), axis=-1).reshape(-1, 3)
        earth = np.empty((n * satellites, 3))
        starts = first_group * GROUP * BLOCK_S + np.arange(groups) * (GROUP * BLOCK_S)
        day_of = np.repeat(starts // DAY_S * DAY_S, GROUP * satellites)
        for day in np.unique(day_of).tolist():
            # The field model takes one epoch for all its points; that must not depend on what is asked together.
            rows = np.flatnonzero(day_of == day)
            for begin in range(0, rows.size, FIELD_POINTS):
                some = rows[begin : begin + FIELD_POINTS]
                earth[some] = field(fixed[some], np.array([float(day)]))
        east, north, up = np.moveaxis(earth.reshape(n, satellites, 3), 2, 0)
        values[9], values[10], values[11] = cos * east - sin * north, cos * north + sin * east, up
        direction, distance = sun(t)
        suns = np.concatenate((direction.T, distance[None]))
        for i in range(groups):
            cut = slice(i * GROUP, (i + 1) * GROUP)
            self._groups[first_group + i] = Nodes(values[:, cut], suns[:, cut])


_TAU: Final = np.arange(BLOCK_S, dtype=np.float64)[:, None] / BLOCK_S
"""Column of the seconds of a block, in blocks."""
_BEFORE: Final = -_TAU * (_TAU - 1.0) * (_TAU - 2.0) / 6.0
_HERE: Final = (_TAU + 1.0) * (_TAU - 1.0) * (_TAU - 2.0) / 2.0
_NEXT: Final = -(_TAU + 1.0) * _TAU * (_TAU - 2.0) / 2.0
_BEYOND: Final = (_TAU + 1.0) * _TAU * (_TAU - 1.0) / 6.0
_P0: Final = (1.0 + 2.0 * _TAU) * (1.0 - _TAU) ** 2
_P1: Final = _TAU * _TAU * (3.0 - 2.0 * _TAU)
_V0: Final = BLOCK_S * _TAU * (1.0 - _TAU) ** 2
_V1: Final = BLOCK_S * _TAU * _TAU * (_TAU - 1.0)
_DP: Final = 6.0 * _TAU * (_TAU - 1.0) / BLOCK_S
_DV0: Final = (1.0 - _TAU) * (1.0 - 3.0 * _TAU)
_DV1: Final = _TAU * (3.0 * _TAU - 2.0)


def linear(nodes: Floats) -> Floats:
    """From `blocks` + 3 nodes, one before and two after, to blocks * 64 seconds.

    (components, nodes, satellites) becomes (components, n, satellites).
    """
    here = nodes[:, 1:-2, None]
    return _flat(here + _TAU * (nodes[:, 2:-1, None] - here))


def cubic(nodes: Floats) -> Floats:
    """Like `linear`, by the cubic through the two nodes on either side."""
    dense = _HERE * nodes[:, 1:-2, None]
    dense += _NEXT * nodes[:, 2:-1, None]
    dense += _BEFORE * nodes[:, :-3, None]
    dense += _BEYOND * nodes[:, 3:, None]
    return _flat(dense)


def hermite(nodes: Floats, slopes: Floats) -> Floats:
    """Like `linear`, by the cubic with the values and slopes (per second) of the nodes on either side."""
    dense = _P0 * nodes[:, 1:-2, None]
    dense += _P1 * nodes[:, 2:-1, None]
    dense += _V0 * slopes[:, 1:-2, None]
    dense += _V1 * slopes[:, 2:-1, None]
    return _flat(dense)


def hermite_slope(nodes: Floats, slopes: Floats) -> Floats:
    """The derivative of `hermite` by time, per second."""
    dense = _DP * (nodes[:, 1:-2, None] - nodes[:, 2:-1, None])
    dense += _DV0 * slopes[:, 1:-2, None]
    dense += _DV1 * slopes[:, 2:-1, None]
    return _flat(dense)


def _flat(dense: Floats) -> Floats:
    return dense.reshape(dense.shape[0], -1, dense.shape[-1])


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Neighbouring numbers together."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][-1] == number - 1:
            found[-1].append(number)
        else:
            found.append([number])
    return found
