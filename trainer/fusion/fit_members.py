"""The members of one channel fitted to deviations, and kept as they are served.

For the trainer process only. A channel is learned from numbers and modes alone, always with the same seed: neither
its name nor its place among the others makes a difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from telemetry.frame import Float64s
from trainer.fusion.arrays import FAR, PacketFusion
from trainer.members.arrays import Ellipsoid, Forecaster, Lens, Member, Nearest, Subspace, View
from trainer.members.fitting import (
    LEAST_ROWS,
    QUANTILE,
    SLOW,
    STEADY,
    TooFewRows,
    fit_clusters,
    fit_forecaster,
    fit_lens,
    fit_neighbours,
    fit_subspace,
)
from trainer.members.fusion import LEAST_UNIT, ChannelModel, Weighed
from trainer.members.windows import WINDOW, Bools, Scale, trailing_mean
from trainer.served import Indices

ROWS = 2000
"""Rows the members of a channel are fitted to."""

BLOCKS = 16
"""Pieces of equal length these rows come in."""

GOLDEN = 0.6180339887498949
"""Multiples of it, but for whole numbers, never come close to each other."""

REFERENCES = 256
"""Accepted windows and shapes a row is compared with."""

SEED = 0

NAMES = (
    "shape neighbours",
    "shape clusters",
    "window neighbours",
    "window subspace",
    "forecast",
    "level and shape",
)
AVERAGED = (SLOW, SLOW, 1, 1, SLOW, STEADY)
"""Rows over which each member's scores are averaged."""

_PADDING = {"window_refs": FAR, "shape_refs": FAR, "clusters": FAR}


def chosen_blocks(usable: Bools, bins: Indices, bin_count: int) -> Indices:
    """Numbers of at most `ROWS` usable rows in order: `BLOCKS` pieces of neighbours; all of them when few.

    The pieces begin at places evenly spread over the orbit, each in another part of the window: evenly spread over
    the window alone they may all lie at the same two places. Without places (`bin_count` 0) it is the parts alone.
    """
    known = np.flatnonzero(usable)
    if len(known) <= ROWS:
        return known
    size = ROWS // BLOCKS
    last = len(known) - size
    begin: list[int] = []
    for i in range(BLOCKS):
        wanted = int((i * GOLDEN % 1.0) * last)
        if bin_count:
            off = np.abs(
                (bins[known[: last + 1]] - 1 - (i + 0.5) * bin_count / BLOCKS + bin_count / 2) % bin_count
                - bin_count / 2
            )
            here = np.flatnonzero(off <= off.min() + 1)
            wanted = int(here[np.abs(here - wanted).argmin()])
        begin.append(wanted)
    return known[np.unique(np.array(begin)[:, None] + np.arange(size))]


def cut(rows: Indices, broken: Bools) -> Bools:
    """`broken` of chosen rows: what does not follow the row before it among them begins a stretch of its own."""
    apart = broken[rows]
    apart[np.diff(rows, prepend=-2) != 1] = True
    return apart


def fit_members(z: Float64s, context: Float64s, broken: Bools) -> ChannelModel:
    """Fit the six members of a channel, on the scale its deviations have already.

    Args:
        z: deviations as of `trainer.fusion.live.deviations`, shape (n,), NaN where not to be learned.
        context: one-hot mode of each row, shape (n, g).
        broken: rows that do not continue the row before them, shape (n,).

    Raises:
        TooFewRows: not enough windows without gap, NaN or quarantined row.
    """
    view = View(z, context, broken)
    windows = view.newest(WINDOW)
    windows = windows[np.isfinite(windows).all(axis=1)]
    if len(windows) < LEAST_ROWS:
        raise TooFewRows(len(windows))
    window, level, shape = (
        _kept_lens(fit_lens(view, width, first)) for width, first in ((WINDOW, 0), (0, 0), (0, 3))
    )
    part = _sample(view)
    forecaster = fit_forecaster(view)
    subspace = fit_subspace(windows)
    members: tuple[Member, ...] = (
        _kept_nearest(fit_neighbours(shape, view, REFERENCES)),
        _kept_nearest(fit_clusters(shape, part, SEED)),
        _kept_nearest(fit_neighbours(window, view, REFERENCES)),
        Subspace(_kept(subspace.mean), _kept(subspace.axes)),
        Forecaster(_kept(forecaster.lags), _kept(forecaster.context), float(np.float32(forecaster.level))),
        Ellipsoid(level),
    )
    return ChannelModel(Scale(0.0, 1.0), tuple(_weighed(i, member, part) for i, member in enumerate(members)))


def _sample(view: View) -> View:
    """Every third stretch of `ROWS / BLOCKS` rows, which say enough of how large a member's scores are."""
    n = len(view.z)
    size = ROWS // BLOCKS
    rows = np.flatnonzero((np.arange(n) // size) % 3 == 0)
    return View(view.z[rows], view.context[rows], cut(rows, view.broken)) if n >= ROWS // 2 else view


def _weighed(i: int, member: Member, view: View) -> Weighed:
    said = trailing_mean(member.score(view), AVERAGED[i], view.broken)
    return Weighed(NAMES[i], member, AVERAGED[i], max(float(np.nanquantile(said, QUANTILE)), LEAST_UNIT))


def _kept(values: Float64s) -> Float64s:
    """As the artifact keeps them (float32): the thresholds are found with what will be served."""
    return values.astype(np.float32).astype(np.float64)


def _kept_lens(lens: Lens) -> Lens:
    return Lens(lens.width, lens.first, _kept(lens.mean), _kept(lens.whitening))


def _kept_nearest(nearest: Nearest) -> Nearest:
    return Nearest(nearest.lens, _kept(nearest.references), nearest.k)


def joined(parts: Sequence[PacketFusion]) -> PacketFusion:
    """Channels one behind the other, filled up to the most references, clusters, axes and modes among them."""
    made: dict[str, Float64s] = {}
    for name in PacketFusion.__dataclass_fields__:
        arrays: list[Float64s] = [getattr(part, name) for part in parts]
        shape = np.max([array.shape[1:] for array in arrays], axis=0, initial=0)
        padded = [
            np.pad(
                array,
                ((0, 0), *((0, int(most) - have) for most, have in zip(shape, array.shape[1:], strict=True))),
                constant_values=_PADDING.get(name, 0.0),
            )
            for array in arrays
        ]
        made[name] = np.concatenate(padded)
    return PacketFusion(**made)


def taken(fusion: PacketFusion, channels: Sequence[int]) -> PacketFusion:
    """Some of the channels."""
    return PacketFusion(
        **{name: getattr(fusion, name)[list(channels)] for name in PacketFusion.__dataclass_fields__}
    )
