"""A station whose satellite is heard in passes only: silence is no loss, and what was recorded raises nothing."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from cubesat_tui.snapshot_reader import SnapshotReader
from cubesat_tui.sources import source_of
from cubesat_tui.station import Station
from sim.catalogue import Fault
from sim.passes import contacts_over
from sim.preset import demo_mission_toml
from sim.source import SimSource
from telemetry.clock import NS_PER_S, ManualClock
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import Layout, Quality
from telemetry.freshness import Acquisition
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader

CREATED_S = int(dt.datetime(2026, 11, 22, 13, 50, tzinfo=dt.UTC).timestamp())


def made(path: Path) -> tuple[MissionDirectory, Mission]:
    """A demo mission that is not always visible, with a second station where the orbit after the first passes."""
    directory = MissionDirectory(path)
    directory.create()
    text = demo_mission_toml(CREATED_S * NS_PER_S, 1, "quiet")
    begin = text.index("[[ground_station]]")
    place = text[begin : text.index("[source]")]
    lon = next(line for line in place.splitlines() if line.startswith("lon"))
    west = place.replace(lon, f"lon = {float(lon.split('=')[1]) - 24.0}").replace('name = "', 'name = "West of ')
    text = text.replace(place, place + west).replace("[source]\n", "[source]\nvisible = false\n")
    directory.toml.write_text(text)
    return directory, read_mission(path)


class Watch:
    """A station on a clock that is moved by hand."""

    def __init__(self, path: Path) -> None:
        self.directory, self.mission = made(path)
        self.clock = ManualClock(CREATED_S * NS_PER_S)
        found = contacts_over(
            self.mission.satellites[0].tle or ("", ""),
            self.mission.ground_stations,
            CREATED_S * NS_PER_S,
            (CREATED_S + 6_600) * NS_PER_S,
        )
        self.begins = [-(-one.acquisition_ns // NS_PER_S) - CREATED_S for one in found]

    @property
    def second(self) -> int:
        return self.clock.now_ns() // NS_PER_S - CREATED_S

    @contextlib.asynccontextmanager
    async def station(self) -> AsyncIterator[Station]:
        name, make = source_of(self.mission, self.clock)
        station = Station(self.directory, self.mission, name, make, clock=self.clock, trainer=False, history=False)
        running = asyncio.create_task(station.run())
        try:
            await self.until(lambda: isinstance(station.source, SimSource) and station.source.next_s > 0)
            yield station
        finally:
            station.stop()
            await asyncio.wait_for(running, 20)

    async def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, f"never, at second {self.second}"
            self.clock.advance(0.05)
            await asyncio.sleep(0.001)

    async def fly(self, station: Station, to_second: int, step: float = 20.0) -> None:
        """Go on to a second of the mission; everything that arrives is stored."""
        source = station.source
        assert isinstance(source, SimSource)
        while self.second < to_second:
            self.clock.advance(min(step, to_second - self.second))
            await self.until(lambda: source.next_s > CREATED_S + self.second)
            idle = asyncio.create_task(station.ingest.idle())
            await self.until(idle.done)

    def read(self, what: Callable[[StoreReader], Any]) -> Any:
        reader = StoreReader(self.directory.telemetry)
        try:
            return what(reader)
        finally:
            reader.close()

    def kinds(self) -> Counter[str]:
        return Counter(event.kind for event in self.read(lambda r: r.journal_page(None, -1, 500)))

    def rows(self) -> list[tuple[int, int, int, str, int]]:
        """(boot, seq, second, packet, quality) of every stored frame."""
        connection = apsw.Connection(str(self.directory.telemetry), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found = connection.execute(
                "SELECT boot, seq, t_ns, body, quality FROM frame JOIN layout ON layout.id = frame.layout"
            ).fetchall()
        finally:
            connection.close()
        packets = {body: Layout.from_body(body).packet for body in {row[3] for row in found}}
        return [(b, seq, t // NS_PER_S - CREATED_S, packets[body], quality) for b, seq, t, body, quality in found]


@pytest.mark.timeout(240)
async def test_two_passes_and_the_silence_between(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "m")
    snapshots = SnapshotReader(watch.directory, watch.clock)
    async with watch.station() as station:
        await watch.fly(station, 40)
        assert station.link.state == ("QUIET", "no pass yet")
        await watch.fly(station, watch.begins[0] + 30, step=2)
        assert station.link.state == ("LIVE", "")
        assert station.source is not None
        start = CREATED_S + 2_000
        # Far beyond the hard limits, and over before anybody hears of it.
        station.source.inject(Fault("low", "bias", "KESTREL-1", "eps.bat_v", start, start + 200, -600.0))
        await watch.fly(station, 720, step=2)
        await watch.fly(station, 2_400)
        assert station.link.state == ("QUIET", "between passes")
        await watch.until(lambda: watch.kinds()["link.quiet"] == 2)
        shown = snapshots.read()
        assert (shown.link.state, shown.contact.in_contact) == ("QUIET", False)
        assert shown.contact.next_ns is not None
        assert shown.data_age_s is not None and shown.data_age_s > 1_500
        assert shown.channels["eps.bat_v"].acquisition is Acquisition.EXPIRED
        second = min(begin for begin in watch.begins if begin > 2_400)
        await watch.fly(station, second)
        await watch.fly(station, second + 10, step=2)
        frames = station.ingest.accepted
    # The station stops in the middle of the dump, and goes on.
    rows = watch.rows()
    assert max(t for *_, t, _, quality in rows if quality & Quality.STORED) < second - 1_000
    async with watch.station() as station:
        await watch.fly(station, second + 60, step=2)
        assert station.ingest.accepted > frames
        assert station.ingest.refused["duplicate"] == 0
        assert station.link.state[0] == "LIVE"
    snapshots.close()

    rows = watch.rows()
    assert len({(boot, seq) for boot, seq, *_ in rows}) == len(rows)
    hk = Counter(t for _, _, t, packet, _ in rows if packet == "hk")
    assert [hk[t] for t in range(second + 50)] == [1] * (second + 50)
    between = {quality & Quality.STORED for _, _, t, _, quality in rows if 1_000 < t < second}
    assert between == {Quality.STORED}
    kinds = watch.kinds()
    assert not {kind for kind in kinds if kind.startswith("alarm.")}
    assert not kinds["gap.found"] and not kinds["link.stale"] and not kinds["link.down"]
    assert kinds["contact.acquired"] >= 2
