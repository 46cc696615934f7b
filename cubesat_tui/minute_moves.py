"""What else left its course in the minute of an alarm.

Half minutes are compared: how far the median of the half minute after the alarm lies from that before it, against
the same figure of the five minutes before. A wave of an orbit moves as much in each half minute as in the one
before it, so what only goes on as it did is no news; against a line through those minutes nearly every alarm had
company (95 of 100 random moments of a simulated orbit, with this rule about 10, where something does happen). It is
a hint for an operator, not a verdict; the detector's opinion is its own alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from telemetry.clock import NS_PER_S
from telemetry.freshness import is_invalid
from trainer.usual import computed

if TYPE_CHECKING:
    from telemetry.dictionary import Channel
    from telemetry.store.reader import StoreReader

Floats = npt.NDArray[np.float64]

HALF_S = 30
HALVES = 10
"""Half minutes before the alarm."""
LEAST_SIGMA = 6.0
MOST_SIGMA = 99.0
TIMES = 2.0
"""At least so many times the greatest change before."""
LEAST_HALVES, LEAST_VALUES = 6, 3
LEAST_STEPS = 60
"""Steps by which it is told what was computed (a latitude): a second that is missing moves it by many sigma."""
MOST = 3


class Move(NamedTuple):
    """A channel that left its course by `change` (its unit), `sigma` times the scatter of its changes before."""

    channel: str
    change: float
    sigma: float


def moves(reader: StoreReader, satellite: str, channels: Sequence[Channel], t_ns: int, but: str) -> list[Move]:
    """The most striking moves in the half minute after `t_ns` (UTC ns), of all channels `but` one."""
    wanted = [c for c in channels if not c.enum and not c.predicted and c.name != but]
    names = [channel.name for channel in wanted]
    t, values, _ = reader.window(satellite, names, t_ns - HALVES * HALF_S * NS_PER_S, t_ns + HALF_S * NS_PER_S)
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
    """(change, sigma) of the half minute from second 0 on, beyond what the channel did before.

    `step`: the smallest difference that means something. None where there is too little to say, or nothing.
    """
    steps = np.diff(values)
    steps = steps[steps != 0]
    if computed(steps, LEAST_STEPS):
        return None
    half = np.floor(seconds / HALF_S)
    medians = [
        float(np.median(values[half == k])) if (half == k).sum() >= LEAST_VALUES else np.nan
        for k in range(-HALVES, 1)
    ]
    changes = np.diff(np.array(medians))
    before = changes[:-1][np.isfinite(changes[:-1])]
    if len(before) < LEAST_HALVES or not np.isfinite(changes[-1]):
        return None
    usual = float(np.median(before))
    change, off = float(changes[-1]) - usual, np.abs(before - usual)
    if abs(change) < TIMES * max(float(off.max()), step):
        return None
    scatter = max(1.4826 * float(np.median(off)), step)
    return change, float(np.clip(change / scatter, -MOST_SIGMA, MOST_SIGMA))
