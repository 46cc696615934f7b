"""Passes of three orbits over three stations in a day, as skyfield predicts them (reference/make_reference.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.orbit import Orbit, look, sidereal_angle
from sim.passes import Contact, contacts_over
from sim.preset import Station
from sim.tle import Tle

KNOWN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "reference" / "passes.json").read_text(encoding="ascii")
)
STATIONS = {name: Station(name, *place) for name, place in KNOWN["stations"].items()}
ORBITS: dict[str, Tle] = {name: (tle[0], tle[1]) for name, tle in KNOWN["orbits"].items()}


def ours(orbit: str) -> list[Contact]:
    """Passes over all three stations that begin and end inside the day of the reference."""
    start_ns, end_ns = (second * 10**9 for second in KNOWN["windows"][orbit])
    found = contacts_over(ORBITS[orbit], tuple(STATIONS.values()), start_ns, end_ns)
    return [one for one in found if one.acquisition_ns > start_ns and one.loss_ns < end_ns]


def theirs(orbit: str, station: str) -> list[dict[str, Any]]:
    return [one for one in KNOWN["passes"] if (one["orbit"], one["station"]) == (orbit, station)]


def test_the_reference_covers_an_inclined_and_two_polar_orbits_over_both_hemispheres() -> None:
    assert len(ORBITS) == len(STATIONS) == 3
    assert len(KNOWN["passes"]) > 50
    assert not theirs("ISS", "Svalbard"), "an orbit of 51.6 deg never rises in Svalbard"


@pytest.mark.parametrize("orbit", ORBITS)
@pytest.mark.parametrize("station", STATIONS)
def test_acquisition_loss_and_elevation_agree(orbit: str, station: str) -> None:
    """Asked for: 2 s and 0.1 degree. Met: 0.03 s and 0.012 degree, so a tenth of a second is the gate."""
    found, known = [one for one in ours(orbit) if one.station == station], theirs(orbit, station)
    assert len(found) == len(known)
    for one, other in zip(found, known, strict=True):
        assert one.acquisition_ns / 1e9 == pytest.approx(other["acquisition_s"], abs=0.1)
        assert one.loss_ns / 1e9 == pytest.approx(other["loss_s"], abs=0.1)
        assert one.max_el_deg == pytest.approx(other["max_el_deg"], abs=0.02)
        samples = np.array(other["samples"])
        r, v = Orbit(ORBITS[orbit]).state(samples[:, 0])
        seen = look(STATIONS[station], r, v, sidereal_angle(samples[:, 0]))
        assert np.abs(seen.elevation_deg - samples[:, 1]).max() < 0.02
        assert np.abs(seen.range_m / 1e3 - samples[:, 2]).max() < 0.2


def test_lengths_and_doppler_shifts_of_the_default_orbit_are_those_of_550_km() -> None:
    passes = theirs("GRBALPHA", "Munich")
    assert len(passes) == 5
    for one in passes:
        minutes = (one["loss_s"] - one["acquisition_s"]) / 60.0
        assert minutes < 11.5
        assert one["max_el_deg"] <= 15.0 or 7.0 < minutes < 11.0
        t_s = np.arange(one["acquisition_s"], one["loss_s"])
        r, v = Orbit(ORBITS["GRBALPHA"]).state(t_s)
        rate = look(STATIONS["Munich"], r, v, sidereal_angle(t_s)).range_rate
        assert np.abs(rate).max() / 299_792_458.0 * 437e6 < 11_000.0
