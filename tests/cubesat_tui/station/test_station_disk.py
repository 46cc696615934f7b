from __future__ import annotations

import apsw


def fill(rig) -> None:
    """Allow the store no page more than it has."""
    connection = rig.station.writer._connection
    connection.pragma("max_page_count", int(connection.pragma("page_count")))


def make_space(rig) -> None:
    rig.station.writer._connection.pragma("max_page_count", 1 << 30)


async def test_a_full_disk_is_told_and_every_frame_is_stored_when_there_is_space_again(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0], cursor="before"))
    fill(rig)
    source = rig.source
    sent = [rig.frames([6.0] * 500, cursor=str(i)) for i in range(4)]
    for batch in sent:
        source.put(batch)

    await rig.until(lambda: rig.station.ingest.disk_full > 0, seconds=0.2)
    await rig.until(lambda: rig.read(lambda r: r.health()).body["disk_full"] > 0, seconds=0.5)

    told = rig.read(lambda r: r.health()).body["disk_full"]
    assert 0 < told <= 2000
    assert len(source.confirmed) < 5
    assert rig.read(lambda r: r.page(None, limit=5)).rows, "old data stays readable"

    make_space(rig)
    await rig.until(lambda: len(source.confirmed) == 5, seconds=0.5)

    assert rig.read(lambda r: r.frames_accepted()) == 2001
    assert rig.read(lambda r: r.cursor("stream")) == "3"
    assert rig.station.ingest.disk_full == 0
    assert len(rig.events("alarm.raised")) == 1
    await rig.until(lambda: bool(rig.events("store.full")))
    assert "DISK FULL" in rig.events("store.full")[0].text


async def test_a_full_disk_stops_the_reading_of_the_source(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0]))
    fill(rig)
    for _ in range(40):
        rig.source.put(rig.frames([8.0] * 500))

    await rig.until(lambda: rig.station.queue.frames >= 8_000, seconds=0.2)
    for _ in range(50):
        await rig.until(lambda: True)

    assert rig.station.queue.frames < 8_192 + 500


async def test_requests_wait_for_space(rig):
    await rig.start()
    await rig.feed(rig.frames([6.0] * 3))
    fill(rig)
    rig.source.put(rig.frames([8.0] * 2000))
    await rig.until(lambda: rig.station.ingest.disk_full > 0, seconds=0.2)
    rig.ask("ack", {"satellite": "TESTBIRD", "subject": "eps.bat_v"})
    for _ in range(10):
        rig.clock.advance(0.5)
    assert rig.waiting_requests() == 1

    make_space(rig)

    await rig.until(lambda: rig.waiting_requests() == 0, seconds=0.5)
    assert len(rig.events("alarm.acknowledged")) == 1


async def test_stopping_on_a_full_disk_loses_nothing_that_was_confirmed(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0], cursor="before"))
    fill(rig)
    source = rig.source
    source.put(rig.frames([8.0] * 2000, cursor="after"))
    await rig.until(lambda: rig.station.ingest.disk_full > 0, seconds=0.2)

    await rig.stop()

    assert len(source.confirmed) == 1
    assert rig.read(lambda r: r.cursor("stream")) == "before"
    assert apsw.Connection(str(rig.directory.telemetry)).pragma("quick_check") == "ok"


async def test_a_station_that_cannot_even_write_its_heartbeat_is_shown_as_a_full_disk_not_as_dead(rig, monkeypatch):
    import shutil

    from cubesat_tui.snapshot_reader import SnapshotReader

    await rig.start()
    await rig.feed(rig.frames([8.0]))
    reader = SnapshotReader(rig.directory, rig.clock)
    rig.clock.advance(30)
    assert reader.read().link.state == "DOWN"

    full = shutil.disk_usage(rig.directory.path)._replace(free=4096)
    monkeypatch.setattr("cubesat_tui.choked.shutil.disk_usage", lambda path: full)
    assert reader.read().link.state == "DISK FULL"

    await rig.stop()
    rig.clock.advance(30)
    assert reader.read().link.state == "DOWN", "nobody holds the mission: it is down, full or not"
    reader.close()
