"""Sun, field, ground track and shadow against astropy, ppigrf and skyfield (reference/make_reference.py)."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.field import field
from sim.orbit import EARTH_RADIUS_M, FLATTENING, Orbit, geodetic, sidereal_angle, to_earth_fixed
from sim.sun import sun, sunlit_fraction
from sim.tle import GRBALPHA, Tle, moved

EPOCH_S = dt.datetime(2021, 5, 16, 19, 24, 42, tzinfo=dt.UTC).timestamp()


def reference(name: str) -> dict[str, Any]:
    """A file of the reference folder."""
    return json.loads((Path(__file__).parent / "reference" / name).read_text(encoding="ascii"))


@pytest.mark.parametrize("name", ["sun.json", "field.json", "ground_track.json", "passes.json"])
def test_each_reference_file_says_what_it_was_made_with(name: str) -> None:
    made = reference(name)["made_by"]
    assert (Path(__file__).parent / "reference" / made.pop("script")).is_file()
    assert set(made) & {"astropy", "ppigrf", "skyfield"}
    assert all(version[0].isdigit() for version in made.values())


def test_the_sun_from_2000_to_2036_is_that_of_astropy() -> None:
    rows = np.array(reference("sun.json")["rows"])
    assert len(rows) > 150
    direction, distance = sun(rows[:, 0])
    # The chord between unit vectors is the angle, and keeps its digits where the arc cosine has none.
    assert np.degrees(np.linalg.norm(direction - rows[:, 1:4], axis=1)).max() < 0.02
    assert np.abs(distance / rows[:, 4] - 1.0).max() < 2e-4


def test_the_field_at_550_km_from_2020_to_2029_is_that_of_ppigrf() -> None:
    """ppigrf computes the whole degree 13 of IGRF-14, we degree 8."""
    rows = np.array(reference("field.json")["rows"])
    assert len(rows) >= 20
    lat, lon = np.radians(rows[:, 1]), np.radians(rows[:, 2])
    up = np.stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)), axis=1)
    e2 = FLATTENING * (2.0 - FLATTENING)
    n = EARTH_RADIUS_M / np.sqrt(1.0 - e2 * np.sin(lat) ** 2)
    position = up * (n + 550e3)[:, None]
    position[:, 2] -= n * e2 * up[:, 2]
    east = np.stack((-np.sin(lon), np.cos(lon), np.zeros_like(lon)), axis=1)
    axes = np.stack((np.cross(up, east), east, -up), axis=1)
    ours = np.concatenate([field(position[i : i + 1], rows[i : i + 1, 0]) for i in range(len(rows))])
    error = np.linalg.norm(np.einsum("nij,nj->ni", axes, ours) * 1e9 - rows[:, 3:], axis=1)
    assert error.max() < 150.0
    assert np.sqrt((error**2).mean()) < 80.0


def test_the_field_has_a_value_on_the_pole_itself() -> None:
    pole, beside = np.array([[0.0, 0.0, 6.9e6]]), np.array([[10.0, 0.0, 6.9e6]])
    when = np.array([EPOCH_S])
    assert field(pole, when) == pytest.approx(field(beside, when), abs=1e-9)


def test_the_ground_track_of_three_orbits_is_that_of_skyfield() -> None:
    """skyfield knows UT1 (half a second from UTC in 2008, a fifth in 2021) and nutation; we do without."""
    known = reference("ground_track.json")
    for name, tle in known["orbits"].items():
        rows = np.array([row[1:] for row in known["rows"] if row[0] == name])
        assert len(rows) >= 20
        r, _ = Orbit((tle[0], tle[1])).state(rows[:, 0])
        lat, lon, alt = geodetic(to_earth_fixed(r, sidereal_angle(rows[:, 0])))
        turned = (lon - rows[:, 2] + 180.0) % 360.0 - 180.0
        assert np.abs(lat - rows[:, 1]).max() < 1e-4
        assert np.abs(turned * np.cos(np.radians(lat))).max() < 0.004
        assert np.abs(alt / 1e3 - rows[:, 3]).max() < 1e-3


def lit(tle: Tle, start_s: float, seconds: int) -> np.ndarray:
    """Sunlit fraction second by second."""
    t_s = start_s + np.arange(float(seconds))
    r, _ = Orbit(tle).state(t_s)
    return sunlit_fraction(r, *sun(t_s))


def beta_deg(tle: Tle, at_s: float) -> float:
    """Angle between the Sun and the orbit's plane, degrees."""
    r, v = Orbit(tle).state(np.array([at_s]))
    momentum = np.cross(r[0], v[0])
    return float(np.degrees(np.arcsin(momentum @ sun(np.array([at_s]))[0][0] / np.linalg.norm(momentum))))


def test_the_default_orbit_is_dark_for_a_good_third_of_its_95_6_minutes() -> None:
    assert Orbit(GRBALPHA).period_s / 60.0 == pytest.approx(95.6, abs=0.1)
    fraction = lit(GRBALPHA, EPOCH_S, round(10 * Orbit(GRBALPHA).period_s))
    assert 0.35 < 1.0 - fraction.mean() < 0.38
    partly = (fraction > 0.0) & (fraction < 1.0)
    lengths = [len(list(group)) for inside, group in itertools.groupby(partly) if inside]
    assert len(lengths) >= 18
    assert all(5 <= seconds <= 15 for seconds in lengths)


def test_an_orbit_that_stands_high_to_the_sun_is_never_dark() -> None:
    turned = [moved(GRBALPHA, round(EPOCH_S * 1e9), node, 0.0) for node in range(0, 360, 2)]
    betas = np.array([abs(beta_deg(tle, EPOCH_S)) for tle in turned])
    steep = turned[int(betas.argmax())]
    assert betas.max() > 67.5, "a synthetic orbit beyond asin(Re / r) = 67 deg"
    assert lit(steep, EPOCH_S, 6_000).min() == 1.0
    below = turned[int(np.abs(betas - 64.0).argmin())]
    assert lit(below, EPOCH_S, 6_000).min() == 0.0
