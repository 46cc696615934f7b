"""Another place of a link: a station reads it from its beginning, a replica stays with the one it has."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cubesat_tui.cli import root
from cubesat_tui.commands.linking import followed, links_of
from cubesat_tui.link_places import check_place, keep_place
from cubesat_tui.roles import REPLICA, claim_role
from cubesat_tui.station import Station
from telemetry.clock import ManualClock, SystemClock
from telemetry.dictionary import read_mission
from telemetry.link_config import EMULATOR, LinkRefused
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

TOML = """
schema = 1
[[satellite]]
name = "KESTREL-1"
bus = "3u"
[[bus.3u.channel]]
name = "eps.bat_v"
[source]
kind = "stream"
[link]
url = "http://127.0.0.1:9000?ns=fleet"
"""


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MissionDirectory:
    monkeypatch.delenv(EMULATOR, raising=False)
    directory = MissionDirectory(tmp_path / "copy")
    directory.create()
    directory.toml.write_text(TOML, encoding="utf-8")
    writer = StoreWriter(directory.telemetry, ManualClock(0))
    claim_role(directory, writer, REPLICA)
    keep_place(writer, read_mission(directory.path))
    writer.close()
    return directory


def test_the_same_place_is_mirrored_on(replica: MissionDirectory) -> None:
    check_place(replica, read_mission(replica.path))


@pytest.mark.parametrize(
    ("before", "after"),
    [(":9000", ":9001"), ("ns=fleet", "ns=other"), ("[link]", '[link]\npath = "elsewhere/kestrel"')],
    ids=["server", "database", "node"],
)
def test_another_place_is_refused_before_the_screen_is_taken(
    replica: MissionDirectory, before: str, after: str
) -> None:
    replica.toml.write_text(TOML.replace(before, after), encoding="utf-8")
    with pytest.raises(LinkRefused):
        check_place(replica, read_mission(replica.path))
    done = CliRunner().invoke(root, ["--mission", str(replica.path), "--operator", "ann", "--attach", "firebase"])
    assert done.exit_code == 2
    assert "this directory is the replica of http://127.0.0.1:9000/cubesat_tui/kestrel-1 (fleet)" in done.output
    assert "use another directory" in done.output
    assert len(done.output.strip().splitlines()) == 1


ORIGINAL = """
schema = 1
[[satellite]]
name = "CUBE"
bus = "1u"
[[bus.1u.channel]]
name = "pld.dist_n"
unit = "cm"
[source]
kind = "firebase"
layout = "original"
node = "{node}"
[source.faces]
"pld.dist_n" = "N"
[link]
url = "{url}"
"""


def accepted(directory: MissionDirectory) -> list[float]:
    reader = StoreReader(directory.telemetry)
    try:
        return sorted(float(row.values[0]) for row in reader.page(limit=200).rows)
    finally:
        reader.close()


async def follow(directory: MissionDirectory, rows: int) -> list[float]:
    """What a station has stored once that is so many rows, or after 10 s."""
    mission = read_mission(directory.path)
    links = links_of(mission, follow=True)
    assert links is not None
    name, make = followed(links)
    station = Station(
        directory, mission, name, make, clock=SystemClock(), trainer=False, history=False, links=links
    )
    task = asyncio.create_task(station.run())
    for _ in range(500):
        await asyncio.sleep(0.02)
        if directory.telemetry.exists() and len(accepted(directory)) >= rows:
            break
    station.stop()
    await asyncio.wait_for(task, 20)
    return accepted(directory)


async def test_a_station_reads_another_node_from_its_beginning(firebase_server: RtdbServer, tmp_path: Path) -> None:
    def row(number: int) -> dict[str, Any]:
        return {"face": "N", "distance_cm": 40.0 + number, "timestamp": f"2025-11-08T10:00:{number:02d}"}

    # What is at the other node sorts before what was read at the first.
    later, earlier = range(20, 30), range(10)
    firebase_server.fill({f"-N{number:018d}": row(number) for number in later}, "SENSOR_DATA")
    firebase_server.fill({f"-N{number:018d}": row(number) for number in earlier}, "ARCHIVE")
    directory = MissionDirectory(tmp_path / "station")
    directory.create()
    stored: list[float] = []
    for node in ("SENSOR_DATA", "ARCHIVE"):
        toml = ORIGINAL.format(node=node, url=firebase_server.database_url)
        directory.toml.write_text(toml, encoding="utf-8")
        stored = await follow(directory, len(stored) + 10)
    assert stored == [40.0 + number for number in (*earlier, *later)]
