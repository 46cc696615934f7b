"""How a link fares, in words for an operator, and how long to wait before the next attempt.

Nothing here is taken from an exception of a library: such a text may hold the address of a request, and the address
a token.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from telemetry.clock import Clock
from telemetry.links.link import BACKFILL, CONNECTING, DOWN, LIVE, REFUSED, STALE, LinkReport
from telemetry.plain_text import plain_text

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
REFUSED_PAUSE_S = 300.0
"""A refusal is asked about again so seldom that it is no storm, and often enough that nobody must restart a console
after the rights were given back."""
STALE_AFTER_S = 35.0
"""A server says something each 30 s or so."""
CALM_S = 10.0
"""A connection that lived this long was a good one: the pauses begin anew."""
BLINK_S = 2.0
"""A cut that is mended within this time is nobody's concern."""


class LinkFailure(ConnectionError):
    """The link does not work now; the words are for an operator and hold nothing secret."""

    def __init__(self, words: str) -> None:
        self.words = plain_text(words)
        super().__init__(self.words)


class AccessRefused(LinkFailure):
    """The link works and does not let this user in; trying again soon changes nothing."""


class Cut(LinkFailure):
    """A stream ended, as streams do."""


class LinkHealth:
    """What one follower of a link reports. `chance` gives numbers from 0 to 1 for the jitter."""

    def __init__(self, clock: Clock, host: str, chance: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._host = host
        self._chance = chance
        self._failure: LinkFailure | None = None
        self._failed_at = 0.0
        self._retry_at = 0.0
        self._attempts = 0
        self._connected_at: float | None = None
        self._was_live = False
        self._percent: int | None = None
        self._listening_since: float | None = None
        self.connections = 0
        """Streams opened since the beginning."""
        self.failures = 0
        """Failed attempts and cut streams since the beginning."""

    @property
    def report(self) -> LinkReport:
        """One of the states of a link and the reason in plain words."""
        now = self._clock.monotonic()
        failure = self._failure
        if isinstance(failure, AccessRefused):
            return LinkReport(REFUSED, failure.words)
        if failure is not None:
            if self._was_live and self._attempts <= 1 and now - self._failed_at < BLINK_S:
                return LinkReport(LIVE, "")
            wait = math.ceil(self._retry_at - now)
            then = f"next attempt in {wait} s" if wait > 0 else "trying again"
            return LinkReport(DOWN, f"{failure.words}: {then}")
        if self._percent is not None:
            return LinkReport(BACKFILL, f"{self._percent} %")
        if self._connected_at is None:
            return LinkReport(CONNECTING, "")
        silence = 0.0 if self._listening_since is None else now - self._listening_since
        if silence > STALE_AFTER_S:
            return LinkReport(STALE, f"nothing heard from {self._host} for {silence:.0f} s")
        return LinkReport(LIVE, "")

    @property
    def is_live(self) -> bool:
        """Whether a stream is open and everything before it was delivered."""
        return self._connected_at is not None and self._failure is None and self._percent is None

    def backfilling(self, percent: int | None) -> None:
        """More than a handful is to be caught up, and so much of it is done; None: it is all done."""
        self._percent = None if percent is None else min(99, max(0, percent))
        self._failure = None

    def connected(self) -> None:
        """A stream is open."""
        self.connections += 1
        self._failure = None
        self._percent = None
        self._connected_at = self._clock.monotonic()
        self._was_live = True

    def listening(self, listens: bool) -> None:
        """A read of the socket began, or brought something."""
        self._listening_since = self._clock.monotonic() if listens else None

    def progressed(self) -> None:
        """Something new came: whatever happens next is the first failure of its kind."""
        self._attempts = 0

    async def pause(self, failure: LinkFailure) -> None:
        """Say what failed and wait before the next attempt: full jitter from 0.5 to 30 s."""
        now = self._clock.monotonic()
        if self._connected_at is not None and now - self._connected_at >= CALM_S:
            self._attempts = 0
        if self._failure is None:
            self._failed_at = now
        self.failures += 1
        self._connected_at = None
        self._listening_since = None
        self._failure = failure
        self._attempts += 1
        pause = FIRST_PAUSE_S * 2.0 ** min(self._attempts - 1, 10)
        pause = self._chance() * min(LONGEST_PAUSE_S, pause)
        if isinstance(failure, AccessRefused):
            self._was_live = False
            pause = REFUSED_PAUSE_S
        self._retry_at = now + pause
        await self._clock.sleep(pause)
