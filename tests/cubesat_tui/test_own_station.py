"""The station of the console's own process: asked before the screen is taken, started once the console stands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import fabricated
import pytest
from fabricated import screen_text, settled

from cubesat_tui.app import ConsoleApp
from cubesat_tui.departure import Departure
from cubesat_tui.snapshot_reader import SnapshotReader
from cubesat_tui.station_thread import StationThread
from telemetry.freshness import Acquisition
from telemetry.store.directory import MissionDirectory, MissionHeld, MissionLock
from telemetry.store.errors import StoreFull, StoreRefused
from telemetry.store.writer import StoreWriter

OURS = 4711


class QuietStation:
    """Runs until it is stopped, and does nothing."""

    def __init__(self) -> None:
        self.ran = threading.Event()
        self._stopping = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        self.ran.set()
        await self._stopping.wait()

    def stop(self) -> None:
        self._stopping.set()


def thread_of(directory: MissionDirectory, make: Callable[[MissionLock], object]) -> StationThread:
    return StationThread(directory, fabricated.clock(), make)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def empty(tmp_path: Path) -> MissionDirectory:
    directory = MissionDirectory(tmp_path / "new")
    directory.create()
    return directory


async def test_the_console_is_painted_before_its_station_starts(directory: MissionDirectory) -> None:
    seen: list[str] = []

    class Station(fabricated.NearStation):
        def start(self) -> Future[None]:
            seen.append(screen_text(app))
            return super().start()

    app = ConsoleApp(directory, clock=fabricated.clock(), operator="ann", station=Station())
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: seen)
    assert len(seen) == 1
    assert "Battery voltage" in seen[0]
    assert "KESTREL-1" in seen[0]


async def test_a_station_that_does_not_start_ends_the_console(console) -> None:
    app = console(station=fabricated.NearStation(StoreFull("no space")))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, lambda: app.return_value is not None)
    assert app.return_value is Departure.NO_STATION


def test_the_link_is_connecting_until_the_new_station_reports_and_old_values_look_old(
    directory: MissionDirectory,
) -> None:
    clock = fabricated.clock()
    clock.advance(3600)
    reader = SnapshotReader(directory, clock, station_pid=OURS)

    before = reader.read()
    assert (before.link.state, before.link.detail) == ("CONNECTING", "the station starts")
    assert before.data_age_s >= 3600
    assert before.channels["eps.bat_v"].acquisition is Acquisition.EXPIRED
    assert before.model.version == 17
    assert before.model.next_s is None, "nobody plans a retrain yet"

    writer = StoreWriter(directory.telemetry, clock)
    writer.beat(fabricated.health(clock.now_ns(), pid=OURS))
    assert reader.read().link.state == "LIVE"
    clock.advance(5)
    assert reader.read().link.state == "DOWN", "from then on silence is silence"
    writer.close()
    reader.close()


def test_a_first_start_says_that_the_station_starts(empty: MissionDirectory, directory: MissionDirectory) -> None:
    empty.toml.write_bytes(directory.toml.read_bytes())
    StoreWriter(empty.telemetry, fabricated.clock()).close()
    for pid, said in ((OURS, "the station starts"), (None, "no station has reported yet")):
        link = SnapshotReader(empty, fabricated.clock(), station_pid=pid).read().link
        assert (link.state, link.detail) == ("CONNECTING", said)


def test_a_heartbeat_of_long_ago_is_not_ours_whatever_its_number(directory: MissionDirectory) -> None:
    clock = fabricated.clock()
    writer = StoreWriter(directory.telemetry, clock)
    writer.beat(fabricated.health(clock.now_ns(), pid=OURS))
    writer.close()
    clock.advance(60)
    assert SnapshotReader(directory, clock, station_pid=OURS).read().link.state == "CONNECTING"


def test_what_refuses_a_station_is_said_before_there_is_a_console(empty: MissionDirectory) -> None:
    with MissionLock(empty.station_lock), pytest.raises(MissionHeld, match="a station already runs in"):
        thread_of(empty, lambda _: QuietStation()).hold()
    empty.telemetry.write_bytes(b"no database at all" * 100)
    thread = thread_of(empty, lambda _: QuietStation())
    with pytest.raises(StoreRefused):
        thread.hold()
    assert not thread.alive
    assert not MissionLock(empty.station_lock).holder()


def test_the_mission_is_held_from_before_the_start_until_the_end(empty: MissionDirectory) -> None:
    stations: list[QuietStation] = []

    def make(lock: MissionLock) -> QuietStation:
        assert lock.held
        stations.append(QuietStation())
        return stations[-1]

    thread = thread_of(empty, make)
    thread.hold()
    assert thread.alive
    assert empty.telemetry.exists(), "the console has a store to look at"
    assert not stations
    thread.start().result(10)
    assert stations[0].ran.wait(10)
    assert MissionLock(empty.station_lock).holder()
    assert thread.stop(10)
    assert not thread.alive
    assert thread.failure is None


def test_a_console_that_leaves_at_once_leaves_no_station(empty: MissionDirectory) -> None:
    stations: list[QuietStation] = []
    thread = thread_of(empty, lambda _: stations.append(QuietStation()) or stations[-1])
    thread.hold()
    assert thread.stop()
    assert not MissionLock(empty.station_lock).holder()
    assert not thread.start().done()
    assert not stations


def test_a_stop_while_the_station_is_being_made_ends_it(empty: MissionDirectory) -> None:
    making, go_on = threading.Event(), threading.Event()

    def make(_: MissionLock) -> QuietStation:
        making.set()
        assert go_on.wait(10)
        return QuietStation()

    thread = thread_of(empty, make)
    thread.hold()
    thread.start()
    assert making.wait(10)
    assert not thread.stop(0.01), "it takes until there is a station to stop"
    go_on.set()
    assert thread.stop(10)
    assert thread.failure is None


def test_a_station_that_fails_to_start_lets_go_of_the_mission(empty: MissionDirectory) -> None:
    def make(_: MissionLock) -> QuietStation:
        raise StoreFull("no space")

    thread = thread_of(empty, make)
    thread.hold()
    with pytest.raises(StoreFull):
        thread.start().result(10)
    assert thread.stop(10)
    assert isinstance(thread.failure, StoreFull)
    assert not thread.alive
