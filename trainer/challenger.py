"""A challenger in the making: fitted channel by channel over several cycles, each within its budget of CPU time.

It lives in memory only. A trainer that dies in the middle loses the work and nothing else: the champion goes on,
and the next trainer begins anew. One step of it touches neither store nor files and may be taken in another process
(`trainer.parallel`). A step leaves the channels it fitted; the last one makes the whole model of them, once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from telemetry.store.rows import RunRow

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from trainer.fit_channels import Piece, Recipe
    from trainer.gate import Verdict
    from trainer.model import Fitted
    from trainer.refits import Due
    from trainer.served import Scorer
    from trainer.window import Window

UNNUMBERED = 0
"""Version of a challenger before the gate has seen it: satellites that are fitted together are numbered in turn."""


class Fit(Protocol):
    """How challengers are made: `MissionFit`."""

    def channels(self, challenger: Challenger, due: tuple[str, ...] | None) -> Piece:
        """Fit the channels `due` of a challenger, or all where None.

        Raises:
            trainer.fit_channels.NotEnough: the window does not allow a model.
        """
        ...

    def complete(self, challenger: Challenger, pieces: Sequence[Piece]) -> Fitted:
        """The whole model, once every channel is fitted."""
        ...


@dataclass(frozen=True)
class MissionFit:
    """The real fit, with the mission's detector and its budget of false alarms."""

    kind: str
    false_alarms_per_day: float

    @classmethod
    def of(cls, mission: Mission) -> MissionFit:
        """As mission.toml says."""
        return cls(mission.detector.kind, mission.detector.false_alarms_per_day)

    def channels(self, challenger: Challenger, due: tuple[str, ...] | None) -> Piece:
        """See `Fit`."""
        from trainer.fit_channels import fit_channels

        earlier = challenger.pieces
        return fit_channels(self.recipe(challenger), due, earlier[0].setting if earlier else None)

    def complete(self, challenger: Challenger, pieces: Sequence[Piece]) -> Fitted:
        """See `Fit`."""
        from trainer.model import complete

        return complete(self.recipe(challenger), pieces)

    def recipe(self, challenger: Challenger) -> Recipe:
        """What a challenger is to be."""
        from trainer.fit_channels import Recipe

        return Recipe(
            challenger.window,
            UNNUMBERED,
            challenger.champion,
            challenger.began_ns,
            self.false_alarms_per_day,
            self.kind,
            challenger.base.retrain,
        )


@dataclass(frozen=True, eq=False)
class Step:
    """How far a challenger came in one cycle, and the gate's verdict when it was the last step."""

    channels: int | None
    """Fitted in this step; None: all, in one piece."""
    fit_cpu_s: float
    """CPU seconds of the fit alone."""
    cpu_s: float
    """Of the whole step."""
    wall_s: float
    """Of the fit."""
    piece: Piece | None = None
    """What was fitted, where more is to come."""
    fitted: Fitted | None = None
    """The whole challenger, where nothing is."""
    complete_cpu_s: float = 0.0
    """Of the fit, what was spent on making it whole."""
    verdict: Verdict | None = None
    refusal: str = ""
    """Why the window does not allow a model."""


class Challenger:
    """Everything about one refit until the gate has seen it."""

    def __init__(
        self,
        window: Window,
        champion: Scorer | None,
        due: Due,
        base: RunRow,
    ) -> None:
        """`base`: the run that began it; its number is the seed."""
        self.window = window
        self.champion = champion
        self.base = base
        self.due = due
        self.began_ns = base.at_ns
        self.cpu_s = 0.0
        self.wall_s = 0.0
        self.pieces: list[Piece] = []
        """What was fitted so far."""
        self.fitted: Fitted | None = None
        self.verdict: Verdict | None = None
        self.seed: int | None = None
        """Of its forest; None where that is its champion's."""
        self._left = due.channels

    @property
    def complete(self) -> bool:
        """Every channel that was due is fitted, and the gate has seen it."""
        return self.verdict is not None

    @property
    def progress(self) -> str:
        """`refitting 12 of 39 channels`."""
        of = len(self.due.channels or ())
        return f"refitting {of - len(self._left or ())} of {of} channels"

    def step(self, fit: Fit, budget_s: float, pace: Pace, cpu: Callable[[], float] = time.process_time) -> Step:
        """Fit on, as far as `budget_s` seconds of CPU are thought to reach, at least one channel; changes nothing.

        What is complete is made whole, bears what operators accepted, and is shown to the gate.
        """
        from trainer.accepted_levels import bearing
        from trainer.fit_channels import NotEnough
        from trainer.gate import judge_challenger
        from trainer.refits import excused

        began, wall = cpu(), time.monotonic()
        left = self._left
        now = None if left is None else left[: pace.channels(budget_s, len(left))]
        try:
            piece = fit.channels(self, now)
        except NotEnough as error:
            spent = cpu() - began
            return Step(None, spent, spent, time.monotonic() - wall, refusal=str(error))
        spent = cpu() - began
        # Where nothing could be carried over all channels were fitted, whatever was due.
        channels = None if now is None or piece.forest is not None else len(now)
        if left is not None and channels is not None and channels < len(left):
            return Step(channels, spent, cpu() - began, time.monotonic() - wall, piece)
        fitted = fit.complete(self, (*self.pieces, piece))
        whole, wall_s = cpu() - began, time.monotonic() - wall
        fitted = bearing(fitted, self.window)
        verdict = judge_challenger(self.champion, fitted.scorer, self.window, excused(self.due.acts))
        return Step(
            channels,
            whole,
            cpu() - began,
            wall_s,
            fitted=fitted,
            complete_cpu_s=whole - spent,
            verdict=verdict,
        )

    def take(self, step: Step, pace: Pace) -> None:
        """Be as far as `step` came."""
        self.fitted, self.verdict = step.fitted, step.verdict
        self.cpu_s += step.fit_cpu_s
        self.wall_s += step.wall_s
        if step.piece is not None:
            self.pieces.append(step.piece)
        if step.fitted is not None:
            pace.completed(step.complete_cpu_s)
            if step.fitted.forest_anew:
                self.seed = self.base.retrain
        if step.channels is not None:
            self._left = (self._left or ())[step.channels :]
            pace.took(step.channels, step.fit_cpu_s - step.complete_cpu_s)

    def finished(self, version: int) -> Fitted:
        """The whole challenger as model `version`."""
        from trainer.model import numbered

        assert self.fitted is not None
        return numbered(self.fitted, version)


class Pace:
    """How long a fit takes: a part for each channel, one for each step, and one for making the model whole."""

    def __init__(self, fixed_s: float = 0.1, each_s: float = 0.12, complete_s: float = 0.6) -> None:
        """What is thought of it before the first refit, CPU seconds."""
        self._fixed = fixed_s
        self._each = each_s
        self._complete = complete_s

    def channels(self, budget_s: float, left: int) -> int:
        """How many of the channels that are left fit into a budget; at least one.

        The last of them only where there is time to make the model whole too.
        """
        fit = int(min(left, (budget_s - self._fixed) / self._each))
        if fit == left and self._fixed + self._each * left + self._complete > budget_s:
            fit = left - 1
        return max(1, fit)

    def took(self, channels: int, cpu_s: float) -> None:
        """Learn from what a fit took: where both parts are wrong by the same factor, the next is right."""
        factor = cpu_s / max(1e-6, self._fixed + self._each * channels)
        step = min(4.0, max(0.25, factor)) ** 0.5
        self._fixed, self._each = self._fixed * step, self._each * step

    def completed(self, cpu_s: float) -> None:
        """Learn from what it took to make a model whole."""
        self._complete = (self._complete + cpu_s) / 2
