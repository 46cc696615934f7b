"""How the channels of one packet move together, so that a channel can be compared with what the others say of it.

Read off accepted rows, as movements: the value less the median of the minute before. What shades a panel moves the
battery's current in the same second, over a whole orbit and at full size; the deviations from what is usual at a
place, which the detector judges, have lost just that. A shrunk correlation, after Ledoit and Wolf, "A
well-conditioned estimator for large-dimensional covariance matrices" (2004). numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from telemetry.frame import Float64s

BEFORE = 60
"""Rows that a movement is measured from: as many as `usual here` is taken from."""

SAMPLE = 1_500
"""Movements that are learned from, evenly over the rows."""

LEAST_SCALE = 0.1
"""No channel counts as steadier than this part of its normal spread: the spread also holds what is rare."""

LEAST_SHRINKAGE = 0.02
"""Rows that follow each other are no independent draws, which the formula takes them for."""

LEAST_ROWS = 30


@dataclass(frozen=True, eq=False)
class Joint:
    """How c channels deviate, each by itself, and how they move, all together."""

    scale: Float64s
    """Usual size of a channel's deviation, in normal spreads, shape (c,); positive."""
    precision: Float64s
    """Inverse of the shrunk covariance of the movements, in the channels' units, shape (c, c)."""

    def marginal(self, z: Float64s) -> Float64s:
        """Signed deviations from usual in their own usual size; same shape as `z`, (..., c)."""
        return z / self.scale

    def conditional(self, movement: Float64s) -> Float64s:
        """Signed sigma of movements beyond what those of the other channels of the row let expect.

        With precision P and movement m, (P m)_i / sqrt(P_ii): the residual of the regression of channel i on the
        others, in its own standard deviations.

        Args:
            movement: shape (n, c). Channels that are NaN tell nothing about the others, and stay NaN.
        """
        out = np.full(movement.shape, np.nan)
        for known in np.unique(np.isfinite(movement), axis=0):
            if not known.any():
                continue
            rows = np.flatnonzero((np.isfinite(movement) == known).all(axis=1))
            precision = self.precision
            if not known.all():
                across = precision[np.ix_(known, ~known)]
                lost = precision[np.ix_(~known, ~known)]
                precision = precision[np.ix_(known, known)] - across @ np.linalg.solve(lost, across.T)
            out[np.ix_(rows, known)] = movement[np.ix_(rows, known)] @ precision / np.sqrt(np.diag(precision))
        return out


def movements(values: Float64s, before: Float64s) -> Float64s:
    """Values, shape (n, c), less the median of the accepted rows before them, shape (m, c); NaN where unknown."""
    known = np.isfinite(before)
    count = known.sum(axis=0)
    ordered = np.sort(before, axis=0)
    if not len(before):
        return np.full(values.shape, np.nan)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(before) - 1)[None], axis=0)[0]
    return values - np.where(count > 0, (low + high) / 2, np.nan)


def fit_joint(z: Float64s, values: Float64s) -> Joint:
    """Usual sizes and shrunk precision of accepted rows.

    Args:
        z: deviations of the value in normal spreads, any rows, c channels; NaN where not usable.
        values: in the channels' units, shape (n, c), oldest first and not thinned. A channel counts as not moving
            where it is NaN. With fewer than `BEFORE` + `LEAST_ROWS` rows the channels are taken as independent.
    """
    n, c = len(values), int(values.shape[1])
    known = np.isfinite(z)
    squares: Float64s = np.where(known, z, 0.0) ** 2
    size: Float64s = np.sqrt(squares.sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    scale: Float64s = np.where(known.any(axis=0), np.maximum(size, LEAST_SCALE), 1.0)
    seen = np.isfinite(values)
    middle = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    varied = (np.where(seen, values - middle, 0.0) ** 2).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    still = np.where(varied > 0, np.sqrt(varied), 1.0)
    if n < BEFORE + LEAST_ROWS:
        return Joint(scale, np.diag(1.0 / still**2))
    at = np.unique(np.linspace(BEFORE, n - 1, min(SAMPLE, n - BEFORE)).astype(np.intp))
    windows = sliding_window_view(values, BEFORE, axis=0)
    moved = values[at] - np.median(windows[at - BEFORE], axis=2)
    usable = np.isfinite(moved)
    count = np.maximum(usable.sum(axis=0), 1)
    moved = np.where(usable, moved, 0.0)
    unit = np.sqrt((moved**2).sum(axis=0) / count)
    unit = np.where(unit > 0, unit, still)
    cut: Float64s = moved / unit * np.sqrt(len(at) / count)
    together: Float64s = cut.T @ cut / len(at)
    part = max(_shrinkage(cut, together), LEAST_SHRINKAGE)
    correlation: Float64s = (1 - part) * together
    correlation[np.diag_indices(c)] = 1.0
    inverse = np.asarray(np.linalg.inv(correlation), dtype=np.float64)
    precision: Float64s = (inverse + inverse.T) / 2 / np.outer(unit, unit)
    return Joint(scale, precision)


def _shrinkage(unit: Float64s, together: Float64s) -> float:
    """Ledoit and Wolf's part of the identity, 0..1, for centred rows of shape (n, c)."""
    n, c = len(unit), int(unit.shape[1])
    target = np.trace(together) / c
    squares = unit**2
    spread = (squares.T @ squares).sum() / n - (together**2).sum()
    distance = (together**2).sum() - c * target**2
    return 1.0 if distance <= 0 else float(min(1.0, spread / n / distance))
