"""A challenger in the making: fitted channel by channel over several cycles, each within its budget of CPU time.

It lives in memory only. A trainer that dies in the middle loses the work and nothing else: the champion goes on,
and the next trainer begins anew. One step of it touches neither store nor files and may be taken in another process
(`trainer.parallel`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import msgspec

from telemetry.store.rows import RunRow

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from trainer.gate import Verdict
    from trainer.model import Fitted
    from trainer.refits import Due
    from trainer.served import Scorer
    from trainer.window import Window

UNNUMBERED = 0
"""Version of a challenger before the gate has seen it: satellites that are fitted together are numbered in turn."""


class Fit(Protocol):
    """`trainer.model.fit`, with what the mission decides filled in."""

    def __call__(
        self,
        window: Window,
        *,
        version: int,
        parent: Scorer | None,
        created_ns: int,
        seed: int,
        due: tuple[str, ...] | None,
    ) -> Fitted:
        """Fit the channels `due`, or all where None; the others are those of `parent`.

        Raises:
            trainer.model.NotEnough: the window does not allow a model.
        """
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

    def __call__(
        self,
        window: Window,
        *,
        version: int,
        parent: Scorer | None,
        created_ns: int,
        seed: int,
        due: tuple[str, ...] | None,
    ) -> Fitted:
        """See `Fit`."""
        from trainer.model import fit

        return fit(
            window,
            version=version,
            parent=parent,
            created_ns=created_ns,
            false_alarms_per_day=self.false_alarms_per_day,
            kind=self.kind,
            due=due,
            seed=seed,
        )


@dataclass(frozen=True, eq=False)
class Step:
    """How far a challenger came in one cycle, and the gate's verdict when it was the last step."""

    fitted: Fitted | None
    """None where the window does not allow a model."""
    channels: int | None
    """Fitted in this step; None: all, in one piece."""
    fit_cpu_s: float
    """CPU seconds of the fit alone."""
    cpu_s: float
    """Of the whole step."""
    wall_s: float
    """Of the fit."""
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

        What is complete bears what operators accepted, and is shown to the gate.
        """
        from trainer.gate import judge_challenger
        from trainer.model import NotEnough
        from trainer.refits import excused

        began, wall = cpu(), time.monotonic()
        left = self._left
        now = None if left is None else left[: pace.channels(budget_s, len(left))]
        channels = None if now is None else len(now)
        parent = self.champion if self.fitted is None else self.fitted.scorer
        try:
            fitted = fit(
                self.window,
                version=UNNUMBERED,
                parent=parent,
                created_ns=self.began_ns,
                seed=self.base.retrain,
                due=now,
            )
        except NotEnough as error:
            spent = cpu() - began
            return Step(None, channels, spent, spent, time.monotonic() - wall, refusal=str(error))
        spent, wall_s = cpu() - began, time.monotonic() - wall
        if left is not None and channels is not None and channels < len(left):
            return Step(fitted, channels, spent, cpu() - began, wall_s)
        fitted = self._finished(fitted)
        verdict = judge_challenger(self.champion, fitted.scorer, self.window, excused(self.due.acts))
        return Step(fitted, channels, spent, cpu() - began, wall_s, verdict)

    def take(self, step: Step, pace: Pace) -> None:
        """Be as far as `step` came."""
        self.fitted, self.verdict = step.fitted, step.verdict
        self.cpu_s += step.fit_cpu_s
        self.wall_s += step.wall_s
        if step.fitted is not None and step.fitted.forest_anew:
            self.seed = self.base.retrain
        if step.channels is not None and step.fitted is not None:
            self._left = (self._left or ())[step.channels :]
            pace.took(step.channels, step.fit_cpu_s)

    def finished(self, version: int) -> Fitted:
        """The whole challenger as model `version`."""
        from trainer.model import numbered

        assert self.fitted is not None
        return numbered(self.fitted, version)

    def _finished(self, fitted: Fitted) -> Fitted:
        """A child of the champion it is to replace, whatever steps it was made in."""
        from trainer.accepted_levels import bearing

        parent = None if self.champion is None else self.champion.version
        fitted = bearing(fitted, self.window)
        if fitted.scorer.manifest.parent == parent:
            return fitted
        manifest = msgspec.structs.replace(fitted.scorer.manifest, parent=parent)
        return replace(fitted, scorer=replace(fitted.scorer, manifest=manifest))


class Pace:
    """How long a fit of some channels takes: a part that does not depend on how many, and one for each."""

    def __init__(self, fixed_s: float = 0.4, each_s: float = 0.08) -> None:
        """What is thought of it before the first refit, CPU seconds."""
        self._fixed = fixed_s
        self._each = each_s

    def channels(self, budget_s: float, left: int) -> int:
        """How many of the channels that are left fit into a budget; at least one."""
        return max(1, min(left, int((budget_s - self._fixed) / self._each)))

    def took(self, channels: int, cpu_s: float) -> None:
        """Learn from what a fit took: where both parts are wrong by the same factor, the next is right."""
        factor = cpu_s / max(1e-6, self._fixed + self._each * channels)
        step = min(4.0, max(0.25, factor)) ** 0.5
        self._fixed, self._each = self._fixed * step, self._each * step
