"""Passes: brute-force agreement, what is told twice, unusual orbits, and what a fleet costs."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.orbit import Orbit, geodetic, sidereal_angle, to_earth_fixed
from sim.passes import Contact, contacts, contacts_over, elevation
from sim.preset import STATIONS, Station
from sim.tle import GRBALPHA, Tle, moved, with_checksum

START_S = 1_621_193_100
DAY_S = 86_400
S = 10**9


def brute(tle: Tle, station: Station, start_s: int, end_s: int) -> list[tuple[float, float]]:
    """Rises and falls of passes inside the window, from an elevation a second."""
    t_s = np.arange(float(start_s), float(end_s))
    up = elevation(Orbit(tle), station, t_s) >= station.mask_deg
    rises, falls = t_s[1:][~up[:-1] & up[1:]], t_s[1:][up[:-1] & ~up[1:]]
    return [(a, b) for a in rises for b in falls[np.searchsorted(falls, a) :][:1]]


def element_set(inclination: float, eccentricity: int, perigee: float, anomaly: float, motion: float) -> Tle:
    """A synthetic element set of the default epoch; `eccentricity` in units of 1e-7."""
    first = "1 99702U          21136.80882950  .00000000  00000-0  00000-0 0    1"
    place = f"{inclination:8.4f}  39.6019 {eccentricity:07d} {perigee:8.4f} {anomaly:8.4f}"
    return with_checksum(first), with_checksum(f"2 99702 {place} {motion:11.8f}    1")


def high_orbit(motion: float, eccentricity: int, inclination: float) -> Tle:
    return element_set(inclination, eccentricity, 270.0, 0.0, motion)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lat=st.floats(-90, 90),
    lon=st.floats(-180, 180),
    mask=st.floats(0, 60),
    node=st.floats(0, 359),
    shift=st.floats(0, 359),
)
def test_no_pass_is_missed_and_none_invented_whatever_the_place_and_the_mask(
    lat: float, lon: float, mask: float, node: float, shift: float
) -> None:
    tle = moved(GRBALPHA, START_S * S, node, shift)
    site = Station("there", lat, lon, 0.0, mask)
    end_s = START_S + DAY_S // 2
    found = contacts(tle, site, START_S * S, end_s * S)
    known = brute(tle, site, START_S - 1_500, end_s + 1_500)
    for rise, fall in known:
        if fall > START_S + 1 and rise < end_s - 1:
            near = [one for one in found if abs(one.acquisition_ns / 1e9 - rise) < 1.01]
            assert [one.loss_ns / 1e9 for one in near] == pytest.approx([fall], abs=1.01)
    for one in found:
        assert one.max_el_deg >= mask
        # Shorter than two seconds it may lie between the samples of the search.
        if one.loss_ns - one.acquisition_ns > 2 * S:
            assert any(abs(one.acquisition_ns / 1e9 - rise) < 1.01 for rise, _ in known)


def test_a_pass_of_seconds_between_two_steps_of_the_search_is_found() -> None:
    """A mask a hundredth of a degree below the culmination leaves a few seconds."""
    site = STATIONS[0]
    highest = max(contacts(GRBALPHA, site, START_S * S, (START_S + DAY_S) * S), key=lambda one: one.max_el_deg)
    narrow = Station(site.name, site.lat, site.lon, site.alt_m, highest.max_el_deg - 0.01)
    found = contacts(GRBALPHA, narrow, START_S * S, (START_S + DAY_S) * S)
    assert len(found) == 1
    assert 1.0 < (found[0].loss_ns - found[0].acquisition_ns) / 1e9 < 20.0
    assert found[0].max_el_deg == pytest.approx(highest.max_el_deg, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(offset=st.integers(0, 2 * DAY_S), length=st.integers(1, DAY_S))
def test_a_pass_is_told_the_same_whatever_window_it_is_asked_in(offset: int, length: int) -> None:
    start, end = START_S * S + offset * S + 123_456_789, START_S * S + (offset + length) * S
    whole = contacts_over(GRBALPHA, STATIONS[:3], START_S * S, (START_S + 4 * DAY_S) * S)
    asked = contacts_over(GRBALPHA, STATIONS[:3], start, end)
    assert asked == [one for one in whole if one.loss_ns > start and one.acquisition_ns < end]


def test_several_stations_at_once_are_each_told_as_alone_in_order_of_acquisition() -> None:
    end = (START_S + DAY_S) * S
    together = contacts_over(GRBALPHA, STATIONS[:4], START_S * S, end)
    alone = [one for site in STATIONS[:4] for one in contacts(GRBALPHA, site, START_S * S, end)]
    assert together == sorted(alone, key=lambda one: one.acquisition_ns)
    assert contacts_over(GRBALPHA, (), START_S * S, end) == []


def test_a_satellite_that_never_sets_is_up_all_the_time_and_one_behind_the_earth_never() -> None:
    above = high_orbit(1.0027, 1, 0.05)
    r = Orbit(above).state(np.array([float(START_S)]))[0]
    _, lon, _ = geodetic(to_earth_fixed(r, sidereal_angle(np.array([float(START_S)]))))
    window = START_S * S, (START_S + DAY_S) * S
    (one,) = contacts(above, Station("below", 10.0, float(lon[0]), 0.0), *window)
    assert one.acquisition_ns < window[0]
    assert one.loss_ns > window[1]
    assert 70.0 < one.max_el_deg < 90.0
    assert contacts(above, Station("behind", 10.0, float(lon[0]) + 180.0, 0.0), *window) == []


def test_the_hours_of_a_molniya_orbit_are_one_pass_each() -> None:
    molniya = high_orbit(2.00612, 7_200_000, 63.4)
    found = contacts(molniya, Station("north", 60.0, 30.0, 0.0), START_S * S, (START_S + 2 * DAY_S) * S)
    assert 3 <= len(found) <= 6
    assert max((one.loss_ns - one.acquisition_ns) / 3.6e12 for one in found) > 6.0
    for one in found:
        t_s = np.linspace(one.acquisition_ns / 1e9 + 1, one.loss_ns / 1e9 - 1, 500)
        assert (elevation(Orbit(molniya), Station("north", 60.0, 30.0, 0.0), t_s) > 5.0).all()


def test_an_element_set_that_decays_on_the_way_is_refused_in_a_sentence() -> None:
    low = with_checksum(GRBALPHA[0].replace(" .00001202", " .90000000").replace("87027-4", "99999-1"))
    with pytest.raises(ValueError, match="does not reach this time"):
        contacts((low, GRBALPHA[1]), STATIONS[0], START_S * S, (START_S + 60 * DAY_S) * S)


def test_a_fleet_of_a_hundred_over_three_stations_costs_less_than_five_seconds_of_cpu() -> None:
    fleet = [moved(GRBALPHA, START_S * S, 3.6 * i, 33.3 * i) for i in range(100)]
    before = time.process_time()
    found: list[Contact] = []
    for tle in fleet:
        found += contacts_over(tle, STATIONS[:3], (START_S - DAY_S // 2) * S, (START_S + DAY_S) * S)
    assert time.process_time() - before < 5.0
    assert len(found) > 1_500
