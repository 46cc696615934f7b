"""The segment scorer on made-up segments: three channels on scales of their own, a fifth of them strange."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.evaluation.datasets import STATISTICS, Segments
from trainer.evaluation.metrics import average_precision
from trainer.evaluation.protocols import opssat
from trainer.segments import fit_nominal, fit_normaliser, fit_unlabelled

N, D = 240, 6


@pytest.fixture(scope="module")
def lot() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statistics, channel and truth; what is strange is strange for its channel, not for the lot."""
    rng = np.random.default_rng(3)
    channel = np.arange(N) % 3
    anomaly = rng.random(N) < 0.2
    x = rng.normal(0.0, 1.0, (N, D)) + np.where(anomaly, 4.0, 0.0)[:, None] * rng.choice([-1, 1], (N, D))
    return x * 10.0 ** (channel[:, None] * 2) + 1000.0 * channel[:, None], channel, anomaly


def test_strange_segments_are_found_without_labels_and_with_nominal_ones(
    lot: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    x, channel, anomaly = lot
    fit, test = np.arange(N) % 2 == 0, np.arange(N) % 2 == 1
    blind = fit_unlabelled(x[fit], channel[fit], channel[fit]).score(x[test], channel[test], channel[test])
    nominal = fit & ~anomaly
    told = fit_nominal(x[nominal], channel[nominal], channel[nominal])
    assert average_precision(anomaly[test], blind) > 0.95
    assert average_precision(anomaly[test], told.score(x[test], channel[test], channel[test])) > 0.95


def test_units_and_the_order_and_numbering_of_channels_change_nothing(
    lot: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    x, channel, _ = lot
    before = fit_unlabelled(x, channel, channel).score(x, channel, channel)
    renamed = np.array([7, -2, 40])[channel]
    order = np.random.default_rng(0).permutation(N)
    moved = (0.001 * x - 5.0)[order]
    after = fit_unlabelled(moved, renamed[order], renamed[order]).score(moved, renamed[order], renamed[order])
    np.testing.assert_allclose(after, before[order], atol=1e-6)


def test_a_channel_and_a_context_never_seen_are_judged_by_all(
    lot: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    x, channel, _ = lot
    normaliser = fit_normaliser(x, channel)
    unknown = np.full(3, 99)
    np.testing.assert_allclose(normaliser.z(np.tile(np.median(x, axis=0), (3, 1)), unknown), 0.0)
    scores = fit_nominal(x, channel, channel).score(x[:3], unknown, unknown)
    assert np.isfinite(scores).all()


def _dataset(anomaly: np.ndarray) -> Segments:
    rng = np.random.default_rng(5)
    raw = rng.lognormal(0.0, 1.0, (N, len(STATISTICS)))
    raw[:60] *= 30
    channel = np.arange(N) % 3
    return Segments(raw, channel, channel * 2 + np.arange(N) % 2, np.arange(N) % 4 != 0, anomaly)


@pytest.mark.parametrize("detector", ["fusion", "original"])
@pytest.mark.parametrize("cv", [False, True])
def test_unlabelled_scores_do_not_move_by_a_bit_when_labels_are_permuted(detector: str, cv: bool) -> None:
    labels = np.arange(N) < 60
    first = opssat(_dataset(labels), detector, cv)
    other = opssat(_dataset(np.random.default_rng(1).permutation(labels)), detector, cv)
    assert first["scores_sha256_unlabelled_12"] == other["scores_sha256_unlabelled_12"]
    assert first["auc_pr_unlabelled_12"] != other["auc_pr_unlabelled_12"]
    if detector == "fusion":
        assert first["auc_pr_nominal_18"] > 0.9


def test_length_is_not_among_the_twelve() -> None:
    data = _dataset(np.arange(N) < 60)
    longer = data.raw.copy()
    longer[:, STATISTICS.index("len")] *= 100
    twelve = Segments(longer, data.channel, data.context, data.train, data.anomaly).statistics(lengths=False)
    assert twelve.shape == (N, 12)
    np.testing.assert_array_equal(twelve, data.statistics(lengths=False))
