"""Numbers and times as shown. UTC only; the text never hides that a value is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = "-"


def value_text(
    value: float | None, decimals: int | None = None, enum: Sequence[tuple[int, str]] = (), size: int = 9
) -> str:
    """A value without its unit; an enumeration shows its label, an unknown code itself.

    Without `decimals`, six significant digits. What does not fit `size` cells is written with an exponent.
    """
    if value is None:
        return NEVER
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+inf" if value > 0 else "-inf"
    if enum:
        code = int(value)
        return next((label for known, label in enum if known == code == value), f"{value:g}?")
    text = f"{value:.6g}" if decimals is None else f"{value:.{decimals}f}"
    if len(text) > size:
        text = f"{value:.{max(0, size - 7)}e}"
    return text


def age_text(seconds: float | None) -> str:
    """`0.4 s`, `42 s`, `41 min`, `2 h`, `3 d`; rounds down, so an age is never made older than it is."""
    if seconds is None:
        return NEVER
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{math.floor(seconds * 10) / 10:.1f} s"
    for size, name in ((86400, "d"), (3600, "h"), (120, "min")):
        if seconds >= size:
            return f"{int(seconds // (60 if name == 'min' else size))} {name}"
    return f"{int(seconds)} s"


def span_text(seconds: float) -> str:
    """A length of time as a title: `90 s`, `10 min`, `1 h 35 min`, `6 h`."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, hours = whole // 60 % 60, whole // 3600
    if hours == 0:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes and hours < 24 else f"{hours} h"


def countdown(seconds: float) -> str:
    """`06:12`, or `1:06:12` from an hour on; nothing below zero."""
    whole = max(0, int(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"


def utc(ns: int) -> datetime:
    """`ns` since 1970 as a UTC datetime, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def clock_text(ns: int) -> str:
    """`07:14:03`."""
    return utc(ns).strftime("%H:%M:%S")


def day_clock_text(ns: int) -> str:
    """`22 07:14:03`: day of month and time, for lists."""
    return utc(ns).strftime("%d %H:%M:%S")


def month_clock_text(ns: int) -> str:
    """`11-22 07:14:03Z`."""
    return utc(ns).strftime("%m-%d %H:%M:%SZ")


def date_clock_text(ns: int) -> str:
    """`2026-11-22 07:14:03Z`."""
    return utc(ns).strftime("%Y-%m-%d %H:%M:%SZ")


def tick_text(ns: int, step_ns: int) -> str:
    """An axis label as short as the step allows: `07:14`, `07:14:30`, `22 07:00` for steps of hours and days."""
    seconds = step_ns // 1_000_000_000
    if seconds % 60:
        return utc(ns).strftime("%H:%M:%S")
    return utc(ns).strftime("%H:%M" if seconds < 6 * 3600 else "%d %H:%M")


def nice_step(raw: float) -> float:
    """The smallest of 1, 2, 5 x 10^k that is not below `raw` (positive)."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * (1 - 1e-12))


_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 150, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def time_step_ns(span_ns: int, most: int) -> int:
    """A step of round clock times that puts at most `most` labels on `span_ns`."""
    wanted = span_ns / max(1, most) / 1e9
    seconds = next((s for s in _TIME_STEPS if s >= wanted), None)
    if seconds is None:
        seconds = math.ceil(wanted / 86400) * 86400
    return seconds * 1_000_000_000


def count_text(n: int) -> str:
    """`1,284`."""
    return f"{n:,}"
