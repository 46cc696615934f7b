"""SGP4 against the vectors that ship with it, through our own handling of element sets, epochs and times."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from sgp4.api import Satrec

from sim.orbit import Orbit
from sim.tle import GRBALPHA, with_checksum

RESOLUTION_S = 2.4e-7
"""Unix seconds of this century as float64: half a step at each of the two additions, and one of the epoch."""
IMPOSSIBLE = "33333"
"""Eccentricity 0.995 at four revolutions a day: made to provoke an error, its positions outrun its velocities."""


def shipped() -> list[tuple[str, tuple[str, str], np.ndarray]]:
    """(catalogue number, element set, rows of minutes, km and km/s) of Vallado's verification run."""
    folder = resources.files("sgp4")
    text = folder.joinpath("SGP4-VER.TLE").read_text(encoding="ascii")
    lines = [line[:68] for line in text.splitlines() if line[:2] in ("1 ", "2 ")]
    blocks: list[tuple[str, list[list[float]]]] = []
    for row in folder.joinpath("tcppver.out").read_text(encoding="ascii").splitlines():
        if row.rstrip().endswith("xx"):
            blocks.append((row.split()[0], []))
        else:
            blocks[-1][1].append([float(word) for word in row.split()[:7]])
    return [
        (number, (with_checksum(lines[2 * i]), with_checksum(lines[2 * i + 1])), np.array(rows))
        for i, (number, rows) in enumerate(blocks)
    ]


def test_all_666_vectors_are_met_to_a_millimetre() -> None:
    checked = 0
    for number, tle, rows in shipped():
        satellite, orbit = Satrec.twoline2rv(*tle), Orbit(tle)
        if satellite.sgp4_tsince(float(rows[0, 0]))[0]:
            with pytest.raises(ValueError, match="SGP4 error"):
                orbit.state(orbit.epoch_s + rows[:, 0] * 60.0)
            continue
        direct = np.array([satellite.sgp4_tsince(minutes)[1] for minutes in rows[:, 0]])
        assert np.abs(direct - rows[:, 1:4]).max() < 1e-6, number
        checked += len(rows)
        if number == IMPOSSIBLE:
            continue
        r, v = orbit.state(orbit.epoch_s + rows[:, 0] * 60.0)
        speed = np.linalg.norm(rows[:, 4:7], axis=1)
        assert np.all(np.abs(r / 1e3 - rows[:, 1:4]).max(axis=1) < 1e-6 + RESOLUTION_S * speed), number
        assert np.abs(v / 1e3 - rows[:, 4:7]).max() < 1e-8, number
    assert checked == 666


def test_the_epoch_is_that_of_the_element_set() -> None:
    # Day 136.80882950 of 2021: 16 May, 19:24:42.87.
    assert Orbit(GRBALPHA).epoch_s == pytest.approx(1_621_193_082.8688, abs=1e-4)
