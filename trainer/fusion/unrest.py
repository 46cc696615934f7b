"""Noise of one channel by itself, told from how far its values scatter from row to row. numpy only.

The voices that compare with what is usual here hear noise only where it is wide against how much orbits differ.
From one row to the next little but the sensor differs: the second difference leaves nothing of a level or of a
slope, and its median over some rows nothing of a step, which other voices tell. How restless a channel gets by
itself is learned for every place of the orbit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.fusion.patience import tallied
from trainer.members.alarm_rule import CONFIRM, OF, RELEASE

ROWS = 11
"""Second differences the median is of: of an odd number it is one of them. In three clean days of the simulated 3U
it went beyond one and a half times the most of the orbits before 4 times, that of 9, 13, 15 and 21 of them 5 to 9
times; and what is wider hears later."""

BEFORE = ROWS + 1
"""Rows before a row that its unrest reaches back to."""

LONGEST_S = 70.0
"""Seconds of `BEFORE` + 1 rows up to which this voice is used: in more time things move, not sensors alone."""

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


def unrest(joined: Float64s, age: Indices) -> Float64s:
    """Median of the newest `ROWS` second differences without their sign, shape (n, c).

    Args:
        joined: values of the n rows and the `BEFORE` rows before them, shape (BEFORE + n, c).
        age: rows since the newest break of each row, shape (n,); NaN where a window would reach back over it, and
            where it holds a value that is not known.
    """
    bent = np.abs(joined[2:] - 2 * joined[1:-1] + joined[:-2])
    down, across = bent.strides
    seen = np.ndarray((len(age), bent.shape[1], ROWS), buffer=bent, strides=(down, across, down))
    ordered = np.sort(seen, axis=2)
    # What is NaN sorts behind all else: one in the window is the last of it.
    out: Float64s = np.where(np.isnan(ordered[:, :, -1]), np.nan, ordered[:, :, ROWS // 2])
    out[age < BEFORE] = np.nan
    return out


class Unrest:
    """The newest rows of one packet of one satellite, and where noise is still told."""

    def __init__(self, threshold: Float64s) -> None:
        """Nothing has come yet; `threshold`: unrest that is too much at each place, shape (c, places), the unknown
        one first."""
        c = len(threshold)
        self._threshold = threshold.T
        self._values = np.full((BEFORE, c), np.nan)
        self._beyond: Bools = np.zeros((OF - 1, c), dtype=np.bool_)
        self._told: Bools = np.zeros(c, dtype=np.bool_)

    def hear(self, values: Float64s, age: Indices, bins: Indices, apart: Bools) -> tuple[Float64s, Bools, Bools]:
        """Judge the next n rows, as `trainer.fusion.live.Memory.hear`.

        Args:
            values: shape (n, c).
            age: rows since the newest break, shape (n,).
            bins: places, shape (n,).
            apart: rows in which nothing is told any more that was before them, shape (n,).

        Returns:
            Part of the way to the threshold (NaN where not known), where noise is, and where it is still told:
            while above half the way, and where a window is not full again; each of shape (n, c).
        """
        joined = np.concatenate((self._values, values))
        place = np.where(bins < len(self._threshold), bins, 0)
        relative = unrest(joined, age) / self._threshold[place]
        self._values = joined[len(values) :]
        with np.errstate(invalid="ignore"):
            beyond, over = relative > 1, relative <= RELEASE
        if not (beyond.any() or self._told.any() or self._beyond.any()):
            return relative, beyond, beyond
        self._beyond, count = tallied(self._beyond, beyond)
        noisy = beyond & (count >= CONFIRM)
        over |= apart[:, None] | (np.isnan(relative) & (age >= BEFORE)[:, None])
        index = np.arange(1, len(values) + 1)[:, None]
        told = np.maximum.accumulate(np.where(noisy, index, np.where(self._told, 0, -1)), axis=0)
        lasting: Bools = told > np.maximum.accumulate(np.where(over, index, -1), axis=0)
        self._told = lasting[-1]
        return relative, noisy, lasting

    def take_over(self, before: Unrest) -> None:
        """Still tell what `before` tells of the same channels, until it is over by the thresholds here."""
        self._told = self._told | before._told
