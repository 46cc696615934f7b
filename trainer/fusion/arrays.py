"""What the fusion knows of the channels of one packet, as arrays stacked over the channels. numpy only.

A channel is what `trainer.members.fusion.ChannelModel` is, member by member; stacked, all channels of a row are
judged by a handful of matrix products. The members see deviations from what is usual at this place and in this
mode (`trainer.served.PacketModel`), never values in a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from telemetry.frame import Float64s

FAR = 1e6
"""In every column of a reference that fills up a channel with fewer references than the others: nobody's neighbour.
A repeated reference would be its own neighbour's neighbour."""

MUTE = 1e6
"""Threshold of a voice that never speaks."""

STUCK_TIMES = 5.0
LEAST_STUCK = 20.0
"""Rows of equal values that are stuck: more than `STUCK_TIMES` the longest run accepted, and more than this."""


@dataclass(frozen=True, eq=False)
class PacketFusion:
    """c channels of one packet, in the order of `PacketModel.channels`; every array is float64 and finite.

    Columns of windows and shapes are those of `trainer.members.windows`: 32 rows, oldest first; ten rolling
    features, of which the shape members leave out the first three.
    """

    window_mean: Float64s
    """Shape (c, 32)."""
    window_white: Float64s
    """Shape (c, 32, 32), symmetric."""
    window_refs: Float64s
    """Whitened windows of accepted rows, shape (c, m, 32), m at least 3; filled up with rows of `FAR`."""
    shape_mean: Float64s
    """Shape (c, 7)."""
    shape_white: Float64s
    """Shape (c, 7, 7)."""
    shape_refs: Float64s
    """Shape (c, m, 7), its own m; filled up with rows of `FAR`."""
    clusters: Float64s
    """Shape (c, k, 7); filled up with rows that are there already, or with rows of `FAR`."""
    level_mean: Float64s
    """Shape (c, 10)."""
    level_white: Float64s
    """Shape (c, 10, 10)."""
    axes_mean: Float64s
    """Shape (c, 32)."""
    axes: Float64s
    """Orthonormal rows, shape (c, r, 32); filled up with zeros."""
    lags: Float64s
    """Weights of the newest deviations before the row, oldest first, shape (c, 16)."""
    context: Float64s
    """What each mode adds to the forecast, shape (c, g); g = known modes + 1, column 0 the unknown mode."""
    level: Float64s
    """Shape (c,)."""
    unit: Float64s
    """The 95 % quantile of each member's averaged scores on accepted rows, shape (c, 6), positive."""
    usual: Float64s
    """Median of the smoothed fused score, shape (c,)."""
    threshold: Float64s
    """Of the smoothed fused score, shape (c,), above `usual`; `MUTE` where it has no voice."""
    place_threshold: Float64s
    """Of the largest deviation of value, mean and deviation of the newest 5 rows, shape (c,), positive."""
    longest: Float64s
    """Longest run of equal values in accepted rows, shape (c,); 0 where a channel may stay as it is for ever."""
    jump: Float64s
    """Width of a gap between neighbouring rows that is a jump (`trainer.fusion.jumps`) at each place, in the
    channel's unit, shape (c, bins + 1), positive; column 0 where the place is unknown; `MUTE` where not known."""
    unrest: Float64s
    """The same of the scatter from row to row that is noise (`trainer.fusion.unrest`)."""

    def __len__(self) -> int:
        return len(self.level)

    @cached_property
    def window_size(self) -> Float64s:
        """Squared length of each reference, shape (c, m)."""
        return (self.window_refs**2).sum(axis=2)

    @cached_property
    def shape_size(self) -> Float64s:
        """The same of the shapes."""
        return (self.shape_refs**2).sum(axis=2)

    @cached_property
    def cluster_size(self) -> Float64s:
        """The same of the clusters, shape (c, k)."""
        return (self.clusters**2).sum(axis=2)

    @cached_property
    def stuck_after(self) -> Float64s:
        """Rows of equal values beyond which a channel is stuck, shape (c,)."""
        limit = np.maximum(STUCK_TIMES * self.longest, LEAST_STUCK)
        return np.where(self.longest > 0, limit, np.inf)
