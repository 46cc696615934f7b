"""A step of one channel alone, told from how far its newest rows stand clear of those just before. numpy only.

The voices that compare with what is usual here cannot see a step smaller than how much orbits differ; those of the
members average it away. A step of ten times a sensor's noise is plain beside the rows before it: the newest `NEW`
lie all on one side of the `OLD` before. How wide such a gap gets by itself is learned for every place of the orbit,
where eclipses begin it is wide. What moves several channels at once is an event of the satellite and no sensor's
fault: then this voice is silent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s

NEW = 3
OLD = 5

LONGEST_S = 16.0
"""Seconds of `NEW` + `OLD` rows up to which this voice is used: in more time things move, not sensors alone."""

ALONE = 0.7
"""Part of its threshold that no other channel of the packet may have reached in the newest `ALONE_ROWS` rows."""

ALONE_ROWS = 6

HELD_ROWS = 60
"""Rows for which a jump is told, unless the value returns."""

BEFORE = NEW + OLD - 1
"""Rows before a row that its gap reaches back to."""

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


def gaps(joined: Float64s, age: Indices) -> Float64s:
    """How far the newest rows stand clear of those before them, shape (n, c); 0 where they do not.

    Args:
        joined: values of the n rows and the `BEFORE` rows before them, shape (BEFORE + n, c).
        age: rows since the newest break of each row, shape (n,); NaN where a gap would reach back over it.
    """
    n = len(age)
    new = [joined[BEFORE - i : BEFORE - i + n] for i in range(NEW)]
    old = [joined[BEFORE - i : BEFORE - i + n] for i in range(NEW, NEW + OLD)]
    up = np.minimum.reduce(new) - np.maximum.reduce(old)
    down = np.minimum.reduce(old) - np.maximum.reduce(new)
    out = np.maximum(np.maximum(up, down), 0.0)
    out[age < BEFORE] = np.nan
    return out


def others(relative: Float64s) -> Float64s:
    """The highest of all other channels of each row, shape (n, c); 0 where there is none."""
    n, c = relative.shape
    if c < 2:
        return np.zeros((n, c))
    known = np.nan_to_num(relative)
    two = np.partition(known, c - 2, axis=1)[:, -2:]
    return np.where(known >= two[:, 1:], two[:, :1], two[:, 1:])


class Jumps:
    """The newest rows of one packet of one satellite, and the jumps that are still told."""

    def __init__(self, threshold: Float64s) -> None:
        """`threshold`: width of a gap that is a jump at each place, shape (c, places), the unknown one first."""
        c = len(threshold)
        self._threshold = threshold.T
        self._values = np.full((BEFORE, c), np.nan)
        self._others = np.zeros((ALONE_ROWS - 1, c))
        self._left = np.zeros(c, dtype=np.intp)
        """Rows for which a jump is still told."""
        self._from = np.full(c, np.nan)
        self._size = np.zeros(c)

    def hear(self, values: Float64s, age: Indices, bins: Indices) -> tuple[Float64s, Bools, Bools]:
        """Judge the next n rows, as `trainer.fusion.live.Memory.hear`.

        Returns:
            Part of the way to the threshold (NaN where not known), where a jump is, and where one is still told;
            each of shape (n, c).
        """
        n = len(values)
        joined = np.concatenate((self._values, values))
        table = self._threshold
        relative = gaps(joined, age) / table[np.where(bins < len(table), bins, 0)]
        near = np.concatenate((self._others, others(relative)))
        loudest = np.maximum.reduce([near[i : i + n] for i in range(ALONE_ROWS)])
        jumped = (relative > 1) & (loudest <= ALONE)
        relative = np.where((relative > 1) & ~jumped, ALONE, relative)
        lasting = jumped.copy()
        if jumped.any() or self._left.any():
            for i in range(n):
                self._hold(joined[i : i + BEFORE + 1], jumped[i], bool(age[i] == 0), lasting[i])
        self._values, self._others = joined[n:], near[n:]
        return relative, jumped, lasting

    def _hold(self, newest: Float64s, jumped: Bools, begins: bool, lasting: Bools) -> None:
        """Follow the jumps over one row; marks those that are still told."""
        before = newest[OLD // 2]
        self._left = np.maximum(self._left - 1, 0)
        if begins:
            self._left[:] = 0
        away = np.abs(newest[-1] - self._from)
        self._left[away < self._size / 2] = 0
        self._from = np.where(jumped, before, self._from)
        self._size = np.where(jumped, np.abs(newest[-1] - before), self._size)
        self._left[jumped] = HELD_ROWS
        lasting |= self._left > 0
