"""Thresholds from held-out accepted rows and a budget of false alarms a day.

Held out are whole orbits (or blocks, where no orbit is known): a block of minutes would lend its neighbours'
weather to the model. Each held-out row is pushed outwards by a margin before it is scored; a channel's threshold is
the highest score that 3 of 5 such rows reach. So nothing seen so far, and nothing up to the margin beyond it, is
confirmed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s
from trainer.context import OrbitClock
from trainer.features import WINDOW
from trainer.scorer import CONFIRM
from trainer.served import NEVER, PacketModel, Scorer
from trainer.usual import ENVELOPE

if TYPE_CHECKING:
    Indices = npt.NDArray[np.intp]

FOLDS = 3
"""One orbit in three is held out."""

LEAST_DEVIATION = 6.0
"""No threshold lies closer to the usual than a value (and its mean) this many spreads away."""

CORNERS = np.array(
    [(a * LEAST_DEVIATION, a * LEAST_DEVIATION, 0.0) for a in (-1, 1)]
    + [(a * ENVELOPE, a * ENVELOPE, b * ENVELOPE) for a in (-1, 1) for b in (-1, 1)]
)
"""Deviations no threshold lies below: a value just outside, and every corner of what accepted rows fill."""

BLIND = 0.02
"""A threshold this close to the score of the far (in parts of the way from the middle) leaves nothing to see."""

FURTHEST = 48
EVERY = 16

BEYOND = 1.25
UNSEEN = 6.0
"""Margins of a fusion are 7 times as wide after one orbit, twice as wide after three, a quarter wider for ever: of
18 false alarms in two days most stood 0 to 20 % beyond their thresholds."""

LINGERS = 1.12
"""And those of place, level and shape by so much more: an orbit after an exercise on board battery and amplifier
stood 1 to 7 % beyond their thresholds. Of 138 planted faults no fewer are told within a minute."""

STRETCH = 60
"""Rows whose largest deviation is one peak: longer than an excursion, much shorter than an orbit."""

PEAKS = 16
"""Largest peaks the tail is drawn through."""


def held_out(t_ns: Int64s, clock: OrbitClock | None, t0_ns: int, t1_ns: int) -> npt.NDArray[np.bool_]:
    """Rows kept from fitting: every third orbit, or every third of nine blocks without a clock."""
    if clock is None:
        turn = (t_ns - t0_ns) * 9 // max(1, t1_ns - t0_ns + 1)
    else:
        turn = (t_ns - clock.epoch_ns) // clock.period_ns
    return turn % FOLDS == 1


def margin(rows: int, seconds: float, channels: int, budget_per_day: float) -> float:
    """How far beyond the largest of `rows` held-out deviations the budget's largest one lies.

    For an exponential tail the largest of n draws grows with ln n; the budget allows one confirmed false alarm in
    `channels / budget_per_day` channel days, the held-out rows cover `seconds`.
    """
    if rows < 2 or seconds <= 0:
        return 2.0
    days = channels / max(budget_per_day, 1e-6)
    ratio = max(1.0, days * 86_400 / seconds)
    return 1 + math.log(ratio) / math.log(max(rows, 10))


def breadth(turns: float) -> float:
    """How much further still the margin of a fusion lies while few orbits were seen: what one shows is no rule."""
    return BEYOND + UNSEEN / turns**2


def confirmable(score: Float64s) -> Float64s:
    """Third highest of the newest 5 scores at each row: what 3-of-5 confirmation sees. NaN counts as low."""
    filled = np.where(np.isnan(score), -1.0, score)
    if len(filled) < WINDOW:
        return np.full(score.shape, -1.0)
    stacked = np.stack([filled[i : len(filled) - WINDOW + 1 + i] for i in range(WINDOW)])
    return np.partition(stacked, WINDOW - CONFIRM, axis=0)[WINDOW - CONFIRM]


def calibrate(
    scorer: Scorer, name: str, features: Float64s, bins: Indices, key: Indices, factor: float
) -> PacketModel:
    """The packet's model with thresholds and calibration scores from held-out rows, in order of time.

    Only the `FURTHEST` windows of each channel are pushed and scored, and one row in `EVERY` for the distribution
    of scores: the forest walk is what a fit spends its time on.

    Args:
        features: of the packet's judged channels, shape (n, c, 3).
        factor: see `margin`.
    """
    packet = scorer.packets[name]
    z = scorer.normalise(packet, features, bins, key)
    reached = _reached(scorer, packet, z, factor)
    plain = scorer.isolate(packet, z[::EVERY])
    floor = np.max(
        [scorer.isolation(np.tile(corner, (len(packet.channels), 1)), packet.group) for corner in CORNERS], axis=0
    )
    far = scorer.isolation(np.full((len(packet.channels), 3), 40.0), packet.group)
    middle = scorer.probe[packet.group]
    some = ~np.isnan(plain).all(axis=0)
    if some.any():
        middle = np.where(some, np.nanmedian(np.where(some, plain, 0.0), axis=0), middle)
    threshold = np.maximum(reached, floor)
    threshold = np.where(threshold >= far - BLIND * (far - middle), NEVER, threshold)
    threshold = np.where(threshold <= middle + 1e-6, NEVER, threshold)
    made = replace(packet, threshold=threshold, middle=middle)
    rows = scorer.row_score(made, plain)
    return replace(made, calibration=np.sort(rows[~np.isnan(rows)]))


def _reached(scorer: Scorer, packet: PacketModel, z: Float64s, factor: float) -> Float64s:
    """Highest confirmable score of each channel after the push outwards, shape (c,); -1 without a full window."""
    n, c, _ = z.shape
    out = np.full(c, -1.0)
    if n < WINDOW:
        return out
    furthest = confirmable(np.abs(z).max(axis=2))
    count = min(FURTHEST, len(furthest))
    starts = np.argpartition(-furthest, count - 1, axis=0)[:count]
    rows = starts[None, :, :] + np.arange(WINDOW)[:, None, None]
    pushed = z[rows, np.arange(c)[None, None, :]] * factor
    group = np.broadcast_to(packet.group, rows.shape)
    full = np.isfinite(pushed).all(axis=-1)
    score = np.full(rows.shape, -1.0)
    score[full] = scorer.isolation(pushed[full], group[full])
    return np.sort(score, axis=0)[WINDOW - CONFIRM].max(axis=0)


def expected_false_alarms(
    scorer: Scorer, name: str, features: Float64s, bins: Indices, key: Indices, factor: float
) -> float:
    """Confirmed false alarms a day to expect of the packet, at the deviation its threshold was set to.

    An estimate, and a careful one: an exponential tail (peaks over a threshold, Coles 2001, 4.2) through the
    largest held-out deviations of stretches of `STRETCH` rows; the rows of one excursion are one false alarm.
    """
    packet = scorer.packets[name]
    z = scorer.normalise(packet, features, bins, key)
    stretches = len(z) // STRETCH
    if stretches < 2 * PEAKS:
        return 0.0
    reached = confirmable(np.abs(z).max(axis=2))[: stretches * STRETCH - WINDOW + 1]
    edges = np.arange(0, len(reached), STRETCH)
    peaks = np.sort(np.maximum.reduceat(reached, edges, axis=0), axis=0)[-PEAKS:]
    level = np.maximum(peaks[-1] * factor, LEAST_DEVIATION)
    scale = np.maximum(peaks.mean(axis=0) - peaks[0], 1e-3)
    days = len(z) * packet.period_s / 86_400
    return float(np.sum(PEAKS / days * np.exp(-(level - peaks[0]) / scale)))
