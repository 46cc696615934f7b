"""What happened while an operator was away, in one line. Pure: made of a shift."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import clock_text
from cubesat_tui.gaps import in_words
from cubesat_tui.shift_text import gap_s, versions
from telemetry.clock import NS_PER_S
from telemetry.limits import Level
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.shift import Shift
    from telemetry.alarms import Event

AWAY_S = 1800.0
"""Without a key for so long the operator was away."""
BLINK_S = 300.0
"""A console that was left for less was not left."""


def last_trace_ns(newest_first: Iterable[Event], operator: str) -> int | None:
    """When `operator` left a trace in the journal last; None where they never did."""
    return next((event.at_ns for event in newest_first if event.actor == operator), None)


def is_worth_telling(shift: Shift) -> bool:
    """Whether something happened in an absence, or it was so long that nothing is news too."""
    away_s = (shift.now_ns - shift.since_ns) / NS_PER_S
    happened = bool(shift.raised or shift.gaps or shift.models or shift.trouble)
    return away_s >= AWAY_S or (away_s >= BLINK_S and happened)


def absence_line(shift: Shift) -> str:
    """`Since 23:10Z: 2 alarms (1 CRITICAL, 1 open), 1 gap of 4 min, model v17 -> v18; w = handover`."""
    told = [_alarms(shift)]
    seconds = sum(gap_s(one) for one in shift.gaps)
    if len(shift.gaps) == 1:
        told.append(f"1 gap of {in_words(seconds)}")
    elif shift.gaps:
        told.append(f"{len(shift.gaps)} gaps of {in_words(seconds)}")
    if shift.models:
        told.append(f"model {versions(shift)}")
    if shift.trouble:
        told.append(f"{len(shift.trouble)} x {shift.trouble[-1].kind.replace('.', ' ')}")
    return plain_text(f"Since {clock_text(shift.since_ns)[:5]}Z: {', '.join(told)}; w = handover")


def _alarms(shift: Shift) -> str:
    count = len(shift.raised)
    if not count:
        return "no alarm"
    worst = [f"{n} {level.name}" for level, n in shift.counted().items() if level >= Level.CRITICAL]
    within = ", ".join([*worst, f"{shift.still_open} open" if shift.still_open else "none open"])
    return f"{count} alarm{'s' if count > 1 else ''} ({within})"
