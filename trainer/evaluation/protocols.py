"""What is fitted on what, and how it is judged: one function a dataset, figures by name.

No threshold, scale or reference is taken from rows that are judged, and no label reaches a detector except as the
filter of the nominal-only protocol.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from telemetry.frame import Float64s, Int64s
from trainer.evaluation.datasets import Bools, DatasetError, Recording, Segments, Series
from trainer.evaluation.metrics import EventScores, acf_window, average_precision, roc_auc, strict_events, vus_pr
from trainer.evaluation.peers import Scorer, SegmentRows, fit_and_score_segments, fit_scorer
from trainer.evaluation.persistence import long_anomalies, spliced
from trainer.members.sisters import fit_sisters, window_levels
from trainer.members.windows import looking_back

Figures = dict[str, Any]

LATE_ROWS = 24
FIT_SHARE = 0.7
"""Of the rows to learn from; the rest sets the threshold."""

ROW_S = 60.0
CURVE = (3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0)
FOLDS = 5
BIRDS_WINDOW_S = 600.0
FLAGGED_SHARE = 0.5
"""Of the rows of a window that a detector of rows must flag."""


@dataclass
class Cost:
    """CPU seconds of fitting and of scoring, and the channel rows scored."""

    fit_s: float = 0.0
    score_s: float = 0.0
    channel_rows: int = 0

    def figures(self) -> Figures:
        """`fit_cpu_s` in all, and `channel_rows_per_cpu_s` of scoring."""
        return {
            "fit_cpu_s": self.fit_s,
            "channel_rows_per_cpu_s": self.channel_rows / self.score_s if self.score_s else math.nan,
        }

    def fit(self, detector: str, values: Float64s, context: Float64s) -> Scorer:
        """Fit a detector on the clock."""
        begun = time.process_time()
        scorer = fit_scorer(detector, values, context)
        self.fit_s += time.process_time() - begun
        return scorer

    def score(self, scorer: Scorer, values: Float64s, context: Float64s) -> Float64s:
        """Score a channel on the clock."""
        begun = time.process_time()
        scores = scorer.score(values, context)
        self.score_s += time.process_time() - begun
        self.channel_rows += len(values)
        return scores


def opssat(data: Segments, detector: str, cross_validate: bool) -> Figures:
    """P1: AUC-PR with labels unused and nominal-only, with and without statistics of length.

    Cross-validation is by folds drawn within each channel and sampling, blind to labels, over the rows with
    `train == 1`; figures are means over the folds, `spread` their standard deviations.

    Raises:
        DatasetError: nothing to fit on, or nothing to test on.
    """
    if not data.train.any():
        raise DatasetError("no segment with train == 1; allowed: at least one to fit on")
    if not cross_validate and data.train.all():
        raise DatasetError("no segment with train == 0 to test on; use --cv to cross-validate on the given rows")
    splits = _folds(data) if cross_validate else [(np.flatnonzero(data.train), np.flatnonzero(~data.train))]
    protocols = {
        "auc_pr_unlabelled_12": (False, False),
        "auc_pr_nominal_18": (True, True),
        "auc_pr_nominal_12": (True, False),
    }
    each: dict[str, list[float]] = {name: [] for name in (*protocols, "roc_auc")}
    cost, digest = Cost(), hashlib.sha256()
    begun = time.process_time()
    for fit, test in splits:
        truth = data.anomaly[test]
        for name, (nominal, lengths) in protocols.items():
            known = fit[~data.anomaly[fit]] if nominal else fit
            if not len(known):
                raise DatasetError("no nominal segment to fit on in the nominal-only protocol")
            scores = fit_and_score_segments(
                detector, _rows(data, known, lengths), _rows(data, test, lengths), nominal
            )
            cost.channel_rows += len(test)
            each[name].append(average_precision(truth, scores))
            if not nominal:
                each["roc_auc"].append(roc_auc(truth, scores))
                digest.update(np.ascontiguousarray(scores).tobytes())
    cost.fit_s = cost.score_s = time.process_time() - begun
    figures: Figures = {name: float(np.nanmean(values)) for name, values in each.items()}
    figures["scores_sha256_unlabelled_12"] = digest.hexdigest()
    if cross_validate:
        figures["spread"] = {name: float(np.nanstd(values)) for name, values in each.items()}
    return figures | cost.figures()


def _rows(data: Segments, rows: Int64s, lengths: bool) -> SegmentRows:
    return SegmentRows(data.raw[rows], data.statistics(lengths)[rows], data.channel[rows], data.context[rows])


def _folds(data: Segments) -> list[tuple[Int64s, Int64s]]:
    rng = np.random.default_rng(0)
    fold = np.full(len(data.train), -1)
    for one in np.unique(data.context):
        rows = np.flatnonzero(data.train & (data.context == one))
        fold[rng.permutation(rows)] = (np.arange(len(rows)) + rng.integers(FOLDS)) % FOLDS
    return [
        (np.flatnonzero(data.train & (fold != i)), np.flatnonzero(fold == i))
        for i in range(FOLDS)
        if (fold == i).any()
    ]


def telemanom(series: Sequence[Series], detector: str) -> Figures:
    """P2 and P3: VUS-PR of a detector fitted on the first rows of each series; strict events of one fitted on less.

    The detector that raises alarms is fitted on the first 70 % of the rows to learn from, its threshold set on the
    other 30 %, and judged on the rest of the series. `curve` is the same at other thresholds, of all series.
    Figures ending in `_held` are of alarms that last as long as their score is high: what is left to the question
    whether this is a new mode. `persistence` is P4, of `long_anomalies`.
    """
    cost = Cost()
    each: list[Figures] = []
    # The original has no threshold to turn: its flags are what it is.
    turned = () if detector == "original" else CURVE
    curve: dict[float, list[EventScores]] = {deviations: [] for deviations in turned}
    events: list[EventScores] = []
    held: list[EventScores] = []
    for one in series:
        scorer = cost.fit(detector, one.values[: one.fit_rows], one.commands[: one.fit_rows])
        scores = cost.score(scorer, one.values, one.commands)
        width = acf_window(one.values)
        begin = int(FIT_SHARE * one.fit_rows)
        judge = cost.fit(detector, one.values[:begin], one.commands[:begin])
        judged = cost.score(judge, one.values, one.commands)
        calibration, rest, truth = judged[begin : one.fit_rows], judged[one.fit_rows :], one.label[one.fit_rows :]
        mine = strict_events(judge.alarms(rest, calibration, None), truth)
        events.append(mine)
        held.append(strict_events(judge.alarms(rest, calibration, None, math.inf), truth))
        for deviations, found in curve.items():
            found.append(strict_events(judge.alarms(rest, calibration, deviations), truth))
        each.append(
            {
                "name": one.name,
                "vus_pr_causal": vus_pr(_filled(scores), one.label, width),
                "vus_pr_late24": vus_pr(_filled(looking_back(scores, LATE_ROWS)), one.label, width),
                "strict_recall": mine.recall,
                "strict_false_alarms_per_day_channel": mine.per_day(ROW_S),
            }
        )
    return (
        {name: float(np.nanmean([row[name] for row in each])) for name in ("vus_pr_causal", "vus_pr_late24")}
        | _pooled(events)
        | {f"{name}_held": figure for name, figure in _pooled(held).items()}
        | {
            "series": each,
            "curve": [{"deviations": deviations} | _pooled(found) for deviations, found in curve.items()],
        }
        | long_anomalies(series, detector)
        | cost.figures()
    )


def _filled(scores: Float64s) -> Float64s:
    """A row nobody could judge is as calm as the calmest."""
    return np.nan_to_num(scores, nan=float(np.nanmin(scores)))


def _pooled(events: Sequence[EventScores]) -> Figures:
    """Recall over all events, false alarms over all nominal channel days."""
    labelled = sum(one.found + one.missed for one in events)
    days = sum(one.nominal_rows for one in events) * ROW_S / 86_400
    return {
        "strict_recall": sum(one.found for one in events) / labelled if labelled else math.nan,
        "strict_false_alarms_per_day_channel": sum(one.false_alarms for one in events) / days if days else math.nan,
    }


def birds(fit: Sequence[Recording], test: Sequence[Recording], faulty: Sequence[str], detector: str) -> Figures:
    """Windows of ten minutes, end to end, per channel: those of faulty channels found, those of others flagged.

    `faulty` holds for every test recording. The fusion judges a window against the channel's sisters; a detector of
    rows flags a window of which it flags at least half.

    Raises:
        DatasetError: other channels than the fit recordings have, an unknown faulty channel, or too short.
    """
    channels = fit[0].channels
    for one in (*fit, *test):
        if one.channels != channels:
            raise DatasetError(f"{one.name}: channels {', '.join(one.channels)}; allowed: those of {fit[0].name}")
    unknown = [name for name in faulty if name not in channels]
    if unknown:
        raise DatasetError(f"--faulty {unknown[0]}: no such channel; allowed: {', '.join(channels)}")
    cost = Cost()
    flagged = np.concatenate(
        _sister_flags(fit, test, cost) if detector == "fusion" else _row_flags(fit, test, detector, cost)
    )
    if not len(flagged):
        raise DatasetError("no whole window of 10 minutes to judge")
    bad = np.array([name in faulty for name in channels])
    windows = len(flagged)
    return {
        "windows": windows,
        "faulty_windows": int(bad.sum()) * windows,
        "faulty_windows_found": int(flagged[:, bad].sum()),
        "healthy_windows": int((~bad).sum()) * windows,
        "healthy_windows_flagged": int(flagged[:, ~bad].sum()),
        "channels": {
            name: {"faulty_windows_found" if bad[i] else "healthy_windows_flagged": int(flagged[:, i].sum())}
            for i, name in enumerate(channels)
        },
        **spliced(fit, faulty, _window_rows(fit[0]), detector),
    } | cost.figures()


def _window_rows(recording: Recording) -> int:
    period = float(np.median(np.diff(recording.t_s))) if len(recording.t_s) > 1 else 0.0
    if not period > 0:
        raise DatasetError(f"{recording.name}: t_s does not increase")
    return max(1, round(BIRDS_WINDOW_S / period))


def _sister_flags(fit: Sequence[Recording], test: Sequence[Recording], cost: Cost) -> list[Bools]:
    begun = time.process_time()
    levels = np.concatenate([window_levels(one.values, _window_rows(one)) for one in fit])
    if not len(levels):
        raise DatasetError(f"{fit[0].name}: no whole window of 10 minutes to fit on")
    sisters = fit_sisters(levels)
    cost.fit_s = time.process_time() - begun
    begun = time.process_time()
    flags = [sisters.faulty(window_levels(one.values, _window_rows(one))) for one in test]
    cost.score_s = time.process_time() - begun
    cost.channel_rows = sum(one.values.size for one in test)
    return flags


def _row_flags(fit: Sequence[Recording], test: Sequence[Recording], detector: str, cost: Cost) -> list[Bools]:
    rows = [_window_rows(one) for one in test]
    flags = [
        np.zeros((len(one.t_s) // n, len(one.channels)), dtype=np.bool_) for one, n in zip(test, rows, strict=True)
    ]
    learned = np.concatenate([one.values for one in fit])
    begin = int(FIT_SHARE * len(learned))
    for channel in range(learned.shape[1]):
        scorer = cost.fit(detector, learned[:begin, channel], np.empty((begin, 0)))
        calibration = cost.score(scorer, learned[begin:, channel], np.empty((len(learned) - begin, 0)))
        for one, n, out in zip(test, rows, flags, strict=True):
            scores = cost.score(scorer, one.values[:, channel], np.empty((len(one.t_s), 0)))
            alarms = scorer.alarms(scores, calibration, None)
            out[:, channel] = alarms[: len(out) * n].reshape(len(out), n).mean(axis=1) >= FLAGGED_SHARE
    return flags
