"""Power, heat and their balance; what the sensors make of them over whole orbits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import spacecraft as sc
from sim.channels import CHANNELS
from sim.flight import Flight
from sim.noise import BLOCK
from sim.sensors import COLUMN
from sim.spacecraft import OUTPUTS, State, step
from telemetry.dictionary import Mission

HEATS = (sc.SIDE_HEAT,) * 4 + (sc.END_HEAT,) * 2
CREATED_S = 1_795_355_400
GLOWS = (sc.SIDE_GLOW,) * 4 + (sc.END_GLOW,) * 2

power = st.one_of(st.just(0.0), st.floats(1.0, 14.0))
kelvin = st.floats(240.0, 340.0)


@st.composite
def situations(draw: st.DrawFn) -> tuple[State, list[float], list[float], float, float, tuple[float, ...]]:
    state = State(*(draw(kelvin) for _ in range(6)), draw(kelvin), draw(st.floats(268.0, 320.0)), draw(kelvin))
    state.charge = draw(st.floats(0.1, 1.0))
    state.polarisation = draw(st.floats(-0.1, 0.1))
    state.heater = float(draw(st.booleans()))
    absorbed = [draw(st.floats(0.0, 45.0)) for _ in range(6)]
    potential = [*(draw(power) for _ in range(5)), 0.0]
    strings = tuple(draw(st.sampled_from((1.0, 0.75, 0.5))) for _ in range(6))
    return state, absorbed, potential, float(draw(st.booleans())), float(draw(st.booleans())), strings


def temperatures(state: State) -> list[float]:
    return [state.t_px, state.t_mx, state.t_py, state.t_my, state.t_pz, state.t_mz]


@settings(max_examples=200, deadline=None)
@given(situations())
def test_the_bus_and_the_heat_balance_close_in_every_step(
    situation: tuple[State, list[float], list[float], float, float, tuple[float, ...]],
) -> None:
    """Battery power is what arrays give less what loads draw; heat gained is what came in less what left."""
    state, absorbed, potential, payload, transmitter, strings = situation
    before = temperatures(state)
    inside, battery, amplifier, heater = state.t_inside, state.t_battery, state.t_amplifier, state.heater
    out = dict(zip(OUTPUTS, step(state, absorbed, potential, payload, transmitter, strings=strings), strict=True))
    after = temperatures(state)

    loads = 0.6 + 0.2 + 0.35 + 1.3 + 3.6 * transmitter + 3.0 * payload + 1.2 * heater
    array = sum(
        out[f"pv_i_{face}"] * (sc.STRING_V - sc.STRING_SLOPE * t)
        for face, t in zip(("px", "mx", "py", "my", "pz"), after, strict=False)
    )
    to_battery = out["bat_v"] * out["bat_i"]
    assert to_battery == pytest.approx(0.9 * array - loads / 0.9, abs=1e-6)
    assert out["bat_i"] <= sc.CHARGE_LIMIT_A
    if out["bat_i"] > 0:
        assert out["bat_v"] <= sc.CHARGE_LIMIT_V + 1e-9

    gained = sum(c * (b - a) for c, a, b in zip(HEATS, before, after, strict=True))
    gained += sc.INSIDE_HEAT * (state.t_inside - inside)
    gained += sc.BATTERY_HEAT * (state.t_battery - battery) + sc.AMPLIFIER_HEAT * (state.t_amplifier - amplifier)
    resistance = 0.13 * np.exp(0.03 * max(0.0, 25.0 - (battery - 273.15)))
    came = sum(absorbed) + resistance * out["bat_i"] ** 2
    left = sum(g * a**4 for g, a in zip(GLOWS, before, strict=True)) + to_battery + 1.0 * transmitter
    assert gained == pytest.approx(came - left, abs=1e-6)


def test_a_step_of_a_second_is_short_enough() -> None:
    """Against steps of a tenth of a second through ten minutes of full Sun: less than 0.1 K and 2 mV apart."""
    absorbed, potential = [40.0, 5.0, 8.0, 3.0, 1.5, 9.0], [12.0, 0.0, 1.5, 0.0, 0.1, 0.0]
    coarse, fine = State(), State()
    for _ in range(600):
        a = step(coarse, absorbed, potential, 0.0, 1.0)
    for _ in range(6_000):
        b = step(fine, absorbed, potential, 0.0, 1.0, dt=0.1)
    # the computer's uptime and memory go by count of seconds, and are equal as well
    assert np.abs(np.array(a) - np.array(b))[: OUTPUTS.index("pa_t") + 1].max() < 0.1
    assert abs(a[0] - b[0]) < 0.002


def test_the_heater_is_a_thermostat_with_hysteresis() -> None:
    state = State(t_battery=276.0, t_inside=276.0)
    seen: list[tuple[float, float]] = []
    for _ in range(20_000):
        out = step(state, [3.0] * 6, [0.0] * 6, 0.0, 0.0)
        state.charge = 0.8
        state.t_inside = 273.0
        seen.append((out[OUTPUTS.index("bat_t")], out[OUTPUTS.index("heater_on")]))
    assert {on for _, on in seen} == {0.0, 1.0}
    assert all(on == 1.0 for t, on in seen if t < 3.5)
    assert all(on == 0.0 for t, on in seen if t > 6.0)


@pytest.fixture(scope="module")
def ten_orbits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mission, np.ndarray, np.ndarray, float]:
    """Measured values (n, channels), contact flags (n,) and the period (s) of ten nominal orbits."""
    from sim.preset import demo_mission_toml
    from telemetry.dictionary import read_mission

    path = tmp_path_factory.mktemp("mission")
    (path / "mission.toml").write_text(demo_mission_toml(CREATED_S * 10**9, 3, "quiet"), encoding="utf-8")
    mission = read_mission(path)
    flight = Flight(mission, "KESTREL-1", 3)
    period = flight.surroundings.orbit.period_s
    start = CREATED_S - round(6 * period)
    flight.warm_up(start)
    pieces = list(flight.values(start, start + round(10 * period)))
    return mission, np.concatenate([v for _, v, _ in pieces]), np.concatenate([c for _, _, c in pieces]), period


Orbits = tuple[Mission, np.ndarray, np.ndarray, float]


def test_ten_nominal_orbits_stay_inside_the_soft_limits(ten_orbits: Orbits) -> None:
    _, values, contact, _ = ten_orbits
    outside = {}
    for channel in CHANNELS:
        if channel.warning is not None:
            column = values[:, COLUMN[channel.name]]
            column = column[contact] if channel.contact_only else column
            assert column.size
            bad = int(((column < channel.warning[0]) | (column > channel.warning[1])).sum())
            if bad:
                outside[channel.name] = bad
    assert outside == {}


def test_ten_nominal_orbits_are_valid_values(ten_orbits: Orbits) -> None:
    mission, values, contact, _ = ten_orbits
    from telemetry.freshness import invalid_mask

    channels = mission.bus_of("KESTREL-1").channels
    ordered = values[:, [COLUMN[channel.name] for channel in channels]]
    ordered = np.where(np.array([c.contact_only for c in channels]) & ~contact[:, None], 0.0, ordered)
    bad = invalid_mask(channels, ordered).any(axis=0)
    assert [c.name for c, wrong in zip(channels, bad, strict=True) if wrong and not c.contact_only] == []


def test_the_battery_breathes_once_an_orbit_and_neither_drains_nor_fills(ten_orbits: Orbits) -> None:
    _, values, _, period = ten_orbits
    charge = values[:, COLUMN["eps.bat_soc"]]
    n = round(period)
    depth = [np.ptp(charge[i * n : (i + 1) * n]) for i in range(10)]
    assert all(4 <= d <= 20 for d in depth)
    assert abs(charge[-n:].mean() - charge[5 * n : 6 * n].mean()) <= 1.0
    assert values[:, COLUMN["eps.bat_v"]].min() > 7.6


def test_temperatures_repeat_every_orbit_after_the_warm_up(ten_orbits: Orbits) -> None:
    _, values, _, period = ten_orbits
    n = round(period)
    for name in ("thm.t_int", "thm.t_px", "thm.t_mx", "thm.t_mz", "eps.bat_t"):
        mean = [values[i * n : (i + 1) * n, COLUMN[name]].mean() for i in range(10)]
        assert abs(mean[1] - mean[0]) < 1.5, name
        assert max(abs(b - a) for a, b in itertools.pairwise(mean[3:])) < 0.7, name


def test_the_shadow_stops_the_arrays_and_the_field_and_the_range_have_their_sizes(ten_orbits: Orbits) -> None:
    _, values, contact, period = ten_orbits
    dark = values[:, COLUMN["orb.eclipse"]] == 1
    assert 0.33 < dark.mean() < 0.39
    umbra = dark & np.roll(dark, 30) & np.roll(dark, -30)
    for face in ("px", "mx", "py", "my", "pz"):
        assert np.abs(values[umbra, COLUMN[f"eps.pv_i_{face}"]]).max() <= 0.02
    size = np.sqrt(sum(values[:, COLUMN[f"adcs.mag_{axis}"]] ** 2 for axis in "xyz"))
    assert 17 < size.min() < size.max() < 53
    assert values[:, COLUMN["adcs.rate_y"]].mean() == pytest.approx(-360.0 / period, abs=0.001)
    distance = values[contact, COLUMN["gs.range_km"]]
    assert 540 < distance.min() < distance.max() < 2_400
    assert np.corrcoef(values[contact, COLUMN["com.rssi_dn"]], -np.log10(distance))[0, 1] > 0.9
    assert np.abs(values[contact, COLUMN["com.doppler"]]).max() < 11_000


def test_the_battery_current_follows_the_arrays_until_the_battery_is_full(ten_orbits: Orbits) -> None:
    _, values, _, _ = ten_orbits
    array = sum(values[:, COLUMN[f"eps.pv_i_{face}"]] for face in ("px", "mx", "py", "my", "pz"))
    hungry = values[:, COLUMN["eps.bat_v"]] < 8.25
    payload_a = 3.0 / 0.9 / 8.1 * (values[:, COLUMN["obc.mode"]] == 4)
    assert hungry.mean() > 0.4
    assert np.corrcoef((values[:, COLUMN["eps.bat_i"]] + payload_a)[hungry], array[hungry])[0, 1] > 0.9


def test_a_panel_lags_the_light_it_gets(ten_orbits: Orbits) -> None:
    """The warmest moment of a panel comes minutes after its brightest."""
    mission, values, _, period = ten_orbits
    n = round(period)
    start = CREATED_S - round(6 * period)
    surroundings = Flight(mission, "KESTREL-1", 3).surroundings
    for column, name in enumerate(("thm.t_px", "thm.t_mx")):
        light = [surroundings.forcing(t // BLOCK).irradiance[t % BLOCK, column] for t in range(start, start + n)]
        lag = (int(np.argmax(values[:n, COLUMN[name]])) - int(np.argmax(light))) % n
        assert 60 < lag < 1_800, name


def test_values_lie_on_the_resolution_of_their_sensor(ten_orbits: Orbits) -> None:
    _, values, contact, _ = ten_orbits
    for channel in CHANNELS:
        column = values[contact, COLUMN[channel.name]]
        steps = column / channel.resolution
        assert np.abs(steps - np.round(steps)).max() < 1e-6, channel.name
