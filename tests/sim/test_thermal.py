"""Heat is neither lost nor made; panels, boards and battery are as warm as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import power, thermal
from sim.craft import CRAFTS, THREE_U, ZERO_C, Craft
from sim.elementwise import FLOATS
from sim.state import HEALTHY, Knobs, State

NODES = ("t_px", "t_mx", "t_py", "t_my", "t_pz", "t_mz", "t_inside", "t_battery", "t_amplifier")
kelvin = st.floats(230.0, 350.0)
light = st.one_of(st.just(0.0), st.floats(0.0, 1500.0))
view = st.floats(0.0, 0.9)


def stored(craft: Craft, s: State[float]) -> float:
    """Heat in all nodes, J."""
    sizes = (*craft.panel_heat, craft.inside_heat, craft.battery_heat, craft.amplifier_heat)
    return float(sum(c * getattr(s, name) for c, name in zip(sizes, NODES, strict=True)))


def second(
    craft: Craft,
    s: State[float],
    lights: Any,
    views: Any,
    k: Knobs[float] = HEALTHY,
    dt: float = 1.0,
    transmit: float = 0.0,
) -> float:
    """Fly power and heat only; returns what came in less what went out, J, not counting the nodes themselves."""
    heat = thermal.absorbed(craft, lights, views)
    kelvins = (s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz)
    available = power.array_power(power.potential(craft, FLOATS, lights, k), kelvins)
    array = sum(available)
    found = power.loads(craft, FLOATS, k, s.heater, 0.0, transmit, 1.0, 0.1)
    bus = power.solve_bus(craft, FLOATS, k, s.charge, s.polarisation, s.t_battery, array, found.drawn)
    glow = sum(craft.emissivity * a * thermal.SIGMA * t**4 for a, t in zip(craft.area, kelvins, strict=True))
    kept = bus.current * bus.voltage - bus.current**2 * bus.resistance
    power.charge(craft, FLOATS, s, k, bus, dt)
    thermal.advance(craft, FLOATS, s, k, heat, available, array, found, bus, dt)
    return dt * (sum(heat) - glow - kept - found.radiated_w)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(tuple(CRAFTS.values())),
    st.tuples(*(st.floats(265.0, 320.0) if name == "t_battery" else kelvin for name in NODES)),
    st.tuples(*(light for _ in range(6))),
    st.tuples(*(view for _ in range(6))),
    st.floats(0.3, 1.0),
    st.booleans(),
    st.booleans(),
)
def test_what_comes_in_and_does_not_leave_is_stored(
    craft: Craft, nodes: Any, lights: Any, views: Any, charge: float, heater: bool, transmit: bool
) -> None:
    s: State[float] = State(charge=charge, heater=float(heater), **dict(zip(NODES, nodes, strict=True)))
    before = stored(craft, s)
    net = second(craft, s, lights, views, transmit=float(transmit))
    assert stored(craft, s) - before == pytest.approx(net, abs=1e-6)


@pytest.mark.parametrize("craft", CRAFTS.values(), ids=CRAFTS)
def test_a_second_is_a_short_enough_step(craft: Craft) -> None:
    """Out of the shadow and on for half an hour: less than 0.1 K from steps of a tenth of a second."""
    side = (0.25, 0.25, 0.25, 0.25, 0.85, 0.0)
    coarse, fine = State[float](), State[float]()
    for t in range(1_800):
        lights = (900.0, 0.0, 700.0 * (t > 600), 0.0, 300.0, 0.0) if t >= 60 else (0.0,) * 6
        second(craft, coarse, lights, side)
        for _ in range(10):
            second(craft, fine, lights, side, dt=0.1)
        if t % 100 == 99:
            apart = [abs(getattr(coarse, name) - getattr(fine, name)) for name in NODES]
            assert max(apart) < 0.1, (t, apart)
    assert coarse.t_px > 285.0


def test_the_heater_is_a_thermostat_with_hysteresis() -> None:
    s: State[float] = State(t_battery=275.0, t_inside=270.0)
    seen: list[tuple[float, float]] = []
    for _ in range(20_000):
        second(THREE_U, s, (0.0,) * 6, (0.25,) * 6)
        s.charge, s.t_inside = 0.8, 270.0
        seen.append((s.t_battery - ZERO_C, s.heater))
    assert {on for _, on in seen} == {0.0, 1.0}
    assert all(on == 1.0 for t, on in seen if t < 3.5)
    assert all(on == 0.0 for t, on in seen if t > 6.0)
    assert any(on == 0.0 for t, on in seen if 4.0 < t < 5.5)
    assert any(on == 1.0 for t, on in seen if 4.0 < t < 5.5)


def test_a_stuck_heater_does_what_it_is_stuck_at() -> None:
    def end(k: Knobs[float]) -> State[float]:
        s: State[float] = State(t_battery=276.0, t_inside=276.0, heater=0.0)
        for _ in range(6_000):
            second(THREE_U, s, (0.0,) * 6, (0.25,) * 6, k)
            s.charge, s.t_inside = 0.8, 276.0
        return s

    free, on, off = end(HEALTHY), end(Knobs(heater=1.0)), end(Knobs(heater=0.0))
    assert (on.heater, off.heater) == (1.0, 0.0)
    assert on.t_battery > free.t_battery + 5.0
    assert off.t_battery < ZERO_C + 3.5 < free.t_battery


def test_power_that_is_not_drawn_stays_in_the_panel_as_heat() -> None:
    full, hungry = State[float](charge=1.0), State[float](charge=0.5)
    for s in (full, hungry):
        for _ in range(600):
            second(THREE_U, s, (1361.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.25,) * 6)
            s.charge = 1.0 if s is full else 0.5
    assert full.t_px > hungry.t_px + 2.0


def test_a_panel_lags_the_light_by_its_time_constant() -> None:
    """A side of the 3U: C / (4 e A s T^3 + leak), two to four minutes, for a small change of light."""
    s: State[float] = State()
    for _ in range(20_000):
        second(THREE_U, s, (500.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.25,) * 6)
        s.charge = 0.5
    before = s.t_px
    course: list[float] = []
    for _ in range(2_000):
        second(THREE_U, s, (550.0, 0.0, 0.0, 0.0, 0.0, 0.0), (0.25,) * 6)
        s.charge = 0.5
        course.append(s.t_px - before)
    reached = int(np.argmax(np.array(course) > (1.0 - np.exp(-1.0)) * course[1_000]))
    expected = 170.0 / (4 * 0.8 * 0.034 * thermal.SIGMA * before**3 + 0.30)
    assert reached == pytest.approx(expected, rel=0.25)
