"""Channels that measure alike, and how far one of them strays from its sisters. numpy only.

Cells on the faces of a satellite never see the same light at one moment, but over ten minutes each sees some: the
upper quantile of a window is alike where the single values are not. Sisters are found in the data: channels whose
window quantiles lie close together in ratio. What a whole window has lost against its sisters is a fault that no
channel shows alone, because each of its values has been seen before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telemetry.frame import Float64s
from trainer.members.windows import Bools

UPPER = 0.9
ALIKE = 0.15
"""Sisters' window quantiles differ by less than this, as the median of the logarithm of their ratio."""

LEAST_SISTERS = 2
LEAST_REACH = 0.2
"""As a logarithm: less than a fifth lost is no fault."""

DEVIATIONS = 6.0

DARK = 0.5
"""Of the usual level: no light to compare by."""

_TINY = 1e-6
_SIGMA = 1.4826


def window_levels(values: Float64s, rows: int) -> Float64s:
    """Upper quantile of |value| in each whole window of `rows` rows, shape (windows, channels), NaN left out."""
    count = len(values) // rows
    cut = np.abs(values[: count * rows]).reshape(count, rows, -1)
    return np.nanquantile(cut, UPPER, axis=1) if count else np.empty((0, values.shape[1]))


@dataclass(frozen=True, eq=False)
class Sisters:
    """Which channels are alike, and how far each may stray."""

    alike: Bools
    """Shape (channels, channels), never oneself."""
    usual: Float64s
    """Logarithm of the usual ratio to the sisters, shape (channels,)."""
    bright: Float64s
    """Usual level of the sisters of each channel, shape (channels,)."""
    reach: Float64s
    """Largest stray that is no fault, 6 MAD of the fit windows; infinite for channels without sisters."""

    def stray(self, levels: Float64s) -> Float64s:
        """|log ratio - usual| / reach of every window and channel; above 1 is a fault."""
        return np.abs(_ratios(levels, self.alike) - self.usual) / self.reach

    def faulty(self, levels: Float64s) -> Bools:
        """Verdict on windows in order of time, shape (windows, channels).

        In the dark all are alike: a window whose sisters are below `DARK` of their usual level clears no channel
        that strayed in both of the last two windows with light.
        """
        strays = self.stray(levels) > 1
        dark = _sister_levels(levels, self.alike) < DARK * self.bright
        out = strays.copy()
        held, before = np.zeros((2, len(self.usual)), dtype=np.bool_)
        for i, now in enumerate(strays):
            out[i] |= dark[i] & held & before
            before = np.where(dark[i], before, held)
            held = np.where(dark[i], held, now)
        return out


def _sister_levels(levels: Float64s, alike: Bools) -> Float64s:
    """Median level of the sisters of each channel, shape (windows, channels); its own where it has none."""
    out = levels.copy()
    for channel, sisters in enumerate(alike):
        if sisters.any():
            out[:, channel] = np.median(levels[:, sisters], axis=1)
    return out


def _ratios(levels: Float64s, alike: Bools) -> Float64s:
    return np.log(levels + _TINY) - np.log(_sister_levels(levels, alike) + _TINY)


def fit_sisters(levels: Float64s) -> Sisters:
    """Find sisters in window levels of healthy stretches, shape (windows, channels)."""
    logs = np.log(levels + _TINY)
    apart = np.median(np.abs(logs[:, :, None] - logs[:, None, :]), axis=0)
    alike = (apart < ALIKE) & ~np.eye(levels.shape[1], dtype=np.bool_)
    alike[alike.sum(axis=1) < LEAST_SISTERS] = False
    ratios = _ratios(levels, alike)
    usual = np.median(ratios, axis=0)
    mad = _SIGMA * np.median(np.abs(ratios - usual), axis=0)
    reach = np.maximum(DEVIATIONS * mad, LEAST_REACH)
    bright = np.median(_sister_levels(levels, alike), axis=0)
    return Sisters(alike, usual, bright, np.where(alike.any(axis=1), reach, np.inf))
