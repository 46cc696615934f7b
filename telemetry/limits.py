"""Limit checks: a value against the limit set of its context, and the counting that makes an alarm of it.

The monitoring result of a value is immediate; a state is entered after `min_violations` successive bad samples and
left after `min_conformance` successive good ones (XTCE minViolations and minConformance, the repetition number of
PUS ST[12]), so one noisy sample neither raises an alarm nor ends one.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

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


class Result(msgspec.Struct, frozen=True):
    """What a check says: level, side (-1 LOW, 1 HIGH, 0 neither), the bound that was crossed, the set's name.

    `rule`: "limit", or "stuck", "rate" or "delta" (`telemetry.movement`) with the allowance as `limit`. `latch`:
    the set says that its alarms do. `exclusive`: the bound itself is out of limits. A state that is one of a level
    has neither side nor limit; where another value is `expected`, these are they.
    """

    level: Level
    side: int = 0
    limit: float | None = None
    set_name: str = ""
    rule: str = LIMIT
    latch: bool = False
    exclusive: bool = False
    expected: tuple[float, ...] = ()

    @property
    def signed(self) -> int:
        """The level, negative on the low side; 0 in limits and where nothing was checked."""
        return int(self.level) * (self.side or 1) if self.level > Level.IN_LIMITS else 0

    @property
    def side_word(self) -> str:
        return {-1: "LOW", 1: "HIGH"}.get(self.side, "")


DISABLED = Result(Level.DISABLED)


def check(channel: Channel, value: float, context: Mapping[str, float]) -> Result:
    """The worst level that `value` violates in the limit set of `context`.

    The band of a level includes its bounds, v < low is LOW and v > high is HIGH, unless the set says that a bound
    is exclusive. DISABLED for a channel without limits and for NaN, which cannot be checked.
    """
    limits = channel.limit_set(context)
    if limits is None or math.isnan(value):
        return DISABLED
    return check_set(limits, value)


def check_set(limits: LimitSet, value: float) -> Result:
    """`check` with the limit set already chosen."""
    point = _point(limits, value)
    for name, low, high in limits.bands:
        level = Level[name.upper()]
        if level < point.level:
            break
        if not low <= value <= high:
            return _beyond(limits, level, 1 if value > high else -1)
    return point


def _beyond(limits: LimitSet, level: Level, side: int) -> Result:
    """The result of a value beyond the bound of `level` on a side, where there is one."""
    name = level.name.lower()
    pair = limits.bounds(name)
    exclusive = f"{name} {'high' if side > 0 else 'low'}" in limits.exclusive
    limit = None if pair is None else pair[side > 0]
    return Result(level, side, limit, limits.name, latch=limits.latch, exclusive=exclusive)


def _point(limits: LimitSet, value: float) -> Result:
    """What a value violates by being what it is."""
    name = limits.point_level(value)
    if name is None:
        return Result(Level.IN_LIMITS, 0, None, limits.name)
    expected = limits.expected if value not in limits.expected else ()
    return Result(Level[name.upper()], 0, None, limits.name, latch=limits.latch, expected=expected)


def levels(limits: LimitSet, values: Float64s) -> npt.NDArray[np.int8]:
    """Level of each of n values as int8, DISABLED where NaN; for tables and plots."""
    found = np.zeros(values.shape, dtype=np.int8)
    if limits.expected:
        found[~np.isin(values, limits.expected)] = Level[limits.expected_level.upper()]
    for code, name in limits.states:
        mine = values == code
        found[mine] = np.maximum(found[mine], int(Level[name.upper()]))
    for name, low, high in reversed(limits.bands):
        beyond = (values < low) | (values > high)
        found[beyond] = np.maximum(found[beyond], int(Level[name.upper()]))
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
    """One channel's state. Levels are signed by their side: -4 is CRITICAL LOW, 0 in limits; a state is as high."""

    recent: deque[int]
    state: int = 0
    result: Result = DISABLED
    title: str = ""
    value: float = math.nan
    count: int = 0
    """Violating samples of the episode, or of the run that may become one."""
    low: float = math.inf
    high: float = -math.inf
    point: tuple[int, float] = (0, math.nan)
    """Level and value of the worst state that has no side."""

    @property
    def worst(self) -> float:
        if self.point[0] >= abs(self.state):
            return self.point[1]
        return self.high if self.state > 0 else self.low

    def add(self, result: Result, value: float) -> None:
        """Count a sample; one that is out of limits may be the worst yet."""
        self.value = value
        self.recent.append(result.signed)
        if not result.signed:
            return
        self.count += 1
        if result.side < 0:
            self.low = min(self.low, value)
        elif result.side:
            self.high = max(self.high, value)
        elif result.level > self.point[0]:
            self.point = int(result.level), value

    def forget(self) -> None:
        self.recent.clear()
        self.state, self.count, self.low, self.high, self.point = 0, 0, math.inf, -math.inf, (0, math.nan)


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
                *calm_band(channel.limits, channel.labels),
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
        self._follow_context(sample)
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

    def _follow_context(self, sample: Mapping[str, float]) -> None:
        for name in self._context_names & sample.keys():
            if not is_invalid(self._bus.by_name[name], sample[name]):
                self.context[name] = sample[name]

    def rebuild(
        self, frame: Frame, told_ns: Mapping[str, int], predicted: Mapping[str, float] | None = None
    ) -> None:
        """Count a frame that was judged before the station ended; fed like `step`, after `resume`.

        What is counted goes on with the next frame; nothing is entered or left here. `told_ns`: generation time up
        to which the episode of a channel was counted when it was told last. `predicted` as in `predict`.
        """
        if predicted is not None:
            self.predict(predicted)
        sample = dict(zip(frame.layout.names, frame.values.tolist(), strict=True))
        self._follow_context(sample)
        for name in self._watches.keys() & sample.keys():
            channel, watch = self._watches[name][:2]
            limits = channel.limit_set(self.context)
            if limits is None or is_invalid(channel, sample[name]):
                continue
            result = check_set(limits, sample[name])
            if result.signed and frame.t_ns > told_ns.get(name, -1):
                watch.add(result, sample[name])
            elif watch.state:
                watch.value = sample[name]
                watch.recent.append(result.signed)
            elif not result.signed:
                watch.forget()
            if watch.count or watch.state:
                self._restless.add(name)
            else:
                self._restless.discard(name)

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
        if entry is None or rule != LIMIT or level < Level.WATCH:
            return False
        watch = entry[1]
        watch.forget()
        watch.result = Result(level, side)
        watch.state, watch.count, watch.value = watch.result.signed, count, worst
        if side:
            watch.low, watch.high = (worst, -math.inf) if side < 0 else (math.inf, worst)
        else:
            watch.point = int(level), worst
        self._restless.add(channel)
        return True


def calm_band(sets: Sequence[LimitSet], codes: Iterable[float] = ()) -> Pair:
    """Bounds between which a valid value is in limits in each of the `sets`; `codes` of an enumerated channel.

    Nearly every sample lies there. While the channel is calm it changes nothing, whether it is valid or not. States
    and expected values are no band: of what is between them the longest stretch of codes that are all in limits.
    """
    low = max((band[1] for one in sets for band in one.bands), default=-math.inf)
    high = min((band[2] for one in sets for band in one.bands), default=math.inf)
    points = [one for one in sets if one.states or one.expected]
    if points:
        labels = sorted(codes)
        known = labels or sorted({code for one in points for code in one.expected})
        calm = [code for code in known if all(one.point_level(code) is None for one in points)]
        found = _stretches(known, calm) if labels else [[code] for code in calm]
        stretch = max(found, key=len, default=[math.inf, -math.inf])
        low, high = max(low, stretch[0]), min(high, stretch[-1])
    return low, high


def _stretches(known: Sequence[float], calm: Sequence[float]) -> list[list[float]]:
    """Neighbours among the `known` codes that are all calm."""
    found: list[list[float]] = []
    together = False
    for code in known:
        if code in calm and together:
            found[-1].append(code)
        elif code in calm:
            found.append([code])
        together = code in calm
    return found


def _transition(channel: Channel, watch: _Watch, entered: bool) -> Transition:
    return Transition(channel, watch.result, watch.value, entered, watch.count, watch.worst, watch.title)


def _step(channel: Channel, watch: _Watch, limits: LimitSet, value: float) -> Transition | None:
    result = check_set(limits, value)
    if result.level == Level.IN_LIMITS and not watch.state:
        watch.value = value
        if watch.count:
            watch.forget()
        return None
    watch.add(result, value)
    reached = _reached(list(watch.recent)[-channel.min_violations :], channel.min_violations)
    if reached and (reached * watch.state <= 0 or abs(reached) > abs(watch.state)):
        return _settle(channel, watch, limits, reached, result)
    if watch.state:
        return _ease(channel, watch, limits, result)
    return None


def _reached(tail: list[int], needed: int) -> int:
    """The signed level that all of `tail` reach on one side, else 0."""
    if len(tail) < needed:
        return 0
    high, low = min(tail), max(tail)
    return high if high > 0 else min(low, 0)


def _settle(channel: Channel, watch: _Watch, limits: LimitSet, state: int, newest: Result) -> Transition:
    """Enter `state`. The limit told is that of its level; the newest value may have crossed a further one."""
    watch.state, watch.title = state, limits.title
    level = Level(abs(state))
    if newest.signed == state:
        watch.result = newest
    elif limits.bounds(level.name.lower()) is not None and (newest.side or not newest.signed):
        watch.result = _beyond(limits, level, 1 if state > 0 else -1)
    else:
        watch.result = msgspec.structs.replace(newest, level=level, latch=limits.latch)
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
        return _settle(channel, watch, limits, milder * side, result)
    return None
