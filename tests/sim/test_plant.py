"""One step of everything: floats against arrays, modes of the computer and what follows from them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sim import attitude, computer, irradiance, payload, plant
from sim.craft import ONE_U, THREE_U, ZERO_C, Craft
from sim.elementwise import ARRAYS, FLOATS, Floats
from sim.noise import BLOCK_S
from sim.preset import Station
from sim.state import (
    BOOT,
    DETUMBLE,
    HEALTHY,
    NOMINAL,
    PAYLOAD,
    SAFE,
    STATE_FIELDS,
    TRUTH,
    Forcing,
    Knobs,
    State,
    stack,
    unstack,
)
from sim.surroundings import Around, Surroundings
from sim.tle import GRBALPHA, moved

EPOCH_S = 1_621_193_082
COLUMN = {name: i for i, name in enumerate(TRUTH)}
MODE = COLUMN["obc_mode"]


@cache
def fleet(craft: Craft, satellites: int, blocks: int) -> Around:
    tles = [
        GRBALPHA,
        *(moved(GRBALPHA, EPOCH_S * 10**9, 39.6, 360.0 * i / satellites) for i in range(1, satellites)),
    ]
    stations = (Station("Munich", 48.1, 11.3, 580.0),)
    return Surroundings(craft, tles, stations, 1).block(EPOCH_S // BLOCK_S, blocks)


def seconds(n: int) -> list[Forcing[float]]:
    """Of one satellite, with nothing on schedule."""
    around = fleet(THREE_U, 1, 96)
    return [row[0]._replace(payload=0.0, transmit=0.0, contact=0.0) for row in around.rows[:n]]


def pointing(f: Forcing[float]) -> State[float]:
    s: State[float] = State(in_mode_s=1000.0)
    s.q1, s.q2, s.q3, s.q4 = attitude.nadir_quaternion(FLOATS, f.ux, f.uy, f.uz, f.nx, f.ny, f.nz)
    s.wy = -f.orbit_rate
    return s


def fly(s: State[float], rows: list[Forcing[float]], k: Knobs[float] = HEALTHY, craft: Craft = THREE_U) -> Floats:
    return np.array([plant.step(craft, FLOATS, s, f, k) for f in rows])


@pytest.mark.parametrize(("craft", "n"), [(THREE_U, 3000), (ONE_U, 600)], ids=["3u", "1u"])
def test_a_satellite_alone_and_in_a_fleet_fly_alike(craft: Craft, n: int) -> None:
    """On floats and on arrays, pointing, tumbling, resting, ill: the same states, the same truth."""
    around = fleet(craft, 8, 48)
    states = [pointing(row) for row in around.rows[0]]
    for s, (x, y, z) in zip(
        states[1:], [(0.1, 0.08, -0.12), (0.06, 0, 0.02), (0, 0.03, 0), (0, 0, 0)], strict=False
    ):
        s.wx, s.wy, s.wz = x, y, z
    states[5].counted = states[5].charge = 0.42
    states[6].t_battery = 320.0
    knobs = [HEALTHY] * 8
    knobs[7] = Knobs(friction=5.0, s_px=0.5, leak=30.0, kick_x=1e-5, pa_db=-6.0, hang_a=0.15)
    together = stack(states)
    turned = Knobs(*np.array([[getattr(k, name) for name in Knobs.__slots__] for k in knobs]).T)
    fleet_truth = np.array(
        [plant.step(craft, ARRAYS, together, Forcing(*around.table[:, i]), turned) for i in range(n)]
    )
    for j, s in enumerate(states):
        truth = np.array([plant.step(craft, FLOATS, s, row[j], knobs[j]) for row in around.rows[:n]])
        assert np.abs(truth - fleet_truth[:, :, j]).max() < 1e-9
    for alone, one in zip(states, unstack(together), strict=True):
        assert one.as_list() == pytest.approx(alone.as_list(), rel=1e-12, abs=1e-15)


def test_a_step_returns_what_it_names_and_writes_into_no_array() -> None:
    around = fleet(THREE_U, 8, 48)
    states = stack([pointing(row) for row in around.rows[0]])
    before = {name: getattr(states, name) for name in STATE_FIELDS}
    kept = {name: column.copy() for name, column in before.items()}
    forcing = Forcing(*(column.copy() for column in around.table[:, 0]))
    truth = plant.step(THREE_U, ARRAYS, states, forcing, HEALTHY)
    assert len(truth) == len(TRUTH)
    assert {column.shape for column in truth} == {(8,)}
    assert all(np.array_equal(before[name], kept[name]) for name in before)
    assert np.array_equal(np.array(forcing), around.table[:, 0])


def test_states_survive_a_list_and_a_stack() -> None:
    s = pointing(seconds(1)[0])
    fly(s, seconds(20))
    assert State.from_list(s.as_list()) == s
    assert unstack(stack([s, State()])) == [s, State()]
    with pytest.raises(ValueError, match="a state has 37 values, not 3"):
        State.from_list([1.0, 2.0, 3.0])


def test_a_restart_clears_counters_and_comes_back_by_detumble() -> None:
    rows = seconds(200)
    s = pointing(rows[0])
    s.uptime, s.reboots, s.memory, s.tx_count = 5000.0, 3.0, 0.2, 77.0
    truth = fly(s, rows[:1], Knobs(reset=1.0))
    assert truth[0, [COLUMN[c] for c in ("uptime", "reboots", "tx_count", "obc_mode")]].tolist() == [0, 4, 0, BOOT]
    truth = np.concatenate((truth, fly(s, rows[1:])))
    modes = truth[:, MODE].tolist()
    booting = modes.count(BOOT)
    assert 20 <= booting <= 61
    assert modes[:booting] == [BOOT] * booting
    assert modes[booting : booting + 10] == [DETUMBLE] * 10
    assert set(modes[booting + 11 :]) == {NOMINAL}
    assert truth[booting - 1, COLUMN["adcs_mode"]] == 0
    assert truth[booting, COLUMN["adcs_mode"]] == 1
    assert truth[-1, COLUMN["adcs_mode"]] == 2
    assert truth[-1, COLUMN["uptime"]] == 199
    assert truth[:, COLUMN["att_err"]].max() < 3.0
    assert truth[0, COLUMN["mem"]] < 50.0


def test_starts_take_different_times() -> None:
    lengths = set[int]()
    for reboots in range(8):
        s = pointing(seconds(1)[0])
        s.reboots = float(reboots)
        fly(s, seconds(1), Knobs(reset=1.0))
        lengths.add(1 + fly(s, seconds(70))[:, MODE].tolist().count(BOOT))
    assert len(lengths) == 8
    assert min(lengths) >= 20
    assert max(lengths) <= 61


def test_a_low_battery_leads_to_safe_and_a_charged_one_out_of_it() -> None:
    rows = seconds(400)
    s = pointing(rows[0])
    s.charge = s.counted = 0.46
    assert fly(s, rows[:1])[0, MODE] == NOMINAL
    s.counted = 0.449
    assert fly(s, rows[:1])[0, MODE] == SAFE
    s.charge = s.counted = 0.64
    assert set(fly(s, rows[:100])[:, MODE]) == {SAFE}
    s.charge = s.counted = 0.66
    assert fly(s, rows[:2])[-1, MODE] == NOMINAL


def test_a_sagging_or_freezing_battery_leads_to_safe_and_stays_there_a_minute() -> None:
    rows = seconds(100)
    for name, value, well in (
        ("voltage", 7.1, 8.0),
        ("t_battery", ZERO_C - 5.1, 280.0),
        ("t_battery", 324.0, 280.0),
    ):
        s = pointing(rows[0])
        setattr(s, name, value)
        assert fly(s, rows[:1])[0, MODE] == SAFE
        setattr(s, name, well)
        modes = fly(s, rows)[:, MODE].tolist()
        assert modes == [SAFE] * 60 + [NOMINAL] * 40


def test_a_command_leads_to_safe_and_its_end_out_of_it() -> None:
    rows = [f._replace(payload=1.0, transmit=1.0) for f in seconds(300)]
    s = pointing(rows[0])
    before = fly(s, rows[:10])
    assert before[-1, MODE] == PAYLOAD
    during = fly(s, rows[10:110], Knobs(command=SAFE))
    assert set(during[:, MODE]) == {SAFE}
    assert not during[:, COLUMN["tx_on"]].any()
    assert during[-1, COLUMN["bat_i"]] > before[-1, COLUMN["bat_i"]] + 0.5
    assert during[:, COLUMN["att_err"]].max() < 0.6, "it goes on pointing"
    assert fly(s, rows[110:120])[-1, MODE] == PAYLOAD
    in_contact = [f._replace(contact=1.0) for f in rows[120:130]]
    assert fly(s, in_contact, Knobs(command=SAFE))[:, COLUMN["tx_on"]].all()


def test_commands_reach_every_other_mode() -> None:
    rows = [f._replace(payload=1.0) for f in seconds(100)]
    s = pointing(rows[0])
    assert fly(s, rows[:5], Knobs(command=NOMINAL))[-1, MODE] == NOMINAL
    assert fly(s, seconds(5), Knobs(command=PAYLOAD))[-1, MODE] == PAYLOAD
    truth = fly(s, rows[:5], Knobs(command=DETUMBLE))
    assert truth[-1, MODE] == DETUMBLE
    assert truth[-1, COLUMN["adcs_mode"]] == 1
    truth = fly(s, rows[:10], Knobs(command=BOOT))
    assert set(truth[:, MODE]) == {BOOT}
    assert truth[-1, COLUMN["reboots"]] == 1, "one restart, however long the command stands"
    s = pointing(rows[0])
    fly(s, rows[:20], Knobs(command=SAFE))
    assert fly(s, rows[20:25], Knobs(command=NOMINAL))[-1, MODE] == NOMINAL, "an operator may leave SAFE early"


def test_the_payload_works_by_schedule_while_the_battery_allows() -> None:
    rows = [f._replace(payload=1.0) for f in seconds(50)]
    s = pointing(rows[0])
    s.charge = s.counted = 0.59
    assert fly(s, rows[:5])[-1, MODE] == NOMINAL
    s.charge = s.counted = 0.61
    working = fly(s, rows[:5])
    assert working[-1, MODE] == PAYLOAD
    assert working[-1, COLUMN["bus5v_i"]] > 0.8
    s.charge = s.counted = 0.56
    assert fly(s, rows[:5])[-1, MODE] == PAYLOAD
    s.charge = s.counted = 0.54
    assert fly(s, rows[:5])[-1, MODE] == NOMINAL
    s.charge = s.counted = 0.9
    assert fly(s, rows[:5], Knobs(no_payload=1.0))[-1, MODE] == NOMINAL
    assert fly(s, rows[:5])[-1, MODE] == PAYLOAD
    assert fly(s, seconds(5))[-1, MODE] == NOMINAL


def test_without_attitude_control_it_drifts_off_and_comes_back() -> None:
    rows = seconds(4000)
    s = pointing(rows[0])
    off = fly(s, rows[:1500], Knobs(adcs_off=1.0))
    assert set(off[:, COLUMN["adcs_mode"]]) == {0}
    assert not off[:, COLUMN["rw_i"]].any()
    assert off[-1, COLUMN["att_err"]] > 3.0
    assert off[-1, COLUMN["bus5v_i"]] < fly(pointing(rows[0]), rows[:2])[-1, COLUMN["bus5v_i"]] - 0.1
    assert fly(s, rows[1500:])[-1, COLUMN["att_err"]] < 0.6


def test_a_leak_fills_the_memory_and_ends_in_a_restart() -> None:
    rows = seconds(4000)
    s = pointing(rows[0])
    healthy = fly(s, rows)
    assert healthy[:, COLUMN["mem"]].min() == pytest.approx(44.0, abs=0.1)
    assert healthy[:, COLUMN["mem"]].max() == pytest.approx(50.0, abs=0.1)
    s = pointing(rows[0])
    leaking = fly(s, rows, Knobs(leak=10.0))
    restarts = np.flatnonzero(np.diff(leaking[:, COLUMN["reboots"]]))
    assert restarts.size == 2
    assert leaking[restarts[0], COLUMN["mem"]] > 95.0
    assert leaking[restarts[0] + 1, COLUMN["mem"]] < 45.0
    assert leaking[restarts[0] + 1, MODE] == BOOT


def test_the_processor_works_harder_for_payload_and_radio() -> None:
    loads = [computer.load(FLOATS, mode, 0.0, 100.0) for mode in (SAFE, NOMINAL, DETUMBLE, PAYLOAD, BOOT)]
    assert loads == sorted(loads)
    assert len(set(loads)) == 5
    assert computer.load(FLOATS, NOMINAL, 1.0, 100.0) == loads[1] + 6.0
    assert computer.load(FLOATS, NOMINAL, 0.0, 305.0) == loads[1] + 5.0


def test_packets_are_counted_while_the_transmitter_is_on() -> None:
    rows = [f._replace(transmit=1.0) for f in seconds(50)]
    s = pointing(rows[0])
    assert fly(s, rows)[-1, COLUMN["tx_count"]] == 50
    assert fly(s, rows, Knobs(no_transmit=1.0))[-1, COLUMN["tx_count"]] == 50


def test_array_currents_show_in_the_magnetometer() -> None:
    f = seconds(3000)[-1]._replace(flux=1361.0)
    lit, dark = pointing(f), pointing(f)
    bright = plant.step(THREE_U, FLOATS, lit, f, HEALTHY)
    shaded = plant.step(THREE_U, FLOATS, dark, f._replace(flux=0.0, reflected=0.0), HEALTHY)
    amperes = sum(bright[COLUMN[f"pv_i_{face}"]] for face in ("px", "mx", "py", "my", "pz", "mz"))
    assert amperes > 0.3
    for axis, gain in zip("xyz", plant.CURRENT_FIELD_UT, strict=True):
        column = COLUMN[f"mag_{axis}"]
        assert bright[column] - shaded[column] == pytest.approx(gain * amperes, abs=1e-9)


def test_light_on_the_faces_is_what_geometry_says() -> None:
    """One face to the Sun takes it all, two at 45 degrees 0.71 each; albedo and view go by the tilt."""
    k = 6378.137 / 6928.0
    light = irradiance.faces(FLOATS, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, k, 1361.0, 0.0)
    assert light[:6] == pytest.approx((0.0, 0.0, 1361.0, 0.0, 0.0, 0.0))
    half = math.sqrt(0.5)
    light = irradiance.faces(FLOATS, half, 0.0, -half, 0.0, 0.0, -1.0, k, 1000.0, 400.0)
    views = light[6:]
    assert views == pytest.approx((0.258, 0.258, 0.258, 0.258, 0.8475, 0.0), abs=2e-3)
    expected = [400.0 * view for view in views]
    expected[0] += 1000.0 * half
    expected[5] += 1000.0 * half
    assert light[:6] == pytest.approx(expected)
    ux, uy, uz = 0.48, -0.64, 0.6
    oblique = irradiance.faces(FLOATS, ux, uy, uz, ux, uy, uz, k, 1000.0, 0.0)
    cosines = (-ux, ux, -uy, uy, -uz, uz)
    assert oblique[:6] == pytest.approx([1000.0 * max(0.0, -c) for c in cosines])
    assert oblique[6:] == pytest.approx([irradiance.view(FLOATS, c, k) for c in cosines])
    for tilt in range(0, 181, 5):
        assert irradiance.view(FLOATS, math.cos(math.radians(tilt)), k) == pytest.approx(
            _integrated_view(math.radians(tilt), k), abs=0.02
        )


def _integrated_view(tilt: float, k: float) -> float:
    """Of the Earth's visible cap, by adding up its solid angle weighted with the cosine on the plate."""
    edge = math.asin(k)
    theta = (np.arange(200) + 0.5) / 200 * edge
    phi = (np.arange(360) + 0.5) / 360 * 2.0 * np.pi
    a, b = np.meshgrid(theta, phi, indexing="ij")
    cosine = np.cos(a) * math.cos(tilt) + np.sin(a) * np.cos(b) * math.sin(tilt)
    return float(np.sum(np.maximum(0.0, cosine) * np.sin(a)) * edge / 200 * 2.0 * np.pi / 360 / np.pi)


def test_rangefinders_see_heat_and_turning() -> None:
    still = payload.distances(20.0, 20.0, 20.0, 20.0, 0.0, 0.0, 0.0)
    assert still == pytest.approx((45.4, 65.3, 55.3, 70.2))
    warm = payload.distances(30.0, 20.0, 20.0, 40.0, 0.0, 0.0, 0.0)
    assert np.subtract(warm, still) == pytest.approx((0.4, 0.2, 0.0, 0.0))
    turning = payload.distances(20.0, 20.0, 20.0, 20.0, 3.0, 0.0, 0.0)
    assert np.subtract(turning, still) == pytest.approx((2.4, 0.0, 2.4, 0.0))


def test_what_the_body_gains_the_wheels_lose() -> None:
    """From rest, without outside torque, the momentum of body and wheels together stays nothing."""
    craft = replace(THREE_U, residual=(0.0, 0.0, 0.0), desaturation=0.0)
    rows = [f._replace(k=0.0) for f in seconds(300)]
    s: State[float] = State(q1=0.6, q4=0.8, in_mode_s=1000.0)
    fly(s, rows, craft=craft)
    jx, jy, jz = craft.inertia
    total = (jx * s.wx + s.hx, jy * s.wy + s.hy, jz * s.wz + s.hz)
    assert max(abs(s.hx), abs(s.hy), abs(s.hz)) > 1e-5
    assert total == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
