"""History worked out by the hour is the flight of the live plant; and what days of it look like."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import numpy.typing as npt
import pytest

from sim import plant, power, thermal
from sim.channels import CHANNELS, PRESETS
from sim.craft import CRAFTS, ONE_U, THREE_U, Craft
from sim.elementwise import FLOATS
from sim.motion import MEMORY_S, response
from sim.noise import BLOCK_S
from sim.prescribed import CHUNK, able, coast, settled
from sim.preset import Station
from sim.state import HEALTHY, SAFE, STATE_FIELDS, TRUTH, Forcing, State
from sim.surroundings import Surroundings
from sim.tle import GRBALPHA

Floats = npt.NDArray[np.float64]

START_S = 1_621_194_082
STATION = Station("Munich", 48.1, 11.3, 580.0)
TEMPERATURES = ("t_px", "t_mx", "t_py", "t_my", "t_pz", "t_mz", "t_int", "bat_t")
LAST_BIT = {
    "bat_v": (0.01, 0.004),
    "bat_i": (0.003, 0.004),
    "bat_soc": (1.0, 0.1),
    "bat_t": (0.1, 0.1),
    "pv_v_x": (0.002, 0.004),
    "pv_i_px": (0.005, 0.003),
    "bus5v_i": (0.003, 0.003),
    "t_px": (0.1, 0.07),
    "t_mx": (0.1, 0.07),
    "t_int": (0.1, 0.1),
    "rate_x": (0.004, 0.01),
    "rate_z": (0.004, 0.01),
    "mag_x": (0.1, 0.15),
    "att_err": (0.01, 0.05),
    "q_1": (3e-5, 1e-4),
    "rw_speed_x": (1.0, 2.0),
    "rw_speed_y": (1.0, 2.0),
    "dist_e": (0.01, 0.4),
}
"""Resolution and noise of the sensors, notes of the channel table."""


def column(truth: Floats, name: str) -> Floats:
    return truth[:, TRUTH.index(name)]


def surroundings(craft: Craft, seed: int = 1) -> Surroundings:
    return Surroundings(craft, [GRBALPHA], [STATION], seed)


def forcing(around: Surroundings, t0_s: int, seconds: int) -> list[Forcing[float]]:
    first = t0_s // BLOCK_S
    block = around.block(first, (t0_s + seconds - 1) // BLOCK_S - first + 1)
    return [row[0] for row in block.rows[t0_s - block.start_s : t0_s - block.start_s + seconds]]


def live(craft: Craft, s: State[float], around: Surroundings, t0_s: int, seconds: int) -> Floats:
    """The same seconds one by one."""
    return np.array([plant.step(craft, FLOATS, s, f, HEALTHY) for f in forcing(around, t0_s, seconds)])


def flown(craft: Craft, s: State[float], around: Surroundings, t0_s: int, t1_s: int) -> Floats:
    return np.concatenate([truth for _, truth, _ in coast(craft, around, s, t0_s, t1_s)])


@pytest.fixture(scope="module", params=CRAFTS.values(), ids=CRAFTS)
def hour(request: pytest.FixtureRequest) -> tuple[Craft, Floats, Floats, State[float], State[float]]:
    """An hour with a shadow, payload and transmitter in it: prescribed, live, and the states at both ends."""
    craft: Craft = request.param
    around = surroundings(craft)
    begin = settled(craft, around, START_S)
    s, t = copy.copy(begin), copy.copy(begin)
    return craft, flown(craft, s, around, START_S, START_S + 3_600), live(craft, t, around, START_S, 3_600), s, t


Hour = tuple[Craft, Floats, Floats, State[float], State[float]]


def lag_1(x: Floats) -> float:
    x = x - x.mean()
    return float((x[1:] * x[:-1]).mean() / (x * x).mean())


def test_an_hour_at_once_is_the_hour_second_by_second(hour: Hour) -> None:
    """Mean, spread and lag-1 correlation of every channel agree, so that a model of one does not flag the other."""
    _, fast, slow, _, _ = hour
    assert fast.shape == slow.shape == (3_600, len(TRUTH))
    for name in TRUTH:
        a, b = column(fast, name), column(slow, name)
        spread = b.std()
        assert abs(a.mean() - b.mean()) <= 0.01 * spread + 1e-3, name
        assert a.std() == pytest.approx(spread, rel=0.01, abs=1e-6), name
        if spread > 1e-6:
            assert lag_1(a) == pytest.approx(lag_1(b), abs=0.01), name


def test_seconds_are_those_of_the_live_plant(hour: Hour) -> None:
    craft, fast, slow, _, _ = hour
    for name in ("obc_mode", "adcs_mode", "tx_on", "tx_count", "uptime", "reboots", "cpu", "mem"):
        assert np.array_equal(column(fast, name), column(slow, name)), name
    for name in TEMPERATURES:
        assert np.abs(column(fast, name) - column(slow, name)).max() < 0.1, name
    for name in ("rate_x", "rate_y", "rate_z"):
        assert np.abs(column(fast, name) - column(slow, name)).max() < 0.01, name
    assert np.abs(column(fast, "att_err") - column(slow, "att_err")).max() < 0.02
    if craft.wheels:
        for name in ("rw_speed_x", "rw_speed_y", "rw_speed_z"):
            assert np.abs(column(fast, name) - column(slow, name)).max() < 8.0, name


def test_the_live_plant_flies_on_without_a_step(hour: Hour) -> None:
    """The first live second after history, beside the one of a satellite that never was prescribed."""
    craft, _, _, s, t = hour
    around = surroundings(craft)
    after = live(craft, copy.copy(s), around, START_S + 3_600, 1)[0]
    beside = live(craft, copy.copy(t), around, START_S + 3_600, 1)[0]
    for name in ("mode", "in_mode_s", "adcs", "uptime", "reboots", "memory", "tx_count"):
        assert getattr(s, name) == getattr(t, name), name
    for name, (resolution, sigma) in LAST_BIT.items():
        i = TRUTH.index(name)
        assert abs(after[i] - beside[i]) < max(resolution, 2.0 * sigma), name


def test_cut_at_whole_stretches_it_is_bit_for_bit_the_same() -> None:
    around, span = surroundings(THREE_U), CHUNK * BLOCK_S
    begin = settled(THREE_U, around, START_S)
    cut = (START_S // span + 1) * span
    one, two = copy.copy(begin), copy.copy(begin)
    whole = flown(THREE_U, one, around, START_S, cut + 1_000)
    pieces = [flown(THREE_U, two, surroundings(THREE_U), *ends) for ends in ((START_S, cut), (cut, cut + 1_000))]
    assert np.array_equal(whole, np.concatenate(pieces))
    assert one == two


def test_cut_anywhere_it_stays_below_what_a_sensor_shows() -> None:
    around = surroundings(THREE_U)
    begin = settled(THREE_U, around, START_S)
    one, two = copy.copy(begin), copy.copy(begin)
    whole = flown(THREE_U, one, around, START_S, START_S + 900)
    ends = (START_S, START_S + 1, START_S + 130, START_S + 641, START_S + 900)
    pieces = [flown(THREE_U, two, around, a, b) for a, b in itertools.pairwise(ends)]
    apart = np.abs(whole - np.concatenate(pieces)).max(axis=0)
    for name, (resolution, _) in LAST_BIT.items():
        assert apart[TRUTH.index(name)] < resolution, name


def test_another_seed_is_another_flight() -> None:
    one, two = (
        flown(THREE_U, settled(THREE_U, around, START_S), around, START_S, START_S + 300)
        for around in (surroundings(THREE_U, 1), surroundings(THREE_U, 2))
    )
    assert abs(np.corrcoef(column(one, "rate_x"), column(two, "rate_x"))[0, 1]) < 0.4


def test_a_satellite_that_spins_is_flown_second_by_second() -> None:
    around = surroundings(THREE_U)
    s = settled(THREE_U, around, START_S)
    first = forcing(around, START_S, 1)[0]
    assert able(THREE_U, s, first)
    s.wx += 0.05
    assert not able(THREE_U, s, first)
    t = copy.copy(s)
    assert np.array_equal(flown(THREE_U, s, around, START_S, START_S + 90), live(THREE_U, t, around, START_S, 90))
    assert s == t


def test_an_empty_battery_ends_the_schedule_as_it_does_live() -> None:
    """The computer goes to SAFE in the middle of a stretch: no second of the prescribed one is kept."""
    around = surroundings(THREE_U)
    orbit = forcing(around, START_S, round(around.period_s))
    dusk = START_S + next(i for i, f in enumerate(orbit) if i and orbit[i - 1].flux > 0.0 and f.flux == 0.0)
    s = settled(THREE_U, around, dusk)
    s.charge = s.counted = 0.46
    t = copy.copy(s)
    fast = flown(THREE_U, s, around, dusk, dusk + 1_500)
    slow = live(THREE_U, t, around, dusk, 1_500)
    assert 30 < int(np.argmax(column(slow, "obc_mode") == SAFE)) < 1_490
    assert np.array_equal(column(fast, "obc_mode"), column(slow, "obc_mode"))


def test_the_answer_of_the_loop_dies_away_and_brings_back_what_was_asked() -> None:
    answer = response(THREE_U)
    assert answer.tilt.shape == (3, MEMORY_S)
    assert np.abs(answer.tilt[:, -1]).max() < 1e-4 * np.abs(answer.tilt).max()
    # an error that stays turns the satellite by as much, the gyros' by kd / kp
    assert answer.tilt.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-3)
    assert answer.gyro == pytest.approx(np.full(3, -THREE_U.kd / THREE_U.kp), rel=1e-6)


@pytest.fixture(scope="module")
def three_days() -> tuple[Floats, Floats, float]:
    """Truth and the visible fraction of the Sun of three nominal days, and the period in seconds."""
    around = surroundings(THREE_U)
    pieces = list(coast(THREE_U, around, settled(THREE_U, around, START_S), START_S, START_S + 3 * 86_400))
    lit = [about.sunlit[t - about.start_s :][: len(truth), 0] for t, truth, about in pieces]
    return np.concatenate([truth for _, truth, _ in pieces]), np.concatenate(lit), around.period_s


Days = tuple[Floats, Floats, float]


def test_three_nominal_days_stay_inside_the_soft_limits(three_days: Days) -> None:
    truth, _, _ = three_days
    seen = 0
    for channel in CHANNELS:
        name = channel.name.split(".")[1]
        if channel.warning is None or name not in TRUTH:
            continue
        seen += 1
        low, high = channel.warning
        margin = 3.0 * channel.sigma
        assert column(truth, name).min() - margin > low, channel.name
        assert column(truth, name).max() + margin < high, channel.name
    assert seen > 25


def test_three_nominal_days_never_leave_the_schedule(three_days: Days) -> None:
    truth, _, _ = three_days
    assert set(column(truth, "obc_mode")) == {3.0, 4.0}
    assert set(column(truth, "adcs_mode")) == {2.0}
    assert np.all(np.diff(column(truth, "uptime")) == 1.0)


def test_the_battery_breathes_5_to_20_percent_an_orbit(three_days: Days) -> None:
    truth, _, period = three_days
    n = round(period)
    charge = column(truth, "bat_soc")
    depth = [float(np.ptp(charge[i : i + n])) for i in range(0, charge.size - n, n)]
    assert min(depth) > 5.0
    assert max(depth) < 20.0
    assert column(truth, "bat_v").min() > 7.6


def array_power(truth: Floats) -> Floats:
    return np.sum(
        [column(truth, f"pv_i_{sign}{axis}") * column(truth, f"pv_v_{axis}") for axis in "xyz" for sign in "pm"],
        axis=0,
    )


def test_the_battery_current_follows_the_arrays(three_days: Days) -> None:
    truth, lit, _ = three_days
    given = array_power(truth)
    assert np.corrcoef(column(truth, "bat_i"), given)[0, 1] > 0.9
    assert 4.0 < given.mean() < 6.0
    assert 6.5 < given[lit > 0.99].mean() < 9.5


def test_the_umbra_ends_all_panel_currents(three_days: Days) -> None:
    truth, lit, _ = three_days
    assert 0.35 < (lit == 0.0).mean() < 0.38
    for face in ("px", "mx", "py", "my", "pz", "mz"):
        assert column(truth, f"pv_i_{face}")[lit == 0.0].max() == 0.0, face
        assert column(truth, f"pv_i_{face}").max() > 0.0 or THREE_U.cells[5] == 0.0


def test_panels_are_warmest_after_they_were_brightest(three_days: Days) -> None:
    truth, _, period = three_days
    n = round(period)
    for face in ("px", "mx"):
        light = column(truth, f"pv_i_{face}")[:n]
        lag = (int(np.argmax(column(truth, f"t_{face}")[:n])) - int(np.argmax(light))) % n
        assert 30 < lag < 1_800, face


def test_temperatures_repeat_from_orbit_to_orbit_after_settling(three_days: Days) -> None:
    truth, _, period = three_days
    n = round(period)
    for name in TEMPERATURES:
        means = [column(truth, name)[i * n : (i + 1) * n].mean() for i in range(9)]
        assert np.abs(np.diff(means)).max() < 0.5, name


def test_a_start_from_anywhere_forgets_it_within_eight_orbits() -> None:
    around = surroundings(THREE_U)
    s = settled(THREE_U, around, START_S)
    for name in STATE_FIELDS:
        if name.startswith("t_") and name != "tx_count":
            setattr(s, name, 293.0)
    n = round(around.period_s)
    truth = flown(THREE_U, s, around, START_S, START_S + 9 * n)
    for name in TEMPERATURES:
        means = [column(truth, name)[i * n : (i + 1) * n].mean() for i in range(9)]
        drift = np.abs(np.diff(means))
        assert drift[3] < 1.5, name
        assert drift[7] < 0.5, name


class Ledger:
    """What the plant's own functions are told and return, summed over the seconds."""

    def __init__(self, craft: Craft) -> None:
        self.craft = craft
        self.residual = self.heat_in = self.heat_size = self.ampere_hours = 0.0

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        solve, advance = power.solve_bus, thermal.advance

        def solved(craft, ops, k, charge, slow, kelvin, array, drawn):  # type: ignore[no-untyped-def]
            bus = solve(craft, ops, k, charge, slow, kelvin, array, drawn)
            gap = bus.voltage * bus.current - (power.BOOST * bus.used * array - drawn)
            self.residual = max(self.residual, abs(gap))
            gain = power.CHARGE_EFFICIENCY if bus.current > 0.0 else 1.0
            self.ampere_hours += gain * bus.current / 3600.0
            return bus

        def advanced(craft, ops, s, k, heat, available, array, found, bus, dt):  # type: ignore[no-untyped-def]
            kelvins = (s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz)
            glow = sum(
                craft.emissivity * a * thermal.SIGMA * t**4 for a, t in zip(craft.area, kelvins, strict=True)
            )
            kept = bus.current * bus.voltage - bus.current**2 * bus.resistance
            self.heat_in += dt * (sum(heat) - glow - kept - found.radiated_w)
            self.heat_size += dt * abs(sum(heat) - glow)
            advance(craft, ops, s, k, heat, available, array, found, bus, dt)

        monkeypatch.setattr(power, "solve_bus", solved)
        monkeypatch.setattr(thermal, "advance", advanced)

    def stored(self, s: State[float]) -> float:
        craft = self.craft
        sizes = (*craft.panel_heat, craft.inside_heat, craft.battery_heat, craft.amplifier_heat)
        nodes = (s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz, s.t_inside, s.t_battery, s.t_amplifier)
        return sum(size * node for size, node in zip(sizes, nodes, strict=True))


@pytest.mark.parametrize("craft", CRAFTS.values(), ids=CRAFTS)
def test_an_orbit_of_the_live_plant_closes(craft: Craft, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charge to 1e-5 Ah, the bus to 1e-6 W in every second, stored heat to 1 % of what flowed in and out."""
    around = surroundings(craft)
    s = settled(craft, around, START_S)
    s.t_px += 15.0
    ledger = Ledger(craft)
    ledger.watch(monkeypatch)
    charge, heat = s.charge, ledger.stored(s)
    truth = live(craft, s, around, START_S, round(around.period_s))
    assert (s.charge - charge) * craft.capacity_ah == pytest.approx(ledger.ampere_hours, abs=1e-5)
    assert ledger.residual < 1e-6
    assert abs(ledger.stored(s) - heat - ledger.heat_in) < 0.01 * max(abs(ledger.heat_in), 1.0)
    assert ledger.heat_size > 1e4
    assert np.isfinite(truth).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_three_days_of_the_1u_stay_inside_its_own_limits(seed: int) -> None:
    around = surroundings(ONE_U, seed)
    truth = flown(ONE_U, settled(ONE_U, around, START_S), around, START_S, START_S + 3 * 86_400)
    for channel in PRESETS["1u"]:
        name = channel.name.split(".")[1]
        if channel.warning is None or name not in TRUTH:
            continue
        low, high = channel.warning
        assert column(truth, name).min() - 3.0 * channel.sigma > low, channel.name
        assert column(truth, name).max() + 3.0 * channel.sigma < high, channel.name
    assert set(column(truth, "obc_mode")) == {3.0, 4.0}
