"""What an operator sees become of a limit violation or an anomaly, from raised to cleared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarm_desk import AlarmDesk, AnomalyReport
from telemetry.alarms import AlarmState, Event, fold_all
from telemetry.anomaly_alarms import REJOIN_NS
from telemetry.dictionary import Bus, Channel, LimitSet
from telemetry.limit_alarms import UPDATE_EVERY_NS
from telemetry.limit_text import limit_text
from telemetry.limits import Level, LimitMonitor, Result, check

SPEED = Channel(
    "adcs.speed",
    "Wheel X speed",
    "rpm",
    decimals=0,
    action="desaturate",
    limits=(
        LimitSet(when="obc.mode = NOMINAL", warning=(-5000, 5000), critical=(-6000, 6000)),
        LimitSet(warning=(0, 9)),
    ),
    min_violations=1,
    min_conformance=1,
)
MODE = Channel("obc.mode", "Mode", enum=((1, "SAFE"), (3, "NOMINAL")))
BUS = Bus("b", (SPEED, MODE), context=("obc.mode",))
KEY = ("K", "adcs.speed")
S = 1_000_000_000


class Station:
    """A monitor and a desk, as a station has them; `journal` is all it would have stored."""

    def __init__(self) -> None:
        self.monitor = LimitMonitor(BUS)
        self.monitor.step({"obc.mode": 3.0})
        self.desk = AlarmDesk()
        self.journal: list[Event] = []
        self.t_ns = 0

    def speed(self, value: float) -> list[str]:
        self.t_ns += S
        events = self.desk.limits("K", self.monitor.step({"adcs.speed": value}), self.t_ns)
        events += self.desk.progress("K", self.monitor.ongoing(), self.t_ns)
        return self._kept(events)

    def acknowledge(self, actor: str = "ann") -> list[str]:
        events = self.desk.acknowledge(KEY, actor, self.t_ns)
        assert not isinstance(events, str), events
        return self._kept(events)

    def acknowledge_if_it_can(self) -> None:
        events = self.desk.acknowledge(KEY, "ann", self.t_ns)
        self._kept([] if isinstance(events, str) else events)

    def restart(self) -> list[str]:
        self.monitor = LimitMonitor(BUS)
        self.monitor.step({"obc.mode": 3.0})
        self.desk = AlarmDesk()
        self.desk.restore(self.journal)
        return self._kept(self.desk.resume("K", self.monitor, self.t_ns))

    def _kept(self, events: Sequence[Event]) -> list[str]:
        self.journal += events
        assert fold_all(self.journal) == dict(self.desk.alarms)
        return [one.kind.removeprefix("alarm.") for one in events]


def test_the_text_states_value_level_limit_and_set() -> None:
    station = Station()
    station.speed(6204)
    alarm = station.desk.alarms[KEY]
    assert alarm.text == "Wheel X speed 6204 rpm > 6000 CRITICAL HIGH, set NOMINAL"
    assert (alarm.severity, alarm.limit, alarm.set_name) == (Level.CRITICAL, 6000, "obc.mode = NOMINAL")
    assert alarm.body["action"] == "desaturate"


@pytest.mark.parametrize(
    ("channel", "value", "text"),
    [
        (
            Channel("a.b", "B", "V", decimals=2, limits=(LimitSet(warning=(0, 8.35)),)),
            8.3501,
            "B 8.3501 V > 8.35 WARNING HIGH, set default",
        ),
        (Channel("a.b", "B", limits=(LimitSet(severe=(0, 1)),)), -0.25, "B -0.25 < 0 SEVERE LOW, set default"),
        (Channel("a.b", "B", limits=(LimitSet(watch=(0, 1e6)),)), 2e6, "B 2e+06 > 1000000 WATCH HIGH, set default"),
        (
            Channel("a.m", "Mode", enum=((0, "BOOT"), (2, "RUN")), limits=(LimitSet(warning=(1, 9)),)),
            0.0,
            "Mode BOOT (0) < 1 WARNING LOW, set default",
        ),
    ],
)
def test_texts(channel: Channel, value: float, text: str) -> None:
    assert limit_text(channel, value, check(channel, value, {})) == text


def test_a_level_without_a_bound_still_has_a_text() -> None:
    assert limit_text(SPEED, 1.0, Result(Level.WARNING, 1)) == "Wheel X speed 1 rpm WARNING HIGH, set "


def test_raise_acknowledge_return_clear() -> None:
    station = Station()
    assert station.speed(6204) == ["raised"]
    assert station.acknowledge() == ["acknowledged"]
    assert station.desk.alarms[KEY].state.word == "ACKED"
    assert station.speed(100) == ["returned", "cleared"]
    assert not station.desk.alarms


def test_returned_but_not_acknowledged_waits_for_it() -> None:
    station = Station()
    station.speed(6204)
    assert station.speed(100) == ["returned"]
    assert station.desk.alarms[KEY].state is AlarmState.RTN_UNACK
    assert station.desk.alarms[KEY].text == "Wheel X speed 6204 rpm > 6000 CRITICAL HIGH, set NOMINAL"
    assert station.acknowledge() == ["acknowledged", "cleared"]
    assert not station.desk.alarms


def test_an_acknowledgement_lasts_until_it_clears_and_no_longer() -> None:
    station = Station()
    station.speed(5500)
    station.acknowledge()
    for _ in range(30):
        station.speed(5600)
        assert station.desk.alarms[KEY].state is AlarmState.ACK_ALARM
    station.speed(100)
    assert station.speed(5500) == ["raised"]
    assert station.desk.alarms[KEY].state is AlarmState.UNACK_ALARM


def test_worse_than_acknowledged_asks_again() -> None:
    station = Station()
    station.speed(5500)
    station.acknowledge()
    assert station.speed(6500) == ["severity"]
    assert station.desk.alarms[KEY].state is AlarmState.UNACK_ALARM
    station.acknowledge()
    assert station.speed(5500) == ["updated"]
    alarm = station.desk.alarms[KEY]
    assert (alarm.severity, alarm.level, alarm.state) == (Level.CRITICAL, Level.WARNING, AlarmState.ACK_ALARM)
    assert station.speed(6500) == ["updated"]
    assert station.desk.alarms[KEY].state is AlarmState.ACK_ALARM


def test_worst_value_and_count_are_told_now_and_then() -> None:
    station = Station()
    kinds = [kind for value in range(6100, 6131) for kind in station.speed(value)]
    assert kinds == ["raised", "updated", "updated", "updated"]
    alarm = station.desk.alarms[KEY]
    assert (alarm.trigger, alarm.worst, alarm.count) == (6100, 6130, 31)
    assert UPDATE_EVERY_NS == 10 * S


def test_refusals_are_sentences() -> None:
    station = Station()
    assert station.desk.acknowledge(KEY, "ann", 1) == "no open alarm on adcs.speed of K"
    station.speed(6204)
    assert station.desk.acknowledge(KEY, " ", 1) == "an acknowledgement needs the operator's name"
    station.acknowledge()
    assert station.desk.acknowledge(KEY, "lk", 1) == "adcs.speed was acknowledged by ann at 1970-01-01T00:00:01Z"


def test_an_operators_name_is_plain_text() -> None:
    station = Station()
    station.speed(6204)
    station.acknowledge("ann\x1b[2J")
    assert station.desk.alarms[KEY].acked_by == "ann\ufffd[2J"


def test_a_restart_notices_the_return_of_an_alarm_it_did_not_raise() -> None:
    station = Station()
    station.speed(6204)
    station.acknowledge()
    assert station.restart() == []
    assert station.desk.alarms[KEY].state is AlarmState.ACK_ALARM
    assert station.speed(100) == ["returned", "cleared"]


def test_a_restart_during_a_violation_does_not_raise_it_twice() -> None:
    station = Station()
    station.speed(6204)
    station.acknowledge()
    station.restart()
    assert {kind for _ in range(12) for kind in station.speed(6300)} == {"updated"}
    assert station.desk.alarms[KEY].state is AlarmState.ACK_ALARM
    assert station.desk.alarms[KEY].worst == 6300


def test_an_alarm_on_a_channel_that_is_no_longer_monitored_returns() -> None:
    station = Station()
    station.speed(6204)
    desk = AlarmDesk(dict(station.desk.alarms))
    events = desk.resume("K", LimitMonitor(Bus("b", (MODE,))), 5)
    assert [one.kind for one in events] == ["alarm.returned"]
    assert desk.alarms[KEY].state is AlarmState.RTN_UNACK


@given(st.lists(st.sampled_from(["in", "warn", "crit", "low", "ack", "restart"]), max_size=40))
def test_any_story_is_the_fold_of_its_journal(story: list[str]) -> None:
    """`Station` compares desk and fold after each step; here also: condition and state never disagree."""
    station = Station()
    values = {"in": 0.0, "warn": 5500.0, "crit": 6500.0, "low": -6500.0}
    violating = False
    for step in story:
        if step == "ack":
            station.acknowledge_if_it_can()
        elif step == "restart":
            station.restart()
        else:
            station.speed(values[step])
            violating = step != "in"
        alarm = station.desk.alarms.get(KEY)
        assert (alarm is not None and alarm.active) == violating


def report(
    phase: Literal["started", "ongoing", "ended"], *channels: str, packet: str = "pld", score: float = 0.7
) -> AnomalyReport:
    return AnomalyReport(packet, phase, channels, f"{channels[0] if channels else ''} odd", score, {"model": 3})


def kinds(events: Sequence[Event]) -> list[str]:
    return [one.kind.removeprefix("alarm.") for one in events]


def test_an_anomaly_is_one_alarm_from_start_to_end() -> None:
    desk = AlarmDesk()
    assert kinds(desk.anomaly("K", report("started", "pld.dist_s"), 1)) == ["raised"]
    assert desk.anomaly("K", report("ongoing", "pld.dist_s"), 2) == []
    alarm = desk.alarms["K", "anomaly:pld.dist_s"]
    assert (alarm.kind, alarm.severity, alarm.text, alarm.channel) == (
        "anomaly",
        Level.WARNING,
        "pld.dist_s odd",
        "pld.dist_s",
    )
    assert alarm.body["model"] == 3
    assert kinds(desk.anomaly("K", report("ended"), 3)) == ["returned"]
    assert desk.by_urgency[0].state.word == "RETURNED"
    assert kinds(desk.acknowledge(("K", "anomaly:pld.dist_s"), "ann", 4)) == ["acknowledged", "cleared"]  # pyright: ignore


def test_a_burst_is_one_grouped_alarm_until_its_episode_is_over() -> None:
    desk = AlarmDesk()
    desk.anomaly("K", report("started", "eps.pv_i_px", packet="hk"), 1)
    joined = report("ongoing", "eps.pv_i_px", "thm.t_px", packet="hk")
    assert kinds(desk.anomaly("K", joined, 2)) == ["updated"]
    assert kinds(desk.anomaly("K", joined, 3)) == []
    assert list(desk.alarms) == [("K", "anomaly:eps.pv_i_px")]
    assert desk.by_urgency[0].channels == ("eps.pv_i_px", "thm.t_px")
    assert desk.by_urgency[0].text == "eps.pv_i_px odd"
    assert kinds(desk.anomaly("K", report("ended", "eps.pv_i_px", packet="hk"), 5)) == ["returned"]


def test_a_second_episode_is_an_alarm_of_its_own_and_each_ends_by_itself() -> None:
    desk = AlarmDesk()
    desk.anomaly("K", report("started", "eps.bat_t"), 1)
    assert kinds(desk.anomaly("K", report("started", "pld.dist_s"), 2)) == ["raised"]
    assert kinds(desk.anomaly("K", report("ended", "pld.dist_s"), 3)) == ["returned"]
    assert [one.channel for one in desk.by_urgency if one.active] == ["eps.bat_t"]
    assert kinds(desk.anomaly("K", report("ended", "eps.bat_t"), 4)) == ["returned"]


def test_what_comes_back_is_counted() -> None:
    desk = AlarmDesk()
    journal: list[Event] = []
    for n in range(3):
        journal += desk.anomaly("K", report("started", "a.b"), 100 * n * S)
        journal += desk.anomaly("K", report("ended", "a.b"), (100 * n + 50) * S)
    assert desk.by_urgency[0].body["times"] == 3
    assert fold_all(journal) == dict(desk.alarms)


def test_two_episodes_from_before_a_restart_are_each_taken_up_again() -> None:
    before = AlarmDesk()
    journal = before.anomaly("K", report("started", "a.b"), 1) + before.anomaly("K", report("started", "c.d"), 2)
    desk = AlarmDesk()
    desk.restore(journal)
    assert kinds(desk.anomaly("K", report("started", "c.d"), 3)) == []
    assert kinds(desk.nominal("K", "pld", 50, 4)) == ["returned"], "a.b has nobody else to end it"
    assert [one.channel for one in desk.by_urgency if one.active] == ["c.d"]
    assert kinds(desk.anomaly("K", report("ended", "c.d"), 5)) == ["returned"]


def test_the_score_that_stands_out_most_is_kept() -> None:
    desk = AlarmDesk()
    desk.anomaly("K", report("started", "a.b", score=0.7), 0)
    desk.anomaly("K", report("ongoing", "a.b", score=0.9), UPDATE_EVERY_NS)
    desk.anomaly("K", report("ongoing", "a.b", score=0.8), 2 * UPDATE_EVERY_NS)
    alarm = desk.by_urgency[0]
    assert (alarm.trigger, alarm.worst, alarm.current) == (0.7, 0.9, 0.8)


def test_a_flicker_is_the_same_alarm_and_something_else_is_not() -> None:
    desk = AlarmDesk()
    desk.anomaly("K", report("started", "a.b", "a.c"), 0)
    desk.anomaly("K", report("ended"), 1)
    assert kinds(desk.anomaly("K", report("started", "a.c"), REJOIN_NS)) == ["raised"]
    assert list(desk.alarms) == [("K", "anomaly:a.b")]
    desk.anomaly("K", report("ended"), REJOIN_NS + 1)
    desk.anomaly("K", report("started", "z.z"), REJOIN_NS + 2)
    assert set(desk.alarms) == {("K", "anomaly:a.b"), ("K", "anomaly:z.z")}


def test_satellites_do_not_share_an_episode() -> None:
    desk = AlarmDesk()
    desk.anomaly("K", report("started", "a.b"), 1)
    desk.anomaly("L", report("started", "a.c"), 1)
    assert set(desk.alarms) == {("K", "anomaly:a.b"), ("L", "anomaly:a.c")}


def test_stored_data_never_raises() -> None:
    desk = AlarmDesk()
    assert desk.anomaly("K", report("started", "a.b"), 1, stored=True) == []
    assert not desk.alarms


def test_an_end_without_a_start_and_an_ongoing_without_one_are_nothing() -> None:
    desk = AlarmDesk()
    assert desk.anomaly("K", report("ended"), 1) == []
    assert desk.anomaly("K", report("ongoing", "a.b"), 1) == []


def test_an_episode_from_before_a_restart_ends_when_its_packet_stays_calm() -> None:
    before = AlarmDesk()
    journal = before.anomaly("K", report("started", "a.b"), 1)
    desk = AlarmDesk()
    desk.restore(journal)
    assert desk.nominal("K", "pld", 3, 2) == []
    assert desk.nominal("K", "pld", 0, 3) == []
    assert desk.nominal("K", "hk", 50, 3) == []
    assert desk.nominal("K", "pld", 4, 4) == []
    assert kinds(desk.nominal("K", "pld", 1, 5)) == ["returned"]
    assert desk.nominal("K", "pld", 50, 6) == []


def test_an_episode_the_detector_reports_again_is_ended_by_the_detector() -> None:
    before = AlarmDesk()
    journal = before.anomaly("K", report("started", "a.b"), 1)
    desk = AlarmDesk()
    desk.restore(journal)
    desk.anomaly("K", report("started", "a.b"), 2)
    assert desk.nominal("K", "pld", 50, 3) == []
    assert kinds(desk.anomaly("K", report("ended"), 4)) == ["returned"]


def test_a_history_folded_in_later_does_not_end_a_running_episode() -> None:
    desk = AlarmDesk()
    desk.anomaly("K", report("started", "a.b"), 1)
    desk.restore([Event(0, "K", "alarm.raised", 2, "eps.bat_v")])
    assert desk.nominal("K", "pld", 50, 2) == []


def test_an_anomaly_counts_its_flagged_rows_and_its_worst_score() -> None:
    desk = AlarmDesk()
    journal = desk.anomaly("K", report("started", "pld.dist_s"), 0)
    for second in range(1, 26):
        journal += desk.flagged("K", 1, 0.9 if second == 5 else 0.6, second * S)
    [alarm] = fold_all(journal).values()
    assert alarm.count == 20, "told every ten seconds"
    assert len(journal) == 3
    journal += desk.anomaly("K", report("ended", "pld.dist_s"), 26 * S)
    [alarm] = fold_all(journal).values()
    assert (alarm.count, alarm.state.word) == (25, "RETURNED")
    assert desk.flagged("K", 1, 0.9, 27 * S) == [], "nothing is counted once it is over"


def latching(latch_set: bool, latch_channel: bool) -> Station:
    """A station whose speed channel latches by its limit set, or as a whole."""
    station = Station()
    limits = (LimitSet(warning=(-9, 9), latch=latch_set),)
    channel = Channel(
        "adcs.speed", "Speed", limits=limits, min_violations=1, min_conformance=1, latch=latch_channel
    )
    station.monitor = LimitMonitor(Bus("b", (channel,)))
    return station


@pytest.mark.parametrize("which", [(True, False), (False, True)], ids=["limit", "channel"])
def test_a_latched_alarm_stays_until_an_operator_clears_it(which: tuple[bool, bool]) -> None:
    station = latching(*which)
    assert [*station.speed(10), *station.speed(0)] == ["raised", "returned"]
    assert station.desk.alarms[KEY].state is AlarmState.LATCH_UNACK
    assert station.acknowledge() == ["acknowledged"]
    assert station.desk.alarms[KEY].state is AlarmState.LATCH_ACK
    assert station.acknowledge("lk") == ["cleared"]
    assert station.desk.alarms == {}
    assert (station.journal[-1].actor, station.journal[-1].text) == (
        "lk",
        "lk cleared: Speed 10 > 9 WARNING HIGH, set default",
    )


def test_a_latched_alarm_acknowledged_early_stays_after_its_return() -> None:
    station = latching(latch_set=True, latch_channel=False)
    assert [*station.speed(10), *station.acknowledge(), *station.speed(0)] == ["raised", "acknowledged", "returned"]
    assert station.desk.alarms[KEY].state is AlarmState.LATCH_ACK
    assert station.speed(11) == ["raised"]
    assert station.desk.alarms[KEY].state is AlarmState.UNACK_ALARM


def test_without_latch_it_clears_by_itself() -> None:
    station = latching(latch_set=False, latch_channel=False)
    assert [*station.speed(10), *station.acknowledge(), *station.speed(0)][-2:] == ["returned", "cleared"]
