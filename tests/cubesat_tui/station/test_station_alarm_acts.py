"""Acts on alarms through a running station: answered once, told to everybody, and ended by the mission's clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cubesat_tui.alone import apply_alone
from cubesat_tui.snapshot_reader import SnapshotReader
from telemetry.clock import NS_PER_S
from telemetry.store.directory import MissionLock

KEY = ("TESTBIRD", "eps.bat_v")
ALARM = {"satellite": "TESTBIRD", "subject": "eps.bat_v"}
MINUTE = 60.0


async def with_an_alarm(rig: Any) -> None:
    await rig.start()
    await rig.feed(rig.frames([6.8, 6.8, 6.8]))
    assert rig.station.desk.alarms[KEY].state.word == "NEW"


async def answered(rig: Any, kind: str, body: dict[str, Any], actor: str = "ann") -> list[Any]:
    """The events that carry the request's id, once it is gone."""
    request = rig.ask(kind, body, actor)
    await rig.until(lambda: rig.waiting_requests() == 0)
    return [one for one in rig.events() if one.body.get("id") == request]


async def test_two_consoles_acknowledging_at_once_leave_one_event_and_both_are_told(rig):
    await with_an_alarm(rig)
    first, second = rig.ask("ack", ALARM, "ann"), rig.ask("ack", ALARM, "lk")
    await rig.until(lambda: rig.waiting_requests() == 0)

    (acked,) = rig.events("alarm.acknowledged")
    (refused,) = rig.events("act.refused")
    assert (acked.actor, acked.body["id"], refused.actor, refused.body["id"]) == ("ann", first, "lk", second)
    assert refused.text.startswith("eps.bat_v was acknowledged by ann at 2026-")
    assert (refused.satellite, refused.subject) == KEY


async def test_two_consoles_shelving_at_once_leave_one_shelf_and_both_are_told(rig):
    await with_an_alarm(rig)
    for actor, minutes in (("ann", 5), ("lk", 60)):
        rig.ask("shelve", ALARM | {"minutes": minutes, "reason": "antenna work"}, actor)
    await rig.until(lambda: rig.waiting_requests() == 0)

    assert len(rig.events("alarm.shelved")) == 1
    (refused,) = rig.events("act.refused")
    assert "is shelved by ann until" in refused.text


async def test_a_shelf_survives_a_restart_and_ends_by_itself_when_its_time_is_over(rig):
    await with_an_alarm(rig)
    (shelved,) = await answered(rig, "shelve", ALARM | {"minutes": 15, "reason": "antenna work"})
    until_ns = shelved.body["until_ns"]
    assert until_ns - shelved.at_ns == 15 * MINUTE * NS_PER_S
    await rig.stop()
    rig.clock.advance(5 * MINUTE)
    await rig.start()
    assert rig.station.desk.alarms[KEY].shelved
    assert seen(rig).counts == {}, "neither new nor ringing"
    assert (seen(rig).alarms[0].state.word, seen(rig).alarms[0].shelved_by) == ("SHELVED", "ann")

    await rig.until(lambda: rig.clock.now_ns() >= until_ns - 5 * NS_PER_S, seconds=30.0)
    await rig.until(lambda: bool(rig.events("alarm.unshelved")), seconds=0.5)

    (ended,) = rig.events("alarm.unshelved")
    assert ended.body["why"] == "expired"
    assert 0 <= ended.at_ns - until_ns <= 2 * NS_PER_S
    assert rig.station.desk.alarms[KEY].state.word == "NEW"


async def test_a_shelf_that_ended_while_no_station_ran_ends_with_the_next_one(rig):
    await with_an_alarm(rig)
    await answered(rig, "shelve", ALARM | {"minutes": 5, "reason": "antenna work"})
    await rig.stop()
    rig.clock.advance(6 * MINUTE)
    await rig.start()
    await rig.until(lambda: bool(rig.events("alarm.unshelved")))
    assert rig.station.desk.alarms[KEY].state.word == "NEW"


async def test_what_is_replayed_ends_its_shelves_by_its_own_time(rig):
    made = rig.make_source

    def replay(cursor: str | None) -> Any:
        source = made(cursor)
        source.live = False
        return source

    await rig.start(make_source=replay)
    await rig.until(lambda: bool(rig.sources))
    year_ago = rig.clock.now_ns() - 365 * 86_400 * NS_PER_S
    await rig.feed(rig.frames([6.8, 6.8, 6.8], t_ns=year_ago))
    (shelved,) = await answered(rig, "shelve", ALARM | {"minutes": 5, "reason": "known in the record"})
    assert shelved.body["until_ns"] == year_ago + 2 * NS_PER_S + 300 * NS_PER_S

    await rig.until(lambda: rig.clock.now_ns() > shelved.at_ns + 600 * NS_PER_S, seconds=5.0)
    await rig.stop()
    await rig.start(make_source=lambda cursor: (_ for _ in ()).throw(OSError("no such file")))
    await rig.until(lambda: bool(rig.events("link.lost")))
    await rig.until(lambda: rig.station.beats_missed == 0, seconds=2.0)
    assert not rig.events("alarm.unshelved"), "no minute of the record has passed"
    await rig.stop()

    await rig.start(make_source=replay)
    await rig.feed(rig.frames([6.8], t_ns=year_ago + 600 * NS_PER_S))
    await rig.until(lambda: bool(rig.events("alarm.unshelved")))


async def test_undo_takes_back_what_the_same_operator_did_last(rig):
    await with_an_alarm(rig)
    await answered(rig, "ack", ALARM)
    (refused,) = await answered(rig, "undo", {}, "lk")
    assert refused.text == "lk did nothing in the last 30 s that can be undone"
    (undone,) = await answered(rig, "undo", {})
    assert (undone.kind, undone.actor) == ("alarm.ack_undone", "ann")
    assert undone.text.startswith("ann took back the acknowledgement: Battery voltage 6.80 V")
    assert rig.station.desk.alarms[KEY].needs_acknowledgement


async def test_an_acknowledgement_of_something_milder_than_it_is_now_is_refused(rig):
    await with_an_alarm(rig)
    raised_ns = rig.station.desk.alarms[KEY].raised_ns
    await rig.feed(rig.frames([6.0, 6.0, 6.0]))
    (refused,) = await answered(rig, "ack", ALARM | {"severity": 2, "raised_ns": raised_ns})
    assert refused.text == "eps.bat_v is now CRITICAL: look again"
    (refused,) = await answered(rig, "ack_all", {"subjects": [[*KEY, 2]]})
    assert refused.text == "eps.bat_v is now CRITICAL: look again"
    (acked,) = await answered(rig, "ack_all", {"subjects": [[*KEY, 4, raised_ns]]})
    assert acked.kind == "alarm.acknowledged"


async def test_notes_on_an_alarm_and_on_the_shift_are_journaled_and_shown(rig):
    await with_an_alarm(rig)
    (noted,) = await answered(rig, "note", ALARM | {"text": "friction test at 08:00"})
    (shift,) = await answered(rig, "note", {"satellite": "", "subject": "", "text": "lk takes over"}, "lk")
    assert (noted.kind, shift.kind, shift.actor) == ("note.alarm", "note.shift", "lk")
    assert [one.text for one in seen(rig).alarms[0].notes] == ["friction test at 08:00"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("shelve", ALARM | {"reason": "known"}),
        ("shelve", ALARM | {"minutes": 5, "until_ns": 1, "reason": "known"}),
        ("shelve", ALARM | {"minutes": "5", "reason": "known"}),
        ("shelve", ALARM | {"minutes": 1e300, "reason": "known"}),
        ("shelve", ALARM | {"until_ns": 10**30, "reason": "known"}),
        ("shelve", ALARM | {"until_ns": True, "reason": "known"}),
        ("shelve", ALARM | {"minutes": 5}),
        ("shelve", ALARM | {"minutes": 5, "reason": 7}),
        ("unshelve", ALARM | {"reason": None}),
        ("unshelve", {"subject": "eps.bat_v"}),
        ("note", ALARM),
        ("note", ALARM | {"text": ["x"]}),
        ("ack", ALARM | {"severity": "CRITICAL"}),
        ("ack", ALARM | {"raised_ns": 1.5}),
        ("ack_all", {"subjects": [[*KEY], ["TESTBIRD"]]}),
        ("ack_all", {"subjects": [["TESTBIRD", "eps.bat_v", 5, 1, 1]]}),
        ("event", {"kind": "note.alarm", "subject": "eps.bat_v", "satellite": "TESTBIRD", "body": {"text": "x"}}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[39:],
)
async def test_what_cannot_be_read_is_refused_in_words_and_changes_nothing(rig, kind, body):
    await with_an_alarm(rig)
    before = dict(rig.station.desk.alarms)
    (refused,) = await answered(rig, kind, body)
    assert refused.kind == "act.refused"
    assert len(refused.text.split()) > 4
    assert dict(rig.station.desk.alarms) == before


async def test_without_a_station_every_act_is_done_all_the_same_and_shelves_end(rig):
    await with_an_alarm(rig)
    await rig.stop()

    def alone() -> None:
        lock = MissionLock(rig.directory.station_lock)
        assert lock.acquire(0.0)
        apply_alone(rig.directory, rig.mission, lock, rig.clock)

    for kind, body in (
        ("note", ALARM | {"text": "looked at it"}),
        ("ack", ALARM),
        ("undo", {}),
        ("shelve", ALARM | {"minutes": 5, "reason": "known"}),
        ("unshelve", ALARM),
        ("undo", {}),
    ):
        rig.clock.advance(1.0)
        rig.ask(kind, body)
        alone()
    told = [one.kind for one in rig.events() if one.actor == "ann" and not one.kind.startswith("station.")]
    assert told == [
        "note.alarm",
        "alarm.acknowledged",
        "alarm.ack_undone",
        "alarm.shelved",
        "alarm.unshelved",
        "alarm.shelved",
    ]
    rig.clock.advance(5 * MINUTE)
    alone()
    assert rig.events("alarm.unshelved")[-1].body["why"] == "expired"
    assert rig.waiting_requests() == 0
    assert MissionLock(rig.directory.station_lock).acquire(0.0), "the mission is let go of"


def seen(rig: Any) -> Any:
    """What a console reads of it."""
    reader = SnapshotReader(rig.directory, rig.clock)
    try:
        return reader.read()
    finally:
        reader.close()
