"""Direction of the Sun and the Earth's shadow."""

from __future__ import annotations

import numpy as np

from sim.orbit import EARTH_RADIUS_M, J2000_UNIX_S, Floats

SUN_RADIUS_M = 6.957e8
ASTRONOMICAL_UNIT_M = 1.495978707e11


def sun(t_s: Floats) -> tuple[Floats, Floats]:
    """Unit vector to the Sun in the equator of date (n, 3) and its distance in astronomical units (n,).

    Low-precision formula of the Astronomical Almanac (page C5), about 0.01 deg between 1950 and 2050.
    """
    n = (t_s - J2000_UNIX_S) / 86_400.0
    g = np.radians((357.528 + 0.9856003 * n) % 360.0)
    longitude = np.radians((280.460 + 0.9856474 * n) % 360.0 + 1.915 * np.sin(g) + 0.020 * np.sin(2.0 * g))
    obliquity = np.radians(23.439 - 4e-7 * n)
    direction = np.stack(
        (np.cos(longitude), np.cos(obliquity) * np.sin(longitude), np.sin(obliquity) * np.sin(longitude)), axis=1
    )
    return direction, 1.00014 - 0.01671 * np.cos(g) - 0.00014 * np.cos(2.0 * g)


def sunlit_fraction(r: Floats, direction: Floats, distance_au: Floats) -> Floats:
    """Visible fraction of the Sun's disc, 1 in sunlight to 0 in umbra.

    Conical shadow of a spherical Earth (Montenbruck and Gill, Satellite Orbits, 3.4.2); `r` (n, 3) in metres.
    """
    to_sun = direction * (distance_au * ASTRONOMICAL_UNIT_M)[:, None] - r
    far = np.sqrt(np.sum(to_sun * to_sun, axis=1))
    near = np.sqrt(np.sum(r * r, axis=1))
    a = np.arcsin(SUN_RADIUS_M / far)
    b = np.arcsin(np.minimum(EARTH_RADIUS_M / near, 1.0))
    c = np.maximum(np.arccos(np.clip(-np.sum(r * to_sun, axis=1) / (near * far), -1.0, 1.0)), 1e-12)
    x = (c * c + a * a - b * b) / (2.0 * c)
    y = np.sqrt(np.maximum(a * a - x * x, 0.0))
    overlap = (
        a * a * np.arccos(np.clip(x / a, -1.0, 1.0)) + b * b * np.arccos(np.clip((c - x) / b, -1.0, 1.0)) - c * y
    )
    partial = 1.0 - overlap / (np.pi * a * a)
    return np.where(c >= a + b, 1.0, np.where(c <= b - a, 0.0, np.clip(partial, 0.0, 1.0)))
