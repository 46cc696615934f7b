"""The time conductor: which stretch of mission time every screen shows. Values only: no clock, no store, no screen.

Real time ends now and moves on with it. Fixed time ends at a moment of the past and stands still. What was known
at the end of the stretch is what screens show; a plot shows the whole of it.
"""

from __future__ import annotations

import re

import msgspec

from telemetry.clock import NS_PER_S, iso, parse_iso

PRESETS = (60, 300, 600, 900, 1800, 3600, 21_600, 86_400, 604_800)
"""Lengths of the stretch in seconds, which `zoom` walks through: 1, 5, 10, 15, 30 min, 1, 6, 24 h, 7 d."""
USUAL_SPAN_S = 600
"""Ten minutes: what the small curves beside each value show as well."""

ALLOWED = "07:14, 07:14:03, 2026-11-22T07:14:03Z, -10m (s, m, h, d)"
"""Forms of a moment that `moment_of` reads."""

_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?\s*[Zz]?", re.ASCII)
_BACK = re.compile(r"-\s*(\d{1,9})\s*(s|sec|m|min|h|d)", re.ASCII)
_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_DAY_NS = 86_400 * NS_PER_S
_LEAST_NS = -(2**63)


class NoMoment(ValueError):
    """What was typed is no moment that can be gone to; the text is one line that says what is."""


class TimeView(msgspec.Struct, frozen=True):
    """[t0_ns, t1_ns] of mission time, in UTC ns. `end_ns` is None in real time, which ends at `now_ns`.

    `t1_ns` is never past `now_ns`. `first_ns`: when the oldest stored frame was made, where that is known; fixed
    time does not end before it.
    """

    now_ns: int
    span_s: int = USUAL_SPAN_S
    end_ns: int | None = None
    first_ns: int | None = None

    @property
    def fixed(self) -> bool:
        """Whether a moment of the past is shown."""
        return self.end_ns is not None

    @property
    def span_ns(self) -> int:
        """Length of the stretch."""
        return self.span_s * NS_PER_S

    @property
    def t1_ns(self) -> int:
        """End of the stretch: now, or the moment of the past as of which everything is shown."""
        return self.now_ns if self.end_ns is None else min(self.end_ns, self.now_ns)

    @property
    def t0_ns(self) -> int:
        """Begin of the stretch."""
        return max(_LEAST_NS, self.t1_ns - self.span_ns)

    @property
    def is_at_now(self) -> bool:
        """Whether there is nothing later to go to."""
        return self.t1_ns >= self.now_ns

    def tick(self, now_ns: int) -> TimeView:
        """It is `now_ns`: real time moves on, fixed time stands still unless the clock fell behind it."""
        end = None if self.end_ns is None else min(self.end_ns, now_ns)
        return msgspec.structs.replace(self, now_ns=now_ns, end_ns=end)

    def live(self) -> TimeView:
        """Back to real time; the length stays."""
        return msgspec.structs.replace(self, end_ns=None)

    def at(self, t_ns: int) -> TimeView:
        """Fixed time as of `t_ns`, at most now: what was known then, and what led to it."""
        least = _LEAST_NS if self.first_ns is None else self.first_ns
        return msgspec.structs.replace(self, end_ns=min(max(t_ns, least), self.now_ns))

    def pan(self, steps: int) -> TimeView:
        """`steps` halves of the stretch later (earlier if negative), at most to now; from real time on it is fixed.

        There and back again is the same stretch wherever neither end of time stood in the way.
        """
        return self.at(self.t1_ns + steps * (self.span_ns // 2))

    def zoom(self, steps: int) -> TimeView:
        """`steps` presets longer (shorter if negative). The end stays, and with it every value that is shown."""
        nearest = min(range(len(PRESETS)), key=lambda i: abs(PRESETS[i] - self.span_s))
        at = max(0, min(len(PRESETS) - 1, nearest + steps))
        return msgspec.structs.replace(self, span_s=PRESETS[at])


def moment_of(text: str, now_ns: int, first_ns: int | None = None) -> int:
    """UTC ns of what an operator typed: a clock time, a date with one, or so long before `now_ns`. All of it UTC.

    A clock time without a date is the last such time that has been. The result lies in [first_ns, now_ns].

    Raises:
        NoMoment: it is none, or one that has not been yet, or one before the first stored frame.
    """
    wanted = text.strip()
    found, back = _CLOCK.fullmatch(wanted), _BACK.fullmatch(wanted)
    if back is not None:
        t_ns = now_ns - int(back[1]) * _UNITS[back[2]] * NS_PER_S
    elif found is not None:
        t_ns = _clock_time(found, now_ns)
    else:
        t_ns = _dated(wanted)
    if t_ns > now_ns:
        raise NoMoment(f"{whole_seconds(t_ns)} has not been yet: now is {whole_seconds(now_ns)}")
    least = first_ns if first_ns is not None else _LEAST_NS
    if t_ns < least:
        raise NoMoment(f"nothing is stored from before {whole_seconds(least)}")
    return t_ns


def whole_seconds(t_ns: int) -> str:
    """`2026-11-22T07:14:03Z`; the years 1 to 9999, beyond which there is no text."""
    try:
        return iso(t_ns // NS_PER_S * NS_PER_S)
    except ValueError:
        return "a time of no year"


def _clock_time(found: re.Match[str], now_ns: int) -> int:
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise NoMoment(f"{found[0][:20]!r} is no time of day: 00:00:00 to 23:59:59")
    midnight = now_ns - now_ns % _DAY_NS
    t_ns = midnight + (hour * 3600 + minute * 60 + second) * NS_PER_S
    return t_ns if t_ns <= now_ns else t_ns - _DAY_NS


def _dated(text: str) -> int:
    # A date alone is refused: whoever types one means some time of that day, and midnight is seldom it.
    if ":" not in text:
        raise NoMoment(f"{text[:30]!r} is no time (UTC): {ALLOWED}" if text else f"a time (UTC): {ALLOWED}")
    try:
        return parse_iso(text)
    except ValueError:
        raise NoMoment(f"{text[:30]!r} is no time (UTC): {ALLOWED}") from None
