"""What is faint is believed once it lasts, what is loud soon, in rows or in seconds, however the rows come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.fusion.patience import LOUD, LOUD_AWAY, Patience

ROWS = 80
NOBODY = np.full((ROWS, 1), np.nan)
NEVER_CHANGED = np.full(ROWS, 1 << 40)


def first(level: float, away: float, lasts: int, period_s: float = 1.0, changed: int = -ROWS) -> int | None:
    """The row that is believed of a crossing that begins with row 10 and lasts so many rows, counted from there."""
    rows = np.arange(ROWS)[:, None]
    within = (rows >= 10) & (rows < 10 + lasts)
    levels, far = np.where(within, level, 0.2), np.where(within, away, 0.2)
    since = np.where(np.arange(ROWS) < changed, 1 << 40, np.arange(ROWS) - changed)
    believed = Patience(1, period_s).believed(levels > 1, levels, far, since)[:, 0]
    return int(np.flatnonzero(believed)[0]) - 10 if believed.any() else None


@pytest.mark.parametrize(("level", "away"), [(1.1, 0.3), (0.3, 1.1), (LOUD, LOUD_AWAY)])
def test_what_is_faint_is_believed_once_it_has_lasted(level: float, away: float) -> None:
    assert first(level, away, 23) is None
    assert first(level, away, 24) == 23
    assert first(level, away, 60) == 23


def test_what_is_loud_is_believed_as_soon_as_rows_confirm_it() -> None:
    assert first(LOUD + 0.1, 0.3, 60) == 4
    assert first(0.3, LOUD_AWAY + 0.1, 60) == 2
    assert first(0.3, LOUD_AWAY + 0.1, 2) is None


def test_behind_a_change_of_mode_what_comes_back_is_not_believed_and_what_stays_is() -> None:
    far = LOUD_AWAY + 0.1
    assert first(0.3, far, 20, changed=10) is None
    assert first(0.3, far, 60, changed=10) == 23
    assert first(0.3, far, 60, changed=-20) == 8
    assert first(LOUD + 0.1, 0.3, 60, changed=10) == 4


def test_what_was_beyond_in_another_mode_does_not_count() -> None:
    assert first(1.1, 0.3, 35, changed=25) is None
    assert first(1.1, 0.3, 60, changed=25) == 15 + 23


def test_rows_that_come_seldom_need_not_be_as_many() -> None:
    assert first(1.1, 0.3, 60, period_s=2.0) == 11
    assert first(1.1, 0.3, 60, period_s=60.0) == 4


def test_two_voices_in_turn_are_one_crossing() -> None:
    rows = np.arange(ROWS)[:, None]
    level, away = np.where(rows % 2 == 0, 1.2, 0.3), np.where(rows % 2 == 1, 1.2, 0.3)
    believed = Patience(1, 1.0).believed(level > 1, level, away, NEVER_CHANGED)[:, 0]
    assert int(np.flatnonzero(believed)[0]) == 23


def test_what_nobody_judges_is_not_believed() -> None:
    assert not Patience(1, 1.0).believed(NOBODY > 1, NOBODY, NOBODY, NEVER_CHANGED).any()


@given(seed=st.integers(0, 2**16), cut=st.integers(1, ROWS - 1))
def test_rows_in_pieces_and_by_another_model_that_takes_over_are_believed_alike(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    level, away = rng.uniform(0.5, LOUD + 1, (ROWS, 2)), rng.uniform(0.2, LOUD_AWAY + 0.5, (ROWS, 2))
    row = np.arange(ROWS)
    since = row - np.maximum.accumulate(np.where(rng.random(ROWS) < 0.03, row, -(1 << 40)))
    whole = Patience(2, 1.0).believed(level > 1, level, away, since)
    one, other = Patience(2, 1.0), Patience(2, 1.0)
    head = one.believed(level[:cut] > 1, level[:cut], away[:cut], since[:cut])
    other.take_over(one)
    tail = other.believed(level[cut:] > 1, level[cut:], away[cut:], since[cut:])
    np.testing.assert_array_equal(np.concatenate((head, tail)), whole)
