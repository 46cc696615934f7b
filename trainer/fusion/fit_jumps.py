"""How wide gaps and breaks between neighbouring rows get by themselves, place by place. numpy only."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Float64s
from trainer.fusion.jumps import BEFORE, LONGEST_S, NEW, OLD, gaps
from trainer.fusion.rifts import Rifts, steps
from trainer.fusion.widest import PlacedRows, beyond_seen
from trainer.joint import LEAST_SHRINKAGE
from trainer.members.windows import rows_since

MARGIN = 1.5
"""How far beyond the widest gap of an orbit that was left out a jump begins."""

LEAST = 2.0
"""And at least so many times the widest one seen about this place."""

LEAST_ROWS = 30
"""Steps for each channel of a packet without which it is not known how they go together."""


def jump_thresholds(rows: PlacedRows) -> Float64s:
    """Width of a gap that is a jump, shape (c, bin_count + 1); `MUTE` with too few orbits or too slow rows.

    With two seeds of the simulated 3U, six orbits learned, a step of ten times the noise of a channel is seen at
    21.7 of 27 channels and places in the mean, and 12 hours each with all routines gave no false jump.
    """
    if not _heard(rows):
        return rows.mute
    return beyond_seen(gaps(_behind_nothing(rows.values), rows_since(rows.broken)), rows, MARGIN, LEAST)


def learn_rifts(rows: PlacedRows) -> Rifts:
    """How steps go together, and how far beyond that each went by itself.

    With precision P of the steps g of all rows, (P g)_i / P_ii is what is left of step i after the regression on
    all others. Measured on 16 losses of half a panel (two seeds, eight times of a day, six orbits learned): the
    panel lies 4.8 to 20 thresholds out and first of all channels that moved; in 57 clean hours no row of 23
    channels reached one.
    """
    c = int(rows.values.shape[1])
    mute = Rifts(np.eye(c), rows.mute)
    if not _heard(rows):
        return mute
    moved = steps(_behind_nothing(rows.values))
    moved[rows_since(rows.broken) < BEFORE] = np.nan
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
    return Rifts(precision, beyond_seen(part, rows, MARGIN, LEAST))


def _heard(rows: PlacedRows) -> bool:
    """Whether steps between rows can be learned at all."""
    return bool(rows.bin_count) and (NEW + OLD) * rows.period_s <= LONGEST_S and len(rows.values) > BEFORE


def _behind_nothing(values: Float64s) -> Float64s:
    return np.concatenate((np.full((BEFORE, values.shape[1]), np.nan), values))
