"""Limits: the band includes its bounds, zero is a bound, and a state needs its count of samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.dictionary import Bus, Channel, LimitSet
from telemetry.frame import Frame, Quality
from telemetry.freshness import is_invalid
from telemetry.limit_set import LEVELS
from telemetry.limits import DISABLED, Level, LimitMonitor, Transition, calm_band, check, check_set, levels

SPEED = Channel(
    "adcs.speed",
    "Wheel X speed",
    "rpm",
    limits=(
        LimitSet(when="obc.mode = SAFE", critical=(0.0, 1000.0)),
        LimitSet(watch=(-400, 4000), warning=(-500, 5000), critical=(-600, 6000), severe=(-700, 7000)),
    ),
)
MODE = Channel("obc.mode", "Mode", enum=((0, "BOOT"), (1, "SAFE"), (3, "NOMINAL")))
BUS = Bus("b", (SPEED, MODE), context=("obc.mode",))


def monitor(min_violations: int = 3, min_conformance: int = 3) -> LimitMonitor:
    channel = Channel(
        "a.b", "A", limits=(LimitSet(warning=(0, 10), critical=(-10, 20)),),
        min_violations=min_violations, min_conformance=min_conformance,
    )  # fmt: skip
    return LimitMonitor(Bus("b", (channel,)))


def feed(one: LimitMonitor, values: list[float]) -> list[tuple[int, Transition]]:
    return [(i, change) for i, value in enumerate(values) for change in one.step({"a.b": value})]


@pytest.mark.parametrize(
    ("pair", "value", "side"),
    [
        ((0.0, 5.0), 0.0, 0),
        ((0.0, 5.0), -0.0, 0),
        ((0.0, 5.0), math.nextafter(0, -1), -1),
        ((-5.0, 0.0), math.nextafter(0, 1), 1),
        ((-5.0, 0.0), 0.0, 0),
        ((0.0, 0.0), 0.0, 0),
        ((0.0, 0.0), 1e-300, 1),
        ((1.0, 5.0), 1.0, 0),
        ((1.0, 5.0), 5.0, 0),
        ((1.0, 5.0), math.nextafter(5, 6), 1),
        ((1.0, 5.0), math.inf, 1),
        ((1.0, 5.0), -math.inf, -1),
        ((-math.inf, 5.0), -1e308, 0),
        ((1.0, math.inf), 1e308, 0),
    ],
)
@pytest.mark.parametrize("level", ["watch", "warning", "distress", "critical", "severe"])
def test_truth_table_at_the_bounds(level: str, pair: tuple[float, float], value: float, side: int) -> None:
    channel = Channel("a.b", "A", limits=(LimitSet(**{level: pair}),))
    result = check(channel, value, {})
    assert result.side == side
    assert result.level == (Level[level.upper()] if side else Level.IN_LIMITS)
    assert result.limit == (None if not side else pair[side > 0])


@pytest.mark.parametrize(
    ("pair", "value", "side"),
    [
        ((0.0, 5.0), 0.0, -1),
        ((0.0, 5.0), -0.0, -1),
        ((-0.0, 5.0), 0.0, -1),
        ((0.0, 5.0), math.nextafter(0, 1), 0),
        ((-5.0, 0.0), math.nextafter(0, -1), 0),
        ((-5.0, 0.0), 0.0, 1),
        ((-5.0, 0.0), -0.0, 1),
        ((1.0, 5.0), 1.0, -1),
        ((1.0, 5.0), math.nextafter(1, 2), 0),
        ((1.0, 5.0), 5.0, 1),
        ((1.0, 5.0), math.nextafter(5, 4), 0),
        ((1.0, 5.0), math.inf, 1),
        ((1.0, 5.0), -math.inf, -1),
        ((-math.inf, 5.0), -math.inf, 0),
        ((1.0, math.inf), math.inf, 0),
    ],
)
@pytest.mark.parametrize("level", LEVELS)
def test_truth_table_at_exclusive_bounds(level: str, pair: tuple[float, float], value: float, side: int) -> None:
    """A bound that is exclusive is out of limits itself; an infinite one is open and stays so."""
    ends = frozenset(
        f"{level} {end}" for end, bound in zip(("low", "high"), pair, strict=True) if math.isfinite(bound)
    )
    limits = LimitSet(**{level: pair}, exclusive=ends)
    result = check(Channel("a.b", "A", limits=(limits,)), value, {})
    assert (result.side, result.level) == (side, Level[level.upper()] if side else Level.IN_LIMITS)
    assert result.limit == (None if not side else pair[side > 0])
    assert result.exclusive is (side != 0)
    assert levels(limits, np.array([value])).tolist() == [int(result.level)]


@pytest.mark.parametrize(
    ("limits", "value", "level"),
    [
        (LimitSet(states=((0.0, "warning"), (3.0, "severe"))), 0.0, Level.WARNING),
        (LimitSet(states=((0.0, "warning"), (3.0, "severe"))), -0.0, Level.WARNING),
        (LimitSet(states=((0.0, "warning"), (3.0, "severe"))), 3.0, Level.SEVERE),
        (LimitSet(states=((0.0, "warning"), (3.0, "severe"))), 1.0, Level.IN_LIMITS),
        (LimitSet(expected=(0.0,)), -0.0, Level.IN_LIMITS),
        (LimitSet(expected=(0.0,), expected_level="watch"), 1.0, Level.WATCH),
        (LimitSet(expected=(0.0,)), math.inf, Level.WARNING),
        (LimitSet(expected=(0.0, 3.0)), 3.0, Level.IN_LIMITS),
        (LimitSet(expected=(0.0,), states=((3.0, "watch"),)), 3.0, Level.WARNING),
        (LimitSet(expected=(0.0,), critical=(0, 2)), 3.0, Level.CRITICAL),
        (LimitSet(expected=(0.0,), critical=(0, 2)), 1.0, Level.WARNING),
        (LimitSet(states=((3.0, "severe"),), critical=(0, 2)), 3.0, Level.SEVERE),
        (LimitSet(expected=(0.0,)), math.nan, Level.DISABLED),
        (LimitSet(states=((0.0, "watch"),)), math.nan, Level.DISABLED),
    ],
)
def test_truth_table_of_states_and_expected_values(limits: LimitSet, value: float, level: Level) -> None:
    assert check(Channel("a.b", "A", limits=(limits,)), value, {}).level == level
    assert levels(limits, np.array([value])).tolist() == [int(level)]


def test_of_two_equal_levels_the_bound_speaks() -> None:
    result = check_set(LimitSet(expected=(0.0,), warning=(0, 2)), 3.0)
    assert (result.level, result.side, result.limit, result.expected) == (Level.WARNING, 1, 2, ())


CODES = (0.0, 1.0, 2.0, 4.0)
POINTS = st.builds(
    LimitSet,
    warning=st.sampled_from([None, (0.0, 2.0), (1.0, 4.0)]),
    states=st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(LEVELS)), max_size=3).map(tuple),
    expected=st.lists(st.sampled_from(CODES), max_size=2).map(tuple),
    exclusive=st.sets(st.sampled_from(["warning low", "warning high"])).map(frozenset),
)


@given(POINTS, st.booleans(), st.sampled_from([*CODES, 0.5, 3.0]))
def test_what_is_in_the_calm_band_is_in_limits(limits: LimitSet, enumerated: bool, value: float) -> None:
    """The band that spares the check is never wider than the check, for codes and for any number."""
    low, high = calm_band([limits], CODES if enumerated else ())
    if low <= value <= high and (not enumerated or value in CODES):
        assert check_set(limits, value).level == Level.IN_LIMITS


def test_a_state_needs_its_count_and_is_taken_up_after_a_restart() -> None:
    limits = LimitSet(states=((1.0, "warning"), (2.0, "critical")))
    channel = Channel("a.b", "A", enum=((0, "OFF"), (1, "ON"), (2, "TEST")), limits=(limits,))
    one = LimitMonitor(Bus("b", (channel,)))
    found = feed(one, [1, 1, 0, 1, 1, 2, 2, 2])
    assert [(i, change.result.level, change.worst) for i, change in found] == [
        (5, Level.WARNING, 2.0),
        (7, Level.CRITICAL, 2.0),
    ]
    again = LimitMonitor(Bus("b", (channel,)))
    assert again.resume("a.b", Level.CRITICAL, 0, 5, 2.0)
    assert [(i, change.entered, change.worst) for i, change in feed(again, [0, 0, 0])] == [(2, False, 2.0)]


@pytest.mark.parametrize(
    ("value", "level", "limit"),
    [
        (4000.0, Level.IN_LIMITS, None),
        (4001.0, Level.WATCH, 4000),
        (5001.0, Level.WARNING, 5000),
        (6204.0, Level.CRITICAL, 6000),
        (7001.0, Level.SEVERE, 7000),
        (-650.0, Level.CRITICAL, -600),
    ],
)
def test_the_worst_level_that_is_violated_counts(value: float, level: Level, limit: float | None) -> None:
    result = check(BUS.channel("adcs.speed"), value, {"obc.mode": 3.0})
    assert (result.level, result.limit, result.set_name) == (level, limit, "default")


def test_the_context_chooses_the_set_and_zero_is_a_limit_in_it() -> None:
    result = check(BUS.channel("adcs.speed"), -0.5, {"obc.mode": 1.0})
    assert (result.level, result.side, result.limit, result.set_name) == (
        Level.CRITICAL,
        -1,
        0.0,
        "obc.mode = SAFE",
    )
    assert result.side_word == "LOW"


def test_nothing_to_check_is_disabled() -> None:
    assert check(MODE, 1.0, {}) == DISABLED
    assert check(BUS.channel("adcs.speed"), math.nan, {}) == DISABLED


@given(st.lists(st.floats(allow_nan=False) | st.sampled_from([0.0, 10.0, 20.0, -10.0]), max_size=30))
def test_a_column_is_checked_like_its_values(values: list[float]) -> None:
    limits = LimitSet(watch=(1, 9), warning=(0, 10), critical=(-10, 20))
    expected = [int(check_set(limits, value).level) for value in values]
    assert levels(limits, np.array(values)).tolist() == expected


def test_a_column_with_nan_is_disabled_there() -> None:
    assert levels(LimitSet(warning=(0, 1)), np.array([math.nan, 2.0])).tolist() == [-1, 2]


def test_three_bad_samples_raise_and_three_good_ones_return() -> None:
    changes = feed(monitor(), [5, 11, 12, 11.5, 13, 9, 9, 11, 9, 9, 9, 9])
    assert [(i, change.entered, change.result.level) for i, change in changes] == [
        (3, True, Level.WARNING),
        (10, False, Level.IN_LIMITS),
    ]
    entered, returned = changes[0][1], changes[1][1]
    assert (entered.count, entered.worst, entered.value, entered.result.limit) == (3, 12, 11.5, 10)
    assert (returned.count, returned.worst, returned.value) == (5, 13, 9)


@pytest.mark.parametrize("needed", [1, 2, 5])
def test_a_glitch_one_short_of_the_count_raises_nothing(needed: int) -> None:
    assert feed(monitor(needed), ([11] * (needed - 1) + [5]) * 10) == []
    assert [i for i, _ in feed(monitor(needed), [11] * needed)] == [needed - 1]


@pytest.mark.parametrize("needed", [1, 2, 5])
def test_the_count_to_return_is_its_own(needed: int) -> None:
    one = monitor(1, needed)
    assert len(feed(one, [11])) == 1
    assert feed(one, ([5] * (needed - 1) + [11]) * 5) == []
    assert [change.entered for _, change in feed(one, [5] * needed)] == [False]


def test_worse_needs_its_count_too_and_milder_as_well() -> None:
    changes = feed(monitor(), [11, 11, 21, 21, 21, 15, 15, 15, 5, 5, 5])
    assert [(i, change.result.level) for i, change in changes] == [
        (2, Level.WARNING),
        (4, Level.CRITICAL),
        (7, Level.WARNING),
        (10, Level.IN_LIMITS),
    ]
    assert changes[1][1].result.limit == 20


def test_low_samples_do_not_count_towards_high() -> None:
    assert feed(monitor(), [11, -1, 11, -1, 11, -1]) == []
    changes = feed(monitor(), [11, 11, 11, -1, -1, -1])
    assert [(change.result.side, change.worst) for _, change in changes] == [(1, 11), (-1, -1)]


def test_invalid_values_are_no_samples() -> None:
    assert [i for i, _ in feed(monitor(), [11, math.nan, 11, math.nan, 11])] == [4]


def frame(value: float, quality: int = 0) -> Frame:
    layout = Bus("b", (Channel("a.b", "A"),)).layouts["hk"]
    return Frame("K", 1, 1, 1, 1, quality, layout, np.array([value]))


@pytest.mark.parametrize("quality", [Quality.STORED, Quality.LATE, Quality.STORED | Quality.SIMULATED])
def test_stored_and_late_frames_change_nothing(quality: int) -> None:
    one = monitor(1)
    assert one.step(frame(50, quality)) == []
    assert one.ongoing() == []
    assert len(one.step(frame(50, Quality.SIMULATED))) == 1


def test_the_context_of_a_frame_holds_for_the_frame_itself() -> None:
    one = LimitMonitor(
        Bus("b", (Channel("adcs.speed", "S", limits=SPEED.limits, min_violations=1), MODE), ("obc.mode",))
    )
    changes = one.step({"adcs.speed": 2000.0, "obc.mode": 1.0})
    assert changes[0].result.set_name == "obc.mode = SAFE"
    assert changes[0].set_title == "SAFE"
    assert one.step({"obc.mode": 99.0}) == []
    assert one.context == {"obc.mode": 1.0}


def test_an_episode_that_was_open_is_taken_up_again() -> None:
    one = monitor()
    assert one.resume("a.b", Level.WARNING, 1, 7, 14.0)
    assert not one.resume("a.none", Level.WARNING, 1, 7, 14.0)
    changes = feed(one, [5, 5, 5])
    assert [(i, change.entered, change.count, change.worst) for i, change in changes] == [(2, False, 7, 14.0)]


@given(st.lists(st.sampled_from([-20.0, -5.0, 5.0, 15.0, 30.0]), max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_a_state_is_entered_and_left_by_the_rule(values: list[float], bad: int, good: int) -> None:
    """Against the rule written out over the whole history."""
    one = monitor(bad, good)
    limits = LimitSet(warning=(0, 10), critical=(-10, 20))
    signed = [int(result.level) * result.side for result in (check_set(limits, value) for value in values)]
    state, since = 0, 0
    for i, value in enumerate(values):
        one.step({"a.b": value})
        tail = signed[max(since, i + 1 - bad) : i + 1]
        reached = 0
        if len(tail) == bad:
            reached = min(tail) if min(tail) > 0 else min(max(tail), 0)
        if reached and (reached * state <= 0 or abs(reached) > abs(state)):
            state = reached
        elif state:
            calm = signed[max(since, i + 1 - good) : i + 1]
            sign = 1 if state > 0 else -1
            milder = max(level * sign for level in calm)
            if len(calm) == good and not any(calm):
                state, since = 0, i + 1
            elif len(calm) == good and 0 < milder < abs(state):
                state = milder * sign
        shown = [int(change.result.level) * change.result.side for change in one.ongoing()]
        assert shown == ([state] if state else [])


@given(
    st.lists(st.sampled_from([-20.0, -3.0, 0.0, 5.0, 5.5, 15.0, 50.0, math.inf, -math.inf, math.nan]), max_size=25),
    st.sampled_from([(), (5.0,), (50.0,)]),
    st.sampled_from([None, (-10.0, 20.0), (1.0, 100.0)]),
    st.booleans(),
)
def test_a_calm_channel_is_judged_like_any_other(
    values: list[float], sentinels: tuple[float, ...], valid: tuple[float, float] | None, safe: bool
) -> None:
    """Values that leave out the invalid ones give the same transitions as values that a monitor has to sort out."""
    sets = (LimitSet(when="obc.mode = 1", warning=(4, math.inf)), LimitSet(warning=(-math.inf, 10)))
    context = {"obc.mode": float(safe)}
    judged = Channel("a.b", "A", limits=sets, valid=valid, sentinels=sentinels, min_violations=2, min_conformance=2)
    one = LimitMonitor(Bus("b", (judged, MODE), ("obc.mode",)))
    found = [int(change.result.level) for value in values for change in one.step({"a.b": value, **context})]
    twin = Channel("a.b", "A", limits=sets, min_violations=2, min_conformance=2)
    plain = LimitMonitor(Bus("b", (twin, MODE), ("obc.mode",)))
    plain.context.update(context)
    sound = [value for value in values if not is_invalid(judged, value)]
    assert found == [int(change.result.level) for value in sound for change in plain.step({"a.b": value})]
