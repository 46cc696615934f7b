"""Channels that lie elsewhere than what was accepted: what a fit found, and the event that asks about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from telemetry.alarms import Event
from telemetry.limits import Level
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.dictionary import Bus
    from telemetry.store.rows import RunRow

MOVED = "moved"
"""Key of a run's body: channel -> part of its newest orbit that lies far from what was accepted."""
KIND, SETTLED = "channels.moved", "channels.settled"
NAMED = 3
"""Channels that an event names; of the others it says how many."""


def moved_in(run: RunRow) -> dict[str, float]:
    """What the fit of `run` found, the farthest first; nothing where it was not fitted or says something else."""
    told = run.body.get(MOVED)
    if not isinstance(told, Mapping):
        return {}
    known = {
        name: float(part)
        for name, part in told.items()
        if isinstance(name, str) and isinstance(part, int | float) and math.isfinite(part)
    }
    return dict(sorted(known.items(), key=lambda one: (-one[1], one[0])))


def newest_moved(fitted: Sequence[RunRow]) -> dict[str, float]:
    """What the newest of runs that were fitted, newest first, found."""
    return moved_in(fitted[0]) if fitted else {}


def labels(moved: Iterable[str], bus: Bus) -> list[str]:
    """What the operator calls them."""
    return [bus.by_name[name].label if name in bus.by_name else plain_text(name, 40) for name in moved]


class MovedChannels:
    """Which channels of one satellite were told to have moved."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._told: frozenset[str] = frozenset()

    def restore(self, newest_first: Sequence[RunRow]) -> None:
        """Take the runs recorded so far, as they came."""
        for run in reversed(newest_first):
            self.take(run)

    def take(self, run: RunRow) -> None:
        """A run that is recorded; one that fitted nothing says nothing."""
        if run.fit_s is not None:
            moved = moved_in(run)
            # Until all have settled: one that lies about the border is asked about once.
            self._told = self._told.union(moved) if moved else frozenset()

    def told(self, run: RunRow, satellite: str, at_ns: int) -> list[Event]:
        """What is to be journaled with `run`, before it is taken: which channels moved, or that none does."""
        if run.fit_s is None:
            return []
        moved = moved_in(run)
        fresh = [name for name in moved if name not in self._told]
        if fresh:
            body = {"text": self._question(fresh, moved), "channels": fresh, MOVED: moved, "retrain": run.retrain}
            return [Event(at_ns, satellite, KIND, int(Level.WARNING), f"#{run.retrain}", "", body)]
        if self._told and not moved:
            body = {"text": "every channel lies where it did again", "retrain": run.retrain}
            return [Event(at_ns, satellite, SETTLED, int(Level.IN_LIMITS), f"#{run.retrain}", "", body)]
        return []

    def _question(self, fresh: list[str], moved: Mapping[str, float]) -> str:
        named = ", ".join(
            f"{label} ({100 * moved[name]:.0f} % of the last orbit)"
            for name, label in zip(fresh[:NAMED], labels(fresh, self._bus), strict=False)
        )
        more = "" if len(fresh) <= NAMED else f" and {len(fresh) - NAMED} more"
        return f"far from what was accepted: {named}{more}. A new mode? Accept it as nominal, or look for a fault"
