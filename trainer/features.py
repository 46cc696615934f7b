"""Rolling statistics of a channel, exact, the same row by row as in one piece.

The three features of a channel are the original's: the value, and the mean and standard deviation (ddof 1) of the
newest `WINDOW` rows. They are computed in two passes over each window: sliding sums and Welford updates keep a
rounding error for ever after one spike (a spike of 1e8 leaves them tens of times wrong a thousand rows later).
Additions happen in the same order for one row as for a million, so live and training features are equal to the bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s

WINDOW = 5
"""Rows of a rolling window, as in the original."""

MAX_GAP = 3.0
"""A step longer than this many periods separates windows: a window never spans a gap."""

FEATURES = 3
"""Value, rolling mean, rolling standard deviation."""

FEATURES_VERSION = 1
"""Written to every manifest; a scorer made for other features is refused."""


def rolling(values: Float64s, window: int = WINDOW) -> tuple[Float64s, Float64s]:
    """Mean and standard deviation (ddof 1) of the newest `window` rows, per column.

    Args:
        values: shape (n, c).

    Returns:
        Two arrays of shape (n, c); NaN for the first `window - 1` rows and wherever the window holds a NaN.
    """
    n, c = values.shape
    mean = np.full((n, c), np.nan)
    std = np.full((n, c), np.nan)
    rows = n - window + 1
    if rows < 1:
        return mean, std
    total = values[:rows].copy()
    for i in range(1, window):
        total += values[i : i + rows]
    total /= window
    squares = np.zeros((rows, c))
    for i in range(window):
        deviation = values[i : i + rows] - total
        deviation *= deviation
        squares += deviation
    mean[window - 1 :] = total
    std[window - 1 :] = np.sqrt(squares / (window - 1))
    return mean, std


def breaks(t_ns: Int64s, period_s: float, previous_ns: int | None = None) -> npt.NDArray[np.bool_]:
    """True where a row does not continue the row before it: a gap of more than `MAX_GAP` periods, or time running
    backwards. `previous_ns` is the generation time of the row before the first, None where there is none."""
    first = t_ns[0] if previous_ns is None else previous_ns
    step = np.diff(t_ns, prepend=np.int64(first))
    broken = (step > int(MAX_GAP * period_s * 1e9)) | (step < 0)
    if previous_ns is None:
        broken[0] = True
    return broken


class RollingRing:
    """The newest rows of one packet of one satellite: what the next row's window needs.

    Feeding rows one at a time, in chunks, or all at once gives the same features.
    """

    def __init__(self, channels: int, period_s: float, window: int = WINDOW) -> None:
        self._window = window
        self._period_s = period_s
        self._values = np.empty((0, channels))
        self._run = 0
        """Rows since the last break, capped at the window."""
        self.newest_ns: int | None = None

    def push(
        self, t_ns: Int64s, values: Float64s, separate: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Float64s, npt.NDArray[np.bool_]]:
        """Features of new rows.

        Args:
            t_ns: generation times, shape (n,), n >= 1.
            values: shape (n, c); NaN where there is no valid value.
            separate: True where a window must not reach back past the row, besides gaps (a change of context).

        Returns:
            Features of shape (n, c, 3), NaN where a window is not full, and the rows that begin a new run.
        """
        n = len(t_ns)
        broken = breaks(t_ns, self._period_s, self.newest_ns)
        if separate is not None:
            broken |= separate
        joined = np.concatenate((self._values, values))
        mean, std = rolling(joined, self._window)
        kept = len(self._values)
        # Rows since the last break, at each row: distance to the newest break, or the run carried in.
        index = np.arange(n)
        newest_break = np.maximum.accumulate(np.where(broken, index, -1))
        run = np.where(newest_break >= 0, index - newest_break + 1, index + 1 + self._run)
        out = np.empty((n, values.shape[1], FEATURES))
        out[:, :, 0] = values
        out[:, :, 1] = mean[kept:]
        out[:, :, 2] = std[kept:]
        out[run < self._window, :, 1:] = np.nan
        self._values = joined[-(self._window - 1) :].copy()
        self._run = int(min(run[-1], self._window))
        self.newest_ns = int(t_ns[-1])
        return out, broken
