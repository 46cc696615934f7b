"""What of a link does not work now, how long to wait before the next attempt, and what is journaled of it."""

from __future__ import annotations

import math
from collections.abc import Callable

from telemetry.clock import Clock
from telemetry.links.link import DOWN, REFUSED, LinkReport

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
RETRY, REFUSING = "retry", "refused"
"""Kinds of failures of a courier."""


class Setbacks:
    """Failures by what failed. `down` and `up` are told of an outage once, in words, and of its end."""

    def __init__(
        self, clock: Clock, chance: Callable[[], float], down: Callable[[str], None], up: Callable[[], None]
    ) -> None:
        """`chance`: numbers from 0 to 1, for the jitter."""
        self._clock = clock
        self._chance = chance
        self._down = down
        self._up = up
        self._failures: dict[str, tuple[str, str]] = {}
        """What does not work -> kind and words."""
        self._attempts = 0
        self._told = False
        self._until = -math.inf

    @property
    def pause_s(self) -> float:
        """Seconds to the next attempt; not above 0: now."""
        return self._until - self._clock.monotonic()

    @property
    def report(self) -> LinkReport | None:
        """DOWN or REFUSED with the reason; None while nothing is wrong."""
        for kind, words in self._failures.values():
            if kind == REFUSING:
                return LinkReport(REFUSED, words)
            wait = math.ceil(max(0.0, self.pause_s))
            return LinkReport(DOWN, f"{words}: " + (f"next attempt in {wait} s" if wait > 0 else "trying again"))
        return None

    def rest(self, seconds: float) -> None:
        """Try nothing for so long."""
        self._until = self._clock.monotonic() + seconds

    def mild(self, what: str, kind: str, words: str) -> None:
        """It failed, and is tried again at its own time."""
        self._failures[what] = (kind, words)

    def failed(self, what: str, kind: str, words: str) -> None:
        """Pause with full jitter, once for all that failed together."""
        if self.pause_s > 0:
            return
        self._attempts += 1
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._attempts, 10))
        self.rest(self._chance() * (LONGEST_PAUSE_S if kind == REFUSING else longest))
        self._failures[what] = (kind, words)
        if not self._told and self._attempts > 1:
            self._told = True
            self._down(words)

    def recovered(self, what: str, *, wholly: bool = True) -> None:
        """It works again, and `wholly` with it whatever failed for want of an answer."""
        self._failures = {
            one: (kind, words)
            for one, (kind, words) in self._failures.items()
            if one != what and not (wholly and kind == RETRY)
        }
        if not wholly:
            return
        self._attempts = 0
        self._until = -math.inf
        if self._told:
            self._told = False
            self._up()
