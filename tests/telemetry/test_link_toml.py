"""The tables of a link: which database, under which path, and in which shape frames come over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.dictionary import Mission, MissionError, read_mission
from telemetry.link_config import is_emulator, is_loopback, is_node_path, slug

MISSION = """
schema = 1
[[satellite]]
name = "KESTREL-1"
bus = "3u"
[[bus.3u.channel]]
name = "pld.dist_a"
[[bus.3u.channel]]
name = "com.rssi_a"
[source]
kind = "stream"
"""


def read(tmp_path: Path, text: str) -> Mission:
    (tmp_path / "mission.toml").write_text(MISSION + text if "[source]" not in text else text, encoding="utf-8")
    return read_mission(tmp_path)


def error(tmp_path: Path, text: str) -> str:
    with pytest.raises(MissionError) as caught:
        read(tmp_path, text)
    (line,) = caught.value.lines
    return line


def test_a_link_needs_no_more_than_its_database(tmp_path: Path) -> None:
    mission = read(tmp_path, '[link]\ntarget = "firebase"\nurl = "https://kestrel-default-rtdb.firebaseio.com"')
    assert mission.link.target == "firebase"
    assert mission.link_root == "cubesat_tui/kestrel-1"
    assert mission.link.compress
    assert not mission.link.retention_hours
    assert mission.link.file("credentials", tmp_path) is None


def test_a_link_of_its_own_choosing(tmp_path: Path) -> None:
    mission = read(
        tmp_path,
        '[link]\nurl = "http://127.0.0.1:9000/?ns=demo-kestrel"\npath = "tlm/kestrel"\ncredentials = "key.json"\n'
        'token_file = "/etc/token"\ncompress = false\nretention_hours = 72\nmirror_alerts = true',
    )
    assert mission.link_root == "tlm/kestrel"
    assert mission.link.file("credentials", tmp_path) == tmp_path / "key.json"
    assert mission.link.file("token_file", tmp_path) == Path("/etc/token")
    assert (mission.link.compress, mission.link.retention_hours, mission.link.mirror_alerts) == (False, 72, True)


@pytest.mark.parametrize(
    "url",
    [
        "http://kestrel.firebaseio.com",
        "http://10.0.0.1:9000",
        "http://localhost.example.org",
        "ftp://localhost",
        "kestrel.firebaseio.com",
        "https://",
        "https://host/path",
        "https://host/#part",
        "https://host:port",
        "http://127.0.0.1:9000?ns=",
        "https://h\u00f6st",
    ],
)
def test_an_address_that_is_no_database_is_refused_in_one_line(tmp_path: Path, url: str) -> None:
    line = error(tmp_path, f'[link]\nurl = "{url}"')
    assert line.startswith("mission.toml: link.url: ")
    assert "allowed: https://HOST of a database, or http:// to this machine only" in line


@pytest.mark.parametrize("url", ["https://me:hunter2@host", "https://host?auth=hunter2", "http://far?ns=hunter2"])
def test_an_address_that_may_hold_a_secret_is_not_shown(tmp_path: Path, url: str) -> None:
    line = error(tmp_path, f'[link]\nurl = "{url}"')
    assert line.startswith('mission.toml: link.url: "(not shown)": allowed: https://HOST')
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('path = "a/1/b"', 'link.path: "a/1/b": allowed: keys joined by /'),
        ('path = "a//b"', "link.path"),
        ('path = "/a"', "link.path"),
        ('path = "a.b"', "link.path"),
        ("retention_hours = -1", "link.retention_hours: -1: allowed: hours from 0 (keep all)"),
        ("retention_hours = nan", "link.retention_hours: nan"),
        ("compress = 1", "link.compress: 1"),
        ('credential = "x"', "credentials?"),
    ],
)
def test_what_a_link_cannot_be_is_told(tmp_path: Path, table: str, line: str) -> None:
    assert line in error(tmp_path, f"[link]\n{table}")


def source(text: str) -> str:
    return MISSION.replace('kind = "stream"', f'kind = "firebase"\n{text}')


def test_frames_come_over_the_link_in_one_of_two_shapes(tmp_path: Path) -> None:
    records = read(tmp_path, source("simulated = true"))
    assert (records.source.layout, records.simulated, records.flown_here) == ("records", True, False)
    original = read(
        tmp_path,
        source('layout = "original"\nfaces = {"pld.dist_a" = "Face A"}\nstrengths = {"com.rssi_a" = "Face A"}'),
    )
    assert original.source.node == "SENSOR_DATA"
    assert original.source.faces == (("pld.dist_a", "Face A"),)
    assert original.source.strengths == (("com.rssi_a", "Face A"),)
    assert not original.simulated


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('layout = "rows"', 'source.layout: "rows": allowed: "records" or "original"'),
        ('layout = "original"', "source.faces: missing: allowed: channel = face"),
        ('layout = "original"\nfaces = {}', "source.faces: {}: allowed: channel = face"),
        ('layout = "original"\nfaces = {"pld.dist_b" = "B"}', "source.faces.pld.dist_b"),
        ('layout = "original"\nnode = "12"\nfaces = {"pld.dist_a" = "A"}', 'source.node: "12"'),
        ("visible = false", "satellite KESTREL-1.tle: missing"),
    ],
)
def test_a_source_over_the_link_that_cannot_be_is_told(tmp_path: Path, table: str, line: str) -> None:
    with pytest.raises(MissionError) as caught:
        read(tmp_path, source(table))
    assert line in caught.value.lines[0]


@given(st.text(max_size=60))
def test_every_name_of_a_satellite_gives_a_node(name: str) -> None:
    assert is_node_path(slug(name))
    assert "/" not in slug(name)


def test_names_that_differ_by_more_than_signs_keep_apart() -> None:
    assert len({slug(name) for name in ("KESTREL-1", "KESTREL-2", "12", "\u9bad", "\u9bae")}) == 5


def test_this_machine_is_known_by_name_and_number() -> None:
    assert all(is_loopback(host) for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"))
    assert not any(is_loopback(host) for host in ("10.0.0.1", "localhost.example", "0.0.0.0", "", "128.0.0.1"))
    assert is_emulator("127.0.0.1:9000")
    assert is_emulator("[::1]:9000")
    assert not any(is_emulator(text) for text in ("", "localhost", "example.org:80", "http://localhost:9000"))
