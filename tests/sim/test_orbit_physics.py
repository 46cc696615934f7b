"""Orbit, Sun, shadow, field and passes against published values and closed forms."""

from __future__ import annotations

import datetime as dt
import itertools
from importlib import resources

import numpy as np
import pytest

from sim.field import field
from sim.orbit import EARTH_RADIUS_M, FLATTENING, Orbit, geodetic, look, sidereal_angle, to_earth_fixed
from sim.passes import contacts, elevation
from sim.preset import Station
from sim.radio import CARRIER_HZ, SPEED_OF_LIGHT
from sim.sun import sun, sunlit_fraction
from sim.tle import GRBALPHA, checksum, moved

MUNICH = Station("Munich", 48.1, 11.3, 580.0)
EPOCH_S = dt.datetime(2021, 5, 16, 19, 24, 42, tzinfo=dt.UTC).timestamp()
DAY_S = 86_400


def unix(*when: int) -> float:
    return dt.datetime(*when, tzinfo=dt.UTC).timestamp()


def test_positions_equal_the_verification_vectors_that_come_with_sgp4() -> None:
    """Vallado's tcppver.out for object 00005; this checks our handling of epochs, not the library."""
    lines = resources.files("sgp4").joinpath("SGP4-VER.TLE").read_text(encoding="ascii").splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("1 00005"))
    orbit = Orbit((lines[at][:69], lines[at + 1][:69]))
    rows = resources.files("sgp4").joinpath("tcppver.out").read_text(encoding="ascii").splitlines()[1:]
    vectors = np.array(
        [[float(x) for x in row.split()[:7]] for row in itertools.takewhile(lambda row: "xx" not in row, rows)]
    )
    assert len(vectors) > 10
    epoch_s = unix(2000, 1, 1) + (179.78495062 - 1.0) * DAY_S
    r, v = orbit.state(epoch_s + vectors[:, 0] * 60.0)
    assert np.abs(r / 1e3 - vectors[:, 1:4]).max() < 1e-4
    assert np.abs(v / 1e3 - vectors[:, 4:7]).max() < 1e-7


def test_period_and_altitude_of_the_embedded_orbit() -> None:
    orbit = Orbit(GRBALPHA)
    assert orbit.period_s / 60 == pytest.approx(95.6, abs=0.1)
    t = np.arange(EPOCH_S, EPOCH_S + DAY_S, 1.0)
    r, _ = orbit.state(t)
    northbound = t[1:][(r[:-1, 2] < 0) & (r[1:, 2] >= 0)]
    assert np.diff(northbound).mean() / 60 == pytest.approx(95.64, abs=0.1), "node to node"
    _, _, altitude = geodetic(to_earth_fixed(r, sidereal_angle(t)))
    assert 535e3 < altitude.min() < altitude.max() < 597e3


def test_an_element_set_with_a_wrong_digit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"line 2: checksum 8: allowed: 9"):
        Orbit((GRBALPHA[0], GRBALPHA[1].replace("97.5614", "97.5615")))
    with pytest.raises(ValueError, match="69 columns"):
        Orbit((GRBALPHA[0][:-1], GRBALPHA[1]))


def test_moving_an_orbit_keeps_its_shape_and_both_checksums() -> None:
    tle = moved(GRBALPHA, int(unix(2026, 12, 31, 23, 59, 59)) * 10**9 + 999_999_999, 359.99999, -0.00001)
    assert [len(line) for line in tle] == [69, 69]
    assert [int(line[68]) for line in tle] == [checksum(line) for line in tle]
    assert tle[0][18:32] == "27001.00000000"
    assert tle[1][8:16] == GRBALPHA[1][8:16]
    assert tle[1][26:42] == GRBALPHA[1][26:42]
    assert tle[1][52:63] == GRBALPHA[1][52:63]
    assert Orbit(tle).period_s == pytest.approx(Orbit(GRBALPHA).period_s, abs=1e-6)


@pytest.mark.parametrize(
    ("when", "longitude"),
    [
        ((2000, 3, 20, 7, 35), 0.0),
        ((2020, 6, 20, 21, 44), 90.0),
        ((2024, 3, 20, 3, 6), 0.0),
        ((2024, 9, 22, 12, 44), 180.0),
        ((2025, 12, 21, 15, 3), 270.0),
        ((2030, 6, 21, 7, 31), 90.0),
    ],
)
def test_the_sun_stands_at_the_published_equinoxes_and_solstices(when: tuple[int, ...], longitude: float) -> None:
    """Instants of the seasons as published by the US Naval Observatory, to the minute."""
    direction, _ = sun(np.array([unix(*when)]))
    tilt = np.radians(23.4366)
    x, y, z = direction[0]
    ecliptic = np.degrees(np.arctan2(y * np.cos(tilt) + z * np.sin(tilt), x))
    assert (ecliptic - longitude + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=0.02)


def test_the_sun_of_a_worked_example() -> None:
    """Meeus, Astronomical Algorithms, example 25.a: 1992 October 13, 0h TD."""
    direction, distance = sun(np.array([unix(1992, 10, 13) - 59.0]))
    x, y, z = direction[0]
    assert np.degrees(np.arctan2(y, x)) % 360.0 == pytest.approx(198.38083, abs=0.02)
    assert np.degrees(np.arcsin(z)) == pytest.approx(-7.78507, abs=0.02)
    assert distance[0] == pytest.approx(0.99766, abs=1e-4)


def test_the_sidereal_angle_of_a_worked_example() -> None:
    """Meeus, example 12.b: 1987 April 10, 19h21m00s UT, 8h34m57.0896s."""
    hours = np.degrees(sidereal_angle(np.array([unix(1987, 4, 10, 19, 21)])))[0] / 15.0
    assert hours == pytest.approx(8 + 34 / 60 + 57.0896 / 3600, abs=1e-5)


def test_eclipse_fraction_penumbra_and_an_orbit_that_never_enters_the_shadow() -> None:
    t = np.arange(EPOCH_S, EPOCH_S + 10 * 5738.4, 1.0)
    r, v = Orbit(GRBALPHA).state(t)
    direction, distance = sun(t)
    lit = sunlit_fraction(r, direction, distance)
    momentum = np.cross(r[0], v[0])
    beta = np.arcsin(np.dot(momentum, direction[0]) / np.linalg.norm(momentum))
    reach = np.arcsin(EARTH_RADIUS_M / np.linalg.norm(r, axis=1).mean())
    cylinder = np.arccos(np.cos(reach) / np.cos(beta)) / np.pi
    assert 1.0 - lit.mean() == pytest.approx(cylinder, abs=0.005)
    assert 0.35 < 1.0 - lit.mean() < 0.38
    partly = (lit > 0) & (lit < 1)
    lengths = [len(list(group)) for inside, group in itertools.groupby(partly) if inside]
    assert lengths
    assert all(5 <= n <= 15 for n in lengths)

    s = direction[0]
    across = np.cross(s, [0.0, 0.0, 1.0])
    across /= np.linalg.norm(across)
    up = np.cross(across, s)
    u = np.linspace(0, 2 * np.pi, 500)[:, None]
    for beta_deg, ever_dark in ((60.0, True), (70.0, False)):
        tilt = np.radians(90.0 - beta_deg)
        circle = 6.928e6 * (np.cos(u) * across + np.sin(u) * (np.cos(tilt) * up + np.sin(tilt) * s))
        dark = sunlit_fraction(circle, np.tile(s, (500, 1)), np.ones(500)) < 0.5
        assert bool(dark.any()) is ever_dark


def test_umbra_is_dark_behind_the_earth_and_light_before_it() -> None:
    s = np.array([[1.0, 0.0, 0.0]])
    r = np.array([[-7e6, 0.0, 0.0]])
    assert sunlit_fraction(r, s, np.ones(1))[0] == 0.0
    assert sunlit_fraction(-r, s, np.ones(1))[0] == 1.0


# latitude, longitude, north, east, down in nT: NCEI geomagnetic calculator, IGRF-13, 2022-10-05, 5 km above WGS-84
NCEI = np.array(
    [
        (40.0, -105.0, 20548.7, 2811.8, 47129.1),
        (48.0, 11.0, 21090.9, 1403.1, 43606.7),
        (0.0, 0.0, 27448.0, -2013.7, -16012.6),
        (-30.0, -50.0, 15740.7, -5157.7, -15182.4),
        (-34.0, 151.0, 23923.9, 5387.9, -51461.9),
        (65.0, -150.0, 12320.9, 3353.5, 54682.8),
        (-70.0, 30.0, 13748.6, -13335.0, -36506.6),
        (10.0, 100.0, 41621.4, -451.0, 5230.0),
        (70.0, 100.0, 5803.5, 372.4, 60602.7),
        (21.0, -158.0, 26932.2, 4486.6, 21210.9),
    ]
)


def earth_fixed(lat: np.ndarray, lon: np.ndarray, height_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Position (n, 3) and the north, east, down axes (n, 3, 3) on WGS-84."""
    e2 = FLATTENING * (2.0 - FLATTENING)
    n = EARTH_RADIUS_M / np.sqrt(1.0 - e2 * np.sin(lat) ** 2)
    up = np.stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)), axis=1)
    position = up * (n + height_m)[:, None]
    position[:, 2] -= n * e2 * up[:, 2]
    east = np.stack((-np.sin(lon), np.cos(lon), np.zeros_like(lon)), axis=1)
    return position, np.stack((np.cross(up, east), east, -up), axis=1)


def test_the_field_is_that_of_the_ncei_calculator_up_to_the_degrees_left_out() -> None:
    """Degrees 9 to 13 carry some hundred nT at the ground; at 550 km (6928/6371)^11 times less."""
    position, axes = earth_fixed(np.radians(NCEI[:, 0]), np.radians(NCEI[:, 1]), 5_000.0)
    measured = np.einsum("nij,nj->ni", axes, field(position, np.full(len(NCEI), unix(2022, 10, 5)))) * 1e9
    error = measured - NCEI[:, 2:]
    assert np.sqrt((error**2).mean()) < 200.0
    assert np.abs(error).max() < 450.0


def test_geodetic_inverts_the_ellipsoid() -> None:
    lat, lon = np.radians(NCEI[:, 0]), np.radians(NCEI[:, 1])
    position, _ = earth_fixed(lat, lon, 550_000.0)
    got = geodetic(position)
    assert np.allclose(got[0], NCEI[:, 0], atol=1e-8)
    assert np.allclose(got[1], NCEI[:, 1], atol=1e-9)
    assert np.allclose(got[2], 550_000.0, atol=1e-2)


def test_the_range_rate_is_the_derivative_of_the_range() -> None:
    t = np.arange(EPOCH_S, EPOCH_S + 5_738.0, 0.5)
    r, v = Orbit(GRBALPHA).state(t)
    seen = look(MUNICH, r, v, sidereal_angle(t))
    numeric = np.gradient(seen.range_m, t)
    assert np.abs(numeric - seen.range_rate)[1:-1].max() < 0.1
    assert np.abs(seen.range_rate).max() * CARRIER_HZ / SPEED_OF_LIGHT < 11_000


def test_a_satellite_overhead_stands_at_ninety_degrees() -> None:
    t = np.array([EPOCH_S])
    r, v = Orbit(GRBALPHA).state(t)
    lat, lon, altitude = geodetic(to_earth_fixed(r, sidereal_angle(t)))
    below = Station("below", float(lat[0]), float(lon[0]), 0.0)
    seen = look(below, r, v, sidereal_angle(t))
    assert seen.elevation_deg[0] == pytest.approx(90.0, abs=1e-3)
    assert seen.range_m[0] == pytest.approx(altitude[0], abs=0.1)


def test_passes_agree_with_a_search_second_by_second() -> None:
    t0, t1 = int(EPOCH_S) * 10**9, int(EPOCH_S + 3 * DAY_S) * 10**9
    found = contacts(GRBALPHA, MUNICH, t0, t1)
    t = np.arange(t0 / 1e9 - 1200, t1 / 1e9 + 1200, 1.0)
    up = elevation(Orbit(GRBALPHA), MUNICH, t) >= MUNICH.mask_deg
    begins = t[1:][~up[:-1] & up[1:]]
    ends = t[1:][up[:-1] & ~up[1:]]
    inside = (ends > t0 / 1e9) & (begins < t1 / 1e9)
    assert len(found) == int(inside.sum()) >= 12
    for contact, begin, end in zip(found, begins[inside], ends[inside], strict=True):
        assert begin - 1.0 <= contact.acquisition_ns / 1e9 <= begin + 0.1
        assert end - 1.0 <= contact.loss_ns / 1e9 <= end + 0.1
        minutes = (contact.loss_ns - contact.acquisition_ns) / 60e9
        assert minutes < 11.5
        if contact.max_el_deg > 15:
            assert minutes > 7
        ten = np.linspace(contact.acquisition_ns / 1e9, contact.loss_ns / 1e9, 4000)
        assert contact.max_el_deg == pytest.approx(elevation(Orbit(GRBALPHA), MUNICH, ten).max(), abs=1e-3)


def test_acquisition_and_loss_are_bisected_to_a_tenth_of_a_second() -> None:
    for contact in contacts(GRBALPHA, MUNICH, int(EPOCH_S) * 10**9, int(EPOCH_S + DAY_S) * 10**9):
        edges = np.array([contact.acquisition_ns, contact.loss_ns]) / 1e9
        before = elevation(Orbit(GRBALPHA), MUNICH, edges + np.array([-0.1, 0.1]))
        within = elevation(Orbit(GRBALPHA), MUNICH, edges + np.array([0.1, -0.1]))
        assert (before < MUNICH.mask_deg).all()
        assert (within > MUNICH.mask_deg).all()


def test_a_pass_under_way_is_told_whole() -> None:
    one = contacts(GRBALPHA, MUNICH, int(EPOCH_S) * 10**9, int(EPOCH_S + DAY_S) * 10**9)[1]
    middle = (one.acquisition_ns + one.loss_ns) // 2
    assert contacts(GRBALPHA, MUNICH, middle, middle + 10**9) == [one]
    assert contacts(GRBALPHA, MUNICH, one.loss_ns + 10**9, one.loss_ns + 2 * 10**9) == []
