"""Predicted channels against skyfield's ground track and passes, and against what the simulator itself sends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.orbit import Orbit
from sim.predicted import predict
from sim.preset import Station

FOLDER = Path(__file__).parent / "reference"


def known(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / name).read_text(encoding="ascii"))


@pytest.mark.parametrize("orbit", ["GRBALPHA", "ISS", "SSO-700"])
def test_height_range_and_elevation_are_those_of_an_independent_predictor(orbit: str) -> None:
    track, passes = known("ground_track.json"), known("passes.json")
    flying = Orbit(tuple(track["orbits"][orbit]))
    rows = np.array([row[1:] for row in track["rows"] if row[0] == orbit])
    assert np.abs(predict(flying, (), rows[:, 0]).alt_km - rows[:, 3]).max() < 1e-3

    stations = [Station(name, *place) for name, place in passes["stations"].items()]
    for one in passes["passes"]:
        if one["orbit"] != orbit:
            continue
        samples = np.array(one["samples"])
        seen = predict(flying, stations, samples[:, 0])
        here = np.array([stations[i].name == one["station"] for i in seen.station])
        assert here.any()
        assert np.abs(seen.elevation_deg - samples[:, 1])[here].max() < 0.1
        assert np.abs(seen.range_km - samples[:, 2])[here].max() < 0.5
        assert (seen.elevation_deg > samples[:, 1] - 0.1).all(), "the station that sees it highest"


def test_light_changes_twice_an_orbit_and_without_a_station_nothing_is_seen() -> None:
    flying = Orbit(tuple(known("passes.json")["orbits"]["GRBALPHA"]))
    t_s = np.floor(flying.epoch_s) + np.arange(0.0, 10 * flying.period_s, 10.0)
    told = predict(flying, (), t_s)
    assert set(told.eclipse.tolist()) == {0.0, 1.0}
    assert np.count_nonzero(np.diff(told.eclipse)) in (19, 20, 21)
    assert 0.35 < told.eclipse.mean() < 0.38
    assert np.isnan(told.elevation_deg).all()
    assert (told.station == -1).all()
