"""A channel's members fitted with scikit-learn and kept as arrays. For the trainer process only."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from telemetry.frame import Float64s
from trainer.members.arrays import (
    DRIFT_FREE,
    LAGS,
    NEIGHBOURS,
    SLOW,
    STEADY,
    Ellipsoid,
    Forecaster,
    Lens,
    Member,
    Nearest,
    Subspace,
    View,
)
from trainer.members.fusion import LEAST_UNIT, ChannelModel, Weighed
from trainer.members.windows import WINDOW, Bools, fit_scale, trailing_mean

REFERENCES = 1000
CLUSTERS = 20
VARIANCE = 0.95
PENALTY = 1.0
LEAST_VARIANCE = 1e-4
"""Rows that never varied in a direction know nothing of its scale."""

LEAST_ROWS = 2 * WINDOW
"""Fewer whole windows than this make no model."""

QUANTILE = 0.95


class TooFewRows(Exception):
    """A channel has not been seen long enough; `have` whole windows of `need`."""

    def __init__(self, have: int, need: int = LEAST_ROWS) -> None:
        super().__init__(f"learning {have} of {need}")
        self.have, self.need = have, need


def fit_channel(values: Float64s, context: Float64s, broken: Bools, accepted: Bools, seed: int = 0) -> ChannelModel:
    """Fit all members of one channel.

    Args:
        values: in order of time, shape (n,), NaN where INVALID.
        context: regressors of each row, shape (n, m), finite.
        broken: rows that do not continue the row before them, shape (n,).
        accepted: rows that may be learned from, shape (n,).

    Raises:
        TooFewRows: fewer than `LEAST_ROWS` windows without gap, NaN or quarantined row.
    """
    clean = np.where(accepted, values, np.nan)
    if not np.isfinite(clean).any():
        raise TooFewRows(0)
    scale = fit_scale(clean)
    view = View(scale.z(clean), context, broken)
    rows = view.newest(WINDOW)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < LEAST_ROWS:
        raise TooFewRows(len(rows))
    window, level, shape = fit_lens(view, WINDOW), fit_lens(view, 0), fit_lens(view, 0, DRIFT_FREE)
    members: tuple[tuple[str, Member, int], ...] = (
        ("shape neighbours", fit_neighbours(shape, view), SLOW),
        ("shape clusters", fit_clusters(shape, view, seed), SLOW),
        ("window neighbours", fit_neighbours(window, view), 1),
        ("window subspace", fit_subspace(rows), 1),
        ("forecast", fit_forecaster(view), SLOW),
        ("level and shape", Ellipsoid(level), STEADY),
    )
    return ChannelModel(scale, tuple(_weighed(name, member, rows, view) for name, member, rows in members))


def _weighed(name: str, member: Member, rows: int, view: View) -> Weighed:
    said = trailing_mean(member.score(view), rows, view.broken)
    return Weighed(name, member, rows, max(float(np.nanquantile(said, QUANTILE)), LEAST_UNIT))


def shrunk(rows: Float64s) -> tuple[Float64s, Float64s]:
    """Mean of rows, shape (n, d), and the symmetric matrix that makes their shrunk covariance the identity, (d, d).

    Ledoit & Wolf 2004. No direction counts as quieter than `LEAST_VARIANCE`.
    """
    fitted = LedoitWolf().fit(rows)
    variance, axes = np.linalg.eigh(fitted.covariance_)
    return fitted.location_, (axes / np.sqrt(np.maximum(variance, LEAST_VARIANCE))) @ axes.T


def fit_lens(view: View, width: int, first: int = 0) -> Lens:
    """Windows of `width` rows, or with 0 the shapes from column `first` on, whitened by the rows seen whole."""
    rows = view.newest(width) if width else view.shapes[:, first:]
    return Lens(width, first, *shrunk(rows[np.isfinite(rows).all(axis=1)]))


def _whole(lens: Lens, view: View) -> Float64s:
    seen = lens.look(view)
    return seen[np.isfinite(seen).all(axis=1)]


def fit_neighbours(lens: Lens, view: View, most: int = REFERENCES) -> Nearest:
    """kNN: accepted rows themselves, at most `most` evenly spread over time."""
    seen = _whole(lens, view)
    chosen = np.linspace(0, len(seen) - 1, min(most, len(seen))).astype(np.intp)
    return Nearest(lens, seen[chosen], NEIGHBOURS)


def fit_clusters(lens: Lens, view: View, seed: int) -> Nearest:
    """k-means: what accepted rows gather around."""
    seen = _whole(lens, view)
    count = min(CLUSTERS, len(np.unique(seen, axis=0)))
    return Nearest(lens, KMeans(count, n_init=1, random_state=seed).fit(seen).cluster_centers_, 1)


def fit_subspace(rows: Float64s) -> Subspace:
    """PCA: the directions that hold `VARIANCE` of the variance of windows, shape (n, w)."""
    if not np.ptp(rows):
        return Subspace(rows[0], np.empty((0, rows.shape[1])))
    fitted = PCA().fit(rows)
    held = np.cumsum(fitted.explained_variance_)
    count = int(np.searchsorted(held, VARIANCE * held[-1])) + 1
    return Subspace(fitted.mean_, fitted.components_[:count])


def fit_forecaster(view: View) -> Forecaster:
    """Ridge on the newest `LAGS` values and the context."""
    rows = view.newest(LAGS + 1)
    known = np.isfinite(rows).all(axis=1)
    fitted = Ridge(alpha=PENALTY).fit(
        np.concatenate((rows[known, :-1], view.context[known]), axis=1), rows[known, -1]
    )
    return Forecaster(fitted.coef_[:LAGS], fitted.coef_[LAGS:], float(fitted.intercept_))
