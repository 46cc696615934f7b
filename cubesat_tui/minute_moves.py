"""What else left its course in the minute of an alarm: measured against the line of the five minutes before.

A line, because temperatures climb and batteries sink all the time: what only goes on as it did is no news. This is
a hint for an operator, not a verdict; the detector's opinion is its own alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from telemetry.clock import NS_PER_S
from telemetry.freshness import is_invalid

if TYPE_CHECKING:
    from telemetry.dictionary import Channel
    from telemetry.store.reader import StoreReader

Floats = npt.NDArray[np.float64]

HALF_NS = 30 * NS_PER_S
BEFORE_NS = 300 * NS_PER_S
LEAST_SIGMA = 4.0
MOST_SIGMA = 99.0
LEAST_BEFORE, LEAST_AFTER = 20, 3
MOST = 3


class Move(NamedTuple):
    """A channel that left its course by `change` (its unit), `sigma` times the scatter about its line."""

    channel: str
    change: float
    sigma: float


def moves(reader: StoreReader, satellite: str, channels: Sequence[Channel], t_ns: int, but: str) -> list[Move]:
    """The most striking moves in the half minute after `t_ns` (UTC ns), of all channels `but` one."""
    wanted = [c for c in channels if not c.enum and not c.predicted and c.name != but]
    names = [channel.name for channel in wanted]
    t, values, _ = reader.window(satellite, names, t_ns - HALF_NS - BEFORE_NS, t_ns + HALF_NS)
    seconds = (t - t_ns) / NS_PER_S
    found: list[Move] = []
    for i, channel in enumerate(wanted):
        known = np.array([np.isfinite(v) and not is_invalid(channel, v) for v in values[:, i].tolist()], dtype=bool)
        step = 10.0 ** -(channel.decimals if channel.decimals is not None else 6)
        move = left_course(seconds[known], values[known, i], step)
        if move is not None and abs(move[1]) >= LEAST_SIGMA:
            found.append(Move(channel.name, *move))
    return sorted(found, key=lambda move: -abs(move.sigma))[:MOST]


def left_course(seconds: Floats, values: Floats, step: float) -> tuple[float, float] | None:
    """(change, sigma) of the values from second 0 on against the line through those before -30 s.

    `step`: the smallest difference that means something. None where there is too little to say.
    """
    before, after = seconds < -HALF_NS / NS_PER_S, seconds >= 0
    if before.sum() < LEAST_BEFORE or after.sum() < LEAST_AFTER:
        return None
    slope, offset = np.polyfit(seconds[before], values[before], 1)
    left = values - (slope * seconds + offset)
    change = float(np.median(left[after]))
    scatter = max(float(np.std(left[before])), step)
    return change, float(np.clip(change / scatter, -MOST_SIGMA, MOST_SIGMA))
