"""What follows from a cause is listed and does not ring; values too old are one alarm a satellite."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from telemetry.alarm_desk import AlarmDesk, AnomalyReport
from telemetry.alarms import Event, fold_all
from telemetry.dictionary import Bus, Channel, LimitSet
from telemetry.limits import LimitMonitor

TEN = [f"eps.v{n}" for n in range(10)]
STALE = ("K", "stale")
LINK, SIGNAL = "link down", "loss of signal"


def kinds(events: Sequence[Event]) -> list[str]:
    return [one.kind.removeprefix("alarm.") for one in events]


def restarted(journal: Sequence[Event]) -> AlarmDesk:
    desk = AlarmDesk()
    desk.restore(msgspec.json.decode(msgspec.json.encode(journal), type=list[Event]))
    return desk


def test_ten_stale_channels_are_one_alarm_that_returns_when_none_is_stale() -> None:
    desk = AlarmDesk()
    journal = desk.stale("K", TEN[:4], 1)
    assert kinds(journal) == ["raised"]
    assert desk.stale("K", [*reversed(TEN[:4])], 2) == [], "the same channels are no news"
    journal += desk.stale("K", TEN, 3) + desk.stale("K", TEN[:2], 4)
    [alarm] = desk.alarms.values()
    assert (alarm.key, alarm.kind, alarm.state.word, alarm.severity) == (STALE, "stale", "NEW", 2)
    assert (alarm.trigger, alarm.worst, alarm.current, alarm.channels) == (4, 10, 2, ("eps.v0", "eps.v1"))
    assert alarm.channel == "eps.v0"
    assert alarm.text == "2 channels too old: eps.v0, eps.v1"
    assert journal[0].text == "4 channels too old: eps.v0, eps.v1, eps.v2 and 1 more"
    journal += desk.stale("K", [], 5)
    assert desk.alarms[STALE].state.word == "RETURNED"
    assert desk.stale("K", [], 6) == []
    journal += desk.stale("K", TEN[:1], 7)
    assert (desk.alarms[STALE].violations, desk.alarms[STALE].state.word) == (2, "NEW")
    assert fold_all(journal) == dict(desk.alarms)


def test_satellites_are_stale_each_by_itself() -> None:
    desk = AlarmDesk()
    desk.stale("K", TEN, 1)
    desk.stale("L", TEN, 1)
    desk.stale("K", [], 2)
    assert {key: one.active for key, one in desk.alarms.items()} == {STALE: False, ("L", "stale"): True}


@pytest.mark.parametrize("by", [LINK, SIGNAL])
def test_what_is_stale_because_of_a_cause_is_listed_but_not_new_and_is_over_with_it(by: str) -> None:
    desk = AlarmDesk()
    assert desk.inhibit("K", by, 1) == []
    assert kinds(desk.stale("K", TEN, 2)) == ["raised", "inhibited"]
    alarm = desk.alarms[STALE]
    assert (alarm.inhibited_by, alarm.muted, alarm.needs_acknowledgement, alarm.awaits_operator) == (
        by,
        True,
        False,
        False,
    )
    assert kinds(desk.stale("K", [], 3)) == ["returned", "cleared"]
    assert desk.release("K", by, 4) == []
    assert not desk.alarms


def test_what_was_raised_before_the_cause_is_muted_too_and_asks_again_when_it_is_over() -> None:
    desk = AlarmDesk()
    journal = desk.stale("K", TEN, 1)
    journal += desk.inhibit("K", LINK, 2)
    assert kinds(journal) == ["raised", "inhibited"]
    assert desk.inhibit("K", LINK, 3) == [], "saying it again changes nothing"
    assert journal[-1].text.startswith("muted by link down: 10 channels too old")
    journal += desk.release("K", LINK, 4)
    assert desk.alarms[STALE].needs_acknowledgement
    assert fold_all(journal) == dict(desk.alarms)


def test_of_two_causes_the_other_one_goes_on_muting() -> None:
    desk = AlarmDesk()
    desk.inhibit("K", LINK, 1)
    desk.inhibit("K", SIGNAL, 1)
    desk.stale("K", TEN, 2)
    assert desk.alarms[STALE].inhibited_by == LINK
    assert kinds(desk.release("K", LINK, 3)) == ["inhibited"]
    assert desk.alarms[STALE].inhibited_by == SIGNAL
    assert kinds(desk.release("K", SIGNAL, 4)) == ["released"]
    assert kinds(desk.stale("K", [], 5)) == ["returned"], "nothing mutes it any more"


def test_only_what_follows_is_muted() -> None:
    channel = Channel("eps.v0", "V", limits=(LimitSet(critical=(0, 9)),), min_violations=1)
    monitor = LimitMonitor(Bus("b", (channel,)))
    desk = AlarmDesk()
    desk.inhibit("K", LINK, 1)
    desk.inhibit("L", SIGNAL, 1, kinds=("anomaly",), subjects=("eps.v0",))
    assert kinds(desk.limits("K", monitor.step({"eps.v0": 10.0}), 2)) == ["raised"], "a hard limit speaks"
    assert kinds(desk.stale("M", TEN, 2)) == ["raised"], "of another satellite"
    assert kinds(desk.stale("L", TEN, 2)) == ["raised"], "of another kind"
    monitor = LimitMonitor(Bus("b", (channel,)))
    assert kinds(desk.limits("L", monitor.step({"eps.v0": 10.0}), 2)) == ["raised", "inhibited"], "by its subject"
    report = AnomalyReport("hk", "started", ("eps.v3",), "odd", 0.7)
    assert kinds(desk.anomaly("L", report, 2)) == ["raised", "inhibited"], "by its kind"


def test_a_restart_knows_what_is_muted_and_can_release_it() -> None:
    desk = AlarmDesk()
    journal = [*desk.inhibit("K", LINK, 1), *desk.stale("K", TEN, 2)]
    again = restarted(journal)
    assert dict(again.alarms) == dict(desk.alarms)
    assert again.alarms[STALE].muted
    assert kinds(again.release("K", SIGNAL, 3)) == []
    assert kinds(again.release("K", LINK, 3)) == ["released"]


def test_an_operator_may_acknowledge_and_shelve_what_is_muted() -> None:
    desk = AlarmDesk()
    desk.inhibit("K", LINK, 1)
    desk.stale("K", TEN, 2)
    assert kinds(desk.acknowledge(STALE, "ann", 3)) == ["acknowledged"]  # pyright: ignore
    assert kinds(desk.shelve(STALE, "ann", 10**10, "known", 4, 4)) == ["shelved"]  # pyright: ignore
    assert kinds(desk.stale("K", [], 5)) == ["returned"], "its shelf holds it"
    assert desk.alarms[STALE].shelved
    assert kinds(desk.expire(10**10)) == ["unshelved", "cleared"]


def test_a_latched_alarm_is_not_forgotten_because_it_was_muted() -> None:
    channel = Channel("eps.v0", "V", limits=(LimitSet(critical=(0, 9), latch=True),), min_violations=1)
    monitor = LimitMonitor(Bus("b", (channel,)))
    desk = AlarmDesk()
    desk.inhibit("K", SIGNAL, 1, subjects=("eps.v0",))
    desk.limits("K", monitor.step({"eps.v0": 10.0}), 2)
    for t_ns in range(3, 6):
        desk.limits("K", monitor.step({"eps.v0": 5.0}), t_ns)
    assert desk.alarms["K", "eps.v0"].state.name == "LATCH_UNACK"
    desk.release("K", SIGNAL, 9)
    assert desk.alarms["K", "eps.v0"].needs_acknowledgement
