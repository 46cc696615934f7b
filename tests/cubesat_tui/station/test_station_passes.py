"""Passes as a station stores them, and as `cubesat-tui passes` tells them without one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cubesat_tui.cli import root
from sim.tle import GRBALPHA, Tle, moved
from telemetry.clock import NS_PER_S, ManualClock, parse_iso

T0 = 1_795_331_600 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
OLD_NS = round(dt.datetime(2021, 5, 16, 20, tzinfo=dt.UTC).timestamp()) * NS_PER_S
GROUND = """
[[ground_station]]
name = "Munich"
lat = 48.1
lon = 11.3
alt_m = 580

[[ground_station]]
name = "Svalbard"
lat = 78.23
lon = 15.41
"""


def mission_toml(plain: str, tle: Tle | None, ground: str = GROUND) -> str:
    """The rig's mission with an orbit and ground stations."""
    given = "" if tle is None else f'tle = ["{tle[0]}", "{tle[1]}"]\n'
    return plain.replace('bus = "b"\n', f'bus = "b"\n{given}', 1) + ground


@pytest.fixture
async def flying(tmp_path: Path, make_rig) -> AsyncIterator:
    """A rig whose satellite has a TLE of this hour."""
    made = make_rig(tmp_path / "flying", lambda plain: mission_toml(plain, moved(GRBALPHA, T0, 40.0, 200.0)))
    yield made
    await made.close()


def passes(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(root, ["--mission", str(path), "passes", *arguments])


@pytest.fixture
def at_t0(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock of commands stands at T0."""
    monkeypatch.setattr("telemetry.clock.SystemClock", lambda: ManualClock(T0))


async def test_the_command_tells_the_windows_a_station_stores(flying, at_t0):
    before = json.loads(passes(flying.directory.path, "--json").output)
    await flying.start()
    await flying.until(lambda: bool(flying.read(lambda r: r.contacts(T0, T0 + DAY_NS))))
    stored = flying.read(lambda r: r.contacts(T0, T0 + DAY_NS))
    told = json.loads(passes(flying.directory.path, "--json").output)

    assert told == before, "with a station or without"
    assert [
        (one["station"], parse_iso(one["acquisition"]), parse_iso(one["loss"]), one["max_elevation_deg"])
        for one in told["passes"]
    ] == [(one.station, one.acquisition_ns, one.loss_ns, round(one.max_el_deg, 3)) for one in stored]
    assert {one.station for one in stored} == {"Munich", "Svalbard"}
    assert len(stored) >= 12


async def test_a_replay_has_the_passes_of_its_own_time(tmp_path, make_rig):
    rig = make_rig(tmp_path / "replayed", lambda plain: mission_toml(plain, GRBALPHA))

    def replaying(cursor: str | None):
        source = rig.make_source(cursor)
        source.live = False
        return source

    try:
        await rig.start(make_source=replaying)
        await rig.until(lambda: bool(rig.sources), seconds=2.0)
        await rig.feed(rig.frames([8.0], t_ns=OLD_NS, boot=1))
        await rig.until(lambda: bool(rig.read(lambda r: r.contacts(OLD_NS, OLD_NS + DAY_NS))), seconds=0.5)
        stored = rig.read(lambda r: r.contacts(OLD_NS, OLD_NS + DAY_NS))

        def told_ns() -> int:
            told = rig.read(lambda r: r.health()).body["contact"].get("TESTBIRD", {})
            return told.get("next_ns", told.get("until_ns", 0))

        await rig.until(lambda: OLD_NS < told_ns() < OLD_NS + DAY_NS, seconds=0.5)
        told = rig.events("contact.")
    finally:
        await rig.close()

    assert len(stored) >= 12
    assert "contact.orbit" not in [event.kind for event in told], "the TLE is of the file's own day"


async def test_an_element_set_of_another_year_is_told_as_an_event_and_ends_no_station(tmp_path, make_rig):
    rig = make_rig(tmp_path / "stale", lambda plain: mission_toml(plain, GRBALPHA))
    try:
        await rig.start()
        await rig.until(lambda: bool(rig.events("contact.orbit")))
        (told,) = rig.events("contact.orbit")
    finally:
        await rig.close()
    assert "TLE of TESTBIRD is 2015 days old (epoch 2021-05-16T19:24Z)" in told.text


def test_a_table_for_people_and_one_station_alone(flying, at_t0):
    whole = passes(flying.directory.path)
    one = passes(flying.directory.path, "--station", "Svalbard", "--hours", "6")

    assert whole.exit_code == one.exit_code == 0
    assert whole.output.splitlines()[0].split() == ["station", "acquisition", "loss", "length", "max", "el", "in"]
    assert "Munich" in whole.output
    assert "Munich" not in one.output
    assert 2 <= len(one.output.splitlines()) - 1 <= 6


def test_a_pass_under_way_is_told_as_now(flying, monkeypatch):
    monkeypatch.setattr("telemetry.clock.SystemClock", lambda: ManualClock(T0))
    first = json.loads(passes(flying.directory.path, "--json").output)["passes"][0]
    middle = parse_iso(first["acquisition"]) + 60 * NS_PER_S
    monkeypatch.setattr("telemetry.clock.SystemClock", lambda: ManualClock(middle))
    told = json.loads(passes(flying.directory.path, "--json", "--hours", "0.1").output)["passes"]

    assert [one["acquisition"] for one in told] == [first["acquisition"]]
    assert told[0]["in_s"] == pytest.approx(-60.0, abs=0.01)
    assert passes(flying.directory.path, "--hours", "0.1").output.splitlines()[1].split()[-1] == "now"


def test_a_stale_orbit_is_said_in_a_line(tmp_path, make_rig, at_t0):
    rig = make_rig(tmp_path / "stale", lambda plain: mission_toml(plain, moved(GRBALPHA, T0 - 41 * DAY_NS, 40, 0)))
    told = passes(rig.directory.path)

    assert told.exit_code == 0
    assert told.output.splitlines()[-1].startswith("note: the TLE of TESTBIRD is 41 days old")
    assert json.loads(passes(rig.directory.path, "--json").output)["notes"] == [
        told.output.splitlines()[-1].removeprefix("note: ")
    ]


@pytest.mark.parametrize(
    ("tle", "ground", "arguments", "said"),
    [
        (None, GROUND, (), "no orbit is known of TESTBIRD: add the two lines of its element set"),
        (GRBALPHA, "", (), "no ground station: add a table [[ground_station]] with name, lat and lon"),
        (GRBALPHA, GROUND, ("--station", "Kiruna"), "--station Kiruna: allowed: Munich, Svalbard"),
        (GRBALPHA, GROUND, ("--satellite", "OTHER"), "--satellite OTHER: allowed: TESTBIRD"),
    ],
)
def test_what_is_missing_is_one_sentence_and_exit_2(tmp_path, make_rig, tle, ground, arguments, said):
    rig = make_rig(tmp_path / "bare", lambda plain: mission_toml(plain, tle, ground))
    told = passes(rig.directory.path, *arguments)

    assert told.exit_code == 2
    assert said in told.output
    assert len(told.output.splitlines()) == 1


def test_several_satellites_are_told_apart(tmp_path, make_rig, at_t0):
    tle = moved(GRBALPHA, T0, 100.0, 0.0)
    second = f'[[satellite]]\nname = "SECOND"\nbus = "b"\ntle = ["{tle[0]}", "{tle[1]}"]\n'
    third = '[[satellite]]\nname = "UNKNOWN-ORBIT"\nbus = "b"\n'
    rig = make_rig(
        tmp_path / "two", lambda plain: mission_toml(plain, moved(GRBALPHA, T0, 0.0, 0.0), GROUND + second + third)
    )
    told = json.loads(passes(rig.directory.path, "--json").output)

    assert [one["name"] for one in told["satellites"]] == ["TESTBIRD", "SECOND"]
    assert {one["satellite"] for one in told["passes"]} == {"TESTBIRD", "SECOND"}
    assert [one["acquisition"] for one in told["passes"]] == sorted(one["acquisition"] for one in told["passes"])
    assert passes(rig.directory.path).output.startswith("satellite")
    alone = json.loads(passes(rig.directory.path, "--json", "--satellite", "SECOND").output)
    assert {one["satellite"] for one in alone["passes"]} == {"SECOND"}
