"""How the satellite turns: what is conserved, what the controller holds, what the magnetorquers stop."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import attitude, plant
from sim.craft import ONE_U, THREE_U, Craft
from sim.elementwise import ARRAYS, FLOATS, Floats
from sim.noise import BLOCK_S
from sim.preset import Station
from sim.state import ADCS_DETUMBLE, DETUMBLE, HEALTHY, TRUTH, Forcing, Knobs, State
from sim.surroundings import Surroundings
from sim.tle import GRBALPHA

FIRST = 1_621_193_082 // BLOCK_S
COLUMN = {name: i for i, name in enumerate(TRUTH)}
RATES = [COLUMN[f"rate_{axis}"] for axis in "xyz"]
WHEELS = [COLUMN[f"rw_speed_{axis}"] for axis in "xyz"]
ORBIT_S = 5739
TUMBLE = tuple(math.radians(w) for w in (6.0, 5.0, -6.3))


@cache
def surroundings(craft: Craft = THREE_U) -> list[Forcing[float]]:
    """Three orbits, second by second."""
    stations = (Station("Munich", 48.1, 11.3, 580.0),)
    around = Surroundings(craft, [GRBALPHA], stations, 1).block(FIRST, 3 * ORBIT_S // BLOCK_S + 1)
    return [second[0] for second in around.rows]


def pointing(f: Forcing[float]) -> State[float]:
    """A satellite that points to the Earth at the first second."""
    s: State[float] = State()
    s.q1, s.q2, s.q3, s.q4 = attitude.nadir_quaternion(FLOATS, f.ux, f.uy, f.uz, f.nx, f.ny, f.nz)
    s.wy = -f.orbit_rate
    return s


def tumbling(f: Forcing[float], rates: tuple[float, ...] = TUMBLE) -> State[float]:
    s = pointing(f)
    s.wx, s.wy, s.wz = rates
    s.mode, s.adcs = DETUMBLE, ADCS_DETUMBLE
    return s


def fly(craft: Craft, s: State[float], seconds: list[Forcing[float]], k: Knobs[float] = HEALTHY) -> Floats:
    return np.array([plant.step(craft, FLOATS, s, f, k) for f in seconds])


def rate(truth: Floats) -> Floats:
    return np.sqrt(np.sum(truth[:, RATES] ** 2, axis=1))


def test_a_tumble_of_ten_degrees_a_second_is_stopped_and_the_earth_found_within_95_minutes() -> None:
    seconds = surroundings()
    truth = fly(THREE_U, tumbling(seconds[0]), seconds[: 95 * 60])
    assert rate(truth)[0] == pytest.approx(10.03, abs=0.05)
    assert 1.0 < rate(truth)[30 * 60] < 6.0
    assert rate(truth)[-1] < 0.5
    found = int(np.flatnonzero(truth[:, COLUMN["adcs_mode"]] == 2)[0])
    assert rate(truth)[found] < 0.31
    assert truth[found + 15 * 60 :, COLUMN["att_err"]].max() < 0.6


def test_a_free_body_keeps_energy_and_momentum() -> None:
    """Ten minutes at ten degrees a second: energy within 0.3 %, direction of the momentum within half a degree."""
    craft = replace(THREE_U, residual=(0.0, 0.0, 0.0))
    free = [f._replace(k=0.0) for f in surroundings()[:600]]
    s = tumbling(free[0])
    j = np.array(craft.inertia)

    def balance() -> tuple[float, Floats]:
        w = np.array([s.wx, s.wy, s.wz])
        axes = np.array([attitude.look(s, free[0]._replace(sx=x, sy=y, sz=z))[6:9] for x, y, z in np.eye(3)])
        return float(np.sum(j * w * w)), axes @ (j * w)

    energy, momentum = balance()
    fly(craft, s, free, Knobs(adcs_off=1.0))
    energy_then, momentum_then = balance()
    assert energy_then == pytest.approx(energy, rel=3e-3)
    cosine = momentum @ momentum_then / np.linalg.norm(momentum) / np.linalg.norm(momentum_then)
    assert math.degrees(math.acos(min(1.0, cosine))) < 0.5


@pytest.mark.parametrize("speed", [2.0, 6.0])
def test_a_spin_about_one_axis_comes_round_on_time(speed: float) -> None:
    """Below and above the rate from which a second is flown in halves."""
    craft = replace(THREE_U, residual=(0.0, 0.0, 0.0))
    free = [f._replace(k=0.0) for f in surroundings()[: round(90.0 / speed)]]
    s: State[float] = State(wz=math.radians(speed))
    fly(craft, s, free, Knobs(adcs_off=1.0))
    half = math.sqrt(0.5)
    assert (s.q1, s.q2, s.q3, s.q4) == pytest.approx((0.0, 0.0, half, half), abs=1e-9)
    seen = attitude.look(s, free[0]._replace(sx=1.0, sy=0.0, sz=0.0))
    assert seen[6:9] == pytest.approx((0.0, -1.0, 0.0), abs=1e-9), "what lay ahead lies to the right"


def test_the_slender_axis_hangs_on_the_earths_gravity() -> None:
    """Uncontrolled, tilted by six degrees about the orbit normal: swings with the period theory gives."""
    craft = replace(THREE_U, residual=(0.0, 0.0, 0.0))
    seconds = surroundings()[:ORBIT_S]
    s = pointing(seconds[0])
    tilt = math.radians(3.0)
    c, d = math.cos(tilt), math.sin(tilt)
    s.q1, s.q2, s.q3, s.q4 = c * s.q1 - d * s.q3, c * s.q2 + d * s.q4, c * s.q3 + d * s.q1, c * s.q4 - d * s.q2
    truth = fly(craft, s, seconds, Knobs(adcs_off=1.0))
    error = truth[:, COLUMN["att_err"]]
    assert error[0] == pytest.approx(6.0, abs=1e-3)
    jx, jy, jz = craft.inertia
    period = 2.0 * math.pi / (seconds[0].orbit_rate * math.sqrt(3.0 * (jx - jz) / jy))
    assert error.max() < 8.0
    assert int(np.argmin(error[: round(period / 2)])) == pytest.approx(period / 4, rel=0.1)


def test_pointing_is_as_good_as_its_sensors() -> None:
    """A few tenths of a degree, rates of some hundredths about one turn an orbit, and the field turns with it."""
    seconds = surroundings()
    truth = fly(THREE_U, pointing(seconds[0]), seconds[:ORBIT_S])[300:]
    error = truth[:, COLUMN["att_err"]]
    assert 0.08 < error.mean() < 0.25
    assert np.quantile(error, 0.99) < 0.5
    assert truth[:, RATES].std(axis=0) == pytest.approx([0.021] * 3, abs=0.005)
    assert truth[:, RATES].mean(axis=0) == pytest.approx([0.0, -360.0 / ORBIT_S, 0.0], abs=0.002)
    assert np.degrees(truth[:, COLUMN["nadir_angle"]]).max() < 1.0
    assert np.abs(np.sum(truth[:, COLUMN["q_1"] : COLUMN["q_4"] + 1] ** 2, axis=1) - 1.0).max() < 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_the_earth_is_found_from_any_attitude_in_fifteen_minutes(seed: int) -> None:
    seconds = surroundings()[:1000]
    q = np.random.default_rng(seed).standard_normal(4)
    s: State[float] = State(*(q / np.linalg.norm(q)).tolist())
    truth = fly(THREE_U, s, seconds)
    assert truth[0, COLUMN["att_err"]] > 20.0
    assert truth[900:, COLUMN["att_err"]].max() < 0.6
    assert np.abs(truth[:, WHEELS]).max() < 6000.0
    assert np.abs(truth[:, RATES]).max() < 0.6, "turns back slowly enough for its wheels"


def test_magnetorquers_keep_the_wheels_slow() -> None:
    seconds = surroundings()
    s = pointing(seconds[0])
    s.hx, s.hy = 4e-4, -3e-4
    truth = np.abs(fly(THREE_U, s, seconds)[:, WHEELS])
    assert truth[0].max() > 2500.0
    assert truth[ORBIT_S:].max() < 1500.0
    assert 0.01 < np.mean(fly(THREE_U, s, seconds[:600])[:, COLUMN["rw_i"]]) < 0.15
    wrong = replace(THREE_U, desaturation=-THREE_U.desaturation)
    runaway = np.abs(fly(wrong, pointing(seconds[0]), seconds[:ORBIT_S])[:, WHEELS])
    assert runaway.max() > 5900.0, "of the other sign they would drive them to their limit"


def test_stiff_wheels_draw_more_and_point_worse() -> None:
    seconds = surroundings()[:2000]
    good = fly(THREE_U, pointing(seconds[0]), seconds)[500:].mean(axis=0)
    worse = fly(THREE_U, pointing(seconds[0]), seconds, Knobs(friction=2.0))[500:].mean(axis=0)
    bad = fly(THREE_U, pointing(seconds[0]), seconds, Knobs(friction=10.0))[500:].mean(axis=0)
    for name, least in (("rw_i", 0.015), ("bus5v_i", 0.015)):
        assert worse[COLUMN[name]] > good[COLUMN[name]] + least
        assert bad[COLUMN[name]] > worse[COLUMN[name]] + 5 * least
    assert bad[COLUMN["att_err"]] > 3 * good[COLUMN["att_err"]]
    assert bad[COLUMN["att_err"]] < 5.0, "but the Earth stays in view"


def test_a_knock_makes_it_detumble_and_point_again() -> None:
    seconds = surroundings()[:5000]
    s = pointing(seconds[0])
    knock = Knobs(kick_x=math.radians(2.0), kick_z=math.radians(-1.5))
    truth = np.array(
        [plant.step(THREE_U, FLOATS, s, f, knock if i == 100 else HEALTHY) for i, f in enumerate(seconds)]
    )
    modes = truth[:, COLUMN["obc_mode"]]
    assert modes[99] != DETUMBLE
    assert modes[100] == DETUMBLE
    assert rate(truth)[100] == pytest.approx(2.5, abs=0.2)
    assert np.count_nonzero(modes == DETUMBLE) > 600
    assert modes[-1] != DETUMBLE
    assert truth[-300:, COLUMN["att_err"]].max() < 0.6


def test_a_satellite_without_wheels_is_slowed_and_goes_on_rolling() -> None:
    seconds = surroundings(ONE_U)[: 2 * ORBIT_S]
    truth = fly(ONE_U, tumbling(seconds[0]), seconds)
    assert rate(truth)[0] > 10.0
    assert rate(truth)[-ORBIT_S // 2 :] == pytest.approx(0.3, abs=0.05)
    assert set(truth[-1000:, COLUMN["adcs_mode"]]) == {1.0}
    assert truth[-1, COLUMN["obc_mode"]] != DETUMBLE
    assert not truth[:, [*WHEELS, COLUMN["rw_i"]]].any()


unit = st.floats(-1.0, 1.0)


@settings(max_examples=100, deadline=None)
@given(st.tuples(unit, unit, unit).filter(lambda v: math.hypot(*v) > 0.1), unit, st.floats(0.0, 6.28))
def test_the_nadir_frame_is_found_for_every_orbit(normal: tuple[float, ...], tilt: float, angle: float) -> None:
    """Also on arrays, and to the last digits."""
    n = np.array(normal) / math.hypot(*normal)
    side = np.cross(n, [tilt, 1.0, 0.3])
    side /= np.linalg.norm(side)
    up = math.cos(angle) * side + math.sin(angle) * np.cross(n, side)
    q = attitude.nadir_quaternion(FLOATS, *up.tolist(), *n.tolist())
    assert math.hypot(*q) == pytest.approx(1.0, abs=1e-12)
    f = Forcing(*up.tolist(), *n.tolist(), *[0.0] * 19)
    seen = attitude.look(State(*q), f)
    assert seen[:6] == pytest.approx((0.0, 0.0, -1.0, 0.0, -1.0, 0.0), abs=1e-9)
    assert attitude.pointing_error(FLOATS, seen) < 1e-6
    assert np.array_equal(attitude.nadir_quaternion(ARRAYS, *np.stack((up, n)).reshape(6, 1)), np.array(q)[:, None])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-0.35, 0.35), min_size=3, max_size=3))
def test_the_attitude_stays_a_rotation_at_any_rate(rates: list[float]) -> None:
    seconds = surroundings()[:200]
    s = tumbling(seconds[0], tuple(rates))
    fly(THREE_U, s, seconds)
    assert s.q1 * s.q1 + s.q2 * s.q2 + s.q3 * s.q3 + s.q4 * s.q4 == pytest.approx(1.0, abs=1e-12)
