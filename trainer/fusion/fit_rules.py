"""Where each voice of a channel begins to be heard, from held-out accepted rows.

Scoring every held-out row would cost more than the fit. The three members that compare with few references or none
are asked about one row in four of all of them. Where these find a channel strangest all members are asked, and
besides in a few stretches that are the same for all channels, which say what is usual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telemetry.frame import Float64s
from trainer.calibration import LEAST_DEVIATION, confirmable
from trainer.fusion.arrays import MUTE
from trainer.fusion.fit_members import GOLDEN, cut
from trainer.members.alarm_rule import LEAST_MAD, SMOOTHED_ROWS, peaks_over_threshold, smoothed
from trainer.members.arrays import LAGS, Ellipsoid, Forecaster, Nearest, View
from trainer.members.fusion import Weighed
from trainer.members.windows import LONG, QUIET, SHORT, WINDOW, Bools, whole, windows
from trainer.served import Indices

DEVIATIONS = 6.0
"""Median absolute deviations of the smoothed score that are no alarm. The margin beyond the highest score seen does
the rest: at 10, what alarmed falsely was the same and a tenth fewer faults were found."""

FURTHER, FURTHER_AWAY = 1.5, 1.5
"""So many times as far away lie the thresholds of the fusion and of the place: what a satellite does for the first
time, and as it was meant to, is felt in its battery, its panels and its temperatures for an orbit or two, with
nothing like it in any orbit before."""

STRANGE = 4
"""Stretches of a channel that are scored because they look strangest."""

PLAIN = 4
PLAIN_ROWS = 96
"""Stretches scored for what is usual, and rows of each that count."""

AROUND = 24
"""Rows on either side of the strangest one that count."""

WARM_UP = 2 * (WINDOW - 1) + SMOOTHED_ROWS
"""Rows before those that count: a window, the mean over its scores, and the smoothing of these."""

_SIGMA = 1.4826
STRIDE = 4
"""One row in so many is asked about."""


@dataclass(frozen=True, slots=True, eq=False)
class FusionRule:
    """Of a channel's smoothed fused score."""

    usual: float
    threshold: float
    plain: Float64s
    """The smoothed score in the rows of the plain stretches that count, NaN where not known."""


def plain_stretches(count: int) -> Indices:
    """Rows of `count` held-out ones, shape (PLAIN, m): the stretches that say what is usual, with their warm-up."""
    length = min(count, WARM_UP + PLAIN_ROWS)
    part = (count - length) / PLAIN
    first = np.array([(i + i * GOLDEN % 1.0) * part for i in range(PLAIN)]).astype(np.intp)
    return first[:, None] + np.arange(length)


def counted(length: int) -> int:
    """First row of a stretch that counts: behind the warm-up, or, in a short one, from the middle on."""
    return min(WARM_UP, length // 2)


def learn_rule(
    members: tuple[Weighed, ...], z: Float64s, context: Float64s, broken: Bools, factor: float
) -> FusionRule:
    """The rule of a channel.

    The highest of: median + `DEVIATIONS` MAD, the peaks over threshold (both of the plain stretches), and the
    highest smoothed score found, pushed out by `factor` on the scale of the members' own scores.

    Args:
        members: of the channel.
        z: deviations of its held-out rows in order of time, shape (n,), NaN where not to be learned.
        context: one-hot mode of each row, shape (n, g).
        broken: rows that do not continue the row before them, shape (n,).
        factor: see `trainer.calibration.margin`.
    """
    plain = plain_stretches(len(z))
    strange = _strangest(members, z, context, broken)
    levels = _levels(members, z, context, broken, [*plain, *strange])
    plainly = np.concatenate(levels[:PLAIN])
    usually = plainly[np.isfinite(plainly)]
    if not len(usually):
        return FusionRule(0.0, MUTE, plainly)
    usual = float(np.median(usually))
    mad = max(_SIGMA * float(np.median(np.abs(usually - usual))), LEAST_MAD)
    highest = float(np.nanmax(np.concatenate(levels)))
    pushed = float(np.log1p(np.expm1(highest) * factor))
    reach = max(usual + DEVIATIONS * mad, peaks_over_threshold(usually), pushed)
    return FusionRule(usual, usual + FURTHER * (reach - usual), plainly)


def _levels(
    members: tuple[Weighed, ...], z: Float64s, context: Float64s, broken: Bools, stretches: list[Indices]
) -> list[Float64s]:
    """Smoothed fused scores of the rows of each stretch that count; smoothed anew where rows are broken."""
    rows = np.concatenate(stretches)
    apart = cut(rows, broken)
    ends = np.cumsum([len(stretch) for stretch in stretches])
    apart[ends[:-1]] = True
    view = View(z[rows], context[rows], apart)
    said = np.mean([one.score(view) for one in members], axis=0)
    level = np.concatenate([smoothed(piece, level=0.0) for piece in np.split(said, np.flatnonzero(apart)[1:])])
    return [level[end - len(one) + counted(len(one)) : end] for end, one in zip(ends, stretches, strict=True)]


def _strangest(members: tuple[Weighed, ...], z: Float64s, context: Float64s, broken: Bools) -> list[Indices]:
    """Where what is cheap to ask says most, for a while and at once: `STRANGE` stretches of each, with warm-up."""
    rows = np.arange(LONG - 1, len(z), STRIDE)
    rows = rows[whole(broken, LONG)[rows]]
    window = windows(z, LONG)[rows - (LONG - 1)]
    known = np.isfinite(window).all(axis=1)
    rows, window = rows[known], window[known]
    if not len(rows):
        return []
    asked = _cheap(members, window, context[rows])
    out: list[Indices] = []
    for lasts in (AROUND // STRIDE, 1):
        said = np.mean([np.log1p(_recent(one, lasts) / members[i].unit) for i, one in asked], axis=0)
        for stretch in out:
            said[np.abs(rows - stretch[-1] + AROUND) < AROUND] = -np.inf
        for _ in range(STRANGE):
            best = int(said.argmax())
            if said[best] == -np.inf:
                break
            top = int(rows[best])
            out.append(np.arange(max(0, top - AROUND - WARM_UP), min(len(z), top + AROUND)))
            said[np.abs(rows - top) < AROUND] = -np.inf
    return out


def _cheap(members: tuple[Weighed, ...], window: Float64s, context: Float64s) -> list[tuple[int, Float64s]]:
    """What clusters, forecast and ellipsoid say of rows by their newest `LONG` values: its number, its scores."""
    short = window[:, -SHORT:]
    now = window[:, -1]
    level, shape = [now], [now - window[:, -2]]
    for one in (short, window):
        mean = one.mean(axis=1)
        level.append(mean)
        shape += [np.log(one.std(axis=1, ddof=1) + QUIET), np.log(np.ptp(one, axis=1) + QUIET), now - mean]
    seen = np.stack(level + shape, axis=1)
    clusters, forecast, ellipsoid = (members[i].member for i in (1, 4, 5))
    assert isinstance(clusters, Nearest)
    assert isinstance(forecast, Forecaster)
    assert isinstance(ellipsoid, Ellipsoid)
    bent = (seen[:, clusters.lens.first :] - clusters.lens.mean) @ clusters.lens.whitening
    near = (
        (bent * bent).sum(axis=1)[:, None] + (clusters.references**2).sum(axis=1) - 2 * bent @ clusters.references.T
    )
    expected = window[:, -LAGS - 1 : -1] @ forecast.lags + context @ forecast.context + forecast.level
    stood = (seen - ellipsoid.lens.mean) @ ellipsoid.lens.whitening
    return [
        (1, np.sqrt(np.maximum(near.min(axis=1), 0.0))),
        (4, np.abs(now - expected)),
        (5, np.sqrt((stood * stood).sum(axis=1))),
    ]


def _recent(said: Float64s, count: int) -> Float64s:
    """Mean over the newest `count` of what was asked."""
    total = np.concatenate((np.zeros(1), np.cumsum(said)))
    first = np.maximum(np.arange(len(said)) - count + 1, 0)
    return (total[1:] - total[first]) / (np.arange(1, len(said) + 1) - first)


def place_thresholds(z: Float64s, factor: float) -> Float64s:
    """Largest deviation that 3 of 5 held-out rows reach, pushed out by `factor`; shape (c,).

    Not below `LEAST_DEVIATION`; `MUTE` for a channel without one full window.

    Args:
        z: normalised features of the held-out rows in order of time, shape (n, c, 3).
        factor: see `trainer.calibration.margin`.
    """
    reached = confirmable(np.abs(z).max(axis=2)).max(axis=0)
    return np.where(reached < 0, MUTE, np.maximum(reached * factor * FURTHER_AWAY, LEAST_DEVIATION))


def longest_runs(values: Float64s, usable: Bools, apart: Bools) -> Float64s:
    """Longest run of equal values of each column in usable rows, shape (c,); runs end where rows are `apart`.

    0 for a column that stood still for more than half of all usable rows: it may stay as it is for ever.
    """
    n, c = values.shape
    out = np.zeros(c)
    most = usable.sum() / 2
    for i in range(c):
        column = values[:, i]
        differs = np.ones(n, dtype=np.bool_)
        differs[1:] = (column[1:] != column[:-1]) | apart[1:] | ~usable[1:] | ~usable[:-1]
        starts = np.flatnonzero(differs)
        length = np.diff(starts, append=n)
        length = length[usable[starts] & np.isfinite(column[starts])]
        longest = float(length.max(initial=0))
        out[i] = longest if longest <= most else 0.0
    return out
