"""Where the satellites are and what lights them, asked by faults that wait for the right moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sim.catalogue import FACES
from sim.orbit import Orbit, Site
from sim.passes import contacts
from sim.sun import sun, sunlit_fraction
from sim.tle import Tle

SAMPLE_S: Final = 60
ENOUGH: Final = 0.3
"""Sine of the Sun's elevation over a face above which it earns well."""


class Sky:
    """Orbits of some satellites, nadir-pointing.

    Raises:
        ValueError: an element set is malformed.
    """

    def __init__(self, satellites: Sequence[str], tles: Sequence[Tle], stations: Sequence[Site]) -> None:
        self._tles = dict(zip(satellites, tles, strict=True))
        self._stations = tuple(stations)

    def next_pass_s(self, satellite: str, t0_s: int, t1_s: int) -> int:
        """UTC second a little after the next pass begins (now, in a pass); `t0_s` when none comes before `t1_s`."""
        tle = self._tles[satellite]
        found = [
            contact for station in self._stations for contact in contacts(tle, station, t0_s * 10**9, t1_s * 10**9)
        ]
        begins = min((contact.acquisition_ns // 10**9 + 60 for contact in found), default=t0_s)
        return max(t0_s, int(begins))

    def brightest(self, satellite: str, t0_s: int, t1_s: int) -> tuple[str, bool]:
        """The face whose light never falls as low as the others' between two times, and whether that is enough."""
        t = np.arange(t0_s, t1_s + 1, SAMPLE_S, dtype=np.float64)
        r, v = Orbit(self._tles[satellite]).state(t)
        up = r / np.linalg.norm(r, axis=1, keepdims=True)
        normal = np.cross(r, v)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        towards, distance = sun(t)
        lit = sunlit_fraction(r, towards, distance)
        x = np.sum(np.cross(normal, up) * towards, axis=1)
        y = -np.sum(normal * towards, axis=1)
        z = -np.sum(up * towards, axis=1)
        light = lit[:, None] * np.stack((x, -x, y, -y, z, np.zeros_like(z)), axis=1)
        worst = light.min(axis=0)
        best = int(np.argmax(worst))
        return FACES[best], bool(worst[best] >= ENOUGH)
