"""A whole station over a database of this machine: what it follows, who may own it, and what reaches a replica."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cubesat_tui.commands.linking import followed, links_of
from cubesat_tui.courier_tokens import CourierTokens
from cubesat_tui.link_opening import follow_firebase
from cubesat_tui.replica import Replica
from cubesat_tui.station import Station
from telemetry.clock import SystemClock, parse_iso
from telemetry.dictionary import read_mission
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader

if TYPE_CHECKING:
    from rtdb.server import RtdbServer

FACES = ("N", "S", "E", "W")
BUS = """
schema = 1
[[satellite]]
name = "CUBE"
bus = "1u"
"""
CHANNELS = "".join(
    f'[[bus.1u.channel]]\nname = "pld.dist_{face.lower()}"\nunit = "cm"\nperiod_s = 1\n'
    f"[[bus.1u.channel.limits]]\ncritical = [5, 150]\n"
    for face in FACES
)
ORIGINAL = "\n[source.faces]\n" + "".join(f'"pld.dist_{face.lower()}" = "{face}"\n' for face in FACES)


def directory_of(path: Path, source: str, link: str) -> MissionDirectory:
    made = MissionDirectory(path)
    made.create()
    made.toml.write_text(f"{BUS}{CHANNELS}[source]\n{source}\n[link]\n{link}\n", encoding="utf-8")
    return made


def read(directory: MissionDirectory, question: Callable[[StoreReader], Any]) -> Any:
    try:
        reader = StoreReader(directory.telemetry)
    except StoreError:
        return None
    try:
        return question(reader)
    finally:
        reader.close()


async def until(true: Callable[[], Any], seconds: float = 30.0) -> float:
    """Seconds it took."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            pytest.fail(f"not within {seconds} s")
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


async def ended(*running: tuple[Station | Replica, asyncio.Task[None]]) -> None:
    for one, task in running:
        one.stop()
        await asyncio.wait_for(task, 20)


async def test_the_rows_of_the_original_are_in_the_ledger_all_of_them_once(
    firebase_server: RtdbServer, tmp_path: Path
) -> None:
    rows = {
        f"-N{number:018d}": {
            "face": FACES[number % 4],
            "distance_cm": 40.0 + number,
            "timestamp": f"2025-11-08T10:00:{number % 60:02d}",
            "signal_strength": -60,
        }
        for number in range(100)
    }
    firebase_server.fill(rows, "SENSOR_DATA")
    source = f'kind = "firebase"\nlayout = "original"\n{ORIGINAL}'
    directory = directory_of(tmp_path / "station", source, f'url = "{firebase_server.database_url}"')
    mission = read_mission(directory.path)
    for _ in range(2):
        links = links_of(mission, follow=True)
        assert links is not None
        station = Station(
            directory, mission, *followed(links), clock=SystemClock(), trainer=False, history=False, links=links
        )
        task = asyncio.create_task(station.run())
        await until(lambda task=task: task.done() or read(directory, lambda r: r.frames_accepted()) == 100)
        await ended((station, task))
    page = read(directory, lambda r: r.page(limit=200)).rows
    assert len(page) == 100
    assert sorted(float(row.values[0]) for row in page) == [40.0 + number for number in range(100)]
    assert all(row.t_ns >= parse_iso("2025-11-08T10:00:00Z") for row in page)


async def test_what_a_station_with_a_source_of_its_own_publishes_a_replica_shows_and_answers(
    firebase_server: RtdbServer, tmp_path: Path, rows_of: Callable[..., Any]
) -> None:
    link = f'url = "{firebase_server.database_url}"'
    own = directory_of(tmp_path / "own", 'kind = "stream"', link)
    copy = directory_of(tmp_path / "copy", 'kind = "stream"', link)
    mission, clock = read_mission(own.path), SystemClock()
    links = links_of(mission, publish=True)
    assert links is not None
    station = Station(
        own, mission, "stream", rows_of(mission), clock=clock, operator="olga", trainer=False, history=False,
        links=links,
    )  # fmt: skip
    replica = Replica(
        copy, read_mission(copy.path), "firebase", follow_firebase(mission, copy, clock, "ann"), clock=clock,
        operator="ann",
    )  # fmt: skip
    tasks = [asyncio.create_task(one.run()) for one in (station, replica)]
    await until(lambda: (read(copy, lambda r: r.frames_accepted()) or 0) >= 5)
    await until(lambda: _kinds(copy, "alarm.raised"))
    from telemetry.store.inbox import Inbox

    inbox = Inbox(copy.inbox)
    number = inbox.submit("ack", {"satellite": "CUBE", "subject": "pld.dist_n"}, "ann", clock.now_ns())
    took_s = await until(lambda: _kinds(copy, "alarm.acknowledged"))
    inbox.close()
    (answer,) = _kinds(own, "alarm.acknowledged")
    assert (answer.actor, answer.body["id"], answer.body["uid"]) == ("ann", number, "service")
    assert took_s < 5
    await until(lambda: not firebase_server.tree("cubesat_tui/cube/mailbox"))
    await until(lambda: read(copy, lambda r: r.health()).body["link"] == "LIVE")
    await ended(*zip((replica, station), reversed(tasks), strict=True))


def _kinds(directory: MissionDirectory, kind: str) -> list[Any]:
    return [event for event in read(directory, lambda r: r.journal()) or [] if event.kind == kind]


@pytest.fixture
def rows_of() -> Callable[..., Any]:
    """Makes a source of five frames a second, of which the first channel is far out of its limits."""
    import numpy as np

    from telemetry.frame import Frame, FrameBatch

    class Rows:
        name, live, rate = "stream", True, 1.0

        def __init__(self, mission: Any) -> None:
            self._mission = mission
            self._closed = asyncio.Event()

        async def __aiter__(self):
            (layout,) = self._mission.buses["1u"].layouts.values()
            for seq in range(10_000):
                now = time.time_ns()
                values = np.array([400.0, 60.0, 60.0, 60.0])
                yield FrameBatch.of([Frame("CUBE", 1_790_000_000, seq, now, now, 0, layout, values)])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await self._closed.wait()
                        return

        async def committed(self, batch: FrameBatch) -> None:
            del batch

        async def close(self) -> None:
            self._closed.set()

    return lambda mission: lambda _cursor: Rows(mission)


async def test_a_courier_that_writes_nothing_gives_a_console_tokens_and_leaves_no_trace(
    publishing: Callable[..., Any], secured: Any
) -> None:
    mission = publishing(url=secured.url, link=f'credentials = "{secured.key}"')
    mission.store(10)
    mission.start(())
    token = await CourierTokens(mission.publisher).current()
    assert (token.how, token.uid) == ("bearer", "service")
    await asyncio.sleep(0.3)
    assert mission.publisher.report.state == "LIVE"
    assert not mission.server.tree("cubesat_tui")
