"""The open alarms are the fold of the journal: the same wherever and whenever it is folded."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarms import ALARM_KINDS, Alarm, AlarmState, Event, Key, fold, fold_all, urgency

KEY = ("K", "eps.bat_v")
EVENTS = st.builds(
    Event,
    at_ns=st.integers(0, 1000),
    satellite=st.sampled_from(["K", "L"]),
    kind=st.sampled_from([*ALARM_KINDS, "contact.lost", "act.note", "alarm.unheard_of"]),
    severity=st.integers(0, 5),
    subject=st.sampled_from(["eps.bat_v", "anomaly:pld.dist_s"]),
    actor=st.sampled_from(["", "ann"]),
    body=st.fixed_dictionaries(
        {},
        optional={
            "text": st.text(max_size=5),
            "level": st.integers(0, 5),
            "count": st.integers(0, 9),
            "latch": st.booleans(),
            "until_ns": st.integers(0, 2000),
            "why": st.sampled_from(["expired", "operator", "undone", "worse"]),
        },
    ),
)


def event(kind: str, at_ns: int = 1, severity: int = 0, actor: str = "", **body: Any) -> Event:
    return Event(at_ns, *KEY[:1], f"alarm.{kind}", severity, KEY[1], actor, body)


def states(*events: Event) -> list[str]:
    """The screen word after each event; "-" where no alarm is open."""
    alarms: dict[Key, Alarm] = {}
    words: list[str] = []
    for one in events:
        alarms = fold(alarms, one)
        words.append(alarms[KEY].state.word if KEY in alarms else "-")
    return words


@given(st.lists(EVENTS, max_size=30), st.integers(0, 30))
def test_a_prefix_and_the_rest_are_the_whole(events: list[Event], cut: int) -> None:
    assert fold_all(events[cut:], fold_all(events[:cut])) == fold_all(events)


@given(st.lists(EVENTS, max_size=30))
def test_a_restart_reads_the_same_alarms_from_the_journal(events: list[Event]) -> None:
    stored = msgspec.json.decode(msgspec.json.encode(events), type=list[Event])
    assert fold_all(stored) == fold_all(events)


@given(st.lists(EVENTS, max_size=15), EVENTS)
def test_fold_leaves_what_it_was_given(events: list[Event], more: Event) -> None:
    before = fold_all(events)
    copy = dict(before)
    fold(before, more)
    assert before == copy


@given(st.lists(EVENTS, max_size=30))
def test_the_state_of_an_alarm_is_what_its_facts_say(events: list[Event]) -> None:
    for key, alarm in fold_all(events).items():
        assert alarm.key == key
        shelved = alarm.shelved_until_ns is not None
        assert alarm.muted == (shelved or bool(alarm.inhibited_by))
        assert alarm.needs_acknowledgement == (alarm.acked_ns is None and not alarm.muted)
        if shelved:
            assert (alarm.state, alarm.state.word) == (AlarmState.SHELVED, "SHELVED")
            continue
        assert alarm.state is {
            (False, True, False): AlarmState.UNACK_ALARM,
            (True, True, False): AlarmState.ACK_ALARM,
            (False, False, False): AlarmState.RTN_UNACK,
            (False, True, True): AlarmState.UNACK_ALARM,
            (True, True, True): AlarmState.ACK_ALARM,
            (False, False, True): AlarmState.LATCH_UNACK,
            (True, False, True): AlarmState.LATCH_ACK,
        }.get((alarm.acked_ns is not None, alarm.active, alarm.latch))


def test_acknowledged_then_returned_is_over() -> None:
    assert states(event("raised"), event("acknowledged", actor="ann"), event("returned")) == ["NEW", "ACKED", "-"]


def test_returned_stays_until_it_is_acknowledged() -> None:
    assert states(event("raised"), event("returned"), event("updated"), event("acknowledged", actor="ann")) == [
        "NEW",
        "RETURNED",
        "RETURNED",
        "-",
    ]


def test_after_it_cleared_the_next_one_is_new() -> None:
    words = states(event("raised"), event("acknowledged"), event("returned"), event("cleared"), event("raised"))
    assert words == ["NEW", "ACKED", "-", "-", "NEW"]


def test_a_returned_alarm_that_comes_back_is_the_same_one_and_new() -> None:
    alarms = fold_all([event("raised", 1, 4), event("returned", 2), event("raised", 3, 2)])
    assert (alarms[KEY].state, alarms[KEY].raised_ns, alarms[KEY].severity) == (AlarmState.UNACK_ALARM, 1, 4)
    assert alarms[KEY].returned_ns is None


def test_what_was_acknowledged_was_something_milder() -> None:
    events = [event("raised", 1, 2), event("acknowledged", 2, actor="ann"), event("severity", 3, 4, text="worse")]
    assert states(*events) == ["NEW", "ACKED", "NEW"]
    alarm = fold_all(events)[KEY]
    assert (alarm.severity, alarm.text, alarm.acked_by) == (4, "worse", "")


def test_the_first_acknowledgement_counts() -> None:
    alarms = fold_all(
        [event("raised"), event("acknowledged", 2, actor="ann"), event("acknowledged", 3, actor="lk")]
    )
    assert (alarms[KEY].acked_by, alarms[KEY].acked_ns) == ("ann", 2)


@pytest.mark.parametrize("kind", ["updated", "severity", "acknowledged", "returned", "cleared"])
def test_events_on_an_alarm_that_is_not_open_change_nothing(kind: str) -> None:
    assert fold({}, event(kind)) == {}


LATCHED = {
    ("-", "raised"): "NEW",
    ("NEW", "raised"): "NEW",
    ("NEW", "acknowledged"): "ACKED",
    ("NEW", "returned"): "LATCH_UNACK",
    ("NEW", "cleared"): "-",
    ("ACKED", "raised"): "NEW",
    ("ACKED", "returned"): "LATCH_ACK",
    ("ACKED", "cleared"): "-",
    ("LATCH_UNACK", "raised"): "NEW",
    ("LATCH_UNACK", "acknowledged"): "LATCH_ACK",
    ("LATCH_UNACK", "cleared"): "-",
    ("LATCH_ACK", "raised"): "NEW",
    ("LATCH_ACK", "cleared"): "-",
}
"""State and event of an alarm that latches (ISA-18.2); what is not listed changes nothing."""


@given(
    st.lists(st.sampled_from(["raised", "updated", "severity", "acknowledged", "returned", "cleared"]), max_size=30)
)
def test_a_latched_alarm_goes_by_the_table(kinds: list[str]) -> None:
    names = {AlarmState.UNACK_ALARM: "NEW", AlarmState.ACK_ALARM: "ACKED"}
    alarms: dict[Key, Alarm] = {}
    expected = "-"
    for at_ns, kind in enumerate(kinds):
        body = {"latch": True} if kind == "raised" else {}
        alarms = fold(alarms, event(kind, at_ns, 0, "ann", **body))
        expected = LATCHED.get((expected, kind), expected)
        state = alarms[KEY].state if KEY in alarms else None
        assert ("-" if state is None else names.get(state, state.name)) == expected


def test_what_latched_once_stays_latched_until_it_is_cleared() -> None:
    raised = [event("raised", 1, 2, latch=True), event("returned", 2), event("raised", 3, 2), event("returned", 4)]
    assert fold_all(raised)[KEY].state is AlarmState.LATCH_UNACK
    again = [*raised, event("cleared", 5), event("raised", 6, 2), event("returned", 7)]
    assert fold_all(again)[KEY].state is AlarmState.RTN_UNACK


def test_facts_are_kept_and_the_newest_win() -> None:
    raised = event(
        "raised", 1, 2, text="a > b", level=2, side=1, limit=0.0, set="SAFE", trigger=1.5, worst=1.5, count=3
    )
    alarm = fold_all([raised, event("updated", 9, worst=2.5, count=8, channels=["x", "y"])])[KEY]
    assert (alarm.limit, alarm.set_name, alarm.side, alarm.trigger) == (0.0, "SAFE", 1, 1.5)
    assert (alarm.worst, alarm.count, alarm.updated_ns, alarm.channels) == (2.5, 8, 9, ("x", "y"))
    assert alarm.text == "a > b"


def test_most_urgent_first() -> None:
    def alarm(subject: str, state: AlarmState, severity: int, raised_ns: int = 0, kind: str = "limit") -> Alarm:
        return Alarm("K", subject, kind, severity, state, raised_ns, 0, "")

    expected = [
        alarm("new.critical", AlarmState.UNACK_ALARM, 4),
        alarm("new.newer", AlarmState.UNACK_ALARM, 2, 9),
        alarm("new.older", AlarmState.UNACK_ALARM, 2, 1),
        alarm("anomaly:new", AlarmState.UNACK_ALARM, 2, 99, "anomaly"),
        alarm("returned", AlarmState.RTN_UNACK, 5),
        alarm("acked", AlarmState.ACK_ALARM, 5),
        alarm("shelved", AlarmState.SHELVED, 5),
    ]
    shuffled = expected[3:] + expected[2::-1]
    assert sorted(shuffled, key=urgency) == expected
