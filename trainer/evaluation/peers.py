"""The detectors an evaluation compares. Imports scikit-learn.

`fusion` is the members together, `isolation_forest` a forest on a channel's normalised value, mean and deviation,
`original` the system this project re-does, reduced to its numbers: an Isolation Forest of 200 trees with
`contamination=0.05` on a channel's raw value and rolling mean and deviation over 5 rows, whose flags are alarms.
Its seed, which it does not set, is set here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.ensemble import IsolationForest

from telemetry.frame import Float64s
from trainer.features import rolling
from trainer.fitting import compress, fit_forest, with_background
from trainer.members.alarm_rule import DEVIATIONS, PATIENCE, AlarmRule, fit_rule
from trainer.members.fitting import fit_channel
from trainer.members.fusion import ChannelModel
from trainer.members.windows import SHORT, Bools, Scale, fit_scale, whole
from trainer.segments import fit_nominal, fit_normaliser, fit_unlabelled

DETECTORS = ("fusion", "isolation_forest", "original")
TREES, CONTAMINATION = 200, 0.05
SEED = 0


class Scorer(Protocol):
    """A detector of one channel that has seen its past."""

    def score(self, values: Float64s, context: Float64s) -> Float64s:
        """Score of every row of one gapless stretch, shape (n,); NaN where it cannot judge."""
        ...

    def alarms(
        self, scores: Float64s, calibration: Float64s, deviations: float | None, patience: float = PATIENCE
    ) -> Bools:
        """Rows under alarm by `scores`; `calibration` are scores of accepted rows it was not fitted on."""
        ...


def _one_stretch(n: int) -> Bools:
    broken = np.zeros(n, dtype=np.bool_)
    broken[:1] = True
    return broken


@dataclass(frozen=True, eq=False)
class Fusion:
    """The members of one channel."""

    model: ChannelModel

    def score(self, values: Float64s, context: Float64s) -> Float64s:
        """See `Scorer`."""
        return self.model.score(values, context, _one_stretch(len(values)))

    def alarms(
        self, scores: Float64s, calibration: Float64s, deviations: float | None, patience: float = PATIENCE
    ) -> Bools:
        """See `Scorer`."""
        return fit_rule_of(calibration, deviations).alarms(scores, patience)


def _features(values: Float64s) -> Float64s:
    mean, std = rolling(values[:, None])
    return np.stack((values, mean[:, 0], std[:, 0]), axis=1)


@dataclass(frozen=True, eq=False)
class Forest:
    """A forest on normalised features, with background, as the served one; its alarms by the rule of the fusion."""

    scales: tuple[Scale, ...]
    forest: IsolationForest
    calmest: float
    """Score of the calmest row it was fitted on."""
    unit: float
    """From there to the 95 % quantile: the rule counts in such units, as of the fusion."""

    def score(self, values: Float64s, context: Float64s) -> Float64s:
        """See `Scorer`."""
        del context
        columns = _features(values).T
        z = np.stack([scale.z(column) for scale, column in zip(self.scales, columns, strict=True)], axis=1)
        return _known_rows(z, lambda rows: self._units(_raw(self.forest, rows)))

    def _units(self, raw: Float64s) -> Float64s:
        return np.log1p(np.maximum(raw - self.calmest, 0.0) / self.unit)

    def alarms(
        self, scores: Float64s, calibration: Float64s, deviations: float | None, patience: float = PATIENCE
    ) -> Bools:
        """See `Scorer`."""
        return fit_rule_of(calibration, deviations).alarms(scores, patience)


@dataclass(frozen=True, eq=False)
class Original:
    """See the top of this file; `deviations` and `patience` mean nothing to it."""

    forest: IsolationForest

    def score(self, values: Float64s, context: Float64s) -> Float64s:
        """See `Scorer`; above 0 is what the original calls anomalous."""
        del context
        return _known_rows(_features(values), lambda rows: -self.forest.decision_function(rows))

    def alarms(
        self, scores: Float64s, calibration: Float64s, deviations: float | None, patience: float = PATIENCE
    ) -> Bools:
        """See `Scorer`."""
        del calibration, deviations, patience
        return self.flags(scores)

    def flags(self, scores: Float64s) -> Bools:
        """What it calls anomalous, shape (n,)."""
        return np.nan_to_num(scores, nan=-1.0) > 0


def _known_rows(rows: Float64s, judge) -> Float64s:
    out = np.full(len(rows), np.nan)
    known = np.isfinite(rows).all(axis=1)
    if known.any():
        out[known] = judge(rows[known])
    return out


def fit_rule_of(calibration: Float64s, deviations: float | None = None) -> AlarmRule:
    """The alarm rule from scores of accepted rows nothing was fitted on; `deviations` None: as it is used."""
    return fit_rule(calibration, DEVIATIONS if deviations is None else deviations)


def fit_scorer(detector: str, values: Float64s, context: Float64s, broken: Bools | None = None) -> Scorer:
    """A detector that has seen rows of one channel, gapless unless `broken` tells where stretches begin."""
    if broken is None:
        broken = _one_stretch(len(values))
    if detector == "fusion":
        return Fusion(fit_channel(values, context, broken, np.ones(len(values), dtype=np.bool_), SEED))
    features = _features(values)
    features = features[np.isfinite(features).all(axis=1) & whole(broken, SHORT)]
    if detector == "original":
        return Original(_original().fit(features))
    scales = tuple(fit_scale(column) for column in features.T)
    z = np.stack([scale.z(column) for scale, column in zip(scales, features.T, strict=True)], axis=1)
    forest = fit_forest(with_background(z, np.random.default_rng(SEED)), SEED, TREES)
    raw = _raw(forest, z)
    return Forest(scales, forest, float(raw.min()), max(float(np.quantile(raw, 0.95) - raw.min()), 1e-9))


def _raw(forest: IsolationForest, z: Float64s) -> Float64s:
    return -forest.score_samples(compress(z))


def _original() -> IsolationForest:
    return IsolationForest(n_estimators=TREES, contamination=CONTAMINATION, random_state=SEED)


@dataclass(frozen=True, eq=False)
class SegmentRows:
    """Statistics of segments as a detector may see them: no labels."""

    raw: Float64s
    statistics: Float64s
    channel: np.ndarray
    context: np.ndarray


def fit_and_score_segments(detector: str, fit: SegmentRows, test: SegmentRows, nominal: bool) -> Float64s:
    """Scores of the test segments by a detector fitted on `fit`, known to be nominal or a mixture nobody labelled.

    The original takes the raw statistics, all of them.
    """
    if detector == "original":
        return -_original().fit(fit.raw).decision_function(test.raw)
    if detector == "isolation_forest":
        group, test_group = (fit.context, test.context) if nominal else (fit.channel, test.channel)
        normaliser = fit_normaliser(fit.statistics, group)
        forest = IsolationForest(n_estimators=TREES, random_state=SEED).fit(normaliser.z(fit.statistics, group))
        return -forest.score_samples(normaliser.z(test.statistics, test_group))
    learn = fit_nominal if nominal else fit_unlabelled
    return learn(fit.statistics, fit.channel, fit.context).score(test.statistics, test.channel, test.context)
