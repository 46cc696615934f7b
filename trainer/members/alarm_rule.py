"""From fused scores to alarms: smoothing, a threshold for every channel, confirmation, hysteresis, latch.

numpy only. A score is smoothed over 15 rows. An alarm is confirmed by 5 of 8 rows above the threshold and stays
until the score is half the way back. One that has lasted `PATIENCE` rows has been told long enough: it becomes the
question whether this is a new mode, and the channel alarms again only on something stranger still.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from telemetry.frame import Float64s
from trainer.members.windows import Bools

SMOOTHED_ROWS = 15
CONFIRM, OF = 5, 8
RELEASE = 0.5
PATIENCE = 120
DEVIATIONS = 10.0
RISK = 1e-4
"""Chance a row of the calibration's kind is above the threshold of the tail."""

TAIL = 0.98
"""Quantile beyond which scores are peaks."""

LEAST_MAD = 0.05
"""A constant calibration part would alarm for ever."""

_SIGMA = 1.4826


def smoothed(scores: Float64s, rows: int = SMOOTHED_ROWS, level: float = math.nan) -> Float64s:
    """Exponential mean with the weight of a mean over `rows`; NaN leaves it where it was, and is NaN itself.

    `level`: what it stands at before the first score; NaN: at that.
    """
    weight = 2.0 / (rows + 1)
    out = np.full(len(scores), np.nan)
    for i, score in enumerate(scores.tolist()):
        if not math.isnan(score):
            level = score if math.isnan(level) else level + weight * (score - level)
            out[i] = level
    return out


def peaks_over_threshold(scores: Float64s, risk: float = RISK) -> float:
    """Score that `risk` of the rows exceed, from a generalised Pareto tail beyond the `TAIL` quantile.

    The tail's shape by probability-weighted moments (Hosking & Wallis 1987), cut to [-0.5, 0.5]; the quantile as in
    Siffer et al. (KDD 2017), eq. 1. At least the highest score seen.
    """
    start = float(np.quantile(scores, TAIL))
    excess = np.sort(scores[scores > start] - start)
    highest = float(scores.max())
    if len(excess) < 4:
        return highest
    mean = float(excess.mean())
    weighted = float((excess * (1 - (np.arange(1, len(excess) + 1) - 0.35) / len(excess))).mean())
    shape = float(np.clip(2 - mean / (mean - 2 * weighted), -0.5, 0.5)) if mean > 2 * weighted else 0.5
    scale = mean * (1 - shape)
    rarity = risk * len(scores) / len(excess)
    reach = -scale * np.log(rarity) if abs(shape) < 1e-6 else scale / shape * (rarity**-shape - 1)
    return max(highest, start + float(reach))


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """Where a channel's smoothed score usually lies, and from where on it alarms."""

    usual: float
    threshold: float

    def alarms(self, scores: Float64s, patience: float = PATIENCE) -> Bools:
        """Rows under alarm, shape (n,), judged row by row from fused scores; NaN counts as calm.

        With infinite `patience` an alarm lasts as long as its score is high.
        """
        level = np.nan_to_num(smoothed(scores), nan=self.usual).tolist()
        out = np.zeros(len(level), dtype=np.bool_)
        margin = self.threshold - self.usual
        base, on, since, above = self.usual, False, 0, 0
        asked = False
        for i, now in enumerate(level):
            above = ((above << 1) | (now > base + margin)) & ((1 << OF) - 1)
            if on:
                on = now > base + RELEASE * margin
                since += 1
                if on and since >= patience:
                    base, on, asked, above = max(now, base + margin), False, True, 0
            elif above.bit_count() >= CONFIRM:
                on, since = True, 0
            if asked and not on and now < self.usual + RELEASE * margin:
                base, asked = self.usual, False
            out[i] = on
        return out


def fit_rule(scores: Float64s, deviations: float = DEVIATIONS, risk: float = RISK) -> AlarmRule:
    """The rule of a channel from fused scores of accepted rows no member was fitted on, in order of time.

    The threshold is the higher of median + `deviations` MAD and the peaks over threshold.

    Raises:
        ValueError: no score that is a number.
    """
    level = smoothed(scores)
    level = level[np.isfinite(level)]
    if not len(level):
        raise ValueError("no finite score to set a threshold from")
    usual = float(np.median(level))
    mad = max(_SIGMA * float(np.median(np.abs(level - usual))), LEAST_MAD)
    return AlarmRule(usual, max(usual + deviations * mad, peaks_over_threshold(level, risk)))
