"""A challenger in the making: fitted channel by channel over several cycles, each within its budget of CPU time.

It lives in memory only. A trainer that dies in the middle loses the work and nothing else: the champion goes on,
and the next trainer begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import msgspec

from telemetry.store.rows import RunRow

if TYPE_CHECKING:
    from trainer.model import Fitted
    from trainer.refits import Due
    from trainer.served import Scorer
    from trainer.window import Window


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


class Challenger:
    """Everything about one refit until the gate has seen it."""

    def __init__(
        self,
        window: Window,
        champion: Scorer | None,
        due: Due,
        base: RunRow,
    ) -> None:
        """`base`: the run that began it."""
        self.window = window
        self.champion = champion
        self.base = base
        self.due = due
        self.began_ns = base.at_ns
        self.cpu_s = 0.0
        self.wall_s = 0.0
        self.fitted: Fitted | None = None
        self._left = due.channels

    @property
    def complete(self) -> bool:
        """Every channel that was due is fitted."""
        return self.fitted is not None and not self._left

    @property
    def progress(self) -> str:
        """`refitting 12 of 39 channels`."""
        of = len(self.due.channels or ())
        return f"refitting {of - len(self._left or ())} of {of} channels"

    def advance(
        self, fit: Fit, version: int, budget_s: float, pace: Pace, cpu: Callable[[], float] = time.process_time
    ) -> None:
        """Fit on, as far as `budget_s` seconds of CPU are thought to reach; at least one channel.

        Raises:
            trainer.model.NotEnough: the window does not allow a model.
        """
        began, wall = cpu(), time.monotonic()
        now = None if self._left is None else self._left[: pace.channels(budget_s, len(self._left))]
        parent = self.champion if self.fitted is None else self.fitted.scorer
        fitted = fit(
            self.window, version=version, parent=parent, created_ns=self.began_ns, seed=self.base.retrain, due=now
        )
        self.fitted = fitted
        if self._left is not None and now is not None:
            self._left = self._left[len(now) :]
        else:
            self._left = ()
        spent = cpu() - began
        if now is not None:
            pace.took(len(now), spent)
        self.cpu_s += spent
        self.wall_s += time.monotonic() - wall

    def finished(self) -> Fitted:
        """The whole challenger, a child of the champion it is to replace."""
        from trainer.accepted_levels import bearing

        assert self.fitted is not None
        parent = None if self.champion is None else self.champion.version
        fitted = bearing(self.fitted, self.window)
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
