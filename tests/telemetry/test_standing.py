"""Of the rules a channel breaks the worst speaks, so that a channel has one alarm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import AlarmState
from telemetry.dictionary import Channel
from telemetry.limits import LIMIT, Level, Result, Transition
from telemetry.standing import Standing

CHANNEL = Channel("thm.t", "Panel", "degC", stuck_s=60, max_rate=1)
KEY = ("K", "thm.t")


def change(rule: str, level: Level | None) -> Transition:
    result = Result(Level.IN_LIMITS if level is None else level, 1, 9.0, "", rule)
    return Transition(CHANNEL, result, 5.0, level is not None, 1, 5.0, "", 61.0)


def told(*changes: Transition) -> list[tuple[str, Level]]:
    standing = Standing()
    return [(one.result.rule, one.result.level) for each in changes for one in standing.merge([each])]


def test_a_rule_that_another_outweighs_says_nothing() -> None:
    changes = [
        change(LIMIT, Level.CRITICAL),
        change("rate", Level.WATCH),
        change("stuck", Level.WARNING),
        change("rate", None),
        change(LIMIT, None),
        change("stuck", None),
    ]
    assert told(*changes) == [(LIMIT, Level.CRITICAL), ("stuck", Level.WARNING), ("stuck", Level.IN_LIMITS)]


def test_of_equal_levels_the_newest_speaks() -> None:
    assert told(change(LIMIT, Level.WARNING), change("stuck", Level.WARNING), change("stuck", None)) == [
        (LIMIT, Level.WARNING),
        ("stuck", Level.WARNING),
        (LIMIT, Level.WARNING),
    ]


def test_a_limit_that_became_milder_lets_the_next_worst_speak() -> None:
    changes = [change(LIMIT, Level.CRITICAL), change("stuck", Level.WARNING), change(LIMIT, Level.WATCH)]
    assert told(*changes) == [(LIMIT, Level.CRITICAL), ("stuck", Level.WARNING)]


def test_what_was_taken_up_after_a_restart_counts() -> None:
    standing = Standing()
    standing.take_up(change(LIMIT, Level.CRITICAL))
    assert standing.merge([change("stuck", Level.WARNING)]) == []
    assert [one.result.rule for one in standing.merge([change(LIMIT, None)])] == ["stuck"]
    assert [one.entered for one in standing.merge([change("stuck", None)])] == [False]


LEVELS = st.sampled_from([None, Level.WATCH, Level.WARNING, Level.CRITICAL])


@given(st.lists(st.tuples(st.sampled_from([LIMIT, "stuck", "rate"]), LEVELS), max_size=30))
def test_the_alarm_of_a_channel_is_open_while_any_rule_is_broken(story: list[tuple[str, Level | None]]) -> None:
    standing, desk = Standing(), AlarmDesk()
    broken: dict[str, Level] = {}
    for second, (rule, level) in enumerate(story):
        if level is None and rule not in broken:
            continue
        broken.pop(rule, None)
        if level is not None:
            broken[rule] = level
        desk.limits("K", standing.merge([change(rule, level)]), second)
        assert set(desk.alarms) <= {KEY}
        if broken:
            alarm = desk.alarms[KEY]
            worst = max(broken.values())
            assert alarm.active
            assert (alarm.level, broken[alarm.rule]) == (worst, worst)
        elif KEY in desk.alarms:
            assert desk.alarms[KEY].state is AlarmState.RTN_UNACK
