"""What the members of a channel look at: deviations, windows, rolling features. numpy only, exact, causal.

A row with a NaN in what it needs, or with a gap in it, has no view: NaN goes in, NaN comes out, nothing is filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.features import rolling

Bools = npt.NDArray[np.bool_]

WINDOW = 32
"""Rows of a subsequence, the row judged included."""

SHORT, LONG = 5, 30
"""Rows of the rolling windows."""

CLIP = 50.0
FLOOR = 0.2
"""Smallest spread of a channel, in parts of its standard deviation."""

QUIET = 0.02
"""Added to a deviation or range before its logarithm, in spreads of the channel."""

DECIMALS = 9
"""Deviations are rounded here, so that a change of units changes no bit of what follows."""

_SIGMA = 1.349


@dataclass(frozen=True, slots=True)
class Scale:
    """What is usual for a channel: 0 spread where it never moved."""

    centre: float
    spread: float

    def z(self, values: Float64s) -> Float64s:
        """Deviations, cut at `CLIP`; any change of a channel that never moved is as far as it goes."""
        away = values - self.centre
        z = away / self.spread if self.spread > 0 else np.where(np.isnan(away), np.nan, np.sign(away) * CLIP)
        return np.round(np.clip(z, -CLIP, CLIP), DECIMALS)


def rows_since(marked: Bools, before: int = -1) -> npt.NDArray[np.intp]:
    """Rows since the newest marked one, shape (n,).

    `before`: the same of the row before the first; -1 where there is none, and the first begins.
    """
    index = np.arange(len(marked))
    begin = np.maximum.accumulate(np.where(marked, index, -1))
    return np.where(begin >= 0, index - begin, index + before + 1)


def fit_scale(values: Float64s) -> Scale:
    """Median and IQR, floored by `FLOOR` standard deviations.

    Raises:
        ValueError: no value that is a number.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        raise ValueError("no finite value to take a scale from")
    low, middle, high = np.percentile(known, (25, 50, 75))
    spread = max(float(high - low) / _SIGMA, FLOOR * float(known.std()))
    return Scale(float(middle), spread if known.max() > known.min() else 0.0)


def windows(z: Float64s, width: int = WINDOW) -> Float64s:
    """The newest `width` values of each row from row `width - 1` on, a view of shape (n - width + 1, width)."""
    if len(z) < width:
        return np.empty((0, width))
    return np.lib.stride_tricks.sliding_window_view(z, width)


def whole(broken: Bools, width: int) -> Bools:
    """Rows whose newest `width` rows hold no break behind the first; `broken` rows begin a stretch, shape (n,)."""
    index = np.arange(len(broken))
    start = np.maximum.accumulate(np.where(broken, index, 0))
    return index - start >= width - 1


def shapes(z: Float64s) -> Float64s:
    """Rolling features of every row, shape (n, 10): three of level, then seven that a drift leaves as they are.

    Value and means over `SHORT` and `LONG` rows; then the step, and over both windows the logarithms of deviation
    and range and the distance from the mean. In logarithms too quiet is as visible as too loud.
    """
    n = len(z)
    level, shape = [z], [np.diff(z, prepend=np.nan)]
    for width in (SHORT, LONG):
        mean, std = rolling(z[:, None], width)
        span = np.full(n, np.nan)
        if n >= width:
            view = windows(z, width)
            span[width - 1 :] = view.max(axis=1) - view.min(axis=1)
        level.append(mean[:, 0])
        shape += [np.log(std[:, 0] + QUIET), np.log(span + QUIET), z - mean[:, 0]]
    return np.stack(level + shape, axis=1)


def trailing_mean(scores: Float64s, rows: int, broken: Bools) -> Float64s:
    """Mean of what is known of the newest `rows` scores, none from beyond a break; NaN where the row's own is."""
    if rows == 1:
        return scores
    n = len(scores)
    index = np.arange(n)
    age = index - np.maximum.accumulate(np.where(broken, index, 0))
    known = np.isfinite(scores)
    filled = np.where(known, scores, 0.0)
    total, count = filled.copy(), known.astype(np.float64)
    for back in range(1, min(rows, n)):
        reach = age[back:] >= back
        total[back:] += np.where(reach, filled[:-back], 0.0)
        count[back:] += reach & known[:-back]
    return np.where(known, total / np.maximum(count, 1.0), np.nan)


def looking_back(scores: Float64s, rows: int) -> Float64s:
    """Scores of rows as they stand `rows` rows later: the mean over the row and the `rows - 1` after it.

    NaN are left out; at the end of a series the mean is over what there is.
    """
    known = np.isfinite(scores)
    filled = np.where(known, scores, 0.0)
    total, count = np.zeros(len(scores)), np.zeros(len(scores))
    for ahead in range(min(rows, len(scores))):
        stop = len(scores) - ahead
        total[:stop] += filled[ahead:]
        count[:stop] += known[ahead:]
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
