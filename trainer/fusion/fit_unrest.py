"""How much each channel scatters from row to row by itself, place by place. numpy only."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Float64s
from trainer.fusion.unrest import BEFORE, LONGEST_S, unrest
from trainer.fusion.widest import PlacedRows, beyond_seen
from trainer.members.windows import rows_since

MARGIN = 1.1
"""How far beyond the most restless rows of an orbit that was left out noise begins."""

LEAST = 1.4
"""And at least so many times the most restless ones seen about this place."""

PIECE = 2000
"""Rows whose windows are sorted at once: 4 MB of 23 channels."""


def unrest_thresholds(rows: PlacedRows) -> Float64s:
    """Unrest that is noise, shape (c, bin_count + 1); `MUTE` with too few orbits or too slow rows.

    With the breadth of `trainer.calibration` on top of these figures no row of 36 channels reached its threshold in
    three clean days of the simulated 3U with their routines, learned from five to seventeen hours; of ten times the
    noise, begun at 972 places of 27 channels, 95.3 % was believed within 30 s and 99.4 % within 60 s.
    """
    n, c = len(rows.values), int(rows.values.shape[1])
    if not rows.bin_count or (BEFORE + 1) * rows.period_s > LONGEST_S or n <= BEFORE:
        return rows.mute
    age, joined = rows_since(rows.broken), np.concatenate((np.full((BEFORE, c), np.nan), rows.values))
    found = np.concatenate([unrest(joined[i : i + PIECE + BEFORE], age[i : i + PIECE]) for i in range(0, n, PIECE)])
    return beyond_seen(found, rows, MARGIN, LEAST)
