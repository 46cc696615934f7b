"""How much each channel scatters from row to row by itself, place by place. numpy only."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Float64s, Int64s
from trainer.fusion.arrays import MUTE
from trainer.fusion.unrest import BEFORE, LONGEST_S, Bools, Indices, unrest
from trainer.fusion.widest import ages, beyond_seen

MARGIN = 1.1
"""How far beyond the most restless rows of an orbit that was left out noise begins."""

LEAST = 1.4
"""And at least so many times the most restless ones seen about this place."""

PIECE = 2000
"""Rows whose windows are sorted at once: 4 MB of 23 channels."""


def unrest_thresholds(
    values: Float64s,
    broken: Bools,
    bins: Indices,
    turn: Int64s,
    bin_count: int,
    step: Float64s,
    period_s: float,
) -> Float64s:
    """Unrest that is noise, shape (c, bin_count + 1); arguments as `trainer.fusion.fit_jumps.jump_thresholds`.

    `MUTE` with too few orbits or too slow rows. With the breadth of `trainer.calibration` on top of these figures
    no row of 36 channels reached its threshold in three clean days of the simulated 3U with their routines, learned
    from five to seventeen hours; of ten times the noise, begun at 972 places of 27 channels, 95.3 % was believed
    within 30 s and 99.4 % within 60 s.
    """
    n, c = len(values), int(values.shape[1])
    if not bin_count or (BEFORE + 1) * period_s > LONGEST_S or n <= BEFORE:
        return np.full((c, bin_count + 1), MUTE)
    age, joined = ages(broken), np.concatenate((np.full((BEFORE, c), np.nan), values))
    found = np.concatenate([unrest(joined[i : i + PIECE + BEFORE], age[i : i + PIECE]) for i in range(0, n, PIECE)])
    return beyond_seen(found, bins, turn, bin_count, step, MARGIN, LEAST)
