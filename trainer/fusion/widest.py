"""How far something got by itself about every place of the orbit, and what lies beyond all of it. numpy only.

What the voices that look at neighbouring rows learn: not what is usual at a place but the most that was ever seen
there, since what they hear is rare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s
from trainer.fusion.arrays import MUTE
from trainer.usual import LEAST_TURNS, NEIGHBOURS

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedRows:
    """What there is to learn from: n rows of c channels of a packet, oldest first, and where each was made."""

    values: Float64s
    """Shape (n, c); NaN where not to be learned."""
    broken: Bools
    """Rows that do not continue the row before them, shape (n,)."""
    bins: Indices
    """Place of each row, 0 unknown, shape (n,)."""
    turn: Int64s
    """Number of the orbit of each row, shape (n,)."""
    bin_count: int
    """Places of an orbit; 0 without a clock."""
    step: Float64s
    """Smallest step of each channel, shape (c,)."""
    period_s: float
    """Between two rows."""

    @property
    def mute(self) -> Float64s:
        """Thresholds that nothing reaches, shape (c, bin_count + 1)."""
        return np.full((self.values.shape[1], self.bin_count + 1), MUTE)


def beyond_seen(width: Float64s, rows: PlacedRows, margin: float, least: float) -> Float64s:
    """What lies beyond all that was seen about each place, shape (c, bin_count + 1); `MUTE` with too few orbits.

    Each orbit in turn is compared with all others: how far it goes beyond them says how well they tell what comes.

    Args:
        width: how far each channel got, shape (n, c); NaN where not known.
        rows: where it did; with at least one place.
        margin: how far beyond the widest of an orbit that was left out the threshold lies.
        least: and at least so many times the widest one seen about this place.
    """
    bins, bin_count, step, c = rows.bins, rows.bin_count, rows.step, int(width.shape[1])
    known = np.flatnonzero(np.isfinite(width).any(axis=1) & (bins > 0))
    turns, of = np.unique(rows.turn[known], return_inverse=True)
    if len(turns) < LEAST_TURNS:
        return rows.mute
    cell = of * (bin_count + 1) + bins[known]
    order = np.argsort(cell, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    widest = np.zeros((len(turns) * (bin_count + 1), c))
    widest[cells] = np.maximum.reduceat(np.nan_to_num(width[known][order]), first, axis=0)
    widest = widest.reshape(len(turns), bin_count + 1, c)
    beyond = np.zeros(c)
    for i in range(len(turns)):
        rest = _about(np.delete(widest, i, axis=0).max(axis=0), step)
        beyond = np.maximum(beyond, (widest[i] / rest).max(axis=0))
    return (_about(widest.max(axis=0), step) * np.maximum(beyond * margin, least)).T


def _about(widest: Float64s, step: Float64s) -> Float64s:
    """The widest about each place, shape (bins + 1, c); not below that of half of all places, nor a step."""
    inner = widest[1:]
    about = np.maximum.reduce([np.roll(inner, by, axis=0) for by in range(-NEIGHBOURS, NEIGHBOURS + 1)])
    about = np.maximum(about, np.maximum(np.median(about, axis=0), step))
    return np.concatenate((about.max(axis=0)[None], about))
