"""Scores of whole stretches (passes, orbits, segments) from their statistics. Labels are never an argument.

A stretch is a row of statistics (variances and lengths as logarithms), the channel it belongs to and the context it
was recorded in (sampling, mode). Where accepted stretches are known they are the reference. Where nothing is known,
the reference is found first: the three quarters of every channel that deviate least, by robust z and by Mahalanobis
distance from the bulk. A stretch scores by its distance to the nearest of its channel in the reference, averaged in
logarithms over many views of the statistics (random halves, plain and whitened), so that no single statistic rules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s
from trainer.members.fitting import shrunk

FLOOR = 0.05
"""Smallest spread of a statistic in its group, in parts of its standard deviation there."""

LEAST_ROWS = 20
"""A group of fewer stretches is normalised by all of them."""

CORE = 0.75
"""Share of every channel taken as the reference where nothing is known to be nominal."""

BULK = 0.7
"""Share of all stretches the covariance of the bulk is drawn from."""

CLIP = 20.0
NEIGHBOURS = 3
VIEWS = 24
LEAST_DISTANCE = 0.05
"""Added to every distance before its logarithm: a twin of a reference is no less nominal than a close relative."""

_SIGMA = 1.349
"""Interquartile range of the normal distribution."""

_KNEE = 3.0
"""Deviations are kept in proportion up to about here, and by their logarithm beyond."""

_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Normaliser:
    """Centre and spread of d statistics in each of g groups; the last row is for groups never seen."""

    groups: Int64s
    """Sorted, shape (g,)."""
    centre: Float64s
    """Shape (g + 1, d)."""
    spread: Float64s

    def z(self, x: Float64s, group: Int64s) -> Float64s:
        """Deviations of stretches, shape (n, d), from what is usual in their group."""
        place = np.searchsorted(self.groups, group)
        known = place < len(self.groups)
        known[known] = self.groups[place[known]] == group[known]
        row = np.where(known, place, len(self.groups))
        return (x - self.centre[row]) / self.spread[row]


def fit_normaliser(x: Float64s, group: Int64s) -> Normaliser:
    """Median and IQR of each group, floored; groups of fewer than `LEAST_ROWS` take those of all rows."""
    groups = np.unique(group)
    centre, spread = np.empty((len(groups) + 1, x.shape[1])), np.empty((len(groups) + 1, x.shape[1]))
    for i, members in enumerate((*(group == one for one in groups), np.ones(len(x), dtype=np.bool_))):
        rows = x[members] if members.sum() >= LEAST_ROWS else x
        low, middle, high = np.asarray(np.percentile(rows, (25, 50, 75), axis=0), dtype=np.float64)
        centre[i] = middle
        spread[i] = np.maximum(np.maximum((high - low) / _SIGMA, FLOOR * rows.std(axis=0)), _TINY)
    return Normaliser(groups, centre, spread)


@dataclass(frozen=True, eq=False)
class SegmentScorer:
    """Reference stretches in every view."""

    normaliser: Normaliser
    views: tuple[Float64s, ...]
    """Matrices of shape (d, d'), applied to compressed deviations."""
    reference: Float64s
    """Compressed deviations of the reference, shape (m, d)."""
    channel: Int64s
    """Of each reference, shape (m,)."""

    def score(self, x: Float64s, channel: Int64s, context: Int64s) -> Float64s:
        """Mean logarithm of the distance to the nearest references of the same channel, shape (n,).

        A channel without a reference is compared with all of them.
        """
        z = _compressed(self.normaliser.z(x, context))
        out = np.zeros(len(x))
        for one in np.unique(channel):
            rows = channel == one
            near = self.reference[self.channel == one]
            if not len(near):
                near = self.reference
            out[rows] = np.mean([_log_distance(z[rows] @ view, near @ view) for view in self.views], axis=0)
        return out


def fit_nominal(x: Float64s, channel: Int64s, context: Int64s) -> SegmentScorer:
    """The scorer whose reference is all given stretches.

    Args:
        x: statistics, finite, shape (n, d); d >= 2.
        channel: a number for the channel of each stretch.
        context: a number for channel and circumstances; deviations are taken within it.
    """
    normaliser = fit_normaliser(x, context)
    z = _compressed(normaliser.z(x, context))
    return SegmentScorer(normaliser, _views(shrunk(z)[1]), z, channel)


def fit_unlabelled(x: Float64s, channel: Int64s, context: Int64s) -> SegmentScorer:
    """The scorer whose reference is the calmest `CORE` of every channel; arguments as `fit_nominal`."""
    core = calmest(suspicion(x, channel), channel)
    return fit_nominal(x[core], channel[core], context[core])


def suspicion(x: Float64s, channel: Int64s) -> Float64s:
    """How far a stretch of a mixed lot deviates, per channel and jointly, shape (n,).

    The mean robust |z| and the Mahalanobis distance from the bulk, both as logarithms on their own spread. The bulk
    is what the sum leaves over, twice (a concentration step, Rousseeuw & Van Driessen 1999), its covariance shrunk
    (Ledoit & Wolf 2004).
    """
    z = np.clip(fit_normaliser(x, channel).z(x, channel), -CLIP, CLIP)
    alone = _standard(np.log(np.abs(z).mean(axis=1) + _TINY))
    compressed = np.sign(z) * np.log1p(np.abs(z))
    total = alone
    for _ in range(2):
        bulk = np.argsort(total, kind="stable")[: max(2, int(BULK * len(x)))]
        mean, whitening = shrunk(compressed[bulk])
        away = (compressed - mean) @ whitening
        total = alone + _standard(np.log((away * away).sum(axis=1) + _TINY))
    return total


def calmest(suspicious: Float64s, channel: Int64s) -> npt.NDArray[np.intp]:
    """Rows of the least suspicious `CORE` of every channel, in order."""
    kept: list[npt.NDArray[np.intp]] = []
    for one in np.unique(channel):
        rows = np.flatnonzero(channel == one)
        order = rows[np.argsort(suspicious[rows], kind="stable")]
        kept.append(order[: max(1, round(CORE * len(rows)))])
    return np.sort(np.concatenate(kept))


def _standard(values: Float64s) -> Float64s:
    low, middle, high = (float(q) for q in np.percentile(values, (25, 50, 75)))
    return (values - middle) / max(high - low, _TINY)


def _compressed(z: Float64s) -> Float64s:
    return np.sign(z) * _KNEE * np.log1p(np.abs(z) / _KNEE)


def _views(white: Float64s) -> tuple[Float64s, ...]:
    """Random halves of the statistics, each once plain and once of the whitened ones; always the same for one d."""
    rng = np.random.default_rng(0)
    d = len(white)
    half = max(2, d // 2)
    chosen = [np.sort(rng.permutation(d)[:half]) for _ in range(VIEWS)]
    plain = np.eye(d)
    return tuple(basis[:, columns] for columns in chosen for basis in (plain, white))


def _log_distance(points: Float64s, near: Float64s) -> Float64s:
    """Log of the mean distance to the `NEIGHBOURS` nearest."""
    square = (points * points).sum(axis=1)[:, None] + (near * near).sum(axis=1) - 2 * points @ near.T
    k = min(NEIGHBOURS, len(near))
    nearest = np.sqrt(np.maximum(np.partition(square, k - 1, axis=1)[:, :k], 0.0))
    return np.log(nearest.mean(axis=1) + LEAST_DISTANCE)
