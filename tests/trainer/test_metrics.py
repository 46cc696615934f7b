"""The metrics against hand-made cases, against scikit-learn, and against figures of TSB-AD's and ESA-ADB's forms.

The literal figures were computed once with an independent implementation that equals TSB-AD's VUS-PR.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as peer

from trainer.evaluation.metrics import (
    acf_window,
    average_precision,
    event_scores,
    merged,
    roc_auc,
    runs,
    segment_scores,
    strict_events,
    vus_pr,
)

SERIES = {
    "one": (400, [(200, 230)], 20, 0.7236148025123736),
    "edges": (300, [(0, 10), (290, 300)], 30, 0.7317059386605321),
    "close": (500, [(100, 120), (130, 150), (300, 301)], 40, 0.7820437650667772),
}


def _series(name: str) -> tuple[np.ndarray, np.ndarray]:
    n, events, _, _ = SERIES[name]
    label = np.zeros(n, dtype=np.int64)
    for start, stop in events:
        label[start:stop] = 1
    return np.round(((np.arange(n) * 7919) % 101) / 101 + 0.6 * label, 6), label


@pytest.mark.parametrize("name", SERIES)
def test_vus_pr_equals_the_reference(name: str) -> None:
    score, label = _series(name)
    assert vus_pr(score, label, SERIES[name][2]) == pytest.approx(SERIES[name][3], abs=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one", (1, 6, 0, 0.17241379310344823, 0.0, 0.052941176470588235, 23.351351351351354)),
        ("edges", (1, 4, 1, 0.22727272727272727, 1.0, 0.048, 20.57142857142857)),
        ("close", (2, 5, 1, 0.3225806451612903, 0.0, 0.05141388174807198, 15.686274509803923)),
    ],
)
def test_strict_events_equal_the_reference(name: str, expected: tuple[float, ...]) -> None:
    score, label = _series(name)
    got = strict_events(score > 0.95, label)
    figures = (got.found, got.false_alarms, got.missed, got.f, got.delay_rows, got.false_time, got.per_day(60))
    np.testing.assert_allclose(figures, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one", (1, 19, 0, 0.047432432432432434, 0.058595706320323196, 1.0)),
        ("edges", (2, 14, 0, 0.11875, 0.14415781487101667, 0.5)),
        ("close", (3, 23, 0, 0.10960281548516843, 0.13334964521654027, 0.0)),
    ],
)
def test_event_scores_equal_the_reference(name: str, expected: tuple[float, ...]) -> None:
    score, label = _series(name)
    got = event_scores(score > 0.95, label)
    np.testing.assert_allclose(
        (got.found, got.false_alarms, got.missed, got.precision, got.f, got.delay_rows), expected, rtol=1e-12
    )


@pytest.mark.parametrize(("period", "window"), [(17, 17), (60, 60), (0, 125), (350, 125)])
def test_the_window_is_the_period_or_the_default(period: int, window: int) -> None:
    t = np.arange(2000)
    assert acf_window(np.sin(2 * np.pi * t / period) if period else np.zeros(2000)) == window


def test_an_alarm_that_is_always_on_earns_nothing() -> None:
    label = np.zeros(1200, dtype=bool)
    label[600:700] = True
    always = np.ones(1200, dtype=bool)
    assert event_scores(always, label).recall == 1.0  # which is the trap
    got = strict_events(always, label)
    assert (got.found, got.missed, got.recall, got.f) == (0, 1, 0.0, 0.0)
    # It begins once where it should not, and 1,070 rows outside [570, 700) are eight times 120 and some.
    assert got.false_alarms == 1 + 1070 // 120


def test_an_event_counts_once_however_often_it_is_raised_and_early_is_found() -> None:
    label = np.zeros(1000, dtype=bool)
    label[500:600] = True
    alarm = np.zeros(1000, dtype=bool)
    alarm[475:478] = True
    alarm[540:542] = True
    got = strict_events(alarm, label)
    assert (got.found, got.false_alarms, got.delay_rows) == (1, 0, 0.0)
    assert strict_events(np.roll(alarm, -10), label).false_alarms == 1  # 465 is before 500 - 30


def test_alarms_close_together_are_one() -> None:
    alarm = np.zeros(1000, dtype=bool)
    alarm[[100, 125, 200]] = True
    assert strict_events(alarm, np.zeros(1000)).false_alarms == 2
    assert strict_events(alarm, np.zeros(1000), gap=0).false_alarms == 3
    assert np.isnan(strict_events(alarm, np.zeros(1000)).recall)


def test_a_perfect_score_is_one_and_nothing_to_find_is_no_number() -> None:
    label = np.zeros(500)
    label[200:220] = 1
    assert vus_pr(label + 0.0, label, 0) == pytest.approx(1.0)
    assert np.isnan(vus_pr(label, np.zeros(500), 10))


def test_one_row_of_a_long_event_is_worth_one_row() -> None:
    """Point adjustment would make this a perfect detector."""
    label = np.zeros(1000)
    label[400:600] = 1
    score = np.random.default_rng(0).random(1000)
    score[500] = 10.0
    assert vus_pr(score, label, 0) < 0.35


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 6))
def test_runs_cover_exactly_the_true_rows(mask: list[bool], gap: int) -> None:
    found = runs(mask)
    rebuilt = [False] * len(mask)
    for start, stop in found:
        assert start < stop
        rebuilt[start:stop] = [True] * (stop - start)
    assert rebuilt == mask
    joined = merged(found, gap)
    assert all(b[0] - a[1] > gap for a, b in pairwise(joined))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8), st.booleans()), min_size=2, max_size=80))
def test_segment_scores_equal_scikit_learns(rows: list[tuple[bool, int, bool]]) -> None:
    label, flagged = np.array([r[0] for r in rows]), np.array([r[2] for r in rows])
    score = np.array([r[1] for r in rows], dtype=np.float64)
    if label.all() or not label.any():
        assert np.isnan(roc_auc(label, score))
        return
    assert average_precision(label, score) == pytest.approx(peer.average_precision_score(label, score))
    assert roc_auc(label, score) == pytest.approx(peer.roc_auc_score(label, score))
    got = segment_scores(label, score, flagged)
    assert got.mcc == pytest.approx(peer.matthews_corrcoef(label, flagged))
    assert got.f1 == pytest.approx(peer.f1_score(label, flagged, zero_division=0))
    assert got.precision == pytest.approx(peer.precision_score(label, flagged, zero_division=0))
    assert got.accuracy == pytest.approx(peer.accuracy_score(label, flagged))
