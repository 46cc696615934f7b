"""Alarms on what mission.toml no longer has return with words, and end like any other alarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.alarm_desk import AlarmDesk, AnomalyReport
from telemetry.alarms import AlarmState, Event, Key, fold_all
from telemetry.anomaly_alarms import UNJUDGED_NS, UNJUDGED_ROWS
from telemetry.dictionary import Bus, Channel, LimitSet, Mission, Satellite
from telemetry.limits import LimitMonitor
from telemetry.orphans import ORPHANED

S = 1_000_000_000
SPEED = Channel("adcs.speed", "Speed", limits=(LimitSet(warning=(-9, 9)),), min_violations=1, min_conformance=1)
PANEL = Channel("thm.t_px", "Panel +X", "degC")
WHOLE = Bus("b", (SPEED, PANEL), packets=(("hk", ("adcs.speed",)), ("thm", ("thm.t_px",))))
RENAMED = Bus("b", (SPEED, PANEL), packets=(("hk", ("adcs.speed",)), ("thermal", ("thm.t_px",))))
WITHOUT = Bus("b", (PANEL,), packets=(("thm", ("thm.t_px",)),))
ANOMALY, LIMIT, STALE = ("K", "anomaly:thm.t_px"), ("K", "adcs.speed"), ("K", "stale")


def mission(bus: Bus, satellite: str = "K") -> Mission:
    return Mission(Path(), (Satellite(satellite, "b"),), {"b": bus})


def report(phase: str = "started", packet: str = "thm") -> AnomalyReport:
    return AnomalyReport(packet, phase, ("thm.t_px",), "Panel +X 80 degC, usual 20", 0.9)  # type: ignore[arg-type]


def journal(*, ack: Key | None = None) -> list[Event]:
    """One alarm of each kind, all active."""
    desk, monitor = AlarmDesk(), LimitMonitor(WHOLE)
    told = desk.anomaly("K", report(), 1 * S)
    told += desk.limits("K", monitor.step({"adcs.speed": 20.0}), 2 * S)
    told += desk.stale("K", ["adcs.speed"], 3 * S)
    if ack is not None:
        events = desk.acknowledge(ack, "ann", 4 * S)
        assert not isinstance(events, str)
        told += events
    return told


def restarted(before: list[Event], now: Mission) -> tuple[AlarmDesk, list[Event]]:
    desk = AlarmDesk()
    desk.restore(before)
    told = desk.let_go(now, 100 * S)
    assert fold_all([*before, *told]) == dict(desk.alarms), "the fold of the journal"
    return desk, told


@pytest.mark.parametrize(
    ("now", "key", "why"),
    [
        (mission(RENAMED), ANOMALY, "packet thm is no longer in mission.toml: Panel +X 80 degC, usual 20"),
        (mission(WITHOUT), LIMIT, "channel adcs.speed is no longer in mission.toml: Speed 20 > 9"),
        (mission(WITHOUT), STALE, "channel adcs.speed is no longer in mission.toml: 1 channel too old"),
        (mission(WHOLE, "L"), ANOMALY, "satellite K is no longer in mission.toml: Panel +X 80 degC, usual 20"),
        (mission(WHOLE, "L"), LIMIT, "satellite K is no longer in mission.toml: Speed 20 > 9"),
        (mission(WHOLE, "L"), STALE, "satellite K is no longer in mission.toml: 1 channel too old"),
    ],
)
def test_what_the_mission_has_no_more_returns_with_the_reason_in_words(now: Mission, key: Key, why: str) -> None:
    desk, told = restarted(journal(), now)
    [event] = [one for one in told if (one.satellite, one.subject) == key]
    assert event.kind == "alarm.returned"
    assert event.text.startswith(why)
    assert desk.alarms[key].state is AlarmState.RTN_UNACK
    assert desk.let_go(now, 101 * S) == [], "once"
    ended = desk.acknowledge(key, "ann", 102 * S)
    assert [one.kind for one in ended if not isinstance(one, str)] == ["alarm.acknowledged", "alarm.cleared"]
    assert key not in desk.alarms


def test_one_that_was_acknowledged_is_over_with_its_return() -> None:
    desk, told = restarted(journal(ack=ANOMALY), mission(RENAMED))
    assert [one.kind for one in told] == ["alarm.returned", "alarm.cleared"]
    assert ANOMALY not in desk.alarms


def test_one_that_is_shelved_stays_so_until_its_shelf_ends() -> None:
    before = AlarmDesk()
    told = before.anomaly("K", report(), 1 * S)
    shelved = before.shelve(ANOMALY, "ann", 900 * S, "known", 5 * S, 5 * S)
    assert not isinstance(shelved, str)
    desk, _ = restarted([*told, *shelved], mission(RENAMED))
    assert desk.alarms[ANOMALY].state is AlarmState.SHELVED
    assert [one.kind for one in desk.expire(901 * S)] == ["alarm.unshelved", "alarm.cleared"]
    assert not desk.alarms


def test_what_a_cause_muted_on_a_satellite_that_is_gone_is_asked_for_again() -> None:
    before = AlarmDesk()
    told = before.stale("K", ["adcs.speed"], 1 * S) + before.inhibit("K", "link down", 2 * S)
    desk, said = restarted(told, mission(WHOLE, "L"))
    assert [one.kind for one in said] == ["alarm.released", "alarm.returned", ORPHANED]
    assert desk.alarms[STALE].needs_acknowledgement


def test_every_journal_says_that_a_satellite_is_gone_and_how_its_alarms_end() -> None:
    _, told = restarted(journal(), mission(WHOLE, "L"))
    [said] = [one for one in told if one.kind == ORPHANED]
    assert said.satellite == ""
    why, what_to_do = said.text.split("; ")
    assert why == "satellite K is no longer in mission.toml: its 3 alarms have returned"
    assert what_to_do == "cubesat-tui ack --satellite K ends them"


def test_what_the_mission_still_has_is_left_alone() -> None:
    desk, told = restarted(journal(), mission(WHOLE))
    assert told == []
    assert all(alarm.active for alarm in desk.alarms.values())
    assert [one.kind for one in desk.anomaly("K", report(packet="other"), 110 * S)] == ["alarm.updated"]
    assert desk.let_go(mission(WHOLE), 120 * S) == [], "one of its packets is still sent"


def test_an_anomaly_that_no_model_judges_any_more_ends_in_words_after_ten_minutes_of_rows() -> None:
    desk, _ = restarted(journal(), mission(WHOLE))
    assert desk.unjudged("K", "hk", 60, 100 * S) == []
    assert desk.unjudged("K", "thm", 30, 100 * S) == []
    assert desk.nominal("K", "thm", 1, 200 * S) == [], "a model judged it in between"
    assert desk.unjudged("K", "thm", 30, 300 * S) == []
    assert desk.unjudged("K", "thm", 30, 300 * S + UNJUDGED_NS - 1) == []
    [event] = desk.unjudged("K", "thm", 30, 300 * S + UNJUDGED_NS)
    assert event.kind == "alarm.returned"
    assert event.text == "no model has judged packet thm for 10 min: Panel +X 80 degC, usual 20"
    assert desk.unjudged("K", "thm", 30, 400 * S + UNJUDGED_NS) == []


def test_a_packet_that_is_rarely_sent_gives_a_model_time_to_begin() -> None:
    desk, _ = restarted(journal(), mission(WHOLE))
    for i in range(UNJUDGED_ROWS - 1):
        assert desk.unjudged("K", "thm", 1, (100 + i * 600) * S) == []
    [event] = desk.unjudged("K", "thm", 1, (100 + (UNJUDGED_ROWS - 1) * 600) * S)
    assert "for 590 min" in event.text
