"""The demo mission: readable, complete, and with a pass a minute and a half away whenever it is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.channels import BY_NAME, CHANNELS, PRESETS
from sim.craft import THREE_U
from sim.flight import Flight
from sim.noise import BLOCK_S
from sim.preset import demo_mission_toml, first_pass
from sim.surroundings import Surroundings
from telemetry.dictionary import Mission, read_mission


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
    assert text.count("[[satellite]]") == 1
    assert mission.satellites[0].tle == first_pass(created_s * 10**9, 1)[1]


def test_scenario_and_seed_are_written_and_the_text_is_a_function_of_its_arguments() -> None:
    one = demo_mission_toml(1_795_355_400 * 10**9, 7, "quiet")
    assert one == demo_mission_toml(1_795_355_400 * 10**9, 7, "quiet")
    assert 'scenario = "quiet"' in one
    assert "seed = 7" in one


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_the_orbit_before_passes_lower_so_that_the_history_holds_a_pass_too(hour: int) -> None:
    from sim.passes import contacts

    created = 1_795_305_600 + hour * 3600
    station, tle, first = first_pass(created * 10**9, 1)
    earlier = contacts(tle, station, (created - 35_000) * 10**9, created * 10**9)
    assert earlier
    assert np.max([c.max_el_deg for c in earlier]) < first.max_el_deg
