from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.features import WINDOW, RollingRing, rolling


def _pandas(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frame = pd.DataFrame(values).rolling(WINDOW)
    return frame.mean().to_numpy(), frame.std().to_numpy()


def _exact(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each window on its own, which is what a rolling statistic means."""
    frame = pd.DataFrame(values)
    mean, std = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for i in range(WINDOW - 1, len(values)):
        window = frame.iloc[i - WINDOW + 1 : i + 1]
        mean[i], std[i] = window.mean(skipna=False), window.std(skipna=False)
    return mean, std


def test_equal_to_pandas() -> None:
    values = np.random.default_rng(1).normal(7.9, 0.2, (2000, 6))
    mean, std = rolling(values)
    expected_mean, expected_std = _pandas(values)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-9)
    np.testing.assert_allclose(std, expected_std, rtol=1e-9)


@pytest.mark.parametrize("intruder", [1e8, np.nan])
def test_equal_to_pandas_after_a_spike_and_after_a_nan(intruder: float) -> None:
    values = np.random.default_rng(2).normal(55.0, 0.45, (400, 3))
    values[100, 1] = intruder
    mean, std = rolling(values)
    expected_mean, expected_std = _exact(values)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-9)
    np.testing.assert_allclose(std, expected_std, rtol=1e-9)
    after = _pandas(values[101:])
    np.testing.assert_allclose(std[101 + WINDOW - 1 :], after[1][WINDOW - 1 :], rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(0, 2**16))
def test_rows_one_by_one_are_bit_equal_to_all_at_once(sizes: list[int], seed: int) -> None:
    n = sum(sizes)
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, 4)) * 10.0 ** rng.integers(-3, 8, (n, 1))
    values[rng.random((n, 4)) < 0.05] = np.nan
    t_ns = np.cumsum(rng.choice([1, 1, 1, 1, 9], n)) * 1_000_000_000
    separate = rng.random(n) < 0.05
    whole, _ = RollingRing(4, 1.0).push(t_ns, values, separate)
    ring = RollingRing(4, 1.0)
    edges = np.concatenate(([0], np.cumsum(sizes)))
    pieces = [ring.push(t_ns[a:b], values[a:b], separate[a:b])[0] for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_window_never_spans_a_gap() -> None:
    t_ns = np.array([0, 1, 2, 3, 4, 5, 60, 61, 62, 63, 64, 65]) * 1_000_000_000
    features, broken = RollingRing(1, 1.0).push(t_ns, np.arange(12.0)[:, None])
    assert np.flatnonzero(broken).tolist() == [0, 6]
    assert np.flatnonzero(np.isfinite(features[:, 0, 2])).tolist() == [4, 5, 10, 11]
