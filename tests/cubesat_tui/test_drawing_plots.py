"""Canvas, sparkline, gauge and trend: what is drawn is what was measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.drawing.braille import DotCanvas
from cubesat_tui.drawing.gauge import gauge_text
from cubesat_tui.drawing.rows import plain, width
from cubesat_tui.drawing.signs import ASCII, UNICODE
from cubesat_tui.drawing.spark import floor_span, spark_text
from cubesat_tui.drawing.trend_plot import LimitLine, TrendData, aligned, bins_for, trend_rows, value_range

S = 1_000_000_000


@given(st.sets(st.tuples(st.integers(0, 19), st.integers(0, 15)), max_size=60))
def test_every_dot_and_no_other_is_in_the_characters(dots) -> None:
    canvas = DotCanvas(10, 4)
    canvas.points(np.array([x for x, _ in dots], dtype=np.intp), np.array([y for _, y in dots], dtype=np.intp))
    order = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    found = set()
    for cell_y, line in enumerate(canvas.texts()):
        for cell_x, char in enumerate(line):
            code = 0 if char == " " else ord(char) - 0x2800
            found |= {(2 * cell_x + dx, 4 * cell_y + dy) for bit, (dx, dy) in enumerate(order) if code & (1 << bit)}
    assert found == dots


def test_dots_outside_are_dropped_and_the_ascii_form_keeps_halves() -> None:
    canvas = DotCanvas(2, 1)
    canvas.points(np.array([0, 3, 99, -1]), np.array([0, 3, 0, 0]))
    assert canvas.texts(ascii_only=True) == ["'."]


def test_a_sparkline_rises_with_its_values_and_is_blank_in_a_gap() -> None:
    assert spark_text([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert spark_text([1, math.nan, 8]) == "▁ █"
    assert spark_text([math.nan] * 3) == "   "


def test_noise_of_the_last_digit_stays_flat() -> None:
    quiet = spark_text([5.001, 5.002, 5.001], floor_span(3, 4.6, 5.4))
    loud = spark_text([5.001, 5.002, 5.001])
    levels = ["▁▂▃▄▅▆▇█".index(c) for c in quiet]
    assert max(levels) - min(levels) <= 1
    assert loud == "▁█▁"


@pytest.mark.parametrize(
    ("value", "side", "shown"),
    [
        (6204, 1, "[.........|.......#!]"),
        (-6204, -1, "[!#.......|.........]"),
        (0, 0, "[.........#.........]"),
        (6000, 0, "[.........|........#]"),
        (9999, 0, "[.........|........#]"),
    ],
)
def test_the_gauge_shows_where_a_value_stands_and_which_limit_it_passed(value, side, shown) -> None:
    assert gauge_text(value, -6000, 6000, side) == shown


@given(st.floats(allow_nan=True), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from([-1, 0, 1]))
def test_a_gauge_always_has_its_size(value, low, high, side) -> None:
    assert len(gauge_text(value, low, high, side, 19)) == 21
    assert len(gauge_text(value, low, high, side, 5, bracketed=False)) == 5


@given(st.integers(0, 2**61), st.integers(1, 10**15), st.integers(2, 400))
def test_bins_hold_the_end_and_do_not_move_with_it(end_ns, span_ns, bins) -> None:
    t0, t1 = aligned(end_ns, span_ns, bins)
    step = (t1 - t0) // bins
    assert (t1 - t0) % bins == 0
    assert t0 % step == 0
    assert t1 - step <= end_ns < t1
    assert aligned(t1 - 1, span_ns, bins) == (t0, t1)


def _data(values, seconds: float = 600.0, join_s: float = 4.0) -> TrendData:
    array = np.array(values, dtype=np.float64)
    t0 = 1_795_331_040 * S
    return TrendData(t0, t0 + round(seconds * S), array, array, join_s)


def test_a_limit_line_is_drawn_whole_and_named_at_its_right_end() -> None:
    size = 60
    data = _data(np.linspace(0, 100, bins_for(size)), join_s=30)
    rows = [plain(r) for r in trend_rows(data, [LimitLine(50.0, "crit 50", "critical")], size, 9)]
    named = [r for r in rows if "crit 50" in r]
    assert len(named) == 1
    plot = named[0].split("│")[1].removesuffix(" crit 50")
    assert " " not in plot.rstrip(" ")
    assert len(plot.rstrip()) == size - 8 - 11


def test_a_limit_far_away_is_named_at_the_edge_instead() -> None:
    size = 60
    data = _data(np.full(bins_for(size), 10.0) + np.sin(np.arange(bins_for(size))))
    rows = [plain(r) for r in trend_rows(data, [LimitLine(900.0, "crit 900", "critical")], size, 8)]
    assert rows[0].endswith("crit 900")
    assert all("⠂⠂⠂⠂" not in r for r in rows)


def test_a_gap_is_blank_and_says_gap_while_a_slow_channel_is_joined() -> None:
    size = 80
    bins = bins_for(size)
    values = np.full(bins, 5.0)
    values[bins // 3 : bins // 2] = np.nan
    gap = [plain(r) for r in trend_rows(_data(values, join_s=4.0), [], size, 6)]
    assert any("gap" in r for r in gap)
    slow = np.full(bins, np.nan)
    slow[::4] = np.linspace(0, 9, len(slow[::4]))
    joined = [plain(r) for r in trend_rows(_data(slow, join_s=60.0), [], size, 6)]
    assert not any("gap" in r for r in joined)
    inked = sum(c not in " │" for r in joined[:-1] for c in r.split("│")[1][: size - 19])
    assert inked >= size - 19


def test_the_newest_value_stands_at_the_right_edge_at_its_height() -> None:
    size = 60
    values = np.zeros(bins_for(size))
    values[-1] = 100.0
    rows = trend_rows(_data(values), [], size, 9)
    top = plain(rows[0]).split("│")[1] + plain(rows[1]).split("│")[1]
    assert top.strip()
    column = size - 8 - 11 - 1
    assert any(plain(r).split("│")[1].ljust(size)[column] != " " for r in rows[:3])


@given(
    st.lists(st.one_of(st.floats(-1e12, 1e12), st.just(math.nan)), min_size=82, max_size=82),
    st.integers(20, 120),
    st.integers(2, 20),
    st.sampled_from([UNICODE, ASCII]),
)
def test_a_trend_is_a_rectangle_for_any_values(values, size, height, signs) -> None:
    rows = trend_rows(_data(values), [LimitLine(0.0, "warn 0", "warning")], size, height, signs)
    if rows:
        assert len(rows) == height
        assert {width(r) for r in rows} == {size}


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30))
def test_the_range_holds_every_value(values) -> None:
    low, high = value_range(_data(values), [])
    assert low < min(values)
    assert high > max(values)


@pytest.mark.parametrize(("signs", "up", "down"), [(UNICODE, "↑", "↓"), (ASCII, "^", "_")])
def test_a_limit_beyond_the_scale_points_there_and_one_on_it_does_not(signs, up: str, down: str) -> None:
    lines = [LimitLine(500.0, "warn 500", "warning"), LimitLine(-500.0, "warn -500", "warning")]
    near = LimitLine(2.5, "warn 2.5", "warning")
    rows = [plain(row) for row in trend_rows(_data(np.linspace(0.0, 5.0, 82)), [*lines, near], 60, 9, signs)]
    assert rows[0].rstrip().endswith(f"{up}warn 500")
    assert rows[7].rstrip().endswith(f"{down}warn -500")
    assert any(row.rstrip().endswith(" warn 2.5") for row in rows)
