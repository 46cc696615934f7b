"""How wide gaps and breaks between neighbouring rows get by themselves, place by place. numpy only."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Float64s, Int64s
from trainer.fusion.arrays import MUTE
from trainer.fusion.jumps import BEFORE, LONGEST_S, NEW, OLD, Bools, Indices, gaps
from trainer.fusion.rifts import Rifts, steps
from trainer.fusion.widest import ages, beyond_seen
from trainer.joint import LEAST_SHRINKAGE

MARGIN = 1.5
"""How far beyond the widest gap of an orbit that was left out a jump begins."""

LEAST = 2.0
"""And at least so many times the widest one seen about this place."""

LEAST_ROWS = 30
"""Steps for each channel of a packet without which it is not known how they go together."""


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
    if not _heard(n, bin_count, period_s):
        return np.full((c, bin_count + 1), MUTE)
    return beyond_seen(gaps(_behind_nothing(values), ages(broken)), bins, turn, bin_count, step, MARGIN, LEAST)


def learn_rifts(
    values: Float64s,
    broken: Bools,
    bins: Indices,
    turn: Int64s,
    bin_count: int,
    step: Float64s,
    period_s: float,
) -> Rifts:
    """How steps go together, and how far beyond that each went by itself; arguments as `jump_thresholds`.

    With precision P of the steps g of all rows, (P g)_i / P_ii is what is left of step i after the regression on
    all others. Measured on 16 losses of half a panel (two seeds, eight times of a day, six orbits learned): the
    panel lies 4.8 to 20 thresholds out and first of all channels that moved; in 57 clean hours no row of 23
    channels reached one.
    """
    n, c = len(values), int(values.shape[1])
    mute = Rifts(np.eye(c), np.full((c, bin_count + 1), MUTE))
    if not _heard(n, bin_count, period_s):
        return mute
    moved = steps(_behind_nothing(values))
    moved[ages(broken) < BEFORE] = np.nan
    whole = np.isfinite(moved).all(axis=1)
    if whole.sum() < LEAST_ROWS * c:
        return mute
    unit = np.sqrt((moved[whole] ** 2).mean(axis=0))
    unit = np.where(unit > 0, unit, 1.0)
    seen = moved[whole] / unit
    together = (1 - LEAST_SHRINKAGE) * (seen.T @ seen) / len(seen)
    together[np.diag_indices(c)] = 1.0
    inverse = np.asarray(np.linalg.inv(together), dtype=np.float64)
    precision: Float64s = (inverse + inverse.T) / 2 / np.outer(unit, unit)
    part = np.abs(moved @ precision) / np.diag(precision)
    return Rifts(precision, beyond_seen(part, bins, turn, bin_count, step, MARGIN, LEAST))


def _heard(rows: int, bin_count: int, period_s: float) -> bool:
    """Whether steps between rows can be learned at all."""
    return bool(bin_count) and (NEW + OLD) * period_s <= LONGEST_S and rows > BEFORE


def _behind_nothing(values: Float64s) -> Float64s:
    return np.concatenate((np.full((BEFORE, values.shape[1]), np.nan), values))
