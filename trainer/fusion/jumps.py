"""A step of one channel by itself, told from how far its newest rows stand clear of those just before. numpy only.

The voices that compare with what is usual here cannot see a step smaller than how much orbits differ; those of the
members average it away. A step of ten times a sensor's noise is plain beside the rows before it: the newest `NEW`
lie all on one side of the `OLD` before. How wide such a gap gets by itself is learned for every place of the orbit,
where eclipses begin it is wide. What moves several channels at once may be an event of the satellite: then this
voice speaks only of the one channel that breaks with the others (`trainer.fusion.rifts`), if there is one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.fusion.rifts import BEFORE, NEW, OLD, Rifts

LONGEST_S = 16.0
"""Seconds of `NEW` + `OLD` rows up to which this voice is used: in more time things move, not sensors alone."""

ALONE = 0.7
"""Part of its threshold that no other channel of the packet may have reached in the newest `ALONE_ROWS` rows."""

ALONE_ROWS = 6

HELD_ROWS = 60
"""Rows for which a jump is told, unless the value returns."""

AWAY_ROWS = 3600
"""The same of a jump away from what is expected here: what broke stays broken."""

RETURNED = 1 / 3
"""Part of the way that a value which has returned is still off at most."""

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

    def __init__(self, threshold: Float64s, rifts: Rifts | None = None) -> None:
        """Nothing has come yet.

        Args:
            threshold: width of a gap that is a jump at each place, shape (c, places), the unknown one first.
            rifts: how the channels' steps go together; None: several that jump at once are never told.
        """
        c = len(threshold)
        self._threshold = threshold.T
        self._rifts = rifts
        self._values = np.full((BEFORE, c), np.nan)
        self._off = np.full((BEFORE, c), np.nan)
        """The values less what was expected of them."""
        self._expected = np.zeros(c)
        self._others = np.zeros((ALONE_ROWS - 1, c))
        self._left = np.zeros(c, dtype=np.intp)
        """Rows for which a jump is still told."""
        self._from = np.zeros(c)
        self._size = np.zeros(c)
        """Signed: where from and how far the jump went, less what was expected there."""
        self._place = np.zeros(c, dtype=np.intp)
        """Where it was."""
        self._back = np.zeros(c, dtype=np.intp)
        """Rows for which a jump the other way is the return from one that was told, and no jump."""

    def hear(
        self,
        values: Float64s,
        age: Indices,
        bins: Indices,
        apart: Bools | None = None,
        expected: Float64s | None = None,
        settling: Bools | None = None,
    ) -> tuple[Float64s, Bools, Bools]:
        """Judge the next n rows, as `trainer.fusion.live.Memory.hear`.

        Args:
            values: shape (n, c).
            age: rows since the newest break, shape (n,).
            bins: places, shape (n,).
            apart: rows in which no jump is told that was before them, shape (n,); None: those of age 0.
            expected: values that are usual here, shape (n, c), NaN where not known; None: never.
            settling: rows soon after a change of mode, in which what steps back to what is usual is no jump,
                shape (n,); None: there are none.

        Returns:
            Part of the way to the threshold (NaN where not known), where a jump is, and where one is still told;
            each of shape (n, c).
        """
        n = len(values)
        joined = np.concatenate((self._values, values))
        table = self._threshold
        place = np.where(bins < len(table), bins, 0)
        relative = gaps(joined, age) / table[place]
        near = np.concatenate((self._others, others(relative)))
        loudest = np.maximum.reduce([near[i : i + n] for i in range(ALONE_ROWS)])
        beyond = relative > 1
        jumped = beyond & (loudest <= ALONE)
        if self._rifts is not None:
            for i in np.flatnonzero(beyond.any(axis=1) & ~jumped.any(axis=1)).tolist():
                origin = self._rifts.origin(joined[i : i + BEFORE + 1], int(place[i]))
                if origin is not None and beyond[i, origin]:
                    jumped[i, origin] = True
        off = np.concatenate((self._off, values - self._known(expected, values)))
        if settling is not None and settling.any():
            towards = np.abs(off[BEFORE:]) < np.abs(off[OLD // 2 : OLD // 2 + n])
            jumped &= ~(settling[:, None] & towards)
        lasting = np.zeros_like(jumped)
        if jumped.any() or self._left.any() or self._back.any():
            ended = age == 0 if apart is None else apart
            for i in range(n):
                self._hold(off[i : i + BEFORE + 1], jumped[i], int(place[i]), bool(ended[i]), lasting[i])
        relative = np.where(beyond & ~jumped, ALONE, relative)
        self._values, self._off, self._others = joined[n:], off[n:], near[n:]
        return relative, jumped, lasting

    def take_over(self, before: Jumps) -> None:
        """Still tell what `before` tells of the same channels, where the thresholds here call it a jump too."""
        table = self._threshold
        place = np.where(before._place < len(table), before._place, 0)
        held = (before._left > self._left) & (np.abs(before._size) > table[place, np.arange(len(place))])
        for name in ("_left", "_from", "_size", "_place"):
            setattr(self, name, np.where(held, getattr(before, name), getattr(self, name)))

    def _known(self, expected: Float64s | None, values: Float64s) -> Float64s:
        """What is expected, row by row; the newest that is known where it is not."""
        if expected is None:
            return np.zeros_like(values)
        index = np.where(np.isfinite(expected), np.arange(1, len(values) + 1)[:, None], 0)
        known = np.take_along_axis(
            np.concatenate((self._expected[None], expected)), np.maximum.accumulate(index, axis=0), axis=0
        )
        self._expected = known[-1]
        return known

    def _hold(self, newest: Float64s, jumped: Bools, place: int, ended: bool, lasting: Bools) -> None:
        """Follow the jumps over one row; marks those that are still told, and unmarks the returns from one."""
        before, now = newest[OLD // 2], newest[-1]
        self._left = np.maximum(self._left - 1, 0)
        self._back = np.maximum(self._back - 1, 0)
        if ended:
            self._left[:], self._back[:] = 0, 0
        way = np.sign(self._size)
        returned = (self._left > 0) & ((now - self._from) * way < np.abs(self._size) * RETURNED)
        self._left[returned], self._back[returned] = 0, NEW
        jumped &= (self._back == 0) | ((now - before) * way > 0)
        fresh = jumped & (self._left == 0)
        self._from = np.where(fresh, before, self._from)
        self._size = np.where(jumped, now - self._from, self._size)
        self._place = np.where(jumped, place, self._place)
        away = np.abs(now) > np.abs(self._from)
        self._left = np.where(jumped, np.where(away, AWAY_ROWS, np.maximum(self._left, HELD_ROWS)), self._left)
        lasting |= jumped | (self._left > 0)
