"""Time: UTC int64 nanoseconds inside, ISO-8601 with `Z` outside, never a local zone.

`iso` and `parse_iso` are the only two places where an instant becomes text or is read from it.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT64_LIMIT = 2**63

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?\s*(Z|z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def iso(ns: int) -> str:
    """`2026-11-22T07:14:03.123Z`: 3, 6 or 9 fractional digits as needed, none on a whole second.

    Raises:
        ValueError: the instant lies outside the years 1 to 9999.
    """
    seconds, fraction = divmod(int(ns), NS_PER_S)
    try:
        text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    except OverflowError:
        raise ValueError(f"{ns} ns is no time between the years 1 and 9999") from None
    if not fraction:
        return text + "Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


def parse_iso(text: str) -> int:
    """UTC nanoseconds of `2026-11-22`, `2026-11-22T07:14Z` or `2026-11-22T07:14:03.123456789Z`.

    A text without a zone is UTC; an offset such as `+01:00` is applied.

    Raises:
        ValueError: with one sentence that says what a time looks like.
    """
    wrong = ValueError(f"{text[:40]!r} is no time: write it as 2026-11-22T07:14:03Z (UTC)")
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise wrong
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        instant = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        raise wrong from None
    elapsed = instant - _EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds
    if zone and zone not in "Zz":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * 3600 + int(digits[2:]) * 60
        seconds += offset if zone[0] == "-" else -offset
    ns = seconds * NS_PER_S + int((fraction or "").ljust(9, "0"))
    if not -_INT64_LIMIT <= ns < _INT64_LIMIT:
        raise ValueError(f"{text[:40]!r} does not fit in int64 nanoseconds: years 1678 to 2262")
    return ns


class Clock(Protocol):
    """Where the time comes from; injected, so that a test can hold it still."""

    def now_ns(self) -> int:
        """Wall clock, UTC nanoseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; for ages and time-outs."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that stands still until `advance` moves it; sleepers wake in the order of their time.

    Safe to advance from another thread than the one whose loop sleeps.
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._start_ns = now_ns
        self._elapsed_ns = 0
        self._lock = threading.Lock()
        self._sleepers: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def now_ns(self) -> int:
        return self._start_ns + self._elapsed_ns

    def monotonic(self) -> float:
        return self._elapsed_ns / NS_PER_S

    @property
    def sleepers(self) -> int:
        """How many tasks wait in `sleep`; a test advances once those it expects have arrived."""
        with self._lock:
            return len(self._sleepers)

    def advance(self, seconds: float) -> None:
        """Move time forward and wake whoever slept until then.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("a clock advances; it does not go back")
        with self._lock:
            self._elapsed_ns += round(seconds * NS_PER_S)
            due = sorted((s for s in self._sleepers if s[0] <= self._elapsed_ns), key=lambda s: s[0])
            self._sleepers = [s for s in self._sleepers if s[0] > self._elapsed_ns]
        for _, loop, future in due:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, future)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            entry = (self._elapsed_ns + round(seconds * NS_PER_S), loop, future)
            self._sleepers.append(entry)
        try:
            await future
        finally:
            with self._lock:
                if entry in self._sleepers:
                    self._sleepers.remove(entry)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class MissionClock:
    """The time a mission lives in: the wall clock, or the newest generation time of data that is not live."""

    def __init__(self, clock: Clock, live: bool = True) -> None:
        self._clock = clock
        self.live = live
        self._newest_ns: int | None = None

    def observe(self, t_ns: int) -> None:
        """A frame of generation time `t_ns` was seen; an older one changes nothing."""
        if self._newest_ns is None or t_ns > self._newest_ns:
            self._newest_ns = t_ns

    def now_ns(self) -> int:
        """UTC nanoseconds. Before the first frame of a replay there is no other time than the wall clock's."""
        if self.live or self._newest_ns is None:
            return self._clock.now_ns()
        return self._newest_ns
