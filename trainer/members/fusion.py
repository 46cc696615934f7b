"""A channel's members together: each in units of what it says on accepted rows, then the mean. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telemetry.frame import Float64s
from trainer.members.arrays import Member, View
from trainer.members.windows import Bools, Scale, trailing_mean

LEAST_UNIT = 0.05
"""No member counts in finer units: after a constant past every rounding would be an alarm."""


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """A member and how its scores enter the fusion."""

    name: str
    member: Member
    rows: int
    """Rows its scores are averaged over."""
    unit: float
    """The 95 % quantile of its averaged scores on accepted rows."""

    def score(self, view: View) -> Float64s:
        """`log1p(score / unit)` of every row, shape (n,); NaN where the member cannot see."""
        return np.log1p(trailing_mean(self.member.score(view), self.rows, view.broken) / self.unit)


@dataclass(frozen=True, slots=True, eq=False)
class ChannelModel:
    """What is known of one channel. It knows numbers and context, never a name."""

    scale: Scale
    members: tuple[Weighed, ...]

    def view(self, values: Float64s, context: Float64s, broken: Bools) -> View:
        """What the members look at; arguments as `member_scores`."""
        return View(self.scale.z(values), context, broken)

    def member_scores(self, values: Float64s, context: Float64s, broken: Bools) -> Float64s:
        """Scores of every member, shape (n, members).

        Args:
            values: of the channel in order of time, shape (n,), NaN where INVALID.
            context: regressors of each row, shape (n, m), finite.
            broken: rows that do not continue the row before them (gap, restart), shape (n,).
        """
        view = self.view(values, context, broken)
        return np.stack([member.score(view) for member in self.members], axis=1)

    def score(self, values: Float64s, context: Float64s, broken: Bools) -> Float64s:
        """Fused score of every row, shape (n,); NaN where no member can see. Arguments as `member_scores`."""
        return fused(self.member_scores(values, context, broken))


def fused(scores: Float64s) -> Float64s:
    """Mean over the members that see a row, shape (n,)."""
    known = np.isfinite(scores)
    count = known.sum(axis=1)
    total = np.where(known, scores, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
