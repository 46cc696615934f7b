"""Nodes and what lies between them against direct evaluation; blocks in any chunks; fleets against single ones."""

from __future__ import annotations

import numpy as np
import pytest
from sgp4.api import Satrec

from sim.craft import THREE_U
from sim.field import field
from sim.noise import BLOCK_S, PLANT, normals
from sim.orbit import Orbit, geodetic, look, sidereal_angle, to_earth_fixed
from sim.preset import Station
from sim.state import Forcing
from sim.sun import sun, sunlit_fraction
from sim.surroundings import Surroundings
from sim.tle import GRBALPHA, moved

EPOCH_S = 1_621_193_082
FIRST = EPOCH_S // BLOCK_S
STATIONS = (Station("Munich", 48.1, 11.3, 580.0), Station("Sydney", -33.9, 151.2, 20.0))
FLEET = [moved(GRBALPHA, EPOCH_S * 10**9, 39.6 + 3.6 * i, 40.0 * i) for i in range(12)]


def one(seed: int = 1) -> Surroundings:
    return Surroundings(THREE_U, [GRBALPHA], STATIONS, seed)


def test_between_the_nodes_all_is_as_if_evaluated_there() -> None:
    around = one().block(FIRST, 90)
    f, t = around.forcing, around.t_s
    r, v = Orbit(GRBALPHA).state(t)
    assert np.abs(around.position[:, :, 0].T - r).max() < 1.0
    angle = sidereal_angle(t)
    magnetic = to_earth_fixed(field(to_earth_fixed(r, angle), t), -angle)
    assert np.abs(np.stack((f.bx, f.by, f.bz))[:, :, 0].T - magnetic).max() < 3e-9
    direction, distance = sun(t)
    assert np.abs(np.stack((f.sx, f.sy, f.sz))[:, :, 0].T - direction).max() < 1e-9
    assert np.abs(around.sunlit[:, 0] - sunlit_fraction(r, direction, distance)).max() < 1e-4
    assert np.abs(f.flux[:, 0] - 1361.0 / distance**2 * around.sunlit[:, 0]).max() < 1e-6
    normal = np.cross(r, v)
    size = np.linalg.norm(normal, axis=1)
    assert np.abs(np.stack((f.nx, f.ny, f.nz))[:, :, 0].T - normal / size[:, None]).max() < 1e-6
    assert np.abs(f.orbit_rate[:, 0] - size / np.sum(r * r, axis=1)).max() < 1e-8
    up = np.sum(r * direction, axis=1) / np.linalg.norm(r, axis=1)
    assert np.abs(f.reflected[:, 0] - 0.3 * 1361.0 / distance**2 * np.maximum(0, up)).max() < 0.01
    for mine, theirs in zip(around.places, geodetic(to_earth_fixed(r, angle)), strict=True):
        assert np.abs(mine[:, 0] - theirs / (1e3 if theirs.max() > 1e4 else 1.0)).max() < 1e-3


def test_the_best_station_is_looked_at() -> None:
    around = one().block(FIRST, 900)
    r, v = Orbit(GRBALPHA).state(around.t_s)
    seen = [look(station, r, v, sidereal_angle(around.t_s)) for station in STATIONS]
    elevation = np.stack([one.elevation_deg for one in seen])
    best = elevation.argmax(axis=0)
    assert np.array_equal(around.station[:, 0], best)
    assert np.abs(around.elevation_deg[:, 0] - elevation.max(axis=0)).max() < 1e-4
    assert np.abs(around.range_m[:, 0] - np.choose(best, [one.range_m for one in seen])).max() < 1.0
    assert np.abs(around.range_rate[:, 0] - np.choose(best, [one.range_rate for one in seen])).max() < 0.1
    assert np.array_equal(around.contact[:, 0], (elevation.max(axis=0) >= 5.0).astype(float))
    assert 0 < around.contact.mean() < 0.2
    assert (around.forcing.transmit >= around.contact).all()


def same(a: Forcing[np.ndarray], b: Forcing[np.ndarray], rows: slice) -> bool:
    return all(np.array_equal(left[rows], right) for left, right in zip(a, b, strict=True))


@pytest.mark.parametrize("blocks", [1, 3, 8])
def test_a_block_is_the_same_whatever_is_made_with_it(blocks: int) -> None:
    whole, parts = one().block(FIRST, 24), one()
    for first in range(0, 24, blocks):
        piece = parts.block(FIRST + first, blocks)
        rows = slice(first * BLOCK_S, (first + blocks) * BLOCK_S)
        assert same(whole.forcing, piece.forcing, rows)
        for name in ("fading", "dice", "range_rate", "elevation_deg", "sunlit"):
            assert np.array_equal(getattr(whole, name)[rows], getattr(piece, name)), name


def test_a_satellite_of_a_fleet_sees_what_it_would_see_alone() -> None:
    fleet = Surroundings(THREE_U, FLEET, STATIONS, 5).block(FIRST, 2)
    for i in (0, 7, 11):
        alone = Surroundings(THREE_U, [FLEET[i]], STATIONS, 5, [i]).block(FIRST, 2)
        for name, mine, theirs in zip(Forcing._fields, alone.forcing, fleet.forcing, strict=True):
            assert np.abs(mine[:, 0] - theirs[:, i]).max() <= 1e-12 * np.abs(theirs[:, i]).max(), name
        assert np.allclose(alone.fading[:, 0], fleet.fading[:, i], atol=1e-12)
        assert np.array_equal(alone.dice[:, 0], fleet.dice[:, i])


def test_rows_are_the_forcing_as_plain_numbers() -> None:
    around = Surroundings(THREE_U, FLEET[:3], STATIONS, 5).block(FIRST)
    row = around.rows[17][2]
    assert isinstance(row.ux, float)
    assert list(row) == [column[17, 2] for column in around.forcing]


def test_noise_is_normal_and_reached_from_anywhere() -> None:
    many = np.concatenate([normals(3, PLANT, block, range(50), 6) for block in range(40)], axis=1)
    assert np.abs(many.mean()) < 0.005
    assert many.std() == pytest.approx(1.0, abs=0.005)
    assert (many.astype(float) ** 4).mean() == pytest.approx(3.0, abs=0.05)
    assert np.abs(np.corrcoef(many.reshape(-1, 6).T) - np.eye(6)).max() < 0.02
    assert np.abs(np.corrcoef(many[:20, :, 0]) - np.eye(20)).max() < 0.1
    some = normals(3, PLANT, 7, [4, 5, 31, 2], 6)
    for i, satellite in enumerate((4, 5, 31, 2)):
        assert np.array_equal(some[i], many[satellite, 7 * BLOCK_S : 8 * BLOCK_S])
    assert not np.array_equal(normals(4, PLANT, 7, [2], 6), some[3:])


def test_fading_lasts_five_seconds() -> None:
    fading = Surroundings(THREE_U, FLEET, STATIONS, 2).block(FIRST, 60).fading
    assert fading.std() == pytest.approx(1.0, abs=0.03)
    assert np.mean(fading[:-5] * fading[5:]) == pytest.approx(np.exp(-1.0), abs=0.04)


def test_an_orbit_that_does_not_reach_the_time_is_refused() -> None:
    lines = GRBALPHA[0].replace(" .00001202  00000-0  87027-4", " .00001202  00000-0  87027-0")
    from sim.tle import with_checksum

    tle = (with_checksum(lines), GRBALPHA[1])
    assert Satrec.twoline2rv(*tle).error == 0
    with pytest.raises(ValueError, match="SGP4 error"):
        Surroundings(THREE_U, [tle], STATIONS, 1).block(FIRST + 20 * 365 * 1350)
