"""How the channels of one packet move together, so that a channel can be compared with what the others say of it.

Read off the deviations (normal spreads at this place and in this mode) of accepted rows: a shrunk correlation,
after Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004). numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from telemetry.frame import Float64s

CLIP = 6.0
"""Deviations are cut here before they are learned from: a few rows must not make a correlation."""

LEAST_SCALE = 0.1
"""No channel counts as steadier than this part of its normal spread: the spread also holds what is rare."""

LEAST_SHRINKAGE = 0.02
"""Rows that follow each other are no independent draws, which the formula takes them for."""

LEAST_ROWS = 30


@dataclass(frozen=True, eq=False)
class Joint:
    """What the deviations of c channels are together on accepted rows."""

    mean: Float64s
    """Shape (c,), in normal spreads."""
    precision: Float64s
    """Shape (c, c): inverse of the shrunk covariance."""

    @cached_property
    def scale(self) -> Float64s:
        """Standard deviation of each channel by itself, shape (c,)."""
        return np.sqrt(np.diag(np.linalg.inv(self.precision)))

    def marginal(self, z: Float64s) -> Float64s:
        """Signed standard deviations from the mean, each channel by itself; same shape as `z`, (..., c)."""
        return (z - self.mean) / self.scale

    def conditional(self, z: Float64s) -> Float64s:
        """Signed standard deviations from what the other channels of the row let expect.

        With precision P and deviation d from the mean, (P d)_i / sqrt(P_ii): the residual of the regression of
        channel i on the others, in its own standard deviations.

        Args:
            z: one row, shape (c,). Channels that are NaN tell nothing about the others, and stay NaN.
        """
        known = np.isfinite(z)
        out = np.full(len(z), np.nan)
        if not known.any():
            return out
        precision = self.precision
        if not known.all():
            lost = ~known
            across = precision[np.ix_(known, lost)]
            precision = precision[np.ix_(known, known)] - across @ np.linalg.solve(
                precision[np.ix_(lost, lost)], across.T
            )
        out[known] = precision @ (z - self.mean)[known] / np.sqrt(np.diag(precision))
        return out


def fit_joint(z: Float64s) -> Joint:
    """Mean and shrunk precision of accepted rows.

    Args:
        z: deviations of the value, shape (n, c); NaN where not usable. A channel counts as on its mean where it is
            NaN. With fewer than `LEAST_ROWS` rows the channels are taken as independent, one spread each.
    """
    n, c = len(z), int(z.shape[1])
    known = np.isfinite(z)
    count = known.sum(axis=0)
    usable = count >= LEAST_ROWS
    if not usable.any():
        return Joint(np.zeros(c, dtype=np.float64), np.eye(c, dtype=np.float64))
    cut = np.clip(np.where(known, z, 0.0), -CLIP, CLIP)
    many = np.maximum(count, 1)
    mean: Float64s = np.where(usable, cut.sum(axis=0) / many, 0.0)
    centred = np.where(known & usable, cut - mean, 0.0)
    scale: Float64s = np.maximum(np.sqrt((centred**2).sum(axis=0) / many), LEAST_SCALE)
    scale[~usable] = 1.0
    unit: Float64s = centred / scale * np.sqrt(n / many)
    together: Float64s = unit.T @ unit / n
    part = max(_shrinkage(unit, together), LEAST_SHRINKAGE)
    correlation: Float64s = (1 - part) * together
    correlation[np.diag_indices(c)] = 1.0
    inverse = np.asarray(np.linalg.inv(correlation), dtype=np.float64)
    precision: Float64s = (inverse + inverse.T) / 2 / np.outer(scale, scale)
    return Joint(mean, precision)


def _shrinkage(unit: Float64s, together: Float64s) -> float:
    """Ledoit and Wolf's part of the identity, 0..1, for centred rows of shape (n, c)."""
    n, c = len(unit), int(unit.shape[1])
    target = np.trace(together) / c
    squares = unit**2
    spread = (squares.T @ squares).sum() / n - (together**2).sum()
    distance = (together**2).sum() - c * target**2
    return 1.0 if distance <= 0 else float(min(1.0, spread / n / distance))
