from __future__ import annotations

import asyncio
import json

import pytest

from telemetry.clock import NS_PER_S
from telemetry.frame import Quality
from telemetry.store.directory import MissionHeld, MissionLock

KEY = ("TESTBIRD", "eps.bat_v")


async def test_a_confirmed_frame_is_in_the_store_with_its_cursor(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0, 8.1, 8.2], cursor="three"))

    assert rig.read(lambda r: r.frames_accepted()) == 3
    assert rig.read(lambda r: r.cursor("stream")) == "three"
    assert [b.values[:, 0].tolist() for b in rig.source.confirmed] == [[8.0, 8.1, 8.2]]


async def test_a_new_station_makes_its_source_with_the_stored_cursor(rig):
    await rig.start()
    assert rig.source.cursor is None
    await rig.feed(rig.frames([8.0], cursor="one"))
    await rig.stop()

    await rig.start()

    assert rig.source.cursor == "one"


async def test_frames_still_in_the_queue_are_stored_and_confirmed_when_the_station_stops(rig):
    await rig.start()
    for i in range(5):
        rig.source.put(rig.frames([8.0] * 10, cursor=str(i)))
    await asyncio.sleep(0)

    source = rig.source
    await rig.stop()

    confirmed = sum(len(b) for b in source.confirmed)
    assert rig.read(lambda r: r.frames_accepted()) == confirmed
    assert rig.read(lambda r: r.cursor("stream")) == (source.confirmed[-1].cursor if confirmed else None)
    assert source.closed


async def test_a_second_station_is_refused_and_the_first_goes_on(rig):
    await rig.start()
    second = rig.new_station()

    with pytest.raises(MissionHeld):
        await second.run()

    await rig.feed(rig.frames([8.0]))
    assert rig.read(lambda r: r.frames_accepted()) == 1


async def test_a_lock_file_left_behind_does_not_hold_the_mission(rig):
    rig.directory.station_lock.write_text("4711")

    await rig.start()

    assert MissionLock(rig.directory.station_lock).holder()


async def test_a_source_that_dies_is_made_again_and_the_journal_says_why(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0], cursor="one"))
    rig.source.put(OSError("line dropped"))

    await rig.until(lambda: len(rig.sources) == 2, seconds=0.2)

    assert rig.source.cursor == "one"
    (lost,) = rig.events("link.lost")
    assert "line dropped" in lost.text
    await rig.feed(rig.frames([8.0], cursor="two"))
    assert rig.read(lambda r: r.cursor("stream")) == "two"


async def test_the_pause_before_a_dying_source_is_made_again_grows(rig):
    await rig.start()
    pauses = []
    for n in range(1, 5):
        died = rig.clock.monotonic()
        rig.source.put(OSError("again"))
        await rig.until(lambda n=n: len(rig.sources) == n + 1, seconds=0.1)
        pauses.append(rig.clock.monotonic() - died)

    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]


async def test_the_station_ends_with_its_source_where_that_is_wanted(rig):
    await rig.start(end_with_source=True)
    source = rig.source
    source.put(rig.frames([8.0] * 7))
    source.put(None)

    await rig.until(rig._task.done)

    assert rig.read(lambda r: r.frames_accepted()) == 7
    assert [e.kind for e in rig.events("station.")] == ["station.started", "station.ended"]


async def test_the_heartbeat_tells_how_the_station_is(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0, 8.0]))
    beat = rig.read(lambda r: r.health()).beat_ns
    await rig.until(lambda: rig.read(lambda r: r.health()).beat_ns > beat, seconds=0.5)

    health = rig.read(lambda r: r.health())

    assert health.body["link"] == "LIVE"
    assert health.body["accepted"] == 2
    assert health.body["packets"]["TESTBIRD"]["hk"]["t_ns"] == rig.source.confirmed[-1].t_ns[-1]
    assert health.body["model"] is None
    assert health.body["trainer"]["state"] == "off"
    assert not health.body["simulated"]


async def test_a_silent_source_makes_the_link_stale_then_down(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0]))

    def link():
        return rig.read(lambda r: r.health()).body["link"]

    await rig.until(lambda: link() == "LIVE", seconds=0.5)
    await rig.until(lambda: link() == "STALE", seconds=0.5)
    await rig.until(lambda: link() == "DOWN", seconds=1.0)
    await rig.feed(rig.frames([8.0]))
    await rig.until(lambda: len(rig.events("link.")) == 4, seconds=0.5)

    assert link() == "LIVE"
    assert [e.kind for e in rig.events("link.")] == ["link.live", "link.stale", "link.down", "link.live"]


async def test_a_limit_alarm_is_raised_in_the_transaction_of_its_frames_and_survives_a_restart(rig):
    await rig.start()
    await rig.feed(rig.frames([6.0, 6.0, 6.0]))
    (raised,) = rig.events("alarm.raised")
    assert raised.subject == "eps.bat_v"
    await rig.stop()

    await rig.start()

    assert KEY in rig.station.desk.alarms
    await rig.feed(rig.frames([8.0, 8.0, 8.0, 8.0]))
    assert [e.kind for e in rig.events("alarm.")][-1] == "alarm.returned"


async def test_an_acknowledgement_from_the_inbox_is_journaled_once_and_deleted(rig):
    await rig.start()
    await rig.feed(rig.frames([6.0, 6.0, 6.0]))
    rig.ask("ack", {"satellite": "TESTBIRD", "subject": "eps.bat_v"}, actor="bob")

    await rig.until(lambda: rig.waiting_requests() == 0)

    (acked,) = rig.events("alarm.acknowledged")
    assert acked.actor == "bob"
    assert rig.station.desk.alarms[KEY].acked_by == "bob"


async def test_a_request_that_was_journaled_but_not_deleted_is_not_applied_again(rig):
    """What a kill -9 between the commit and the deletion leaves behind."""
    await rig.start()
    request = rig.ask("event", {"kind": "console.lost_terminal", "subject": "console", "body": {"text": "gone"}})
    await rig.until(lambda: bool(rig.events("console.")))
    await rig.stop()
    from telemetry.store.inbox import Inbox

    inbox = Inbox(rig.directory.inbox)
    inbox._connection.run(
        "INSERT OR REPLACE INTO request(id, at_ns, kind, body, actor) VALUES (?,?,?,?,?)",
        (request, 1, "event", json.dumps({"kind": "console.lost_terminal", "subject": "console"}), "ann"),
    )
    inbox.close()

    await rig.start()
    await rig.until(lambda: rig.waiting_requests() == 0)
    await rig.feed(rig.frames([8.0]))

    assert len(rig.events("console.lost_terminal")) == 1


async def test_requests_nobody_can_read_are_refused_and_go_away(rig):
    await rig.start()
    rig.ask("ack", {"satellite": 7})
    rig.ask("launch", {})
    rig.ask("event", {"kind": "alarm.cleared", "subject": "eps.bat_v"})
    rig.ask("run_recorded", {"run": {"retrain": "x"}})
    rig.ask("ack_all", {"subjects": "abc"})
    rig.ask(
        "event",
        {"kind": "console.note", "subject": "\x1b]52;c;aGk=\x07", "severity": 99, "body": {"text": "\x1b[2J"}},
    )

    await rig.until(lambda: rig.waiting_requests() == 0)

    assert len(rig.events("act.refused")) == 5
    (note,) = rig.events("console.note")
    assert "\x1b" not in note.subject + note.text
    assert note.severity <= 2


async def test_stop_may_be_asked_for_through_the_inbox(rig):
    await rig.start()
    rig.ask("stop", {})

    await rig.until(rig._task.done)

    assert rig.waiting_requests() == 0


async def test_three_days_of_silence_are_one_gap_and_no_frame(rig):
    await rig.start()
    first = rig.frames([8.0] * 3)
    await rig.feed(first)
    await rig.stop()
    rig.clock.advance(3 * 86_400)

    await rig.start()
    later = rig.frames([8.0] * 3, boot=rig.clock.now_ns() // NS_PER_S)
    await rig.feed(later)

    (gap,) = rig.events("gap.found")
    assert gap.body["t0_ns"] == first.t_ns[-1]
    assert gap.body["t1_ns"] == later.t_ns[0]
    assert "3.0 days" in gap.text
    assert rig.read(lambda r: r.frames_accepted()) == 6
    assert rig.read(lambda r: r.gaps("TESTBIRD", 0, 2**62)) == [(first.t_ns[-1], later.t_ns[0])]


async def test_stored_frames_raise_no_alarm_and_no_gap(rig):
    await rig.start()
    await rig.feed(rig.frames([8.0]))
    old = rig.clock.now_ns() - 86_400 * NS_PER_S

    await rig.feed(rig.frames([1.0] * 10, t_ns=old, boot=1_700_000_000, seq=0, quality=Quality.STORED))

    assert rig.events("alarm.") == []
    assert rig.events("gap.") == []
    assert rig.read(lambda r: r.frames_accepted()) == 11


async def test_duplicates_and_late_frames_change_no_alarm_and_duplicates_are_counted(rig):
    await rig.start()
    good = rig.frames([8.0, 6.0, 6.0])
    await rig.feed(good)
    await rig.feed(good)
    await rig.feed(good)
    assert rig.events("alarm.") == []

    late = rig.frames([5.0, 5.0, 5.0], boot=1_700_000_000, seq=0, t_ns=rig.clock.now_ns() - 500 * NS_PER_S)
    await rig.feed(late)

    assert rig.events("alarm.") == []
    assert rig.station.ingest.refused == {"duplicate": 6}
    assert rig.read(lambda r: r.frames_accepted()) == 6


async def test_refused_counts_survive_a_restart(rig):
    await rig.start()
    good = rig.frames([8.0])
    await rig.feed(good)
    await rig.feed(good)
    await rig.stop()

    await rig.start()

    assert rig.read(lambda r: r.health()).body["refused"] == {"duplicate": 1}
    assert rig.read(lambda r: r.health()).body["accepted"] == 1


async def test_an_invalid_value_is_kept_as_sent_and_checked_against_no_limit(rig):
    await rig.start()

    await rig.feed(rig.frames([-9.0, float("nan"), -9.0, 99.0]))

    assert rig.events("alarm.") == []
    page = rig.read(lambda r: r.page(None, limit=10))
    assert [row.values[0] for row in page.rows][::-1][0] == -9.0


async def test_a_promoted_model_that_must_not_be_used_is_rejected_with_a_reason_and_recorded_once(rig):
    await rig.start()
    run = {"retrain": 1, "at_ns": 1, "satellite": "TESTBIRD", "decision": "promoted", "version": 1, "reason": "new"}
    rig.ask("run_recorded", {**run, "model_sha256": "0" * 64, "artifact_dir": "/nowhere"}, actor="trainer")
    rig.ask("run_recorded", {**run, "model_sha256": "0" * 64}, actor="trainer")
    await rig.until(lambda: rig.waiting_requests() == 0)

    (rejected,) = rig.events("model.")
    (recorded,) = rig.read(lambda r: r.runs())

    assert rejected.kind == "model.rejected"
    assert (recorded.decision, recorded.retrain) == ("rejected", 1)
    assert rig.station.models.health() is None
    await rig.feed(rig.frames([8.0]))


async def test_a_source_that_stays_away_leaves_what_was_refused_in_the_count(rig):
    await rig.start()
    rig.source.refused = {"not JSON": 4}
    rig.source.put(OSError("gone"))
    await rig.until(lambda: len(rig.sources) == 2, seconds=0.2)
    rig.source.refused = {"not JSON": 1}
    beat = rig.read(lambda r: r.health()).beat_ns
    await rig.until(lambda: rig.read(lambda r: r.health()).beat_ns > beat, seconds=0.5)

    assert rig.read(lambda r: r.health()).body["refused"] == {"not JSON": 5}


async def test_a_run_gets_the_name_that_mlflow_gave_it_later(rig):
    await rig.start()
    at_ns = rig.clock.now_ns()
    rig.ask("run_recorded", {"retrain": 7, "at_ns": at_ns, "satellite": KEY[0], "decision": "kept"}, "trainer")
    rig.ask("run_logged", {"retrain": 7, "at_ns": at_ns, "mlflow_run": "5b1dd1af"}, "trainer")
    rig.ask("run_logged", {"retrain": "x"}, "trainer")
    await rig.until(lambda: not rig.waiting_requests())
    [row] = rig.read(lambda reader: reader.runs(None, 10))
    assert (row.retrain, row.mlflow_run) == (7, "5b1dd1af")
    assert [event.subject for event in rig.events("act.refused")] == ["run_logged"]
