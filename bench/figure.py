"""What every bench module measures: figures with their budgets.

A module of this folder offers `measure() -> list[Figure]`; `python -m bench` collects them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value. `budget` None: shown for comparison only. `beside` says what it was measured against."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    at_most: bool = True
    """Whether the budget is an upper bound; else a lower one."""
    beside: str = ""

    @property
    def missed(self) -> bool:
        """Whether there is a budget and the value is on the wrong side of it."""
        if self.budget is None:
            return False
        return self.value > self.budget if self.at_most else self.value < self.budget
