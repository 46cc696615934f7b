from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.fusion.arrays import MUTE
from trainer.fusion.fit_jumps import jump_thresholds, learn_rifts
from trainer.fusion.jumps import Jumps
from trainer.fusion.rifts import BEFORE, Rifts, steps
from trainer.fusion.widest import PlacedRows

BINS, PERIOD = 60, 600
TURNS = 6
LEFT, RIGHT, BATTERY, LOAD, SENSOR = range(5)
NOISE = 0.005


def _flight(turns: int, seed: int = 1) -> tuple[Any, Any, Any]:
    """Two panels in light for half an orbit, the battery that takes what no load uses, and a sensor by itself.

    The load runs for a while at three quarters of each orbit.
    """
    draw = np.random.default_rng(seed)
    row = np.arange(turns * PERIOD)
    phase = (row - draw.integers(-8, 9, turns)[row // PERIOD]) % PERIOD
    lit = (phase >= 150) & (phase < 450)
    load = 0.8 * ((phase >= 470) & (phase < 500))
    left, right = 1.0 * lit, 0.4 * lit
    values = np.stack((left, right, left + right - load, load, np.zeros(len(row))), axis=1)
    return values + NOISE * draw.standard_normal(values.shape), row % PERIOD // 10 + 1, row // PERIOD


def _learned(turns: int = TURNS, scale: Any = 1.0, **given: Any) -> tuple[Any, Rifts]:
    values, bins, turn = _flight(turns)
    broken = np.arange(len(values)) == 0
    step = np.full(values.shape[1], 0.001) * np.abs(scale)
    figures = {"bin_count": BINS, "step": step, "period_s": 1.0, **given}
    made = PlacedRows(values * scale, broken, bins, turn, **figures)
    return jump_thresholds(made), learn_rifts(made)


@pytest.fixture(scope="module")
def learned() -> tuple[Any, Rifts]:
    return _learned()


def _jumped(learned: tuple[Any, Rifts], values: Any, bins: Any, size: int = 10_000) -> Any:
    jumps = Jumps(*learned)
    parts = [
        jumps.hear(values[rows], np.arange(len(values))[rows], bins[rows])[1]
        for rows in (slice(start, start + size) for start in range(0, len(values), size))
    ]
    return np.concatenate(parts)


def _half_a_panel(values: Any, at: int) -> Any:
    """From row `at` on half of the left panel is gone, the other one gives a little more, the battery the rest."""
    out = values.copy()
    out[at:, LEFT] -= 0.3
    out[at:, RIGHT] += 0.08
    out[at:, BATTERY] -= 0.22
    return out


def test_of_channels_that_jump_together_the_one_that_broke_is_told(learned: tuple[Any, Rifts]) -> None:
    values, bins, _ = _flight(1, seed=9)
    assert not _jumped(learned, values, bins).any()
    jumped = _jumped(learned, _half_a_panel(values, 300), bins)
    assert np.argwhere(jumped).tolist() == [[302, LEFT]]
    assert not _jumped(
        (learned[0], Rifts(np.eye(5), np.full((5, 1), MUTE))), _half_a_panel(values, 300), bins
    ).any()


def test_what_was_seen_to_go_together_is_no_break_where_it_never_happened(learned: tuple[Any, Rifts]) -> None:
    values, bins, _ = _flight(1, seed=9)
    values[300:340, LOAD] += 0.8
    values[300:340, BATTERY] -= 0.8
    assert not _jumped(learned, values, bins).any()
    values[300:340, BATTERY] += 0.5
    assert _jumped(learned, values, bins)[302].any()


def test_with_a_value_missing_nobody_knows_who_broke(learned: tuple[Any, Rifts]) -> None:
    values, bins, _ = _flight(1, seed=9)
    values = _half_a_panel(values, 300)
    values[:, SENSOR] = np.nan
    assert not _jumped(learned, values, bins).any()


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 60), at=st.integers(170, 420))
def test_rows_in_any_pieces_are_judged_alike(learned: tuple[Any, Rifts], size: int, at: int) -> None:
    values, bins, _ = _flight(1, seed=9)
    values = _half_a_panel(values, at)
    np.testing.assert_array_equal(_jumped(learned, values, bins, size), _jumped(learned, values, bins))


def test_order_units_and_signs_make_no_difference(learned: tuple[Any, Rifts]) -> None:
    scale = np.array([1e3, -2.0, -1e-3, 0.5, 7.0])
    _, other = _learned(scale=scale)
    np.testing.assert_allclose(other.threshold, learned[1].threshold * np.abs(scale)[:, None], rtol=1e-9)
    np.testing.assert_allclose(other.precision * np.outer(scale, scale), learned[1].precision, rtol=1e-7, atol=1e-6)
    values, bins, turn = _flight(TURNS)
    order = np.array([3, 0, 4, 2, 1])
    turned = learn_rifts(
        PlacedRows(values[:, order], np.arange(len(values)) == 0, bins, turn, BINS, np.full(5, 0.001), 1.0)
    )
    np.testing.assert_allclose(turned.threshold, learned[1].threshold[order], rtol=1e-9)


@pytest.mark.parametrize(("turns", "given"), [(2, {}), (6, {"period_s": 5.0}), (6, {"bin_count": 0})])
def test_without_three_orbits_or_with_slow_rows_there_is_no_break(turns: int, given: dict[str, Any]) -> None:
    assert (_learned(turns, **given)[1].threshold == MUTE).all()


def test_a_step_is_the_median_of_the_new_less_that_of_the_old() -> None:
    rows = np.random.default_rng(1).standard_normal((200, 3))
    found = steps(rows)
    assert len(found) == 200 - BEFORE
    for i in range(len(found)):
        expected = np.median(rows[i + 5 : i + 8], axis=0) - np.median(rows[i : i + 5], axis=0)
        np.testing.assert_allclose(found[i], expected, atol=1e-12)
