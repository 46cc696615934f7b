from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest

from trainer.fitting import arrays_of


def test_equal_to_scikit_learn_on_a_thousand_rows() -> None:
    rng = np.random.default_rng(3)
    forests = [
        IsolationForest(n_estimators=50, max_samples="auto", random_state=i).fit(
            rng.normal(0, 1 + i, (2000, 3)).astype(np.float32)
        )
        for i in range(3)
    ]
    arrays = arrays_of(forests)
    rows = rng.normal(0, 3, (1000, 3)).astype(np.float32)
    group = rng.integers(0, 3, 1000)
    expected = np.empty(1000)
    for i, forest in enumerate(forests):
        expected[group == i] = -forest.score_samples(rows[group == i])
    assert np.abs(arrays.score(rows, group) - expected).max() < 1e-12


def test_equal_to_scikit_learn_where_many_rows_are_the_same() -> None:
    rows = np.repeat(np.random.default_rng(4).integers(0, 3, (40, 3)), 30, axis=0).astype(np.float32)
    forest = IsolationForest(n_estimators=40, random_state=1).fit(rows)
    arrays = arrays_of([forest])
    difference = arrays.score(rows[:1000], np.zeros(1000, dtype=np.intp)) + forest.score_samples(rows[:1000])
    assert np.abs(difference).max() < 1e-12
