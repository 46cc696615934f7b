"""A limit set: what a channel's values may be in one context, as `mission.toml` states it."""

from __future__ import annotations

import math
from functools import cached_property

import msgspec

from telemetry.query_syntax import ChannelTest, Node

FALLBACK_SET = "default"
LEVELS = ("watch", "warning", "distress", "critical", "severe")
"""Names of the levels of a limit set, the mildest first."""

Pair = tuple[float, float]


class LimitSet(msgspec.Struct, frozen=True, dict=True):
    """Limits of a channel in one context.

    Each level has a low and a high bound in the channel's unit, and the band between them is inclusive: a value
    violates a level when v < low or v > high. A bound named in `exclusive` ("critical high") is violated when it is
    met: v >= high. Zero is a bound like any other; `-inf` or `inf` leaves a side open. `states` are values, each
    with the name of the level it violates; a value that is not one of `expected` violates `expected_level`.
    `latch`: an alarm of this set stays after its return until an operator clears it.
    """

    when: str | None = None
    watch: Pair | None = None
    warning: Pair | None = None
    distress: Pair | None = None
    critical: Pair | None = None
    severe: Pair | None = None
    latch: bool = False
    action: str = ""
    """What to do about an alarm of this set, instead of what the channel says."""
    condition: Node | None = None
    """`when` as a tree; a `Bus` fills it in."""
    exclusive: frozenset[str] = frozenset()
    states: tuple[tuple[float, str], ...] = ()
    expected: tuple[float, ...] = ()
    expected_level: str = "warning"

    @property
    def name(self) -> str:
        """The `when` text, or "default"."""
        return FALLBACK_SET if self.when is None else self.when

    @property
    def title(self) -> str:
        """Short name for sentences: the label alone where `when` is one comparison with a label."""
        if isinstance(self.condition, ChannelTest) and self.condition.op == "=" and self.condition.label:
            return self.condition.label
        return self.name

    def bounds(self, level: str) -> Pair | None:
        """(low, high) of the level named `watch`, `warning`, `distress`, `critical` or `severe`, as declared."""
        return getattr(self, level)

    @cached_property
    def bands(self) -> tuple[tuple[str, float, float], ...]:
        """(level, low, high) of each level, the worst first: in limits is low <= v <= high, whatever is exclusive.

        The neighbour of a bound that is exclusive is one that is inclusive, for there is no number between them.
        """
        found: list[tuple[str, float, float]] = []
        for level in reversed(LEVELS):
            pair = self.bounds(level)
            if pair is not None:
                low, high = pair
                low = math.nextafter(low, math.inf) if f"{level} low" in self.exclusive else low
                high = math.nextafter(high, -math.inf) if f"{level} high" in self.exclusive else high
                found.append((level, low, high))
        return tuple(found)

    def point_level(self, value: float) -> str | None:
        """Name of the level that `value` violates by being what it is: a state, or not what is expected."""
        found = [level for code, level in self.states if code == value]
        if self.expected and value not in self.expected:
            found.append(self.expected_level)
        return max(found, key=LEVELS.index, default=None)
