"""How channels move together: the estimate, and what it says of a row."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage

from telemetry.frame import Float64s
from trainer.joint import BEFORE, LEAST_SHRINKAGE, Joint, fit_joint, movements


def mixed(n: int, c: int, seed: int) -> Float64s:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, c)) + 0.5 * rng.normal(size=(n, c))


def covariance(joint: Joint) -> Float64s:
    return np.asarray(np.linalg.inv(joint.precision), dtype=np.float64)


def test_the_shrinkage_is_that_of_ledoit_and_wolf() -> None:
    rows = mixed(BEFORE + 40, 8, 1)
    moved = np.array([movements(rows[i : i + 1], rows[i - BEFORE : i])[0] for i in range(BEFORE, len(rows))])
    unit = moved / np.sqrt((moved**2).mean(axis=0))
    part = ledoit_wolf_shrinkage(unit, assume_centered=True)
    assert part > LEAST_SHRINKAGE
    expected = moved.T @ moved / len(moved) * np.where(np.eye(8) > 0, 1.0, 1 - part)
    np.testing.assert_allclose(covariance(fit_joint(rows, rows)), expected, rtol=1e-9)


def test_conditional_is_the_residual_of_a_regression_on_the_other_channels() -> None:
    rows = mixed(900, 5, 2)
    joint = fit_joint(rows, rows)
    together = covariance(joint)
    moved = np.array([[0.4, -2.0, 1.0, 0.3, 3.0]])
    others = [0, 1, 3, 4]
    weights = np.linalg.solve(together[np.ix_(others, others)], together[others, 2])
    spread = np.sqrt(together[2, 2] - weights @ together[others, 2])
    residual = (moved[0, 2] - weights @ moved[0, others]) / spread
    assert joint.conditional(moved)[0, 2] == pytest.approx(residual, rel=1e-9)


def test_units_and_signs_change_nothing() -> None:
    rows, units = mixed(900, 4, 8), np.array([1e-3, -1.0, 1e6, -40.0])
    moved = mixed(6, 4, 9)
    plain = fit_joint(rows, rows).conditional(moved)
    np.testing.assert_allclose(
        fit_joint(rows, rows * units).conditional(moved * units) * np.sign(units), plain, rtol=1e-6
    )


def test_a_missing_channel_tells_nothing_and_stays_missing() -> None:
    rows = mixed(900, 4, 3)
    joint = fit_joint(rows, rows)
    known = [0, 2, 3]
    alone = Joint(joint.scale[known], covariance(Joint(joint.scale, covariance(joint)[np.ix_(known, known)])))
    moved = np.array([[1.0, np.nan, -2.0, 0.5], [1.0, 2.0, 3.0, 4.0]])
    told = joint.conditional(moved)
    assert np.isnan(told[0, 1])
    assert np.isfinite(told[1]).all()
    np.testing.assert_allclose(told[0, known], alone.conditional(moved[:1, known])[0], rtol=1e-9)


def test_a_channel_without_values_takes_no_other_with_it() -> None:
    rows = mixed(900, 4, 4)
    holes = np.column_stack((rows, np.full(900, np.nan)))
    joint = fit_joint(holes, holes)
    np.testing.assert_allclose(joint.precision[:4, :4], fit_joint(rows, rows).precision, rtol=0.02)
    assert (np.linalg.eigvalsh(joint.precision) > 0).all()
    assert (joint.scale > 0).all()


def test_too_few_rows_leave_the_channels_independent() -> None:
    rows = mixed(20, 3, 6)
    np.testing.assert_allclose(covariance(fit_joint(rows, rows)), np.diag(rows.std(axis=0) ** 2))
    assert np.isfinite(fit_joint(rows[:0], rows[:0]).precision).all()


def test_a_channel_that_never_moved_is_not_infinitely_steady() -> None:
    rows = mixed(900, 3, 7)
    rows[:, 1] = 0.0
    joint = fit_joint(rows, rows)
    assert np.abs(joint.conditional(np.array([[0.0, 1.0, 0.0]]))[0, 1]) < 11
    assert np.abs(joint.marginal(np.array([0.0, 1.0, 0.0]))[1]) < 11


def test_a_movement_is_from_the_middle_of_the_rows_before() -> None:
    before = np.array([[1.0, 5.0], [2.0, np.nan], [30.0, 7.0]])
    np.testing.assert_array_equal(movements(np.array([[5.0, 5.0]]), before), [[3.0, -1.0]])
    assert np.isnan(movements(np.ones((2, 1)), np.empty((0, 1)))).all()
