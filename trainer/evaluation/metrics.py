"""Scores of detectors that an always-on alarm cannot win. numpy only.

Arrays are one-dimensional and aligned in time; labels are 0 or 1, a higher score is more anomalous. No point
adjustment anywhere: a long event found in one row counts as one row (VUS-PR) or one event (event scores).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s

Bools = npt.NDArray[np.bool_]
Run = tuple[int, int]
"""First row and the row behind the last."""

ACF_ROWS = 20_000
ACF_LAGS = 400
ACF_FIRST = 3
ACF_LAST = 300
ACF_DEFAULT = 125


def runs(mask: npt.ArrayLike) -> list[Run]:
    """Stretches of True as half-open [start, stop)."""
    padded = np.concatenate(([False], np.asarray(mask, dtype=np.bool_), [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def merged(stretches: list[Run], gap: int) -> list[Run]:
    """The stretches with those at most `gap` rows apart made one."""
    out: list[Run] = []
    for start, stop in stretches:
        if out and start - out[-1][1] <= gap:
            out[-1] = (out[-1][0], stop)
        else:
            out.append((start, stop))
    return out


def acf_window(values: Float64s, default: int = ACF_DEFAULT) -> int:
    """Rows of a series' period: the highest local maximum of its autocorrelation at lags of 3 to 300 rows.

    What TSB-AD (Liu & Paparrizos, NeurIPS 2024) passes to VUS-PR: `find_length_rank(series, rank=1)`.

    Returns:
        The lag, or `default` where the series is constant or its maximum lies outside.
    """
    x = np.asarray(values, dtype=np.float64).ravel()[:ACF_ROWS]
    n = len(x)
    x = x - x.mean()
    power = float(x @ x)
    if power == 0.0:
        return default
    spectrum = np.fft.rfft(x, 2 * (1 << (n - 1).bit_length()))
    lags = min(ACF_LAGS, n - 1)
    acf = np.fft.irfft(spectrum * np.conj(spectrum))[ACF_FIRST : lags + 1] / power
    peaks = np.flatnonzero((acf[1:-1] > acf[:-2]) & (acf[1:-1] > acf[2:])) + 1
    if not len(peaks):
        return default
    best = int(peaks[np.argsort(acf[peaks])[::-1][0]])
    return best + ACF_FIRST if 3 <= best <= ACF_LAST else default


def vus_pr(score: Float64s, label: npt.ArrayLike, window: int, thresholds: int = 250) -> float:
    """Volume under the range-precision-recall surface (Paparrizos et al., VLDB 2022), TSB-AD's `VUS-PR`.

    For every width of 0 to `window` rows the labels get sloping shoulders of half that width; precision and recall
    over `thresholds` quantiles of the score are integrated, recall being weighted by the share of events touched.

    Returns:
        The mean over the widths; NaN where no row is labelled.
    """
    score = np.asarray(score, dtype=np.float64)
    truth = np.asarray(label).astype(np.float64)
    n = len(score)
    events = [(start, stop - 1) for start, stop in runs(truth > 0)]
    if not events:
        return math.nan
    positives = truth.sum()
    levels = -np.sort(-score)[np.linspace(0, n - 1, thresholds).astype(np.intp)]
    flagged = n - np.searchsorted(np.sort(score), levels, side="left")
    rows = np.unique(np.concatenate([np.arange(a, b + 1) for a, b in _widened(events, window, n)]))
    inside = truth[rows] > 0
    slopes = np.stack([_sloped(truth, events, width)[rows] for width in range(window + 1)], axis=1)
    slopes[inside] = 1.0
    above = (score[rows][None, :] >= levels[:, None]).astype(np.float64)
    hits = above @ slopes
    truths = above[:, ~inside] @ slopes[~inside] + positives
    areas = np.zeros(window + 1)
    for width in range(window + 1):
        peaks = np.array([score[a : b + 1].max() for a, b in _widened(events, width, n)])
        touched = (peaks[None, :] >= levels[:, None]).mean(axis=1)
        recall = np.minimum(hits[:, width] / ((positives + truths[:, width]) / 2), 1.0) * touched
        areas[width] = np.diff(recall, prepend=0.0) @ (hits[:, width] / flagged)
    return float(areas.mean())


def _widened(events: list[Run], width: int, n: int) -> list[Run]:
    """Events (inclusive ends) with half a width on either side, those that meet made one."""
    half = width // 2
    out: list[Run] = []
    start = max(events[0][0] - half, 0)
    for (_, stop), (following, _) in pairwise(events):
        if stop + half < following - half:
            out.append((start, stop + half))
            start = following - half
    return [*out, (start, min(events[-1][1] + half, n - 1))]


def _sloped(truth: Float64s, events: list[Run], width: int) -> Float64s:
    """Labels with shoulders sqrt(1 - distance / width) over half a width."""
    x = truth.copy()
    if width:
        for start, stop in events:
            after = np.arange(stop + 1, min(stop + width // 2 + 1, len(x)))
            before = np.arange(max(start - width // 2, 0), start)
            x[after] += np.sqrt(1 - (after - stop) / width)
            x[before] += np.sqrt(1 - (start - before) / width)
    return np.minimum(1.0, x)


@dataclass(frozen=True, slots=True)
class EventScores:
    """How a series of verdicts did against labelled events."""

    found: int
    false_alarms: int
    missed: int
    precision: float
    recall: float
    """NaN where no event is labelled."""
    f: float
    delay_rows: float
    """Median rows from an event's start to its first alarm; NaN where none was found."""
    false_time: float
    """Share of nominal rows under alarm."""
    nominal_rows: int

    def per_day(self, row_s: float) -> float:
        """False alarms a day of nominal rows of `row_s` seconds."""
        return self.false_alarms / (self.nominal_rows * row_s / 86_400) if self.nominal_rows else math.nan


def strict_events(
    alarm: npt.ArrayLike,
    label: npt.ArrayLike,
    *,
    before: int = 30,
    rearm: int = 120,
    gap: int = 30,
    beta: float = 0.5,
) -> EventScores:
    """Event scores in which an alarm that is always on earns nothing.

    An event is found when an alarm *begins* from `before` rows ahead of it to its end. Every alarm that begins
    elsewhere is false, and every further `rearm` rows of nominal time under any alarm cost one more: the operator
    is bothered again. Alarms at most `gap` rows apart are one.
    """
    on = np.asarray(alarm).astype(np.bool_)
    truth = np.asarray(label).astype(np.bool_)
    events, alarms = runs(truth), merged(runs(on), gap)
    begins = np.array([start for start, _ in alarms], dtype=np.intp)
    near = np.zeros(len(truth), dtype=np.bool_)
    delays: list[int] = []
    for start, stop in events:
        near[max(0, start - before) : stop] = True
        timely = begins[(begins >= start - before) & (begins < stop)]
        if len(timely):
            delays.append(max(0, int(timely[0]) - start))
    false = sum((not near[start]) + int((~near[start:stop]).sum()) // rearm for start, stop in alarms)
    return _event_scores(len(events), delays, false, _share(on, ~near), int((~truth).sum()), 1.0, beta)


def event_scores(alarm: npt.ArrayLike, label: npt.ArrayLike, *, gap: int = 0, beta: float = 0.5) -> EventScores:
    """Event scores by overlap, precision corrected for time under false alarm (Sehili & Zhang 2023, as ESA-ADB).

    Unlike `strict_events`, an alarm that began long before an event finds it. For comparison with published
    figures only; `precision` is the corrected one.
    """
    on = np.asarray(alarm).astype(np.bool_)
    truth = np.asarray(label).astype(np.bool_)
    events, alarms = runs(truth), merged(runs(on), gap)
    delays: list[int] = []
    for start, stop in events:
        first = [a for a, b in alarms if a < stop and b > start]
        if first:
            delays.append(max(0, first[0] - start))
    false = sum(not truth[start:stop].any() for start, stop in alarms)
    false_time = _share(on, ~truth)
    return _event_scores(len(events), delays, false, false_time, int((~truth).sum()), 1.0 - false_time, beta)


def _share(on: Bools, nominal: Bools) -> float:
    return float(on[nominal].mean()) if nominal.any() else 0.0


def _event_scores(
    events: int, delays: list[int], false: int, false_time: float, nominal: int, correction: float, beta: float
) -> EventScores:
    found = len(delays)
    precision = found / (found + false) * correction if found + false else 0.0
    recall = found / events if events else math.nan
    weight = beta**2 * precision + recall
    f = (1 + beta**2) * precision * recall / weight if events and weight else 0.0
    delay = float(np.median(delays)) if delays else math.nan
    return EventScores(found, false, events - found, precision, recall, f, delay, false_time, nominal)


@dataclass(frozen=True, slots=True)
class SegmentScores:
    """The seven metrics of the OPSSAT-AD paper (Ruszczak et al., Scientific Data 2025)."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    mcc: float
    roc_auc: float
    auc_pr: float


def segment_scores(label: npt.ArrayLike, score: Float64s, flagged: npt.ArrayLike) -> SegmentScores:
    """Metrics of scored and flagged segments; a ratio with nothing below its line is 0."""
    truth = np.asarray(label).astype(np.bool_)
    flags = np.asarray(flagged).astype(np.bool_)
    tp, fp = float((flags & truth).sum()), float((flags & ~truth).sum())
    fn, tn = float((~flags & truth).sum()), float((~flags & ~truth).sum())
    precision, recall = _ratio(tp, tp + fp), _ratio(tp, tp + fn)
    return SegmentScores(
        (tp + tn) / len(truth),
        precision,
        recall,
        _ratio(2 * tp, 2 * tp + fp + fn),
        _ratio(tp * tn - fp * fn, math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))),
        roc_auc(truth, score),
        average_precision(truth, score),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def average_precision(label: npt.ArrayLike, score: Float64s) -> float:
    """AUC-PR as scikit-learn's `average_precision_score`: precision summed over steps of recall, ties together."""
    truth, score = np.asarray(label).astype(np.bool_), np.asarray(score, dtype=np.float64)
    if not truth.any():
        return math.nan
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(truth[order])[last]
    return float(np.diff(hits / truth.sum(), prepend=0.0) @ (hits / (last + 1)))


def roc_auc(label: npt.ArrayLike, score: Float64s) -> float:
    """Chance that an anomalous segment scores above a nominal one, ties counting half; NaN with one class only."""
    truth, score = np.asarray(label).astype(np.bool_), np.asarray(score, dtype=np.float64)
    high, low = score[truth], np.sort(score[~truth])
    if not len(high) or not len(low):
        return math.nan
    below = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(below.mean() / 2 / len(low))
