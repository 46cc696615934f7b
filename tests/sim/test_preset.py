"""The demo mission: readable, complete, and with a pass a minute and a half away whenever it is made."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.channels import BY_NAME, CHANNELS, PRESETS
from sim.craft import THREE_U
from sim.flight import Flight
from sim.noise import BLOCK_S
from sim.orbit import Orbit
from sim.preset import SOLAR_H, demo_mission_toml, first_pass
from sim.scenario import ready, scenario
from sim.sun import sun, sunlit_fraction
from sim.surroundings import Surroundings
from sim.tle import Tle
from telemetry.dictionary import SCENARIOS, Mission, read_mission


@settings(max_examples=40, deadline=None)
@given(st.integers(1_640_995_200, 2_240_000_000), st.integers(0, 2**31))
def test_a_high_pass_begins_soon_in_sunlight_whenever_the_mission_is_made(created_s: int, seed: int) -> None:
    station, tle, contact = first_pass(created_s * 10**9, seed)
    assert 75 <= contact.acquisition_ns / 1e9 - created_s <= 105
    assert contact.max_el_deg >= 40
    assert contact.loss_ns - contact.acquisition_ns > 5 * 60 * 10**9
    first = created_s // BLOCK_S
    around = Surroundings(THREE_U, [tle], [station], seed).block(first, 15)
    rows = slice(created_s - around.start_s, created_s - around.start_s + 841)
    assert around.sunlit[rows].min() == pytest.approx(1.0)
    assert around.forcing.payload[rows].max() == 0.0
    begins = round(contact.acquisition_ns / 1e9) + 5 - around.start_s
    assert around.contact[begins, 0] == 1.0


def test_the_mission_reads_back_with_every_channel_in_its_packet(mission: Mission) -> None:
    bus = mission.bus_of("KESTREL-1")
    assert mission.simulated
    assert [c.name for c in bus.channels] == [c.name for c in CHANNELS]
    assert list(bus.layouts) == ["hk", "pld", "thm", "slow", "rf"]
    for packet, layout in bus.layouts.items():
        assert {BY_NAME[name].packet for name in layout.names} == {packet}
    assert len(bus.layouts["hk"]) + len(bus.layouts["pld"]) >= 24
    assert sum(c.contact_only for c in bus.channels) == len(bus.layouts["rf"])
    for channel in bus.channels:
        assert channel.label.isascii()
        assert channel.unit.isascii()
        if channel.limits:
            assert channel.limits[-1].when is None
            assert channel.action or channel.name.startswith("eps.pv_v") or channel.name == "orb.alt_km"
            assert channel.valid is not None


@pytest.mark.parametrize("bus", PRESETS)
def test_soft_limits_lie_inside_hard_ones(bus: str) -> None:
    for channel in PRESETS[bus]:
        pairs = [(channel.warning, channel.critical), *((soft, hard) for _, soft, hard in channel.modes)]
        for soft, hard in pairs:
            if soft and hard:
                assert hard[0] <= soft[0] < soft[1] <= hard[1], channel.name


@pytest.mark.parametrize(("bus", "channels"), [("3u", 51), ("3u-extended", 62), ("1u", 51)])
def test_every_preset_reads_back_and_flies(bus: str, channels: int, tmp_path: Path, created_s: int) -> None:
    (tmp_path / "mission.toml").write_text(demo_mission_toml(created_s * 10**9, 1, "quiet", bus), encoding="utf-8")
    mission = read_mission(tmp_path)
    flight = Flight(mission, ["KESTREL-1"], 1)
    assert flight.craft.name == bus[:2]
    assert len(mission.buses[bus].channels) == channels
    assert sum(len(layout) for layout in mission.buses[bus].layouts.values()) == channels
    names = [channel.name for channel in PRESETS[bus]]
    assert len([n for n in names if not n.startswith(("orb.", "gs."))]) == (45 if channels == 51 else 56)
    with pytest.raises(ValueError, match="bus: '6u': allowed: 3u"):
        demo_mission_toml(created_s * 10**9, bus="6u")


def test_a_fleet_is_one_table_with_a_count(tmp_path: Path, created_s: int) -> None:
    text = demo_mission_toml(created_s * 10**9, 1, "quiet", satellites=30)
    (tmp_path / "mission.toml").write_text(text, encoding="utf-8")
    mission = read_mission(tmp_path)
    assert len(mission.satellites) == 30
    assert mission.detector.kind == "isolation_forest", "a fusion for each of them would take a core"
    assert text.count("[[satellite]]") == 1
    assert mission.satellites[0].tle == first_pass(created_s * 10**9, 1)[1]


def test_scenario_and_seed_are_written_and_the_text_is_a_function_of_its_arguments() -> None:
    one = demo_mission_toml(1_795_355_400 * 10**9, 7, "quiet")
    assert one == demo_mission_toml(1_795_355_400 * 10**9, 7, "quiet")
    assert 'scenario = "quiet"' in one
    assert "seed = 7" in one
    assert 'kind = "fusion"' in one


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_the_orbit_before_passes_lower_so_that_the_history_holds_a_pass_too(hour: int) -> None:
    from sim.passes import contacts

    created = 1_795_305_600 + hour * 3600
    station, tle, first = first_pass(created * 10**9, 1)
    earlier = contacts(tle, station, (created - 35_000) * 10**9, created * 10**9)
    assert earlier
    assert np.max([c.max_el_deg for c in earlier]) < first.max_el_deg


@pytest.mark.parametrize("month", [1, 6, 9, 12])
def test_a_scenario_asks_for_the_longest_eclipses_or_for_none(month: int) -> None:
    made = dt.datetime(2026, month, 21, 9, tzinfo=dt.UTC).timestamp()
    dark = {name: _dark(first_pass(int(made * 1e9), 1, name)[1], made) for name in SOLAR_H}
    assert dark["dusk"] < 0.02
    assert dark["noon"] > 0.365
    assert 0.3 < dark["morning"] <= dark["noon"] + 0.003


def test_eclipse_season_is_made_at_noon() -> None:
    made = int(dt.datetime(2026, 11, 22, 13, tzinfo=dt.UTC).timestamp() * 1e9)
    assert first_pass(made, 1, "noon")[1][0] in demo_mission_toml(made, 1, "eclipse-season")
    with pytest.raises(ValueError, match="scenario: 'calm': allowed: hello,"):
        demo_mission_toml(made, 1, "calm")


def test_a_mission_names_any_ready_scenario_or_a_file_of_its_own(tmp_path: Path) -> None:
    assert set(SCENARIOS) == set(ready())
    (tmp_path / "mine.toml").write_text('about = "Mine."')
    text = demo_mission_toml(0, 1).replace('scenario = "hello"', 'scenario = "mine.toml"')
    (tmp_path / "mission.toml").write_text(text)
    mission = read_mission(tmp_path)
    assert scenario(mission.source.scenario, mission.directory).about == "Mine."


def _dark(tle: Tle, since_s: float) -> float:
    """Share of an orbit in the shadow."""
    t_s = since_s + np.arange(0.0, Orbit(tle).period_s, 20.0)
    direction, distance = sun(t_s)
    return 1.0 - float(sunlit_fraction(Orbit(tle).state(t_s)[0], direction, distance).mean())
