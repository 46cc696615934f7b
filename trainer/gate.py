"""Whether a challenger may replace the champion: no more alarms on the reference, no blinder on injected faults."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.features import WINDOW
from trainer.injected import BEFORE, LASTS, Stretches, confirmed, stretches_of
from trainer.served import CONFIRM, NEVER, Scorer
from trainer.usual import where
from trainer.window import Window

MORE_ALARMS = 0.01
"""A challenger may flag one row in a hundred more than the champion."""
LESS_RECALL = 0.02
"""It may miss one injected fault in fifty that the champion finds."""
BY_CHANCE = 3.0
"""And what it misses more counts where it is more than so many standard deviations of a toss-up: McNemar's test on
the faults that one of the two finds and the other does not."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a challenger. `refusal` is one sentence with figures, None when it passes."""

    refusal: str | None
    figures: dict[str, float]


@dataclass(slots=True)
class _Counts:
    """One model on the reference and on the bank."""

    rows: int = 0
    flagged: int = 0
    trials: int = 0
    found: int = 0
    alone: int = 0
    """Faults that the other model does not find."""

    @property
    def alarm_rate(self) -> float:
        return self.flagged / max(1, self.rows)

    @property
    def recall(self) -> float:
        return self.found / max(1, self.trials)


def judge_challenger(
    champion: Scorer | None, challenger: Scorer, window: Window, excused: Collection[str] = ()
) -> Verdict:
    """Compare two models on the same rows and the same faults.

    `excused`: channels whose recall is not compared, because an operator has accepted what the challenger is
    therefore to bear.
    """
    scorers = [challenger] if champion is None else [challenger, champion]
    counts = [_Counts() for _ in scorers]
    for quiet in stretches_of(window):
        judged = [_judged(scorer, quiet) for scorer in scorers]
        known = np.any([one for _, one in judged], axis=0)
        if not known.any():
            continue
        compared = known & np.array([name not in excused for name in quiet.channels])
        faulty = quiet.faulty()
        found = [confirmed(_judged(scorer, faulty)[0], CONFIRM, WINDOW)[:, compared] for scorer in scorers]
        for i, (count, (flagged, _)) in enumerate(zip(counts, judged, strict=True)):
            count.flagged += int(flagged.any(axis=2).sum())
            count.rows += flagged.shape[0] * flagged.shape[1]
            count.found += int(found[i].sum())
            count.trials += found[i].size
            count.alone += int((found[i] & ~found[i - 1]).sum())
    mine, before = counts[0], counts[-1]
    figures = {"alarm_rate": mine.alarm_rate, "bank_recall": mine.recall, "bank_trials": float(mine.trials)}
    if champion is not None:
        figures |= {"champion_alarm_rate": before.alarm_rate, "champion_bank_recall": before.recall}
    return Verdict(_refusal(mine, before, compared_with=champion is not None), figures)


def _refusal(mine: _Counts, before: _Counts, *, compared_with: bool) -> str | None:
    if mine.trials and not mine.found:
        return "finds none of the injected faults"
    if not compared_with:
        return None
    if mine.alarm_rate > before.alarm_rate + MORE_ALARMS:
        return f"alarm rate {mine.alarm_rate:.3f} > {before.alarm_rate:.3f} + {MORE_ALARMS}"
    chance = BY_CHANCE * math.sqrt(mine.alone + before.alone)
    if mine.recall < before.recall - LESS_RECALL and before.alone - mine.alone > chance:
        return f"bank recall {mine.recall:.3f} < {before.recall:.3f} - {LESS_RECALL}"
    return None


def _judged(scorer: Scorer, rows: Stretches) -> tuple[Bools, Bools]:
    """Flags of the last `LASTS` rows, shape (s, LASTS, k), and the channels the model judges, shape (k,)."""
    s, k = len(rows), len(rows.channels)
    flags, known = np.zeros((s, LASTS, k), dtype=np.bool_), np.zeros(k, dtype=np.bool_)
    model = scorer.packets.get(rows.packet)
    position = {name: i for i, name in enumerate(rows.channels)}
    context = scorer.manifest.context
    if model is None or not {*model.channels} <= {*position} or not {*context} <= {*rows.context}:
        return flags, known
    columns = [position[name] for name in model.channels]
    features = rows.features()[:, BEFORE:][:, :, columns].reshape(s * LASTS, len(columns), 3)
    order = [*(rows.context.index(name) for name in context), len(rows.context)]
    codes = rows.codes[:, BEFORE:][:, :, order].reshape(s * LASTS, -1)
    place = where(scorer.clock, scorer.keys, rows.t_ns[:, BEFORE:].ravel(), codes)
    judged = scorer.judge(rows.packet, features, place.bins, place.key)
    flags[:, :, columns] = judged.flagged.reshape(s, LASTS, len(columns))
    known[columns] = model.threshold < NEVER
    return flags, known
