"""Where a row stands: its place in the orbit and the mode the satellite was in.

What is normal for a panel current depends on both. The place comes from a clock (period and epoch, learned from a
context channel whose dwell times repeat, such as the eclipse flag), so it is a pure function of the generation time
and is known from the first row after a restart. The mode is the newest code of the other context channels, and
whether the satellite is in contact.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s, Layout

if TYPE_CHECKING:
    from telemetry.dictionary import Bus, Channel

HOLD_NS = 30_000_000_000
"""A context value older than this says nothing about a row."""

CONTACT_HOLD_NS = 2_500_000_000
"""In contact until this long after the newest frame that is sent only in contact, or for as many of its periods if
that is longer: with the second row after a pass that is taken to be in it, nothing can be confirmed yet."""

KEPT = 512
"""Changes of a context channel that are remembered."""

UNKNOWN = -1e9
"""Stands for an unknown code where codes are compared."""


@dataclass(frozen=True, slots=True)
class OrbitClock:
    """Divides the orbit into `bins` equal parts; bin 0 is kept for "unknown"."""

    epoch_ns: int
    period_ns: int
    bins: int
    valid_until_ns: int
    """Beyond it the extrapolated phase is not trusted and the place is unknown."""

    def place(self, t_ns: Int64s) -> npt.NDArray[np.intp]:
        """Bin of each generation time: 1..bins, 0 where unknown."""
        part = ((t_ns - self.epoch_ns) % self.period_ns) * self.bins // self.period_ns
        return np.where(t_ns <= self.valid_until_ns, part + 1, 0).astype(np.intp)


def no_place(n: int) -> npt.NDArray[np.intp]:
    """The place of n rows when no clock was learned."""
    return np.zeros(n, dtype=np.intp)


@dataclass(slots=True)
class _Steps:
    """A value that holds until it changes: times and values of the changes, and when it was last seen."""

    t_ns: list[int] = field(default_factory=list[int])
    value: list[float] = field(default_factory=list[float])
    newest_ns: int = -(1 << 62)
    kept: int = KEPT

    def observe(self, t_ns: Int64s, values: Float64s) -> None:
        if len(t_ns) == 1:
            self.observe_one(int(t_ns[0]), float(values[0]))
            return
        usable = np.isfinite(values) & (t_ns > self.newest_ns)
        if not usable.any():
            return
        t_ns, values = t_ns[usable], values[usable]
        before = self.value[-1] if self.value else np.nan
        changed = np.flatnonzero(np.diff(values, prepend=before) != 0)
        self.t_ns.extend(t_ns[changed].tolist())
        self.value.extend(values[changed].tolist())
        del self.t_ns[: -self.kept], self.value[: -self.kept]
        self.newest_ns = int(t_ns[-1])

    def observe_one(self, t_ns: int, value: float) -> None:
        """The same for one row: live frames come one by one, and this is a part of the price."""
        if not math.isfinite(value) or t_ns <= self.newest_ns:
            return
        if not self.value or value != self.value[-1]:
            self.t_ns.append(t_ns)
            self.value.append(value)
            del self.t_ns[: -self.kept], self.value[: -self.kept]
        self.newest_ns = t_ns

    def rewind(self, t_ns: int) -> None:
        """Forget what lies at or after `t_ns`; the newest value holds from there on."""
        if self.newest_ns < t_ns:
            return
        kept = bisect_left(self.t_ns, t_ns)
        if kept < len(self.t_ns):
            value = self.value[-1]
            del self.t_ns[kept:], self.value[kept:]
            if not self.value or self.value[-1] != value:
                self.t_ns.append(t_ns)
                self.value.append(value)
        self.newest_ns = t_ns - 1

    def at_one(self, t_ns: int) -> float:
        if not self.t_ns or t_ns > self.newest_ns + HOLD_NS:
            return math.nan
        step = len(self.t_ns) if self.t_ns[-1] <= t_ns else bisect_right(self.t_ns, t_ns)
        return self.value[step - 1] if step else math.nan

    def at(self, t_ns: Int64s) -> Float64s:
        if not self.t_ns:
            return np.full(len(t_ns), np.nan)
        step = np.searchsorted(np.array(self.t_ns, dtype=np.int64), t_ns, side="right") - 1
        known = (step >= 0) & (t_ns <= self.newest_ns + HOLD_NS)
        return np.where(known, np.array(self.value)[np.maximum(step, 0)], np.nan)


class ContextTrack:
    """The newest codes of one satellite's context channels, and its contacts, by generation time."""

    def __init__(self, channels: tuple[str, ...], kept: int = KEPT) -> None:
        self.channels = channels
        self._kept = kept
        self._steps = {name: _Steps(kept=kept) for name in channels}
        self._contacts: list[list[int]] = []
        self._hold_ns = CONTACT_HOLD_NS

    def steps(self, name: str) -> tuple[Int64s, Float64s]:
        """Generation times and new values of a channel's changes."""
        steps = self._steps[name]
        return np.array(steps.t_ns, dtype=np.int64), np.array(steps.value)

    def observe(self, name: str, t_ns: Int64s, values: Float64s) -> None:
        """New values of a context channel, generation times rising."""
        self._steps[name].observe(t_ns, values)

    def observe_one(self, name: str, t_ns: int, value: float) -> None:
        """`observe` of one value."""
        self._steps[name].observe_one(t_ns, value)

    def observe_contact(self, t_ns: Int64s, period_s: float = 1.0) -> None:
        """Frames of a packet that is sent only in contact, every `period_s` then."""
        self._hold_ns = max(self._hold_ns, int(period_s * CONTACT_HOLD_NS))
        for moment in t_ns.tolist():
            if self._contacts and moment <= self._contacts[-1][1] + self._hold_ns:
                self._contacts[-1][1] = max(moment, self._contacts[-1][1])
            else:
                self._contacts.append([moment, moment])
        del self._contacts[: -self._kept]

    def rewind(self, name: str, t_ns: int) -> None:
        """The clock that a channel's values carry was set back to `t_ns`: nothing of later times is known of it."""
        self._steps[name].rewind(t_ns)

    def rewind_contact(self, t_ns: int) -> None:
        """The same of the contacts."""
        self._contacts = [[start, min(end, t_ns)] for start, end in self._contacts if start <= t_ns]

    def codes(self, t_ns: Int64s) -> Float64s:
        """Shape (n, len(channels) + 1): code of each context channel (NaN = unknown), then 1 in contact, else 0."""
        if len(t_ns) == 1:
            return np.array([self.codes_at(int(t_ns[0]))])
        out = np.zeros((len(t_ns), len(self.channels) + 1))
        for i, name in enumerate(self.channels):
            out[:, i] = self._steps[name].at(t_ns)
        for start, end in self._contacts:
            out[(t_ns >= start) & (t_ns <= end + self._hold_ns), -1] = 1
        return out

    def codes_at(self, t_ns: int) -> list[float]:
        """`codes` of one moment."""
        found = [steps.at_one(t_ns) for steps in self._steps.values()]
        found.append(float(any(start <= t_ns <= end + self._hold_ns for start, end in self._contacts)))
        return found


def context_channels(bus: Bus) -> tuple[str, ...]:
    """Channels whose value is a mode of the satellite: the bus's context, and whatever else is enumerated.

    A load that is switched steps other channels; where its switch is telemetered, that is no anomaly.
    """
    enumerated = (channel.name for channel in bus.channels if channel.enum and not channel.contact_only)
    return tuple(dict.fromkeys((*bus.context, *enumerated)))


def packet_period(channels: Iterable[Channel]) -> float:
    """Seconds between packets: the shortest period of the channels they carry."""
    return min((channel.period_s for channel in channels), default=1.0)


def contact_packet(layout: Layout, channels: dict[str, Channel]) -> bool:
    """Whether the packet is sent only during a pass."""
    return all(name in channels and channels[name].contact_only for name in layout.names)


def whole_codes(codes: Float64s) -> Float64s:
    """Codes as `changes` compares them: what is no whole number is one and the same, and so is what is unknown."""
    whole = np.where(np.floor(codes) == codes, codes, 0.0)
    whole[np.isnan(codes)] = UNKNOWN
    return whole


def changes(codes: Float64s, previous: Float64s | None) -> npt.NDArray[np.bool_]:
    """Rows whose whole-numbered codes differ from the row before (NaN equals NaN). `previous` is the row before."""
    whole = whole_codes(codes)
    first = whole[:1] if previous is None else whole_codes(previous[None, :])
    joined = np.concatenate((first, whole))
    return np.any(joined[1:] != joined[:-1], axis=1)


def key_index(codes: Float64s, keys: Float64s) -> npt.NDArray[np.intp]:
    """Index of each row's codes among the known keys, 1..k; 0 where the combination is not known.

    Args:
        codes: shape (n, m).
        keys: shape (k, m).
    """
    if len(keys) == 0:
        return np.zeros(len(codes), dtype=np.intp)
    equal = np.all(codes[:, None, :] == keys[None, :, :], axis=2)
    return np.where(equal.any(axis=1), equal.argmax(axis=1) + 1, 0).astype(np.intp)
