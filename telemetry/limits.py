"""Limit checks: a value against the limit set of its context, and the counting that makes an alarm of it.

The monitoring result of a value is immediate; a state is entered after `min_violations` successive bad samples and
left after `min_conformance` successive good ones (XTCE minViolations and minConformance, the repetition number of
PUS ST[12]), so one noisy sample neither raises an alarm nor ends one.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.dictionary import Bus, Channel, LimitSet, Pair
from telemetry.frame import Float64s, Frame, Quality
from telemetry.freshness import is_invalid


class Level(enum.IntEnum):
    """Monitoring result (XTCE 1.2 concern levels); the soft limit is WARNING, the hard one CRITICAL."""

    DISABLED = -1
    IN_LIMITS = 0
    WATCH = 1
    WARNING = 2
    DISTRESS = 3
    CRITICAL = 4
    SEVERE = 5


LIMIT = "limit"
_WORST_FIRST = (Level.SEVERE, Level.CRITICAL, Level.DISTRESS, Level.WARNING, Level.WATCH)


class Result(msgspec.Struct, frozen=True):
    """What a check says: level, side (-1 LOW, 1 HIGH, 0 neither), the bound that was crossed, the set's name.

    `rule`: "limit", or "stuck" or "rate" (`telemetry.movement`) with the allowance as `limit`. `latch`: the set
    says that its alarms do.
    """

    level: Level
    side: int = 0
    limit: float | None = None
    set_name: str = ""
    rule: str = LIMIT
    latch: bool = False

    @property
    def side_word(self) -> str:
        return {-1: "LOW", 1: "HIGH"}.get(self.side, "")


DISABLED = Result(Level.DISABLED)


def check(channel: Channel, value: float, context: Mapping[str, float]) -> Result:
    """The worst level that `value` violates in the limit set of `context`.

    The band of a level includes its bounds: v < low is LOW, v > high is HIGH. DISABLED for a channel without
    limits and for NaN, which cannot be checked.
    """
    limits = channel.limit_set(context)
    if limits is None or math.isnan(value):
        return DISABLED
    return check_set(limits, value)


def check_set(limits: LimitSet, value: float) -> Result:
    """`check` with the limit set already chosen."""
    for level in _WORST_FIRST:
        pair = limits.bounds(level.name.lower())
        if pair is None:
            continue
        if value < pair[0]:
            return Result(level, -1, pair[0], limits.name)
        if value > pair[1]:
            return Result(level, 1, pair[1], limits.name)
    return Result(Level.IN_LIMITS, 0, None, limits.name)


def levels(limits: LimitSet, values: Float64s) -> npt.NDArray[np.int8]:
    """Level of each of n values as int8, DISABLED where NaN; for tables and plots."""
    found = np.zeros(values.shape, dtype=np.int8)
    for level in reversed(_WORST_FIRST):
        pair = limits.bounds(level.name.lower())
        if pair is not None:
            found[(values < pair[0]) | (values > pair[1])] = level
    found[np.isnan(values)] = Level.DISABLED
    return found


class Transition(msgspec.Struct, frozen=True):
    """A monitored channel changed its state.

    `entered` is True when the state is out of limits (entered, worse, milder, or on the other side) and False when
    it returned. `count` is the number of violating samples of the episode, `worst` the value farthest out so far.
    `set_title` is the short name of the limit set for a sentence. `measured`: seconds unchanged, or change per
    second, of a rule on movement.
    """

    channel: Channel
    result: Result
    value: float
    entered: bool
    count: int
    worst: float
    set_title: str
    measured: float = math.nan


class _Watch(msgspec.Struct):
    """One channel's state. Levels are signed by their side: -4 is CRITICAL LOW, 0 in limits."""

    recent: deque[int]
    state: int = 0
    result: Result = DISABLED
    title: str = ""
    value: float = math.nan
    count: int = 0
    """Violating samples of the episode, or of the run that may become one."""
    low: float = math.inf
    high: float = -math.inf

    @property
    def worst(self) -> float:
        return self.high if self.state > 0 else self.low

    def forget(self) -> None:
        self.recent.clear()
        self.state, self.count, self.low, self.high = 0, 0, math.inf, -math.inf


class LimitMonitor:
    """The limit state of one satellite, fed with its frames in order of generation.

    A state of level L is entered when the last `min_violations` samples were all at least L on the same side. It
    becomes milder when the last `min_conformance` samples were all milder, and is left when they were all in
    limits. INVALID values are no samples. Stored and late frames change nothing.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._context_names = frozenset(bus.context)
        self.context: dict[str, float] = {}
        """Newest valid value of each context channel."""
        self._watches = {
            channel.name: (
                channel,
                _Watch(deque(maxlen=max(channel.min_violations, channel.min_conformance))),
                *calm_band(channel.limits),
            )
            for channel in bus.channels
            if channel.limits
        }
        self._restless: set[str] = set()
        """Channels that are out of limits, or count samples towards it."""

    @property
    def at_rest(self) -> bool:
        """Every channel is in limits and counts nothing."""
        return not self._restless

    def step(self, sample: Frame | Mapping[str, float]) -> list[Transition]:
        """Check one frame, or values by channel name.

        Returns:
            The transitions it caused, in the order of its channels.
        """
        if isinstance(sample, Frame):
            if sample.quality & (Quality.STORED | Quality.LATE):
                return []
            sample = dict(zip(sample.layout.names, sample.values.tolist(), strict=True))
        for name in self._context_names & sample.keys():
            if not is_invalid(self._bus.by_name[name], sample[name]):
                self.context[name] = sample[name]
        found: list[Transition] = []
        for name, value in sample.items():
            entry = self._watches.get(name)
            if entry is None:
                continue
            channel, watch, low, high = entry
            if low <= value <= high and not watch.count and not watch.state:
                continue
            if is_invalid(channel, value):
                continue
            limits = channel.limit_set(self.context)
            change = None if limits is None else _step(channel, watch, limits, value)
            if watch.count or watch.state:
                self._restless.add(name)
            else:
                self._restless.discard(name)
            if change is not None:
                found.append(change)
        return found

    def predict(self, values: Mapping[str, float]) -> None:
        """Context that is not sent but predicted for the next frame; a derived channel left out is unknown."""
        for channel in self._bus.derived:
            if channel.name in values:
                self.context[channel.name] = values[channel.name]
            else:
                self.context.pop(channel.name, None)

    def ongoing(self) -> list[Transition]:
        """Every channel that is out of limits now, with its newest value, worst value and count."""
        if self.at_rest:
            return []
        return [_transition(channel, watch, True) for channel, watch, _, _ in self._watches.values() if watch.state]

    def resume(self, channel: str, level: Level, side: int, count: int, worst: float, rule: str = LIMIT) -> bool:
        """Take up an episode that was open when the station ended, so that its return is noticed.

        False, and nothing done, for a channel without limits and for a rule that is none on limits.
        """
        entry = self._watches.get(channel)
        if entry is None or rule != LIMIT or level < Level.WATCH or not side:
            return False
        watch = entry[1]
        watch.forget()
        watch.state, watch.count, watch.value = int(level) * side, count, worst
        watch.result = Result(level, side)
        watch.low, watch.high = (worst, -math.inf) if side < 0 else (math.inf, worst)
        self._restless.add(channel)
        return True


def calm_band(sets: Sequence[LimitSet]) -> Pair:
    """Bounds between which a value is in limits in each of the `sets`.

    Nearly every sample lies there. While the channel is calm it changes nothing, whether it is valid or not.
    """
    bounds = [limits.bounds(level.name.lower()) for limits in sets for level in _WORST_FIRST]
    pairs = [pair for pair in bounds if pair is not None]
    low = max((pair[0] for pair in pairs), default=-math.inf)
    return low, min((pair[1] for pair in pairs), default=math.inf)


def _transition(channel: Channel, watch: _Watch, entered: bool) -> Transition:
    return Transition(channel, watch.result, watch.value, entered, watch.count, watch.worst, watch.title)


def _step(channel: Channel, watch: _Watch, limits: LimitSet, value: float) -> Transition | None:
    result = check_set(limits, value)
    watch.value = value
    if result.level == Level.IN_LIMITS and not watch.state:
        if watch.count:
            watch.forget()
        return None
    watch.recent.append(int(result.level) * result.side)
    if result.side:
        watch.count += 1
        if result.side < 0:
            watch.low = min(watch.low, value)
        else:
            watch.high = max(watch.high, value)
    reached = _reached(list(watch.recent)[-channel.min_violations :], channel.min_violations)
    if reached and (reached * watch.state <= 0 or abs(reached) > abs(watch.state)):
        return _settle(channel, watch, limits, reached)
    if watch.state:
        return _ease(channel, watch, limits, result)
    return None


def _reached(tail: list[int], needed: int) -> int:
    """The signed level that all of `tail` reach on one side, else 0."""
    if len(tail) < needed:
        return 0
    high, low = min(tail), max(tail)
    return high if high > 0 else min(low, 0)


def _settle(channel: Channel, watch: _Watch, limits: LimitSet, state: int) -> Transition:
    """Enter `state`. The limit told is that of its level; the newest value may have crossed a further one."""
    level, side = Level(abs(state)), 1 if state > 0 else -1
    pair = limits.bounds(level.name.lower())
    watch.state, watch.title = state, limits.title
    watch.result = Result(level, side, None if pair is None else pair[side > 0], limits.name, latch=limits.latch)
    return _transition(channel, watch, True)


def _ease(channel: Channel, watch: _Watch, limits: LimitSet, result: Result) -> Transition | None:
    """Leave the state, or let it become milder, once enough successive samples allow it."""
    tail = list(watch.recent)[-channel.min_conformance :]
    if len(tail) < channel.min_conformance:
        return None
    if not any(tail):
        change = Transition(channel, result, watch.value, False, watch.count, watch.worst, watch.title)
        watch.forget()
        return change
    side = 1 if watch.state > 0 else -1
    milder = max(level * side for level in tail)
    if 0 < milder < abs(watch.state):
        return _settle(channel, watch, limits, milder * side)
    return None
