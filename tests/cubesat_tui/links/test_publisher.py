"""What is in the store arrives in the database once, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import numpy as np
import pytest

from telemetry.clock import NS_PER_S, SystemClock
from telemetry.kill_points import VARIABLE

ROOT = "cubesat_tui/kestrel-1"
ALL = ("frames", "scores", "journal", "runs")
LIVE = ("LIVE", "")


async def test_frames_and_events_arrive_once_and_in_order(publishing) -> None:
    mission = publishing()
    mission.store(700, events=3)
    mission.start(ALL)
    await mission.all_sent()
    await mission.until(lambda: mission.server.tree(f"{ROOT}/journal") is not None)
    assert mission.seqs() == list(range(700))
    assert [record.rows for record in mission.records()] == [300, 300, 100]
    assert [event.text for event in mission.events()[:3]] == ["event 0", "event 1", "event 2"]
    head = mission.server.tree(f"{ROOT}/heads/frames")
    assert (head["key"], head["b"]) == (mission.records()[-1].key, 700)
    assert mission.server.tree(f"{ROOT}/publisher/name") == "ann@ground"
    mission.store(5)
    await mission.all_sent()
    assert mission.seqs() == list(range(705))
    assert mission.publisher.report == LIVE


async def test_nan_goes_out_as_strict_json_and_comes_back_as_nan(publishing) -> None:
    mission = publishing(link="compress = false")
    mission.store(20, nan_at=7)
    mission.start()
    await mission.all_sent()
    assert len(mission.frames()) == 1
    values = mission.frames()[0].values
    assert np.isnan(values[7]).all()
    assert not np.isnan(np.delete(values, 7, axis=0)).any()

    def refuse(text: str) -> float:
        raise AssertionError(text)

    (record,) = mission.records()
    json.loads(record.text, parse_constant=refuse)


@pytest.mark.parametrize("fault", ["lost replies", "503", "latency", "down"])
async def test_bad_luck_neither_doubles_nor_loses_a_frame(publishing, fault: str) -> None:
    mission = publishing()
    mission.store(400)
    mission.start(chance=lambda: 0.2)
    await mission.all_sent()
    match fault:
        case "lost replies":
            # Google's client asks twice by itself.
            mission.server.lose_replies(5)
        case "503":
            mission.server.unavailable(7)
        case "latency":
            mission.server.set(latency_s=0.3)
        case _:
            mission.server.refuse()
    mission.store(900)
    if fault == "down":
        await mission.until(lambda: mission.publisher.report.state == "DOWN")
        assert "next attempt in" in mission.publisher.report.detail or "trying" in mission.publisher.report.detail
        mission.store(100)
        mission.server.accept()
    await mission.all_sent()
    assert mission.seqs() == list(range(mission.seq))
    assert [record.first for record in mission.records()] == sorted(record.first for record in mission.records())
    if fault != "latency":
        counted = {"lost replies": "lost_reply", "503": "503", "down": "refused"}[fault]
        assert mission.server.counts[counted] >= {"lost replies": 5, "503": 7, "down": 1}[fault]
    await mission.until(lambda: mission.publisher.report == LIVE)


async def test_an_outage_is_told_once_and_its_end_too(publishing) -> None:
    mission = publishing()
    mission.start(chance=lambda: 0.0)
    await mission.until(lambda: mission.publisher.report == LIVE)
    mission.server.refuse()
    mission.store(10)
    await mission.until(lambda: "publish.down" in mission.kinds())
    mission.server.accept()
    await mission.all_sent()
    await mission.until(lambda: "publish.recovered" in mission.kinds())
    assert mission.kinds().count("publish.down") == 1


@pytest.mark.parametrize("point", ["courier-claimed:1", "courier-sending:2", "courier-sent:1"])
async def test_a_courier_killed_anywhere_neither_doubles_nor_loses_a_frame(
    publishing, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, point)
    mission = publishing()
    mission.store(3200, events=5)
    mission.start(("frames", "journal"))
    await mission.until(lambda: mission.publisher.starts >= 2)
    monkeypatch.delenv(VARIABLE)
    await mission.all_sent()
    assert mission.seqs() == list(range(3200))
    await mission.until(lambda: mission.writer.publication.sent_until("journal") >= 5)
    texts = [event.text for event in mission.events() if event.kind == "test.event"]
    assert texts == [f"event {i}" for i in range(5)]


async def test_a_courier_killed_from_outside_is_started_again(publishing) -> None:
    mission = publishing()
    mission.server.set(latency_s=0.2)
    mission.store(5000)
    mission.start()
    for _ in range(2):
        before = mission.publisher.sent_rows
        await mission.until(lambda before=before: mission.publisher.sent_rows > before)
        os.kill(mission.publisher.pid, signal.SIGKILL)
        await mission.until(lambda: mission.publisher.report.state == "DOWN")
        assert "courier ended with SIGKILL" in mission.publisher.report.detail
    mission.server.set(latency_s=0.0)
    await mission.all_sent()
    assert mission.seqs() == list(range(5000))


async def test_a_second_station_is_refused_with_who_and_since_when(publishing) -> None:
    first, second = publishing("one"), publishing("two")
    first.store(10)
    first.start()
    await first.all_sent()
    second.store(10)
    second.start()
    await second.until(lambda: second.publisher.report.state == "REFUSED")
    words = second.publisher.report.detail
    assert "its frames come from ann@ground since 20" in words
    assert "--take-over" in words
    assert second.kinds() == ["publish.refused"]
    assert first.seqs() == list(range(10))


async def test_who_takes_over_writes_and_the_other_notices(publishing) -> None:
    first, second = publishing("one"), publishing("two")
    first.store(10)
    first.start()
    await first.all_sent()
    second.store(7)
    second.start(take_over=True)
    await second.all_sent()
    async with asyncio.timeout(8):
        await first.until(lambda: first.publisher.report.state == "REFUSED")
    assert "taken over by ann@ground at 20" in first.publisher.report.detail
    assert first.kinds() == ["publish.taken_over"]
    assert second.kinds() == ["publish.took_over"]
    first.store(10)
    first.publisher.nudge()
    second.store(3)
    await second.all_sent()
    assert first.seqs() == [*range(10), *range(10)]
    assert [record.rows for record in first.records()] == [10, 7, 3]


@pytest.mark.parametrize("arrived", [False, True])
async def test_what_was_on_its_way_when_another_took_over_goes_out_once(publishing, arrived: bool) -> None:
    first, second = publishing("one"), publishing("two")
    first.store(10)
    first.start()
    await first.all_sent()
    if arrived:
        first.server.lose_replies(50)
    else:
        first.server.refuse()
    first.store(20)
    await first.until(lambda: first.publisher.report.state == "DOWN")
    await first.stop()
    assert first.writer.publication.unpublished()
    first.server.lose_replies(0) if arrived else first.server.accept()
    second.store(5)
    second.start(take_over=True)
    await second.all_sent()
    await second.stop()
    first.store(3)
    first.start(take_over=True)
    await first.all_sent()
    if arrived:
        assert first.seqs() == [*range(30), *range(5), *range(30, 33)]
    else:
        assert first.seqs() == [*range(10), *range(5), *range(10, 33)]
    keys = [record.key for record in first.records()]
    assert first.server.tree(f"{ROOT}/heads/frames/key") == keys[-1]


async def test_keys_go_on_whatever_the_clock_says(publishing) -> None:
    class Behind(SystemClock):
        def now_ns(self) -> int:
            return super().now_ns() - 400 * 86_400 * NS_PER_S

    first, second = publishing("one"), publishing("two")
    first.store(10)
    first.start()
    await first.all_sent()
    await first.stop()
    second.clock = Behind()
    second.store(10)
    second.start(take_over=True)
    await second.all_sent()
    assert len(first.records()) == 2
    assert first.server.tree(f"{ROOT}/heads/frames/key") == first.records()[-1].key
    await second.stop()
    second.store(1)
    second.start()
    await second.all_sent()
    assert first.seqs() == [*range(10), *range(11)]


@pytest.mark.parametrize("status", [400, 413])
async def test_a_record_the_database_never_takes_is_told_of_and_left_behind(publishing, status: int) -> None:
    mission = publishing()
    mission.start()
    await mission.until(lambda: mission.publisher.report == LIVE)
    asked = len(mission.server.requests)
    await mission.until(lambda: "PATCH" in [method for method, _, _ in mission.server.requests[asked:]], 10)
    # The beat is over; the next request is the update, then its records one by one.
    mission.server.unavailable(2, status)
    mission.store(900)
    await mission.all_sent()
    assert mission.seqs() == list(range(300, 900))
    (event,) = [event for event in mission.journaled if event.kind == "publish.quarantined"]
    assert event.body["last"] == 300
    assert "frames 1 to 300 do not go out" in event.text
    assert str(status) in event.text
    assert mission.publisher.report.detail == "1 record not taken by the database"


async def test_a_database_that_takes_nothing_at_all_does_not_empty_the_outbox(publishing) -> None:
    mission = publishing()
    mission.start(chance=lambda: 0.05)
    await mission.until(lambda: mission.publisher.report == LIVE)
    mission.server.unavailable(1000, 400)
    mission.store(3000)
    await mission.until(lambda: mission.publisher.report.state == "REFUSED")
    assert mission.publisher.quarantined <= 3
    mission.server.set(answers=[])
    await mission.all_sent()
    lost = 300 * mission.publisher.quarantined
    assert mission.seqs() == list(range(lost, 3000))


async def test_a_refused_token_is_renewed_once_and_then_told(publishing) -> None:
    mission = publishing()
    mission.start(chance=lambda: 0.05)
    await mission.until(lambda: mission.publisher.report == LIVE)
    mission.server.unavailable(1, 401)
    mission.store(10)
    await mission.all_sent()
    assert mission.kinds() == []
    mission.server.unavailable(40, 401)
    mission.store(10)
    await mission.until(lambda: mission.publisher.report.state == "REFUSED")
    assert "the database refuses (401)" in mission.publisher.report.detail
    mission.server.set(answers=[])
    await mission.all_sent()
    assert mission.seqs() == list(range(20))


async def test_what_is_too_old_is_let_go_and_the_mark_says_so(publishing) -> None:
    mission = publishing(link="retention_hours = 1")
    now_ns = mission.clock.now_ns()
    mission.store(700, received_ns=now_ns - 7200 * NS_PER_S)
    mission.store(10, received_ns=now_ns)
    mission.start()
    await mission.all_sent()
    await mission.stop()
    mission.start()
    await mission.until(lambda: mission.server.tree(f"{ROOT}/lo/frames") is not None)
    await mission.until(lambda: len(mission.records()) == 1)
    (left,) = mission.records()
    assert mission.server.tree(f"{ROOT}/lo/frames") == left.key
    assert left.last == 710


async def test_an_anomaly_is_mirrored_once(publishing) -> None:
    from telemetry.alarms import Event

    mission = publishing(link="mirror_alerts = true")
    alarm = Event(
        1_790_000_123 * NS_PER_S,
        "KESTREL-1",
        "alarm.raised",
        3,
        "anomaly:eps.bat_v",
        body={"text": "eps.bat_v differs", "trigger": 4.5, "kind": "anomaly"},
    )
    limit = Event(1_790_000_124 * NS_PER_S, "KESTREL-1", "alarm.raised", 3, "eps.bat_v", body={"text": "low"})
    mission.start(("journal",), chance=lambda: 0.1)
    await mission.until(lambda: mission.publisher.report == LIVE)
    # Google's client asks twice by itself: the station has to send it anew at least once.
    mission.server.lose_replies(5)
    mission.writer.append([], [alarm, limit], {})
    await mission.until(lambda: mission.writer.publication.sent_until("journal") >= 2)
    assert mission.server.counts["lost_reply"] == 5
    ((number, alert),) = mission.server.tree("ML_ALERTS").items()
    assert len(number) == 21
    assert number.startswith("a")
    assert alert["timestamp"] == "2026-09-21T14:15:23Z"
    assert (alert["face"], alert["anomaly_score"]) == ("eps.bat_v", 4.5)
    assert [event.kind for event in mission.events()[:2]] == ["alarm.raised", "alarm.raised"]


async def test_alerts_are_not_mirrored_unless_asked_for(publishing) -> None:
    from telemetry.alarms import Event

    mission = publishing()
    mission.writer.append([], [Event(1, "", "alarm.raised", 3, "anomaly:eps.bat_v", body={"trigger": 1.0})], {})
    mission.start(("journal",))
    await mission.until(lambda: mission.writer.publication.sent_until("journal") == 1)
    assert mission.server.tree("ML_ALERTS") is None


async def test_an_emulator_needs_no_address_and_no_key(publishing, monkeypatch: pytest.MonkeyPatch) -> None:
    mission = publishing()
    text = mission.directory.toml.read_text().replace(f'url = "{mission.server.database_url}"', "")
    mission.directory.toml.write_text(text)
    from telemetry.dictionary import read_mission

    mission.mission = read_mission(mission.directory.path)
    monkeypatch.setenv("FIREBASE_DATABASE_EMULATOR_HOST", mission.server.host)
    mission.store(5)
    mission.start()
    await mission.all_sent()
    assert mission.publisher.report == LIVE


async def test_the_report_and_answered_mail_reach_the_database(publishing) -> None:
    mission = publishing()
    mission.server.fill({"ann": {"r1": {"kind": "ack"}, "r2": {"kind": "note"}}}, f"{ROOT}/mailbox")
    mission.start(ALL, status=lambda: '{"link": "LIVE"}')
    mission.publisher.delete(["mailbox/ann/r1"])
    await mission.until(lambda: (mission.server.tree(f"{ROOT}/status") or {}).get("t") == '{"link": "LIVE"}')
    await mission.until(lambda: list(mission.server.tree(f"{ROOT}/mailbox/ann")) == ["r2"])
    assert mission.server.tree(f"{ROOT}/owner/name") == "ann@ground"
    before = mission.server.tree(f"{ROOT}/status/at")
    await mission.until(lambda: mission.server.tree(f"{ROOT}/status/at") > before, 12)
