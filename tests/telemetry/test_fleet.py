"""A fleet is named so that it sorts, and flies phased orbits that only node and mean anomaly tell apart."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.dictionary import Mission, MissionError, read_mission
from telemetry.fleet import ONE_PLANE, checksum, fleet_names, phased

TLE = (
    "1 47959U 21022AD  21136.80882950  .00001202  00000-0  87027-4 0  9997",
    "2 47959  97.5614  39.6019 0023282  60.8418 299.5182 15.05651497  7118",
)
FLEET = f"""
schema = 1
[[satellite]]
name = "KESTREL"
bus = "3u"
tle = {list(TLE)}
count = 100
[[bus.3u.channel]]
name = "eps.bat_v"
"""


def read(tmp_path: Path, text: str) -> Mission:
    (tmp_path / "mission.toml").write_text(text)
    return read_mission(tmp_path)


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(MissionError) as caught:
        read(tmp_path, text)
    assert len(caught.value.lines) == 1, caught.value.lines
    return caught.value.lines[0]


def test_a_table_with_a_count_is_that_many_satellites(tmp_path: Path) -> None:
    mission = read(tmp_path, FLEET)
    names = [one.name for one in mission.satellites]
    assert (names[0], names[1], names[-1], len(names)) == ("KESTREL-001", "KESTREL-002", "KESTREL-100", 100)
    assert names == sorted(names)
    assert {one.bus for one in mission.satellites} == {"3u"}
    assert len({one.tle for one in mission.satellites}) == 100
    assert mission.satellites[0].tle == TLE
    assert read(tmp_path, FLEET).satellites == mission.satellites


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("KESTREL", "KESTREL-01"),
        ("KESTREL-1", "KESTREL-01"),
        ("Bird_07", "Bird-01"),
        ("AAUSAT5", "AAUSAT5-01"),
        ("-1", "-1-01"),
    ],
)
def test_a_number_at_the_end_of_a_name_gives_way(name: str, first: str) -> None:
    assert fleet_names(name, 12)[0] == first


@given(st.integers(1, 1000))
def test_orbits_are_phased_evenly_and_are_elements_that_can_be_read(count: int) -> None:
    orbits = phased(TLE, count)
    assert len(orbits) == len(set(orbits)) == count
    assert orbits[0] == TLE
    planes: dict[float, list[float]] = {}
    for first, second in orbits:
        assert first == TLE[0]
        assert len(second) == 69
        assert second[68] == str(checksum(second))
        assert (second[:17], second[25:43], second[51:68]) == (TLE[1][:17], TLE[1][25:43], TLE[1][51:68])
        planes.setdefault(float(second[17:25]), []).append(float(second[43:51]))
    assert (len(planes) == 1) == (count <= ONE_PLANE)
    sizes = [len(one) for one in planes.values()]
    assert max(sizes) - min(sizes) <= 1
    for anomalies in planes.values():
        steps = [(after - before) % 360 for before, after in pairwise([*anomalies, anomalies[0]])]
        if len(anomalies) > 1:
            assert max(steps) - min(steps) < 0.001


def test_a_count_belongs_to_a_simulated_satellite(tmp_path: Path) -> None:
    line = refused(tmp_path, FLEET + '[source]\nkind = "stream"\n')
    assert line == 'mission.toml: satellite[0].count: 100: allowed: no count with source.kind = "stream"'


@pytest.mark.parametrize("count", ["0", "1001", "-3", "2.5", '"many"'])
def test_a_count_is_from_one_to_a_thousand(tmp_path: Path, count: str) -> None:
    line = refused(tmp_path, FLEET.replace("count = 100", f"count = {count}"))
    assert line.startswith("mission.toml: satellite[0].count: ")
    assert line.endswith("allowed: a whole number from 1 to 1000")


def test_a_fleet_has_no_catalogue_number_and_no_name_of_another(tmp_path: Path) -> None:
    assert "satellite[0].norad: 25544" in refused(tmp_path, FLEET.replace("count", "norad = 25544\ncount"))
    twin = f'[[satellite]]\nname = "kestrel-050"\nbus = "3u"\ntle = {list(TLE)}\n'
    line = refused(tmp_path, FLEET.replace("[[bus", f"{twin}[[bus", 1))
    assert line.startswith('mission.toml: satellite[1].name: "kestrel-050": allowed: a name not used before')
    long = refused(tmp_path, FLEET.replace("KESTREL", "K" * 38))
    assert "at most 40 characters with the number" in long
