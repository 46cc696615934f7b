"""What the sensors of each preset say over whole orbits: inside the limits, in balance, in proportion."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sim.attitude import look
from sim.channels import COLUMN, PRESETS, SimChannel
from sim.elementwise import ARRAYS
from sim.flight import Flight
from sim.irradiance import faces
from sim.motion import nadir
from sim.noise import BLOCK_S
from sim.preset import demo_mission_toml
from sim.state import State
from telemetry.dictionary import Mission, read_mission

CREATED_S = 1_795_355_400
WINTER_S = 1_795_708_800
"""26 November, over Montreal: the strongest light on the faces ahead and behind."""
ORBITS = 10


@pytest.fixture(
    scope="module",
    params=[("3u", CREATED_S), ("3u-extended", WINTER_S), ("1u", CREATED_S), ("1u", WINTER_S)],
    ids=["3u", "3u-extended, winter", "1u", "1u, winter"],
)
def any_bus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Orbits:
    return fly(*request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def ten_orbits(tmp_path_factory: pytest.TempPathFactory) -> Orbits:
    return fly("3u", CREATED_S, tmp_path_factory)


def fly(bus: str, created_s: int, tmp_path_factory: pytest.TempPathFactory) -> Orbits:
    """Measured values (n, channels), contact flags (n,) and the period (s) of ten nominal orbits."""
    path = tmp_path_factory.mktemp("mission")
    (path / "mission.toml").write_text(demo_mission_toml(created_s * 10**9, 3, "quiet", bus), encoding="utf-8")
    mission = read_mission(path)
    flight = Flight(mission, ("KESTREL-1",), 3)
    period = flight.surroundings.period_s
    start = created_s - round(6 * period)
    flight.settle(start)
    pieces = [flight.measure(flown) for flown in flight.coast(start, start + round(ORBITS * period))]
    values = np.concatenate([piece.values[:, 0] for piece in pieces])
    return mission, values, np.concatenate([piece.contact[:, 0] for piece in pieces]), period


Orbits = tuple[Mission, np.ndarray, np.ndarray, float]


def channels_of(mission: Mission) -> tuple[SimChannel, ...]:
    [bus] = mission.buses
    return PRESETS[bus]


def test_ten_nominal_orbits_stay_inside_the_soft_limits(any_bus: Orbits) -> None:
    mission, values, contact, _ = any_bus
    outside = {}
    for channel in channels_of(mission):
        if channel.warning is not None:
            column = values[:, COLUMN[channel.name]]
            column = column[contact] if channel.contact_only else column
            assert column.size
            bad = int(((column < channel.warning[0]) | (column > channel.warning[1])).sum())
            if bad:
                outside[channel.name] = bad, column.min(), column.max()
    assert outside == {}


def test_ten_nominal_orbits_are_valid_values(any_bus: Orbits) -> None:
    mission, values, contact, _ = any_bus
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
    around = Flight(mission, ("KESTREL-1",), 3).surroundings.block(start // BLOCK_S, n // BLOCK_S + 2)
    seen = look(State(*nadir(around.forcing)[0]), around.forcing)
    f = around.forcing
    light = faces(ARRAYS, seen.sx, seen.sy, seen.sz, seen.ux, seen.uy, seen.uz, f.k, f.flux, f.reflected)
    rows = slice(start - around.start_s, start - around.start_s + n)
    for column, face in enumerate(("px", "mx")):
        lag = (int(np.argmax(values[:n, COLUMN[f"thm.t_{face}"]])) - int(np.argmax(light[column][rows]))) % n
        assert 60 < lag < 1_800, face


def test_values_lie_on_the_resolution_of_their_sensor(any_bus: Orbits) -> None:
    mission, values, contact, _ = any_bus
    for channel in channels_of(mission):
        column = values[contact, COLUMN[channel.name]]
        steps = column / channel.resolution
        assert np.abs(steps - np.round(steps)).max() < 1e-4, channel.name
        assert np.array_equal(column, np.round(column, 6)), channel.name
