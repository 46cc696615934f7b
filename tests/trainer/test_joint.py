"""How channels move together: the estimate, and what it says of a row."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage

from telemetry.frame import Float64s
from trainer.joint import LEAST_SHRINKAGE, Joint, fit_joint


def mixed(n: int, c: int, seed: int) -> Float64s:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, c)) + 0.5 * rng.normal(size=(n, c))


def test_the_shrinkage_is_that_of_ledoit_and_wolf() -> None:
    rows = mixed(60, 8, 1) / 3
    unit = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    part = ledoit_wolf_shrinkage(unit, assume_centered=True)
    assert part > LEAST_SHRINKAGE
    joint = fit_joint(rows)
    covariance = np.linalg.inv(joint.precision)
    expected = np.cov(rows.T, bias=True) * np.where(np.eye(8) > 0, 1.0, 1 - part)
    np.testing.assert_allclose(covariance, expected, rtol=1e-9)


def test_conditional_is_the_residual_of_a_regression_on_the_other_channels() -> None:
    joint = fit_joint(mixed(400, 5, 2))
    covariance = np.linalg.inv(joint.precision)
    row = np.array([0.4, -2.0, 1.0, 0.3, 3.0])
    others = [0, 1, 3, 4]
    weights = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, 2])
    expected = weights @ (row - joint.mean)[others]
    spread = np.sqrt(covariance[2, 2] - weights @ covariance[others, 2])
    assert joint.conditional(row)[2] == pytest.approx((row[2] - joint.mean[2] - expected) / spread, rel=1e-9)


def test_a_missing_channel_tells_nothing_and_stays_missing() -> None:
    rows = mixed(500, 4, 3)
    row = np.array([1.0, np.nan, -2.0, 0.5])
    told = fit_joint(rows).conditional(row)
    covariance = np.linalg.inv(fit_joint(rows).precision)
    known = [0, 2, 3]
    precision = np.asarray(np.linalg.inv(covariance[np.ix_(known, known)]), dtype=np.float64)
    smaller = Joint(fit_joint(rows).mean[known], precision)
    assert np.isnan(told[1])
    np.testing.assert_allclose(told[known], smaller.conditional(row[known]), rtol=1e-9)


def test_a_channel_without_values_takes_no_other_with_it() -> None:
    rows = mixed(500, 4, 4)
    holes = np.column_stack((rows, np.full(500, np.nan)))
    np.testing.assert_allclose(fit_joint(holes).precision[:4, :4], fit_joint(rows).precision, rtol=0.02)
    assert np.isfinite(fit_joint(holes).precision).all()
    assert (np.linalg.eigvalsh(fit_joint(holes).precision) > 0).all()


def test_one_wild_row_makes_no_correlation() -> None:
    rows = np.random.default_rng(5).normal(size=(600, 3))
    rows[17, :2] = 1e6
    covariance = np.linalg.inv(fit_joint(rows).precision)
    assert abs(covariance[0, 1]) < 0.2


def test_too_few_rows_leave_the_channels_independent() -> None:
    joint = fit_joint(mixed(10, 3, 6))
    np.testing.assert_array_equal(joint.precision, np.eye(3))


def test_a_silent_channel_is_not_infinitely_steady() -> None:
    rows = mixed(300, 3, 7)
    rows[:, 1] = 0.0
    assert np.abs(fit_joint(rows).conditional(np.array([0.0, 1.0, 0.0]))[1]) < 11
