"""The demo mission: readable, complete, and with a pass a minute and a half away whenever it is made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.channels import BY_NAME, CHANNELS
from sim.environment import Surroundings
from sim.noise import BLOCK
from sim.preset import demo_mission_toml, first_pass
from telemetry.dictionary import Mission


@settings(max_examples=40, deadline=None)
@given(st.integers(1_640_995_200, 2_240_000_000), st.integers(0, 2**31))
def test_a_high_pass_begins_soon_in_sunlight_whenever_the_mission_is_made(created_s: int, seed: int) -> None:
    station, tle, contact = first_pass(created_s * 10**9, seed)
    assert 75 <= contact.acquisition_ns / 1e9 - created_s <= 105
    assert contact.max_el_deg >= 40
    assert contact.loss_ns - contact.acquisition_ns > 5 * 60 * 10**9
    surroundings = Surroundings(tle, [station], seed, "KESTREL-1")
    for t in range(created_s, created_s + 841, 60):
        forcing = surroundings.forcing(t // BLOCK)
        assert forcing.sunlit[t % BLOCK] == 1.0
        assert forcing.payload_on[t % BLOCK] == 0.0
    begins = round(contact.acquisition_ns / 1e9) + 5
    assert surroundings.forcing(begins // BLOCK).contact[begins % BLOCK] == 1.0


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


def test_soft_limits_lie_inside_hard_ones() -> None:
    for channel in CHANNELS:
        if channel.warning and channel.critical:
            assert channel.critical[0] <= channel.warning[0] < channel.warning[1] <= channel.critical[1]


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
