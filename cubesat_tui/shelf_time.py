"""How long an alarm is shelved, as an operator types it: minutes, or a time of day in UTC. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from telemetry.clock import NS_PER_S
from telemetry.plain_text import plain_text

PRESETS_MIN = (5, 15, 60)
MOST_NS = 24 * 3600 * NS_PER_S
"""A shelf always ends."""
LEAST_REASON = 3
"""Letters of a reason that are not blanks."""
_TIME = re.compile(r"(\d{1,2}):?(\d{2})Z?", re.IGNORECASE)
_MINUTE_NS = 60 * NS_PER_S
LENGTH = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.ASCII)
_UNITS_S = (86_400, 3_600, 60, 1)


def length_ns(text: str) -> int:
    """Nanoseconds of `90s`, `15m`, `8h`, `1h30m` or `2d`.

    Raises:
        ValueError: it is no length of time, or none at all; in words.
    """
    found = LENGTH.fullmatch(text.strip().replace(" ", ""))
    length = sum(int(n or 0) * unit for n, unit in zip(found.groups(), _UNITS_S, strict=True)) if found else 0
    if length <= 0:
        raise ValueError(f"{plain_text(text, 40)!r} is no length of time: allowed: 90s, 15m, 8h, 1h30m, 2d")
    return length * NS_PER_S


def until_clock(text: str, now_ns: int) -> int:
    """The next `HH:MM` UTC after `now_ns`, which may be tomorrow's; UTC ns.

    Raises:
        ValueError: no time of day; the sentence says what is wanted.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise ValueError(f"{text.strip() or 'nothing'!r} is no time of day: HH:MM in UTC, as 08:00")
    now = datetime.fromtimestamp(now_ns // NS_PER_S, UTC)
    then = now.replace(hour=int(found[1]), minute=int(found[2]), second=0)
    if then <= now:
        then += timedelta(days=1)
    return int(then.timestamp()) * NS_PER_S


def next_hour(now_ns: int) -> str:
    """`08:00`: the first full hour that is at least half an hour away."""
    then = datetime.fromtimestamp(now_ns // NS_PER_S, UTC) + timedelta(minutes=90)
    return then.strftime("%H:00")


def is_reason(text: str) -> bool:
    """Whether `text` says enough to be kept as a reason."""
    return len("".join(text.split())) >= LEAST_REASON


def until_words(until_ns: int, now_ns: int) -> str:
    """`until 07:29Z (15 min)`; with the day where it is another one's."""
    then = datetime.fromtimestamp(until_ns // NS_PER_S, UTC)
    now = datetime.fromtimestamp(now_ns // NS_PER_S, UTC)
    day = "" if then.date() == now.date() else f"{then:%m-%d} "
    # Rounded up: a shelf of 15 minutes is not "14 min" a moment later.
    minutes = max(0, -(-(until_ns - now_ns) // _MINUTE_NS))
    left = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
    return f"until {day}{then:%H:%M}Z ({left})"
