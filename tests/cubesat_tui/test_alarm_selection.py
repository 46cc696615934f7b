"""The selection belongs to the alarm: lists move under it, and what takes its place is never acted on unseen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.alarm_selection import DONE_WITHIN_S, LOOK_NS, AlarmSelection
from telemetry.alarms import Alarm, AlarmState


def _alarm(name: str) -> Alarm:
    """A capital letter is acknowledged."""
    state = AlarmState.ACK_ALARM if name.isupper() else AlarmState.UNACK_ALARM
    return Alarm("SAT", name.lower(), "limit", 2, state, 1, 1, name)


def _list(names: str) -> list[Alarm]:
    return [_alarm(name) for name in names]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _selected(selection: AlarmSelection, names: str) -> str:
    alarm = selection.among(_list(names))
    return alarm.subject if alarm is not None else ""


def test_what_arrives_above_moves_the_list_and_not_the_selection() -> None:
    selection = AlarmSelection()
    assert _selected(selection, "bc") == "b"
    assert _selected(selection, "abc") == "b"
    selection.move(_list("abc"), 1)
    assert _selected(selection, "xyabc") == "c"
    assert selection.surprise() is None


def test_one_that_is_over_is_told_of_once_before_the_next_is_acted_on() -> None:
    selection = AlarmSelection()
    selection.among(_list("abc"))
    selection.move(_list("abc"), 1)
    assert _selected(selection, "ac") == "c", "its place is taken by the one below"
    assert selection.surprise() == ("SAT", "b")
    assert selection.surprise() is None
    assert _selected(selection, "a") == "a"
    selection.move(_list("a"), 0)
    assert selection.surprise() is None, "a key of the operator's chose it"


def test_what_the_operator_did_away_with_is_no_surprise() -> None:
    selection = AlarmSelection()
    selection.among(_list("ab"))
    selection.acted(("SAT", "a"))
    assert _selected(selection, "b") == "b"
    assert selection.surprise() is None


def test_one_that_was_acknowledged_and_is_over_hours_later_is_told_of_like_any_other() -> None:
    selection = AlarmSelection(Clock())
    selection.among(_list("ab"))
    selection.acted(("SAT", "a"))
    assert _selected(selection, "bA") == "a", "acknowledged, it is listed on"
    assert _selected(selection, "b") == "b"
    assert selection.surprise() == ("SAT", "a")


def test_an_act_that_was_refused_explains_nothing_later() -> None:
    clock = Clock()
    selection = AlarmSelection(clock)
    selection.among(_list("ab"))
    selection.acted(("SAT", "a"))
    assert _selected(selection, "ab") == "a"
    clock.now = DONE_WITHIN_S
    assert _selected(selection, "b") == "b"
    assert selection.surprise() == ("SAT", "a")


def test_an_empty_list_between_does_not_hide_that_the_alarm_is_another() -> None:
    selection = AlarmSelection()
    selection.among(_list("a"))
    assert _selected(selection, "") == ""
    assert _selected(selection, "b") == "b"
    assert selection.surprise() == ("SAT", "a")


def test_another_list_starts_at_its_top() -> None:
    selection = AlarmSelection()
    selection.among(_list("abc"))
    selection.move(_list("abc"), 2)
    selection.release()
    assert _selected(selection, "xab") == "x"
    assert selection.surprise() is None


def test_one_that_drifts_to_the_worst_warns_whoever_acts_at_that_moment() -> None:
    selection = AlarmSelection()
    selection.among(_list("ab"))
    selection.drift(("SAT", "x"), 1_000)
    assert _selected(selection, "xab") == "x"
    assert selection.surprise(1_000 + LOOK_NS // 2) == ("SAT", "a")
    assert selection.surprise(1_000 + LOOK_NS // 2) is None
    selection.drift(("SAT", "b"), 2_000)
    assert selection.surprise(2_000 + LOOK_NS) is None, "there was time to see it"


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), min_size=1, max_size=12))
def test_the_selected_stays_selected_for_as_long_as_it_is_listed(lists: list[list[str]]) -> None:
    selection = AlarmSelection()
    before = ""
    for names in lists:
        now = _selected(selection, "".join(names))
        if before in names and before:
            assert now == before
        else:
            assert now in names or not names
            assert (selection.surprise() is not None) == bool(before and before not in names)
        before = now
