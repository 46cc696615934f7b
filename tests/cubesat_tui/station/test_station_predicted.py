"""What an orbit tells of a satellite that does not: in the heartbeat, in limit contexts, never in a frame."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from cubesat_tui.cli import root
from cubesat_tui.forecast import Forecast
from cubesat_tui.snapshot_reader import SnapshotReader
from sim.orbit import Orbit
from sim.predicted import predict
from sim.tle import GRBALPHA, moved
from telemetry.clock import NS_PER_S
from telemetry.dictionary import MissionError, read_mission
from telemetry.freshness import Acquisition

T0 = 1_795_331_600 * NS_PER_S
TLE = moved(GRBALPHA, T0, 40.0, 200.0)
GROUND = '\n[[ground_station]]\nname = "Munich"\nlat = 48.1\nlon = 11.3\nalt_m = 580\n'
BY_LIGHT = """
[[bus.b.channel.limits]]
when = "orb.eclipse = eclipse"
warning = [6.8, 8.0]

[[bus.b.channel.limits]]
warning = [7.0, 8.4]
"""


def with_orbit(plain: str, by_light: bool = False) -> str:
    """The rig's mission with an orbit and a ground station; `by_light`: the battery's limits know the shadow."""
    toml = plain.replace('bus = "b"\n', f'bus = "b"\ntle = ["{TLE[0]}", "{TLE[1]}"]\n', 1) + GROUND
    if by_light:
        limits = plain[plain.index("\n[[bus.b.channel.limits]]") : plain.index('\n[[bus.b.channel]]\nname = "obc')]
        toml = toml.replace(limits, BY_LIGHT).replace("context = []", 'context = ["orb.eclipse"]')
    return toml


def moment(eclipse: float) -> int:
    """The first second after T0 that lies a minute deep in light (0) or shadow (1)."""
    t_s = T0 / 1e9 + np.arange(0.0, 12_000.0)
    told = predict(Orbit(TLE), (), t_s).eclipse == eclipse
    deep = np.convolve(told, np.ones(120), "same") == 120
    return round(float(t_s[int(np.argmax(deep))])) * NS_PER_S


@pytest.fixture
async def rig(tmp_path, make_rig):
    made = make_rig(tmp_path / "flying", lambda plain: with_orbit(plain, by_light=True))
    yield made
    await made.close()


async def test_the_heartbeat_carries_what_the_orbit_tells_and_no_frame_does(rig):
    await rig.start()
    await rig.feed(rig.frames([7.8]))
    told = rig.read(lambda r: r.health()).body["predicted"]["TESTBIRD"]

    assert set(told["values"]) == {"orb.alt_km", "orb.eclipse", "gs.range_km", "gs.elevation"}
    assert told["station"] == "Munich"
    expected = predict(Orbit(TLE), rig.mission.ground_stations, np.array([told["t_ns"] / 1e9]))
    assert told["values"]["orb.alt_km"] == pytest.approx(float(expected.alt_km[0]), abs=1e-3)
    assert told["values"]["gs.elevation"] == pytest.approx(float(expected.elevation_deg[0]), abs=1e-3)
    layouts = {name for frame in rig.read(lambda r: r.newest("TESTBIRD")).values() for name in frame.layout.names}
    assert layouts == {"eps.bat_v", "obc.mode"}


async def test_a_console_shows_it_as_predicted_and_as_old_once_the_station_is_silent(rig):
    await rig.start()
    await rig.feed(rig.frames([7.8]))
    snapshots = SnapshotReader(rig.directory, rig.clock)
    try:
        now = snapshots.read().channels["orb.alt_km"]
        sent = snapshots.read().channels["eps.bat_v"]
        await rig.stop()
        rig.clock.advance(60.0)
        later = snapshots.read().channels["orb.alt_km"]
    finally:
        snapshots.close()

    assert now.channel.predicted
    assert not sent.channel.predicted
    assert 500 < now.value < 620
    assert now.acquisition is Acquisition.ACQUIRED
    assert later.acquisition is Acquisition.EXPIRED


async def test_status_tells_it_apart_from_what_was_received(rig, monkeypatch):
    monkeypatch.setattr("telemetry.clock.SystemClock", lambda: rig.clock)
    await rig.start()
    await rig.feed(rig.frames([7.8]))
    found = json.loads(CliRunner().invoke(root, ["--mission", str(rig.directory.path), "status", "--json"]).output)

    assert found["predicted"]["ground_station"] == "Munich"
    assert set(found["predicted"]["values"]) == {"orb.alt_km", "orb.eclipse", "gs.range_km", "gs.elevation"}
    assert sum(found["freshness"]["channels"].values()) == 3, "the three channels that are sent"


@pytest.mark.parametrize(("eclipse", "alarmed"), [(0.0, False), (1.0, True)])
async def test_limits_follow_the_predicted_light_at_the_time_of_the_frame(rig, eclipse, alarmed):
    """8.2 V is in limits in sunlight and above them in the shadow, whenever the frame arrives."""
    await rig.start()
    await rig.feed(rig.frames([8.2] * 5, t_ns=moment(eclipse)))

    raised = rig.events("alarm.raised")
    assert bool(raised) is alarmed
    assert all(event.body["set"] == "orb.eclipse = eclipse" for event in raised)


def test_a_satellite_that_sends_them_is_left_alone_and_a_fleet_takes_turns(tmp_path, make_rig):
    rig = make_rig(tmp_path / "plain", lambda plain: plain)
    assert Forecast(rig.mission).health(T0) == {}, "no orbit is given"
    tle = f'tle = ["{TLE[0]}", "{TLE[1]}"]'
    more = "".join(f'[[satellite]]\nname = "B{i:02}"\nbus = "b"\n{tle}\n' for i in range(25))
    fleet = make_rig(tmp_path / "fleet", lambda plain: with_orbit(plain) + more)
    forecast = Forecast(fleet.mission)
    assert [len(forecast.health(T0 + i)) for i in range(3)] == [10, 20, 26]


def test_an_orbit_that_does_not_reach_the_present_is_told_as_nothing(tmp_path, make_rig):
    decaying = moved(
        (GRBALPHA[0].replace(" .00001202", " .90000000").replace("87027-4", "99999-1"), GRBALPHA[1]), T0, 0.0, 0.0
    )
    rig = make_rig(
        tmp_path / "low", lambda plain: with_orbit(plain).replace(TLE[0], decaying[0]).replace(TLE[1], decaying[1])
    )
    forecast = Forecast(rig.mission)
    assert forecast.health(T0)
    assert forecast.health(T0 + 60 * 86_400 * NS_PER_S) == {}
    assert forecast.at("TESTBIRD", np.array([T0 + 60 * 86_400 * NS_PER_S])) == {}


def test_a_predicted_context_without_an_orbit_is_refused(tmp_path, make_rig):
    with pytest.raises(MissionError) as caught:
        make_rig(
            tmp_path / "bare",
            lambda plain: with_orbit(plain, by_light=True).replace(f'tle = ["{TLE[0]}", "{TLE[1]}"]\n', ""),
        )
    assert "satellite TESTBIRD.tle" in str(caught.value)
    assert "orb.eclipse follows from its orbit" in str(caught.value)
    bus = read_mission(make_rig(tmp_path / "good", lambda p: with_orbit(p, by_light=True)).directory.path).buses[
        "b"
    ]
    assert bus.context == (), "the detector's context stays what is sent"
    assert [channel.name for channel in bus.derived] == ["orb.eclipse"]
