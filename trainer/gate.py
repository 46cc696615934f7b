"""Whether a challenger may replace the champion: no more alarms on the reference, no blinder on injected faults."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainer.batch import judge_window
from trainer.injected import Stretches, stretches_of
from trainer.served import NEVER, Scorer
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
    fusion = any(packet.fusion is not None for scorer in scorers for packet in scorer.packets.values())
    for quiet in stretches_of(window, fusion=fusion):
        known = np.any([_known(scorer, quiet) for scorer in scorers], axis=0)
        if not known.any():
            continue
        compared = known & np.array([name not in excused for name in quiet.channels])
        judged = [_judged(scorer, window, quiet) for scorer in scorers]
        faulty = quiet.faulty()
        found = [_found(scorer, window, faulty)[:, compared] for scorer in scorers]
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


def _judged(scorer: Scorer, window: Window, stretches: Stretches) -> tuple[Bools, Bools]:
    """Flags and confirmations in the faulty rows of each stretch, both of shape (s, lasts, k)."""
    opinions = judge_window(scorer, window, stretches.rows)
    if opinions is None:
        nothing = stretches.newest(np.zeros(stretches.rows.values.shape, dtype=np.bool_))
        return nothing, nothing
    return stretches.newest(opinions.flagged), stretches.newest(opinions.newly)


def _found(scorer: Scorer, window: Window, faulty: Stretches) -> Bools:
    """Channels confirmed in each stretch, shape (s, k)."""
    return np.asarray(_judged(scorer, window, faulty)[1].any(axis=1), dtype=np.bool_)


def _known(scorer: Scorer, stretches: Stretches) -> Bools:
    """Channels the model judges, shape (k,)."""
    model = scorer.packets.get(stretches.rows.packet)
    if model is None:
        return np.zeros(len(stretches.channels), dtype=np.bool_)
    able = np.ones(len(model.channels), dtype=np.bool_) if model.fusion is not None else model.threshold < NEVER
    judged = {name for name, one in zip(model.channels, able.tolist(), strict=True) if one}
    return np.array([name in judged for name in stretches.channels], dtype=np.bool_)
