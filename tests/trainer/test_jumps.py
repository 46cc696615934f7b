from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.fusion.arrays import MUTE
from trainer.fusion.fit_jumps import jump_thresholds
from trainer.fusion.jumps import AWAY_ROWS, HELD_ROWS, Jumps
from trainer.fusion.rifts import NEW
from trainer.fusion.widest import PlacedRows

BINS = 60
PERIOD = 600
"""Rows of an orbit, ten at each place."""
EDGE = 25
"""Place at which all channels rise by 5 at once; they fall again half an orbit later."""


def _flight(turns: int, seed: int = 1, channels: int = 3) -> tuple[Any, Any, Any]:
    """Values with noise of 0.01, place and number of the orbit of each row."""
    draw = np.random.default_rng(seed)
    row = np.arange(turns * PERIOD)
    late = draw.integers(-8, 9, turns)[row // PERIOD]
    phase = (row - late) % PERIOD
    risen = (phase >= EDGE * 10) & (phase < EDGE * 10 + PERIOD // 2)
    values = np.round(5.0 * risen[:, None] + 0.01 * draw.standard_normal((len(row), channels)), 3)
    return values, row % PERIOD // 10 + 1, row // PERIOD


def _learned(turns: int = 6, **given: Any) -> Any:
    values, bins, turn = _flight(turns)
    broken = np.arange(len(values)) == 0
    figures = {"bin_count": BINS, "step": np.full(3, 0.001), "period_s": 1.0, **given}
    return jump_thresholds(PlacedRows(values, broken, bins, turn, **figures))


@pytest.fixture(scope="module")
def learned() -> Any:
    return _learned()


def _heard(
    threshold: Any, values: Any, bins: Any, pieces: list[int] | None = None, expected: Any = None
) -> tuple[Any, ...]:
    jumps, start, parts = Jumps(threshold), 0, []
    for size in [*(pieces or []), len(values)]:
        rows = slice(start, min(start + size, len(values)))
        if rows.start >= rows.stop:
            break
        usual = None if expected is None else expected[rows]
        parts.append(jumps.hear(values[rows], np.arange(rows.start, rows.stop), bins[rows], None, usual))
        start = rows.stop
    return tuple(np.concatenate([part[i] for part in parts]) for i in range(3))


def test_a_step_of_ten_times_the_noise_is_a_jump_where_no_eclipse_begins(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    _, jumped, _ = _heard(learned, values, bins)
    assert not jumped.any()
    values[100:, 1] += 0.1
    _, jumped, lasting = _heard(learned, values, bins)
    assert np.argwhere(jumped).tolist() == [[100 + NEW - 1, 1]]
    assert not lasting[:, [0, 2]].any()


def _usual(values: Any) -> Any:
    """What is usual of a flight, whichever value and noise it has."""
    return np.round(values / 5.0) * 5.0


def test_what_broke_is_told_through_light_and_dark_until_it_is_over(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    usual = _usual(values)
    values[100:590, 1] += 0.1
    _, jumped, lasting = _heard(learned, values, bins, None, usual)
    assert (np.diff(values[100:590, 0]) > 4).any()
    assert (np.diff(values[100:590, 0]) < -4).any()
    assert lasting[102:590, 1].all()
    assert np.flatnonzero(jumped[:, 1]).tolist() == [102]
    assert not lasting[590:, 1].any()


def test_where_it_is_not_known_what_is_usual_the_newest_that_was_known_counts(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    usual = _usual(values)
    usual[110:130] = np.nan
    values[100:120, 1] += 0.1
    _, _, lasting = _heard(learned, values, bins, None, usual)
    assert lasting[102:120, 1].all()
    assert not lasting[120:, 1].any()


def test_a_jump_back_to_what_is_usual_is_told_for_a_minute(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    usual = _usual(values)
    values[:100, 1] += 0.1
    _, jumped, lasting = _heard(learned, values, bins, None, usual)
    assert jumped[102, 1]
    assert np.flatnonzero(lasting[:, 1]).tolist() == list(range(102, 103 + HELD_ROWS - 1))


@pytest.mark.parametrize(("back", "soon", "told"), [(True, True, False), (True, False, True), (False, True, True)])
def test_soon_after_a_change_of_mode_a_jump_back_to_what_is_usual_is_none(
    learned: Any, back: bool, soon: bool, told: bool
) -> None:
    values, bins, _ = _flight(1, seed=9)
    usual, row = _usual(values), np.arange(len(values))
    values[row < 100 if back else row >= 100, 1] += 0.1
    settling = (row > 80) & (row < 120) if soon else row < 80
    _, jumped, lasting = Jumps(learned).hear(values, row, bins, row == 0, usual, settling)
    assert jumped.any() == lasting.any() == told


def test_no_jump_is_told_for_ever(learned: Any) -> None:
    values, bins, _ = _flight(8, seed=9)
    usual = _usual(values)
    values[100:, 1] += 0.1
    _, _, lasting = _heard(learned, values, bins, None, usual)
    assert np.flatnonzero(lasting[:, 1])[-1] == 101 + AWAY_ROWS


def test_a_jump_is_over_when_the_value_returns(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    values[100:110, 1] -= 0.1
    _, jumped, lasting = _heard(learned, values, bins)
    assert jumped[102, 1]
    assert lasting[102:110, 1].all()
    assert not lasting[110:, 1].any()


def test_another_model_goes_on_telling_what_is_a_jump_to_it_too(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    values[100:, 1] += 0.1
    first = Jumps(learned)
    first.hear(values[:150], np.arange(150), bins[:150])
    for threshold, told in ((learned, True), (learned * 100, False)):
        other = Jumps(threshold)
        other.take_over(first)
        _, jumped, lasting = other.hear(values[150:200], np.arange(50), bins[150:200], np.zeros(50, dtype=np.bool_))
        assert not jumped.any()
        assert lasting[:, 1].all() == told


def test_what_moves_two_channels_at_once_is_no_jump(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    values[100:, 1] += 0.1
    values[102:, 2] -= 0.1
    relative, jumped, _ = _heard(learned, values, bins)
    assert jumped[:, 1].any()
    assert not jumped[:, 2].any()
    values[100:102, 2] -= 0.1
    relative, jumped, _ = _heard(learned, values, bins)
    assert not jumped.any()
    assert np.nanmax(relative) <= 1


def test_the_same_step_is_nothing_where_eclipses_end(learned: Any) -> None:
    values, bins, _ = _flight(1, seed=9)
    at = EDGE * 10 - 12
    values[at:, 1] += 0.1
    _, jumped, _ = _heard(learned, values, bins)
    assert not jumped.any()
    assert learned[1, EDGE] > 5.0
    assert learned[1, 5] < 0.1
    assert learned[1, 0] == learned[1].max()


@pytest.mark.parametrize(("turns", "given"), [(2, {}), (6, {"period_s": 5.0}), (6, {"bin_count": 0})])
def test_without_three_orbits_or_with_slow_rows_the_voice_is_mute(turns: int, given: dict[str, Any]) -> None:
    assert (_learned(turns, **given) == MUTE).all()


def test_units_and_signs_make_no_difference(learned: Any) -> None:
    values, bins, turn = _flight(6)
    scale = np.array([1e3, -2.0, -1e-3])
    broken = np.arange(len(values)) == 0
    other = jump_thresholds(PlacedRows(values * scale, broken, bins, turn, BINS, np.abs(0.001 * scale), 1.0))
    np.testing.assert_allclose(other, learned * np.abs(scale)[:, None], rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(pieces=st.lists(st.integers(1, 40), max_size=30), at=st.integers(20, 500), size=st.floats(-0.3, 0.3))
def test_rows_in_any_pieces_are_judged_alike(learned: Any, pieces: list[int], at: int, size: float) -> None:
    values, bins, _ = _flight(1, seed=9)
    values[at : at + 30, 0] += size
    values[at + 100 :, 2] = np.nan
    for mine, whole in zip(_heard(learned, values, bins, pieces), _heard(learned, values, bins), strict=True):
        np.testing.assert_array_equal(mine, whole)
