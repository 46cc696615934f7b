"""The members as arrays, and the arithmetic that turns a channel's deviations into scores. numpy only.

Every member scores a row from what lies at or before it; a higher score is stranger, NaN where it cannot see.
Scores are in units of the member's own; fusion makes them comparable.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from telemetry.frame import Float64s
from trainer.members.windows import LONG, Bools, shapes, whole, windows

CHUNK = 1024
"""Rows whose distances to all references are in memory at once."""

NEIGHBOURS = 3
LAGS = 16
"""Rows of its own past that a channel is forecast from."""

DRIFT_FREE = 3
"""First column of the shapes that a slow drift of the level leaves as they are."""

SLOW, STEADY = 32, 16
"""Rows that the scores of shapes, clusters and forecast, and of the ellipsoid, are averaged over."""

ROUNDED = 6
"""Decimals kept of what a lens shows: the last bits depend on the order of additions, references must not."""


@dataclass(frozen=True, eq=False)
class View:
    """n rows of one channel in order of time, ready for every member."""

    z: Float64s
    """Deviations, shape (n,); NaN where there is no valid value."""
    context: Float64s
    """Regressors of each row, shape (n, m)."""
    broken: Bools
    """Rows that do not continue the row before them, shape (n,)."""

    @cached_property
    def shapes(self) -> Float64s:
        """Rolling features of every row, shape (n, 10); NaN across gaps."""
        out = shapes(self.z)
        out[~whole(self.broken, LONG)] = np.nan
        return out

    def newest(self, width: int) -> Float64s:
        """The newest `width` values of every row, shape (n, width); NaN across gaps and before the first window."""
        out = np.full((len(self.z), width), np.nan)
        out[width - 1 :] = windows(self.z, width)
        out[~whole(self.broken, width)] = np.nan
        return out


class Member(Protocol):
    """One opinion on a channel."""

    def score(self, view: View) -> Float64s:
        """Strangeness of every row, shape (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Lens:
    """Windows or shapes of rows, turned so that accepted rows spread alike in all directions."""

    width: int
    """Rows of a window; 0 for shapes."""
    first: int
    """First of the columns looked at."""
    mean: Float64s
    whitening: Float64s
    """Symmetric, shape (d, d)."""

    def look(self, view: View) -> Float64s:
        """Shape (n, d); rows with anything unknown are NaN."""
        rows = view.newest(self.width) if self.width else view.shapes[:, self.first :]
        return np.round((rows - self.mean) @ self.whitening, ROUNDED)


@dataclass(frozen=True, eq=False)
class Nearest:
    """Mean distance to the `k` nearest references: kNN, and k-means with k = 1."""

    lens: Lens
    references: Float64s
    """Shape (m, d)."""
    k: int

    def score(self, view: View) -> Float64s:
        """Distance of every row, shape (n,)."""
        seen = self.lens.look(view)
        out = np.full(len(seen), np.nan)
        known = np.flatnonzero(np.isfinite(seen).all(axis=1))
        size = (self.references * self.references).sum(axis=1)
        for start in range(0, len(known), CHUNK):
            rows = known[start : start + CHUNK]
            part = seen[rows]
            square = size - 2 * part @ self.references.T
            near = np.argpartition(square, self.k - 1, axis=1)[:, : self.k]
            # Once more as a difference: the shorter form above has no digits left where a row is its reference.
            away = self.references[near] - part[:, None]
            out[rows] = np.sqrt((away * away).sum(axis=2)).mean(axis=1)
        return out


@dataclass(frozen=True, eq=False)
class Subspace:
    """Length of what the usual forms leave over of a row's window: sub-PCA."""

    mean: Float64s
    axes: Float64s
    """Orthonormal rows, shape (r, w)."""

    def score(self, view: View) -> Float64s:
        """Length of the rest of every row, shape (n,)."""
        away = view.newest(len(self.mean)) - self.mean
        rest = away - (away @ self.axes.T) @ self.axes
        return np.sqrt((rest * rest).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Error of a linear forecast from the channel's own past and the context of the row."""

    lags: Float64s
    """Weights of the newest values, oldest first, shape (p,)."""
    context: Float64s
    """Weights of the regressors, shape (m,)."""
    level: float

    def forecast(self, view: View) -> Float64s:
        """The deviation expected at every row, shape (n,); NaN where the past is not whole."""
        past = view.newest(len(self.lags) + 1)[:, :-1]
        return past @ self.lags + view.context @ self.context + self.level

    def score(self, view: View) -> Float64s:
        """Size of the error at every row, shape (n,)."""
        return np.abs(view.z - self.forecast(view))


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """Mahalanobis distance of a row's shapes from their usual place."""

    lens: Lens

    def score(self, view: View) -> Float64s:
        """Distance of every row, shape (n,)."""
        seen = self.lens.look(view)
        return np.sqrt((seen * seen).sum(axis=1))
