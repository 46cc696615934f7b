"""The bus closes, the charger keeps its limits, faults cost what they should."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import power
from sim.craft import CRAFTS, LITHIUM_ION, ONE_U, THREE_U, Craft, curve
from sim.elementwise import ARRAYS, FLOATS
from sim.power import Bus
from sim.state import HEALTHY, Knobs, State

crafts = st.sampled_from(tuple(CRAFTS.values()))
light = st.one_of(st.just(0.0), st.floats(0.0, 1500.0))
kelvin = st.floats(230.0, 350.0)
six_lights = st.tuples(light, light, light, light, light, light)
six_kelvins = st.tuples(kelvin, kelvin, kelvin, kelvin, kelvin, kelvin)
COLD = (280.0,) * 6
BATTERY_K = 273.0


def solve(craft: Craft, k: Knobs[float], lights: Any, kelvins: Any, charge: float, drawn: float) -> tuple[Any, Any]:
    """Available power and the solved bus, the battery at BATTERY_K."""
    available = power.array_power(power.potential(craft, FLOATS, lights, k), kelvins)
    array = sum(available)
    return available, power.solve_bus(craft, FLOATS, k, charge, 0.01, BATTERY_K, array, drawn)


@settings(max_examples=300, deadline=None)
@given(crafts, six_lights, six_kelvins, st.floats(0.1, 1.0), st.floats(0.5, 6.0), st.sampled_from((1.0, 0.5, 0.0)))
def test_what_the_arrays_give_is_what_loads_and_battery_take(
    craft: Craft, lights: Any, kelvins: Any, charge: float, drawn: float, strings: float
) -> None:
    k: Knobs[float] = Knobs(s_py=strings)
    available, bus = solve(craft, k, lights, kelvins, charge, drawn)
    array = sum(available)
    assert bus.voltage * bus.current == pytest.approx(power.BOOST * bus.used * array - drawn, abs=1e-6)
    assert 0.0 <= bus.used <= 1.0
    if bus.current > 0.0:
        assert bus.current <= craft.charge_limit_a
        assert bus.voltage <= craft.charge_limit_v + 1e-9
    seen = power.readings(craft, FLOATS, available, kelvins, bus.used)
    given_back = list(seen[3:])
    assert all(i >= 0.0 for i in given_back)
    slope = craft.series * power.CELL_V_PER_K
    volts = [
        craft.series * power.CELL_V + slope * (t - power.CELL_REFERENCE_K) + craft.unloaded_v * (1.0 - bus.used)
        for t in kelvins
    ]
    taken = math.fsum(i * v for i, v in zip(given_back, volts, strict=True))
    assert taken == pytest.approx(bus.used * array, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    crafts,
    st.lists(st.tuples(six_lights, six_kelvins, st.floats(0.0, 1.0), st.floats(0.5, 9.0)), min_size=2, max_size=8),
)
def test_arrays_say_what_floats_say(craft: Craft, cases: list[Any]) -> None:
    alone = [solve(craft, HEALTHY, *case) for case in cases]
    columns = [tuple(np.array([case[part][i] for case in cases]) for i in range(6)) for part in (0, 1)]
    lights: Any = columns[0]
    kelvins: Any = columns[1]
    charge, drawn = (np.array([case[i] for case in cases]) for i in (2, 3))
    available = power.array_power(power.potential(craft, ARRAYS, lights, HEALTHY), kelvins)
    total = sum(available)
    slow: Any = np.full(len(cases), 0.01)
    array: Any = total
    bus = power.solve_bus(craft, ARRAYS, HEALTHY, charge, slow, slow + BATTERY_K - 0.01, array, drawn)
    for i, (one_available, one) in enumerate(alone):
        assert [a[i] for a in available] == list(one_available)
        for a, b in zip(bus, one, strict=True):
            assert a[i] == pytest.approx(b, rel=1e-12, abs=1e-12)


@given(st.floats(-0.2, 1.2))
def test_the_voltage_over_charge_passes_through_its_points(charge: float) -> None:
    points = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    cell = (3.00, 3.30, 3.45, 3.55, 3.60, 3.64, 3.69, 3.78, 3.88, 3.98, 4.08, 4.18)
    assert THREE_U.open_circuit == LITHIUM_ION
    inside = min(max(charge, 0.0), 1.0)
    volts = power.open_circuit(THREE_U, FLOATS, inside)
    assert volts == pytest.approx(2.0 * np.interp(inside, points, cell), abs=1e-12)


def test_a_curve_of_two_points_is_a_line() -> None:
    assert curve((0.0, 1.0), (2.0, 5.0), factor=2.0) == (2.0, ((0.0, 4.0),))


def test_one_string_of_four_is_a_quarter() -> None:
    whole = power.potential(THREE_U, FLOATS, (1361.0,) * 6, HEALTHY)
    lost = power.potential(THREE_U, FLOATS, (1361.0,) * 6, Knobs(s_mx=0.75))
    assert lost[1] == pytest.approx(0.75 * whole[1])
    assert (lost[0], *lost[2:]) == (whole[0], *whole[2:])


def test_a_dark_panel_gives_nothing_and_a_warm_one_less() -> None:
    lights = (0.0, 19.9, 1000.0, 1000.0, 0.0, 0.0)
    kelvins = (300.0, 300.0, 260.0, 340.0, 300.0, 300.0)
    available = power.array_power(power.potential(THREE_U, FLOATS, lights, HEALTHY), kelvins)
    assert available[0] == available[1] == 0.0
    assert available[2] / available[3] == pytest.approx((1 + 0.0022 * 41.15) / (1 - 0.0022 * 38.85))
    seen = power.readings(THREE_U, FLOATS, available, kelvins, 1.0)
    assert seen.pv_v_x == THREE_U.dark_v
    assert seen.pv_v_y == pytest.approx(2 * (2.41 - 0.0067 * (260.0 - 301.15)))
    assert seen.pv_i_px == seen.pv_i_mx == 0.0


Loads = Callable[..., power.Loads[float]]


@pytest.fixture
def load() -> Loads:
    """load(craft, knobs, transmit=0): consumption with everything else off."""

    def make(craft: Craft, k: Knobs[float], transmit: float = 0.0) -> power.Loads[float]:
        return power.loads(craft, FLOATS, k, 0.0, 0.0, transmit, 1.0, 0.0)

    return make


def test_currents_of_hung_and_latched_buses_load_their_rail(load: Loads) -> None:
    plain = load(THREE_U, HEALTHY)
    hung = load(THREE_U, Knobs(hang_a=0.15, latch_5v_a=0.3))
    assert hung.i_3v3 - plain.i_3v3 == pytest.approx(0.15)
    assert hung.i_5v - plain.i_5v == pytest.approx(0.3)
    assert hung.drawn - plain.drawn == pytest.approx((0.15 * 3.3 + 0.3 * 5.0) / power.REGULATOR)
    volts = power.rails(plain, 293.15), power.rails(hung, 293.15)
    assert volts[1][0] < volts[0][0]
    assert volts[1][2] < volts[0][2]


@pytest.mark.parametrize("craft", CRAFTS.values(), ids=CRAFTS)
def test_a_weak_amplifier_sends_draws_and_heats_less(craft: Craft, load: Loads) -> None:
    full, weak = load(craft, HEALTHY, 1.0), load(craft, Knobs(pa_db=-10.0), 1.0)
    assert full.radiated_w == pytest.approx(craft.radiated_w)
    assert full.amplifier_w == pytest.approx(craft.amplifier_share * craft.transmitter_w)
    assert weak.radiated_w == pytest.approx(0.1 * full.radiated_w)
    assert weak.amplifier_w < full.amplifier_w
    assert load(craft, HEALTHY).drawn < weak.drawn < full.drawn
    assert load(craft, Knobs(pa_db=-10.0)).amplifier_w == 0.0


def test_an_old_battery_swings_more() -> None:
    _, young = solve(THREE_U, HEALTHY, (0.0,) * 6, COLD, 0.8, 6.0)
    _, old = solve(THREE_U, Knobs(resistance=3.0), (0.0,) * 6, COLD, 0.8, 6.0)
    assert young.voltage - old.voltage > 0.1
    assert old.resistance == pytest.approx(3.0 * young.resistance)

    states = State(charge=0.8), State(charge=0.8)
    for s, k in zip(states, (HEALTHY, Knobs(capacity=0.5)), strict=True):
        power.charge(THREE_U, FLOATS, s, k, young, 60.0)
    assert 0.8 - states[1].charge == pytest.approx(2.0 * (0.8 - states[0].charge))


@pytest.mark.parametrize("craft", CRAFTS.values(), ids=CRAFTS)
def test_the_counter_drifts_until_the_battery_is_full(craft: Craft) -> None:
    """Ten hours of balance let the bias of its current add up; a tapering charge sets it right."""
    s: State[float] = State(charge=0.5, counted=0.5)
    idle = Bus(8.0, 0.0, 0.1, 1.0)
    for _ in range(600):
        power.charge(craft, FLOATS, s, HEALTHY, idle, 60.0)
    assert s.charge == 0.5
    assert s.counted - 0.5 == pytest.approx(power.CURRENT_BIAS_A * 10.0 / craft.capacity_ah)
    for _ in range(600):
        power.charge(craft, FLOATS, s, HEALTHY, Bus(8.3, 0.5 * craft.taper_a, 0.1, 0.3), 1.0)
    assert s.counted == pytest.approx(s.charge, abs=0.002)


def test_a_battery_that_cannot_carry_the_loads_breaks_down_and_says_no_nonsense() -> None:
    k: Knobs[float] = Knobs(resistance=3.0)
    bus = power.solve_bus(ONE_U, FLOATS, k, 0.1, 0.0, 230.0, 0.0, 14.0)
    assert bus.current < 0.0
    assert bus.voltage == pytest.approx(0.5 * power.open_circuit(ONE_U, FLOATS, 0.1))


def test_the_battery_neither_overfills_nor_goes_below_empty() -> None:
    s: State[float] = State(charge=0.9999, counted=0.9999)
    power.charge(THREE_U, FLOATS, s, HEALTHY, Bus(8.3, 1.3, 0.1, 1.0), 60.0)
    assert (s.charge, s.counted) == (1.0, 1.0)
    s = State(charge=1e-5, counted=1e-5)
    power.charge(THREE_U, FLOATS, s, HEALTHY, Bus(6.0, -1.3, 0.1, 1.0), 60.0)
    assert (s.charge, s.counted) == (0.0, 0.0)


def test_a_full_battery_leaves_power_in_the_panels_and_moves_the_voltage_up() -> None:
    available, bus = solve(ONE_U, HEALTHY, (1361.0, 0.0, 900.0, 0.0, 0.0, 0.0), COLD, 1.0, 1.0)
    assert bus.used < 0.5
    idle = power.readings(ONE_U, FLOATS, available, COLD, bus.used)
    busy = power.readings(ONE_U, FLOATS, available, COLD, 1.0)
    assert idle.pv_v_x > busy.pv_v_x
    assert idle.pv_i_px < busy.pv_i_px
    assert replace(THREE_U, unloaded_v=0.0) == THREE_U
