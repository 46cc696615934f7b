"""Stuck and rate rules: whole batches give what a look at each sample gives, and a spike of one sample is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from telemetry.dictionary import Bus, Channel
from telemetry.frame import FrameBatch
from telemetry.freshness import Validity
from telemetry.limits import Level, Transition
from telemetry.movement import Movement, movement_text
from telemetry.query_parser import parse_expression
from telemetry.query_syntax import holds, holds_rows

S = 1_000_000_000
RATE = Channel(
    "adcs.rate_x", "Rate X", "deg/s", decimals=3, stuck_s=6, max_rate=1.5, min_conformance=3, valid=(-50, 50)
)
LIT = Channel(
    "eps.pv", "Array", "A", stuck_s=6, stuck_when="orb.eclipse = 0 and obc.mode != 1", max_rate=1.5,
    rate_when="obc.mode = 3", min_conformance=2,
)  # fmt: skip
FREE = Channel("eps.count", "Count")
LIGHT = Channel("orb.eclipse", "Light", valid=(0, 1))
MODE = Channel("obc.mode", "Mode", period_s=10)
BUS = Bus(
    "b", (RATE, LIT, FREE, LIGHT, MODE), ("orb.eclipse", "obc.mode"),
    (("hk", ("adcs.rate_x", "eps.pv", "eps.count", "orb.eclipse")), ("slow", ("obc.mode",))),
)  # fmt: skip
LAYOUT = BUS.layouts["hk"]


@dataclass(frozen=True)
class Row:
    """One frame of the housekeeping packet; the mode is what the other packet said before."""

    satellite: str
    t_ns: int
    boot: int
    values: tuple[float, float, float, float]
    mode: float


def batch_of(rows: Sequence[Row]) -> FrameBatch:
    names = tuple(dict.fromkeys(row.satellite for row in rows))
    t_ns = np.array([row.t_ns for row in rows], dtype=np.int64)
    zeros = np.zeros(len(rows), dtype=np.int64)
    return FrameBatch(
        LAYOUT,
        names,
        np.array([names.index(row.satellite) for row in rows], dtype=np.int64),
        np.array([row.boot for row in rows], dtype=np.int64),
        np.arange(len(rows), dtype=np.int64),
        t_ns,
        t_ns,
        zeros,
        np.array([row.values for row in rows]),
    )


def watch(
    movement: Movement, rows: Sequence[Row], use: Sequence[bool] | None = None
) -> list[tuple[int, Transition]]:
    batch = batch_of(rows)
    used = [True] * len(rows) if use is None else use
    found = movement.step(
        batch,
        Validity(BUS.channels_of(LAYOUT)).mask(batch.values),
        np.array(used),
        lambda name, _: {
            "obc.mode": np.array(
                [row.mode for row, on in zip(rows, used, strict=True) if on and row.satellite == name]
            )
        },
    )
    return found.changes


def line(values: Sequence[float], start_s: float = 0, mode: float = 3.0, eclipse: float = 0.0, step_s: float = 1):
    """A satellite's frames, one a second; every channel has the same value."""
    return [
        Row("K", round((start_s + i * step_s) * S), 1, (value, value, 7.0, eclipse), mode)
        for i, value in enumerate(values)
    ]


def told(found: Sequence[tuple[int, Transition]], channel: str = "adcs.rate_x") -> list[tuple[int, str, bool]]:
    return [(i, one.result.rule, one.entered) for i, one in found if one.channel.name == channel]


def wobble(n: int, at: float = 0.0) -> list[float]:
    return [at + 0.1 * (i % 2) for i in range(n)]


def test_a_value_that_stands_longer_than_allowed_is_stuck_until_it_moves() -> None:
    found = watch(Movement(BUS, LAYOUT), line([*wobble(5), *[0.25] * 20, 0.3, 0.3, 0.35, *wobble(5)]))
    assert told(found) == [(12, "stuck", True), (27, "stuck", False)]
    (_, entered), (_, returned) = (one for one in found if one[1].channel is BUS.channel("adcs.rate_x"))
    assert (entered.result.level, entered.result.limit, entered.measured, entered.count) == (Level.WARNING, 6, 7, 8)
    assert movement_text(entered) == "Rate X 0.250 deg/s unchanged for 7 s, allowed 6 s, WARNING STUCK"
    assert movement_text(returned) == "Rate X 0.350 deg/s moves again; it stood at 0.250 deg/s, 20 samples"


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_spike_of_one_to_three_samples_is_told_once_and_returns(samples: int) -> None:
    found = watch(Movement(BUS, LAYOUT), line([*wobble(5), *wobble(samples, 4.0), *wobble(5)]))
    assert [(one.result.rule, one.entered, one.count) for _, one in found if one.channel.name == "adcs.rate_x"] == [
        ("rate", True, 1),
        ("rate", False, 2),
    ]
    assert found[0][0] == 5
    assert found[0][1].result.level == Level.WATCH
    assert movement_text(found[0][1]).startswith(
        "Rate X 4.000 deg/s changed by +4 a second, allowed 1.5 deg/s a sec"
    )


def test_an_allowance_includes_its_end() -> None:
    assert told(watch(Movement(BUS, LAYOUT), line([0, 1.5, 0, -1.5]))) == []
    assert told(watch(Movement(BUS, LAYOUT), line([0.0, 0.1, *[1.0] * 7]))) == []
    assert told(watch(Movement(BUS, LAYOUT), line([0.0, 0.1, *[1.0] * 8]))) == [(9, "stuck", True)]


def test_a_rate_is_a_second_and_not_a_sample() -> None:
    assert told(watch(Movement(BUS, LAYOUT), line([0, 2.9, 0.1], step_s=2))) == []
    assert told(watch(Movement(BUS, LAYOUT), line([0, 3.1], step_s=2))) == [(1, "rate", True)]


def test_five_samples_are_needed_however_slow_the_channel() -> None:
    rows = line([1.0] * 5, step_s=3)
    assert told(watch(Movement(BUS, LAYOUT), rows[:4])) == []
    assert told(watch(Movement(BUS, LAYOUT), rows)) == [(4, "stuck", True)]


@pytest.mark.parametrize(
    "rows",
    [
        [*line([1.0] * 6), *line([1.0] * 6, start_s=20)],
        [*line([1.0] * 6), *line([1.0] * 6, start_s=-20)],
        [*line([1.0] * 6), *(Row("K", r.t_ns, 2, r.values, r.mode) for r in line([1.0] * 6, start_s=6))],
    ],
    ids=["gap", "back in time", "restart"],
)
def test_a_gap_and_a_restart_begin_anew(rows: list[Row]) -> None:
    assert watch(Movement(BUS, LAYOUT), rows) == []
    jumped = [*rows[:6], *(Row("K", r.t_ns, r.boot, (40.0, *r.values[1:]), r.mode) for r in rows[6:])]
    assert told(watch(Movement(BUS, LAYOUT), jumped)) == []


def test_a_stuck_value_is_still_stuck_after_a_gap() -> None:
    movement = Movement(BUS, LAYOUT)
    assert told(watch(movement, line([1.0] * 9))) == [(7, "stuck", True)]
    assert told(watch(movement, line([1.0] * 4, start_s=500))) == []
    assert told(watch(movement, line([1.1, 1.2, 1.3], start_s=504))) == [(2, "stuck", False)]


def test_invalid_values_are_no_samples() -> None:
    values = [1.0, math.nan, 1.0, 99.0, 1.0, math.inf, 1.0, math.nan, 1.0]
    assert told(watch(Movement(BUS, LAYOUT), line(values))) == [(8, "stuck", True)]


def test_a_rule_holds_in_its_context_only() -> None:
    dark = line([0.0] * 30, eclipse=1.0)
    assert told(watch(Movement(BUS, LAYOUT), dark), "eps.pv") == []
    assert told(watch(Movement(BUS, LAYOUT), line([0.0] * 30, mode=1.0)), "eps.pv") == []
    movement = Movement(BUS, LAYOUT)
    assert told(watch(movement, dark), "eps.pv") == []
    assert told(watch(movement, line([0.0] * 30, start_s=30)), "eps.pv") == [(6, "stuck", True)]
    assert told(watch(Movement(BUS, LAYOUT), line([0, 9, 0], mode=2.0)), "eps.pv") == []
    assert told(watch(Movement(BUS, LAYOUT), line([0, 9, 0], mode=3.0)), "eps.pv") == [(1, "rate", True)]


def test_unused_rows_are_not_looked_at() -> None:
    rows = line([0, 30, 0, 0.1])
    assert watch(Movement(BUS, LAYOUT), rows, [True, False, True, True]) == []


@pytest.mark.parametrize("rule", ["stuck", "rate"])
def test_an_episode_from_before_a_restart_returns(rule: str) -> None:
    movement = Movement(BUS, LAYOUT)
    assert movement.resume("K", "adcs.rate_x", rule, 1.0, 70)
    assert not movement.resume("K", "eps.count", rule, 1.0, 70)
    assert not movement.resume("K", "adcs.rate_x", "limit", 1.0, 70)
    found = watch(movement, line([*wobble(5)]))
    assert [(one.result.rule, one.entered) for _, one in found] == [(rule, False)]


class Plain:
    """The rules of one channel, written out sample by sample."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.last: tuple[int, int, float] | None = None
        self.since, self.run = 0, 0
        self.stuck: float | None = None
        self.jumping = False
        self.moved = self.calm = 0

    def step(
        self, t_ns: int, boot: int, value: float, stuck_holds: bool, rate_holds: bool
    ) -> list[tuple[str, bool]]:
        assert self.channel.stuck_s is not None
        assert self.channel.max_rate is not None
        found: list[tuple[str, bool]] = []
        linked = self.last is not None and self.last[1] == boot and 0 < t_ns - self.last[0] <= 3 * S
        if linked and self.last is not None and self.last[2] == value and stuck_holds:
            self.run += 1
        else:
            self.since, self.run = t_ns, 1
        if self.stuck is None:
            if self.run >= 5 and t_ns - self.since > self.channel.stuck_s * S:
                self.stuck, self.moved = value, 0
                found.append(("stuck", True))
        elif value == self.stuck:
            self.moved = 0
        else:
            self.moved += 1
            if self.moved == self.channel.min_conformance:
                self.stuck = None
                found.append(("stuck", False))
        if linked and self.last is not None:
            fast = abs(value - self.last[2]) * S > self.channel.max_rate * (t_ns - self.last[0]) and rate_holds
            if fast:
                self.calm = 0
                if not self.jumping:
                    self.jumping = True
                    found.append(("rate", True))
            elif self.jumping:
                self.calm += 1
                if self.calm == self.channel.min_conformance:
                    self.jumping = False
                    found.append(("rate", False))
        self.last = (t_ns, boot, value)
        return found


VALUES = st.sampled_from([0.0, 0.0, 0.0, 0.0, -0.0, 1.0, 2.0, 9.0, math.nan, math.inf, 60.0])
ROWS = st.lists(
    st.tuples(
        st.sampled_from("KL"),
        st.sampled_from([1, 1, 1, 1, 1, 2, 3, 4, 0, -5]),
        st.booleans(),
        VALUES,
        st.sampled_from([0.0, 0.0, 1.0, 7.0]),
        st.sampled_from([1.0, 3.0, 3.0]),
        st.integers(1, 12),
    ),
    max_size=25,
)


@example(
    [("L", 1, False, 0.0, 0.0, 1.0, 1), ("L", 1, False, math.nan, 0.0, 1.0, 1), ("L", 1, False, 0.0, 0.0, 3.0, 6)],
    [1],
)
@given(ROWS, st.lists(st.integers(1, 40), min_size=1, max_size=10))
def test_batches_of_any_size_give_what_samples_give(drawn: list, cuts: list[int]) -> None:
    """Several satellites mixed, NaN, values out of range, gaps, steps back, restarts, contexts that come and go."""
    rows: list[Row] = []
    now, boots = {"K": 0, "L": 0}, {"K": 1, "L": 1}
    for satellite, step_s, restart, value, eclipse, mode, times in drawn:
        boots[satellite] += restart and times == 1
        for _ in range(times):
            now[satellite] += step_s * S
            values = (value, value, 0.0, eclipse)
            rows.append(Row(satellite, now[satellite], boots[satellite], values, mode))
    movement, i, j = Movement(BUS, LAYOUT), 0, 0
    found: list[tuple[int, str, str, str, bool]] = []
    while i < len(rows):
        part = rows[i : i + cuts[j % len(cuts)]]
        for at, one in watch(movement, part):
            found.append((i + at, rows[i + at].satellite, one.channel.name, one.result.rule, one.entered))
        i, j = i + len(part), j + 1
    plain = {(name, channel.name): Plain(channel) for name in "KL" for channel in (RATE, LIT)}
    light = {"K": math.nan, "L": math.nan}
    expected: list[tuple[int, str, str, str, bool]] = []
    for at, row in enumerate(rows):
        if row.values[3] <= 1:
            light[row.satellite] = row.values[3]
        lit = light[row.satellite] == 0 and row.mode != 1
        for channel, holding in ((RATE, (True, True)), (LIT, (lit, row.mode == 3))):
            value = row.values[0]
            if not math.isfinite(value) or (channel is RATE and value > 50):
                continue
            changes = plain[row.satellite, channel.name].step(row.t_ns, row.boot, value, *holding)
            expected += [(at, row.satellite, channel.name, rule, entered) for rule, entered in changes]
    assert sorted(found) == sorted(expected)


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, 3.0, math.nan])] * 2), min_size=1, max_size=8))
@pytest.mark.parametrize(
    "text", ["orb.eclipse = 0", "not (orb.eclipse = 0 and obc.mode != 1)", "obc.mode > 1 or not orb.eclipse <= 0"]
)
def test_a_condition_of_many_rows_is_that_of_each(text: str, values: list[tuple[float, float]]) -> None:
    tree = parse_expression(text, BUS.vocabulary)
    names = ("orb.eclipse", "obc.mode")
    columns = {name: np.array([one[j] for one in values]) for j, name in enumerate(names)}
    expected = [holds(tree, dict(zip(names, one, strict=True))) for one in values]
    assert holds_rows(tree, columns).tolist() == expected


STEP = Channel("obc.count", "Restarts", "", delta=(0, 1), delta_level="warning", min_conformance=2)
CHECKED = Bus("b", (STEP,))


def stepped(
    values: Sequence[float], times: Sequence[float] = (), boots: Sequence[int] = ()
) -> list[tuple[int, str]]:
    """Row and sentence of each transition of the delta rule."""
    layout, n = CHECKED.layouts["hk"], len(values)
    t_ns = np.array([round(t * S) for t in times or range(n)], dtype=np.int64)
    zeros = np.zeros(n, dtype=np.int64)
    batch = FrameBatch(
        layout, ("K",), zeros, np.array(boots or [1] * n), np.arange(n), t_ns, t_ns, zeros, np.array([values]).T
    )
    found = Movement(CHECKED, layout).step(batch, np.isnan(batch.values), np.ones(n, dtype=bool), lambda *_: {})
    return [(i, movement_text(change)) for i, change in found.changes]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([3, 3, 4, 5, 5], []),
        ([3, 5, 5, 5], [(1, "Restarts 5 changed by +2 from the sample before, allowed 0 to 1, WARNING DELTA"),
                        (3, "Restarts 5 changes as allowed again; worst 5, 1 samples")]),
        ([3, 2], [(1, "Restarts 2 changed by -1 from the sample before, allowed 0 to 1, WARNING DELTA")]),
        ([0.0, -0.0], []),
        ([3, math.nan, 4], []),
        ([3, math.nan, 5], [(2, "Restarts 5 changed by +2 from the sample before, allowed 0 to 1, WARNING DELTA")]),
        ([0, math.nextafter(1, 2)],
         [(1, "Restarts 1 changed by +1 from the sample before, allowed 0 to 1, WARNING DELTA")]),
    ],
)  # fmt: skip
def test_a_step_between_two_samples_is_held_against_both_ends(
    values: list[float], told: list[tuple[int, str]]
) -> None:
    assert stepped(values) == told


def test_a_step_over_a_gap_a_restart_or_a_long_time_within_the_hold() -> None:
    assert stepped([3, 9], times=[0, 4]) == []
    assert stepped([3, 9], boots=[1, 2]) == []
    assert [i for i, _ in stepped([3, 9], times=[0, 3])] == [1]


def test_a_value_that_must_change_may_not_stand() -> None:
    bus = Bus("b", (Channel("obc.beat", "Beat", delta=(1, 1)),))
    layout = bus.layouts["hk"]
    zeros, t_ns = np.zeros(3, dtype=np.int64), np.arange(3, dtype=np.int64) * S
    batch = FrameBatch(
        layout, ("K",), zeros, zeros + 1, np.arange(3), t_ns, t_ns, zeros, np.array([[1.0], [2.0], [2.0]])
    )
    found = Movement(bus, layout).step(batch, zeros[:, None] > 0, np.ones(3, dtype=bool), lambda *_: {})
    [(row, change)] = found.changes
    assert (row, change.result.level, change.result.side, change.result.limit) == (2, Level.WATCH, -1, 1)
    assert movement_text(change) == "Beat 2 changed by +0 from the sample before, allowed 1, WATCH DELTA"
