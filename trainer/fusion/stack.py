"""Models of single channels laid side by side. numpy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from telemetry.frame import Float64s
from trainer.fusion.arrays import FAR, MUTE, PacketFusion
from trainer.members.arrays import Ellipsoid, Forecaster, Member, Nearest, Subspace
from trainer.members.fusion import ChannelModel

_Six = tuple[Nearest, Nearest, Nearest, Subspace, Forecaster, Ellipsoid]


def stacked(models: Sequence[ChannelModel]) -> PacketFusion:
    """The members of c channels, at least one, as arrays. Thresholds are mute and runs of equal values free.

    What the models know of scales is left behind: what comes in later has been normalised.

    Raises:
        TypeError: a model does not have the six members of `trainer.members.fitting.fit_channel` in their order.
    """
    parts = [_six([weighed.member for weighed in model.members]) for model in models]
    c = len(parts)
    shape, clusters, window, subspace, forecast, level = zip(*parts, strict=True)
    return PacketFusion(
        window_mean=np.stack([one.lens.mean for one in window]),
        window_white=np.stack([one.lens.whitening for one in window]),
        window_refs=_filled([one.references for one in window], FAR),
        shape_mean=np.stack([one.lens.mean for one in shape]),
        shape_white=np.stack([one.lens.whitening for one in shape]),
        shape_refs=_filled([one.references for one in shape], FAR),
        clusters=_filled([one.references for one in clusters], FAR),
        level_mean=np.stack([one.lens.mean for one in level]),
        level_white=np.stack([one.lens.whitening for one in level]),
        axes_mean=np.stack([one.mean for one in subspace]),
        axes=_filled([one.axes for one in subspace], 0.0),
        lags=np.stack([one.lags for one in forecast]),
        context=np.stack([one.context for one in forecast]),
        level=np.array([one.level for one in forecast]),
        unit=np.array([[weighed.unit for weighed in model.members] for model in models]),
        usual=np.zeros(c),
        threshold=np.full(c, MUTE),
        place_threshold=np.full(c, MUTE),
        longest=np.zeros(c),
        jump=np.full((c, 1), MUTE),
        unrest=np.full((c, 1), MUTE),
    )


def _six(members: Sequence[Member]) -> _Six:
    match members:
        case [Nearest() as a, Nearest() as b, Nearest() as c, Subspace() as d, Forecaster() as e, Ellipsoid() as f]:
            return a, b, c, d, e, f
        case _:
            raise TypeError(f"not the six members of a channel: {[type(one).__name__ for one in members]}")


def _filled(tables: Sequence[Float64s], filling: float) -> Float64s:
    """Tables of unequal length, shape (rows, d), as one of shape (c, most rows, d)."""
    out = np.full((len(tables), max(len(table) for table in tables), tables[0].shape[1]), filling)
    for table, mine in zip(tables, out, strict=True):
        mine[: len(table)] = table
    return out
