"""P4: does a fault that stays remain a fault while the detector is retrained around it?

The guard is like the trainer's: the first accepted rows are never let go, and of what is judged later only rows are
learned from that stayed below half the way to the threshold (`trainer.window.DOUBTFUL`: two thirds, of the worst of
many channels) and are more than a window away from any that did not. The threshold is of accepted rows no model was
fitted on. A row is flagged where its smoothed score is above the threshold: an alarm that has been told long enough
is silent, the score has to stay. The original has no guard: it is fitted on the newest 500 rows and judges these
rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from telemetry.frame import Float64s
from trainer.evaluation.datasets import Bools, Recording, Series
from trainer.evaluation.metrics import runs
from trainer.evaluation.peers import Original, fit_rule_of, fit_scorer
from trainer.members.alarm_rule import RELEASE, SMOOTHED_ROWS, smoothed
from trainer.members.sisters import fit_sisters, window_levels
from trainer.members.windows import WINDOW
from trainer.window import spread_out

EVERY = 60
"""Rows between two refits of a SMAP/MSL series."""

LONG_ROWS = 4 * EVERY
"""An anomaly this long has a refit in each of its quarters."""

FIT_SHARE = 0.7
ANCHOR_ROWS = NEWEST_ROWS = 1000
ORIGINAL_ROWS = 500
"""The original remembers no more; it is judged from `ORIGINAL_BEFORE` rows before an onset on."""

ORIGINAL_BEFORE = 1200
ORIGINAL_EVERY = 30
BACK = 2 * WINDOW + 6 * SMOOTHED_ROWS
"""Rows before a stretch after which its scores and their smoothing no longer depend on where one began."""

LOSS = 0.507
"""What a failed panel of BIRDS-3's UGUISU has left of its voltage in the light."""

LIT = 0.5
"""Of its usual upper level a panel's voltage is above this in the light."""

FAULTY_ROWS = 840
"""From the onset to the end of the spliced record: 140 refits of 30 s at 5 s a row."""

CONSIDERED_ROWS = 6
REFITS = 100
DUE_ROWS = 60
LOOK_BACK = 10
"""Windows that the verdict on the newest one may look back on."""


def retrained(
    detector: str, values: Float64s, context: Float64s, trusted: int, every: int, due: int = 0
) -> tuple[Bools, Bools]:
    """Rows flagged, and rows learned from in the end, both shape (n,), of one channel retrained every `every` rows.

    Args:
        detector: of `peers.DETECTORS`.
        values: shape (n,), in order of time.
        context: shape (n, m).
        trusted: rows at the beginning known to be nominal; they are not judged.
        every: rows between two times a refit is considered.
        due: newly accepted rows without which the model is kept.
    """
    if detector == "original":
        return _original(values, context, trusted, every)
    n, begin = len(values), int(FIT_SHARE * trusted)
    flagged, strange, accepted = np.zeros((3, n), dtype=np.bool_)
    accepted[:begin] = True
    scorer, rule, fitted = None, None, trusted
    for start in range(trusted, n, every):
        stop = min(start + every, n)
        if scorer is None or rule is None or accepted[fitted:start].sum() >= due:
            rows = np.flatnonzero(accepted[:start])
            if len(rows) > ANCHOR_ROWS + NEWEST_ROWS:
                rows = np.concatenate((rows[:ANCHOR_ROWS], rows[-NEWEST_ROWS:]))
            scorer = fit_scorer(detector, values[rows], context[rows], np.diff(rows, prepend=-2) != 1)
            held_out = slice(max(0, begin - BACK), trusted)
            rule = fit_rule_of(scorer.score(values[held_out], context[held_out])[begin - held_out.start :])
            fitted = start
        back = max(0, start - BACK)
        level = smoothed(scorer.score(values[back:stop], context[back:stop]))[start - back :]
        level = np.nan_to_num(level, nan=rule.usual)
        flagged[start:stop] = level > rule.threshold
        strange[start:stop] = level > rule.usual + RELEASE * (rule.threshold - rule.usual)
        accepted[trusted:stop] = ~spread_out(strange, WINDOW)[trusted:stop]
    return flagged, accepted


def _original(values: Float64s, context: Float64s, trusted: int, every: int) -> tuple[Bools, Bools]:
    flagged = np.zeros(len(values), dtype=np.bool_)
    for start in range(trusted, len(values), every):
        stop = min(start + every, len(values))
        newest = slice(max(0, stop - ORIGINAL_ROWS), stop)
        scorer = fit_scorer("original", values[newest], context[newest])
        assert isinstance(scorer, Original)
        judged = scorer.flags(scorer.score(values[newest], context[newest]))
        flagged[start:stop] = judged[len(judged) - (stop - start) :]
    return flagged, np.ones(len(values), dtype=np.bool_)


def long_anomalies(series: Sequence[Series], detector: str) -> dict[str, Any]:
    """Flag rates before the onset and in each quarter of the longest anomaly of every series that has a long one.

    `persistence` has a row a series, `persistence_before_onset` and `persistence_last_quarter` are their means, NaN
    where no anomaly is long.
    """
    rows: list[dict[str, Any]] = []
    for one in series:
        onset, end = max(runs(one.label), key=lambda run: run[1] - run[0], default=(0, 0))
        if end - onset < LONG_ROWS or onset <= one.fit_rows:
            continue
        begin = one.fit_rows if detector != "original" else max(one.fit_rows, onset - ORIGINAL_BEFORE)
        flagged, learned = retrained(detector, one.values[:end], one.commands[:end], begin, EVERY)
        nominal = ~one.label[begin:onset]
        quarters = [float(part.mean()) for part in np.array_split(flagged[onset:end], 4)]
        rows.append(
            {"name": one.name, "rows": end - onset, "before_onset": _mean(flagged[begin:onset][nominal])}
            | {f"quarter_{i}": share for i, share in enumerate(quarters, start=1)}
            | {"rows_learned": int(learned[onset:end].sum())}
        )
    return {
        "persistence_before_onset": _mean([row["before_onset"] for row in rows]),
        "persistence_last_quarter": _mean([row["quarter_4"] for row in rows]),
        "persistence": rows,
    }


def _mean(shares: Sequence[float] | Bools) -> float:
    return float(np.mean(shares)) if len(shares) else math.nan


def spliced(healthy: Sequence[Recording], faulty: Sequence[str], window_rows: int, detector: str) -> dict[str, Any]:
    """A panel that fails while the detector is retrained every 30 s: healthy recordings end to end, the last 840
    rows of a channel times `LOSS` in the light.

    Figures by faulty channel: shares of verdicts that flag it before the onset, in the first `REFITS` considered
    refits after it and from there to the end. Nothing where the recordings are too short for that. The fusion
    judges the ten minutes before each refit against the channel's sisters, the others flag rows; the original is
    refitted at every fifth refit only, which spares minutes and changes nothing.
    """
    values = np.concatenate([one.values for one in healthy])
    onset = len(values) - FAULTY_ROWS
    trusted = onset // 2
    if trusted < 4 * window_rows:
        return {}
    borders = np.cumsum([len(one.t_s) for one in healthy])[:-1].tolist()
    figures: dict[str, Any] = {}
    for name in faulty:
        channel = healthy[0].channels.index(name)
        broken = values.copy()
        usual = LIT * float(np.nanquantile(values[:onset, channel], 0.9))
        lit = values[onset:, channel] > usual
        broken[onset:, channel] *= np.where(lit, LOSS, 1.0)
        if detector == "fusion":
            at, flagged = _sister_verdicts(broken, channel, trusted, window_rows, borders)
        else:
            every = ORIGINAL_EVERY if detector == "original" else CONSIDERED_ROWS
            rows, _ = retrained(detector, broken[:, channel], np.empty((len(broken), 0)), trusted, every, DUE_ROWS)
            at, flagged = np.arange(trusted, len(rows)), rows[trusted:]
        late = onset + REFITS * CONSIDERED_ROWS
        figures[name] = {
            "before_onset": _mean(flagged[at <= onset]),
            f"first_{REFITS}_refits": _mean(flagged[(at > onset) & (at <= late)]),
            f"after_{REFITS}_refits": _mean(flagged[at > late]),
        }
    return {"spliced": figures}


def _sister_verdicts(
    values: Float64s, channel: int, trusted: int, rows: int, borders: Sequence[int]
) -> tuple[np.ndarray, Bools]:
    """Row at which each verdict fell, and whether it flagged `channel`.

    Refitted at every verdict on the windows of the trusted rows and on every later whole window nobody strayed in.
    """
    known = list(window_levels(values[:trusted], rows))
    at: list[int] = []
    flagged: list[bool] = []
    for end in range(trusted + rows, len(values) + 1, CONSIDERED_ROWS):
        if any(end - rows < border < end for border in borders):
            continue
        begin = end - min(LOOK_BACK, end // rows) * rows
        verdict = fit_sisters(np.stack(known)).faulty(window_levels(values[begin:end], rows))[-1]
        at.append(end)
        flagged.append(bool(verdict[channel]))
        if (end - trusted) % rows == 0 and not verdict.any():
            known.append(window_levels(values[end - rows : end], rows)[0])
    return np.array(at), np.array(flagged, dtype=np.bool_)
