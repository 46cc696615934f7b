"""A replica shows what the owner knows, says when it does not, and is no station."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cubesat_tui.roles import role_of
from cubesat_tui.snapshot import ChannelNow
from cubesat_tui.station import Station
from telemetry.clock import ManualClock
from telemetry.frame import FrameBatch, Quality
from telemetry.links.link import Lost, Pruned
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record
from telemetry.links.record_frames import frames_text
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreFull, StoreRefused
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated, scored
from tests.cubesat_tui.fabricated import NOW, SATELLITE, S
from tests.cubesat_tui.memory_link import START_S, MemoryServer
from tests.cubesat_tui.mirror import Mirror, snapshot_of

HEALTH = fabricated.health().body | {"trainer": {"state": "running", "retrain": 182, "next_ns": NOW + 11 * S}}
Ask = Callable[[Callable[[StoreReader], Any]], Any]


class World:
    """An owner's store, a server, replicas."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = fabricated.clock()
        self.server = MemoryServer()
        self.owner = scored.fill(path / "owner")
        self.mirrors: list[Mirror] = []

    async def publish(self, *streams: str, most: int = 300) -> None:
        reader = StoreReader(self.owner.telemetry)
        try:
            await self.server.publish(reader, *([streams] if streams else []), most=most)
        finally:
            reader.close()

    async def report(self, at_ns: int | None = None, **changes: Any) -> None:
        stamp = self.clock.now_ns() if at_ns is None else at_ns
        await self.server.say(stamp / 1e6, json.dumps(HEALTH | changes))

    def mirror(self, name: str = "a", uid: str = "u1") -> Mirror:
        made = Mirror(self.path / name, fabricated.mission_toml(), self.server, self.clock, uid)
        self.mirrors.append(made)
        return made

    def of_owner(self, question: Callable[[StoreReader], Any]) -> Any:
        reader = StoreReader(self.owner.telemetry)
        try:
            return question(reader)
        finally:
            reader.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    for mirror in made.mirrors:
        await mirror.close()


def told(now: ChannelNow) -> str:
    """As text, in which NaN is equal to NaN."""
    known = now.value, now.text, now.t_ns, now.age_s, now.acquisition, now.result, now.anomalous, now.spark
    return repr(known)


def rows(reader: StoreReader) -> list[tuple[Any, ...]]:
    """The ledger, whatever its store ids: what came, and what a model thinks of it."""
    page = reader.page(limit=10_000).rows
    found = [
        (
            r.satellite,
            r.boot,
            r.seq,
            r.t_ns,
            r.received_ns,
            r.quality,
            r.values.tobytes(),
            r.model,
            r.score,
            r.state,
        )
        for r in page
    ]
    return sorted(found, key=lambda row: (row[3], row[1], row[2]))


async def test_a_replica_shows_alarms_frames_and_scores_of_its_owner(world: World) -> None:
    await world.report()
    await world.publish()
    mirror = world.mirror()
    await mirror.start()
    owned = world.of_owner(lambda r: (rows(r), r.scores(SATELLITE), len(r.journal()), r.runs()))
    await mirror.until(lambda: mirror.frames() == len(owned[0]))
    await mirror.until(lambda: len(mirror.read(lambda r: r.scores(SATELLITE)).frame) == len(owned[1].frame))
    await mirror.until(lambda: len(mirror.read(lambda r: r.runs())) == len(owned[3]))
    assert mirror.read(rows) == owned[0]
    there, here = owned[1], mirror.read(lambda r: r.scores(SATELLITE))
    for name in ("t_ns", "model", "score", "p", "state", "axes"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    bare = [msgspec.structs.replace(run, id=0) for run in owned[3]]
    assert [msgspec.structs.replace(run, id=0) for run in mirror.read(lambda r: r.runs())] == bare

    theirs, ours = snapshot_of(world.owner, world.clock), mirror.snapshot()
    assert ours.alarms == theirs.alarms
    assert ours.counts == theirs.counts
    # What the orbit tells is computed on either side.
    assert {name: told(now) for name, now in ours.channels.items() if name in theirs.channels} == {
        name: told(now) for name, now in theirs.channels.items()
    }
    assert (ours.model.version, ours.model.retrain, ours.model.next_s) == (17, 182, pytest.approx(11, abs=6))
    assert (ours.link.state, ours.link.detail) == ("LIVE", "firebase")
    assert ours.simulated is theirs.simulated
    assert ours.passes


async def test_a_replica_goes_on_where_it_was_and_stores_nothing_twice(world: World) -> None:
    await world.publish(most=100)
    mirror = world.mirror()
    await mirror.start()
    whole = len(world.of_owner(rows))
    await mirror.until(lambda: mirror.frames() >= 500)
    await mirror.kill()
    before, world.server.followed = mirror.frames(), []
    await mirror.start()
    await mirror.until(lambda: mirror.frames() == whole)
    await mirror.until(lambda: mirror.read(lambda r: r.cursor("firebase", "scores")) is not None)
    assert mirror.read(rows) == world.of_owner(rows)
    begun = dict(world.server.followed)
    assert before == 0 or begun["frames"].last > 0
    assert "duplicate" not in mirror.replica.intake.refused
    assert len(mirror.events("alarm.raised")) == len(
        [e for e in world.of_owner(lambda r: r.journal()) if e.kind == "alarm.raised"]
    )


async def test_scores_wait_for_their_frames_and_their_cursor_waits_with_them(world: World) -> None:
    world.server.held.add("frames")
    await world.publish()
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.replica.intake.scores_waiting > 1000)
    for _ in range(60):
        await mirror.until(lambda: True)
        world.clock.advance(1.0)
    assert mirror.read(lambda r: r.cursor("firebase", "scores")) is None
    world.server.held.clear()
    await world.server.tell()
    whole = len(world.of_owner(lambda r: r.scores(SATELLITE)).frame)
    await mirror.until(lambda: len(mirror.read(lambda r: r.scores(SATELLITE)).frame) == whole)
    await mirror.until(lambda: mirror.read(lambda r: r.cursor("firebase", "scores")) is not None)
    assert mirror.replica.intake.scores_waiting == 0
    assert not mirror.replica.intake.refused


async def test_a_score_whose_frame_never_comes_is_given_up_and_counted(world: World) -> None:
    await world.publish("scores")
    mirror = world.mirror()
    await mirror.start()
    whole = len(world.of_owner(lambda r: r.scores(SATELLITE)).frame)
    await mirror.until(lambda: mirror.replica.intake.refused["score without its frame"] == whole, seconds=0.5)
    await mirror.until(lambda: mirror.read(lambda r: r.cursor("firebase", "scores")) is not None)
    assert mirror.replica.intake.scores_waiting == 0


async def test_an_owner_that_is_silent_for_30_s_is_told_as_monitor_down(world: World) -> None:
    await world.publish()
    await world.report()
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.snapshot().link.state == "LIVE")
    heard = world.clock.monotonic()
    await mirror.until(lambda: world.clock.monotonic() - heard > 26, seconds=0.5)
    assert mirror.snapshot().link.state == "LIVE"
    await mirror.until(lambda: world.clock.monotonic() - heard > 33, seconds=0.5)
    seen = mirror.snapshot()
    assert seen.link.state == "MONITOR DOWN"
    assert re.fullmatch("owner silent 3[0-4] s", seen.link.detail)
    # What the dead owner planned is not counted down, and what it served is no secret.
    assert (seen.model.next_s, seen.model.version) == (None, 17)
    await mirror.until(lambda: [e.kind for e in mirror.events("link.")] == ["link.live", "link.monitor_down"])
    await world.report()
    await mirror.until(lambda: mirror.snapshot().link.state == "LIVE")


async def test_a_report_that_stood_there_for_an_hour_is_no_sign_of_life(world: World) -> None:
    await world.report(NOW - 3600 * S)
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.body()["model"] is not None if "model" in mirror.body() else False)
    assert mirror.snapshot().link.state == "MONITOR DOWN"


async def test_a_report_written_while_the_link_was_down_is_as_old_as_it_is(world: World) -> None:
    await world.report()
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.snapshot().link.state == "LIVE")
    world.server.up = False
    # The owner lived 10 s more; the link came back after 100.
    await mirror.until(lambda: mirror.body()["link"] == "DOWN", seconds=0.5)
    await mirror.until(lambda: world.clock.now_ns() - NOW > 100 * S, seconds=1.0)
    world.server.up = True
    await world.report(NOW + 10 * S)
    await mirror.until(lambda: mirror.body()["link"] == "MONITOR DOWN")
    assert mirror.replica.owner.silent_s > 80


async def test_values_grow_old_while_the_link_is_down_and_none_looks_live(world: World) -> None:
    await world.publish()
    await world.report()
    mirror = world.mirror()
    await mirror.start()
    whole = len(world.of_owner(rows))
    await mirror.until(lambda: mirror.snapshot().link.state == "LIVE" and mirror.frames() == whole, seconds=0.001)
    assert mirror.snapshot().channels["eps.bat_v"].acquisition.value == "ACQUIRED"
    world.server.up = False
    await mirror.until(lambda: world.clock.now_ns() - NOW > 20 * S, seconds=0.5)
    await mirror.until(lambda: mirror.body()["link"] == "DOWN")
    seen = mirror.snapshot()
    assert seen.link.detail == "nothing heard for 12 s"
    assert "ACQUIRED" not in {now.acquisition.value for now in seen.channels.values()}
    assert seen.data_age_s is not None and seen.data_age_s >= 20


async def test_what_is_missing_in_the_link_is_told_lost_or_pruned(world: World) -> None:
    await world.server.append("frames", Pruned("frames", 1, 300))
    await world.server.append("frames", Lost("frames", 601, 610))
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: len(mirror.events("link.missing")) == 2)
    pruned, lost = mirror.events("link.missing")
    assert (pruned.text, lost.text) == (
        "300 rows of frames were let go by the link before they were read here",
        "10 rows of frames are missing in the link",
    )
    assert lost.severity > pruned.severity


async def test_a_poison_record_is_counted_and_the_next_one_is_stored(world: World) -> None:
    key = StreamKey("frames", START_S - 1, 1).text
    await world.server.append("frames", Record(key, 1, 1, 1, '[{"layout":'))
    key = StreamKey("journal", START_S - 1, 1).text
    await world.server.append("journal", Record(key, 1, 1, 1, '{"a": 1}'))
    stranger = next(iter(fabricated.batches(NOW - 5 * S, NOW)))
    renamed = FrameBatch(
        stranger.layout, ("NOBODY",), *(getattr(stranger, n) for n in
        ("satellite", "boot", "seq", "t_ns", "received_ns", "quality", "values")))  # fmt: skip
    world.server.layouts[renamed.layout.digest] = renamed.layout
    n = len(renamed)
    await world.server.append(
        "frames", Record(StreamKey("frames", START_S - 1, 2).text, 2, 1 + n, n, frames_text([renamed]))
    )
    await world.publish()
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.frames() == len(world.of_owner(rows)))
    assert mirror.replica.intake.refused["wrong shape"] == 2
    assert mirror.replica.intake.refused["unknown satellite"] == n
    assert mirror.body()["replica"]["refused"]["unknown satellite"] == n
    assert "NOBODY" not in mirror.read(lambda r: r.satellites())


async def test_nan_and_the_marks_of_frames_arrive_as_they_were(world: World) -> None:
    batch = next(iter(fabricated.batches(NOW - 3 * S, NOW + S)))
    values = batch.values.copy()
    values[0, 0], values[1, 0] = np.nan, -0.0
    quality = batch.quality | int(Quality.SIMULATED | Quality.LATE)
    sent = FrameBatch(
        batch.layout, batch.satellites, batch.satellite, batch.boot, batch.seq + 10_000, batch.t_ns,
        batch.received_ns, quality, values)  # fmt: skip
    writer = StoreWriter(world.owner.telemetry, world.clock)
    writer.append([ScoredBatch(sent)], [], {})
    writer.close()
    await world.publish()
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.frames() == len(world.of_owner(rows)))
    assert mirror.read(rows) == world.of_owner(rows)


async def test_a_full_disk_says_so_stops_reading_and_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.report()
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.snapshot().link.state == "LIVE")
    append, full = mirror.replica.writer.append, [True]

    def unlucky(*args: Any) -> Any:
        if full[0]:
            raise StoreFull("DISK FULL")
        return append(*args)

    monkeypatch.setattr(mirror.replica.writer, "append", unlucky)
    await world.publish()
    await mirror.until(lambda: mirror.snapshot().link.state == "DISK FULL")
    full[0] = False
    await mirror.until(lambda: mirror.frames() == len(world.of_owner(rows)))
    await mirror.until(lambda: mirror.snapshot().link.state == "LIVE")
    assert mirror.read(rows) == world.of_owner(rows)


@pytest.mark.parametrize("text", ["{", "[]", '{"trainer": 7}', '{"rate": "fast"}', '{"model": {"version": "x"}}'])
async def test_a_report_that_is_none_changes_nothing(world: World, text: str) -> None:
    await world.report()
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.snapshot().link.state == "LIVE")
    await world.server.say(NOW / 1e6 + 1, text)
    await mirror.until(lambda: mirror.replica.owner.refused == 1)
    assert mirror.snapshot().model.version == 17


async def test_a_station_does_not_run_in_a_replica_nor_a_replica_over_a_station(world: World) -> None:
    mirror = world.mirror()
    await mirror.start()
    await mirror.stop()
    assert role_of(mirror.directory) == "replica"
    station = Station(
        mirror.directory, mirror.mission, "stream", lambda _: pytest.fail("no source"), clock=ManualClock(NOW)
    )
    with pytest.raises(StoreRefused, match="replica of a station that runs elsewhere"):
        await station.run()
    over = Mirror(world.owner.path, fabricated.mission_toml(), world.server, world.clock)
    with pytest.raises(StoreRefused, match="holds a station's own mission; a replica needs another"):
        await over.start()
    assert role_of(MissionDirectory(world.owner.path)) == "station"


async def test_a_replica_scores_nothing_and_raises_no_alarm(world: World) -> None:
    await world.publish("frames")
    mirror = world.mirror()
    await mirror.start()
    await mirror.until(lambda: mirror.frames() == len(world.of_owner(rows)))
    assert not mirror.events("alarm.")
    assert not mirror.events("anomaly.")
    assert not len(mirror.read(lambda r: r.scores(SATELLITE)).frame)
