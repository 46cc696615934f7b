"""What the next rows of a packet need to know of the rows before them, for all satellites of a bus at once.

The state of a satellite is a row of each array, its number its slot. Rows come sorted by satellite, and each
satellite's in order of generation, so one pass serves a single satellite's thousand rows and a thousand satellites'
single rows alike. The rolling features are those of `trainer.features`, equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s, Layout
from trainer.context import contact_packet, packet_period, whole_codes
from trainer.features import FEATURES, MAX_GAP, WINDOW

if TYPE_CHECKING:
    from telemetry.dictionary import Channel

USUAL_ROWS = 60
"""Accepted rows that `usual here` is taken from."""

NEVER_NS = -(1 << 62)
KEPT = WINDOW - 1

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """n rows, sorted by satellite, cut into the q stretches of one satellite each."""

    slots: Indices
    """Satellite of each stretch, shape (q,)."""
    first: Indices
    """First row of each stretch."""
    count: Indices
    """Rows of each stretch."""
    each: Indices
    """Stretch of each row, shape (n,)."""

    @property
    def last(self) -> Indices:
        """Last row of each stretch."""
        return self.first + self.count - 1

    @property
    def stretches(self) -> list[tuple[int, slice]]:
        """Satellite and rows of each stretch."""
        first: list[int] = self.first.tolist()
        ends = [*first[1:], len(self.each)]
        slots: list[int] = self.slots.tolist()
        return [(slot, slice(a, b)) for slot, a, b in zip(slots, first, ends, strict=True)]

    @staticmethod
    def of(slots: Indices) -> Cut:
        """Cut rows, at least one, by their sorted satellites."""
        n = len(slots)
        if slots[0] == slots[-1]:
            return Cut(slots[:1], np.array([0]), np.array([n]), np.zeros(n, dtype=np.intp))
        first = np.flatnonzero(np.diff(slots, prepend=-1))
        count = np.diff(first, append=n)
        return Cut(slots[first], first, count, np.repeat(np.arange(len(first)), count))

    def before(self, rows: npt.NDArray[Any], kept: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The row before each row: of the same stretch, or what was `kept` of its satellite, shape (slots, ...)."""
        out = np.empty_like(rows)
        out[1:] = rows[:-1]
        out[self.first] = kept[self.slots]
        return out


class Streams:
    """One packet of every satellite of a bus, live or stored."""

    def __init__(self, layout: Layout, channels: Mapping[str, Channel], slots: int, codes: int) -> None:
        """Nothing has come yet; `codes` is the width of the context codes."""
        k = len(layout)
        self.layout = layout
        self.period_s = packet_period(channels[name] for name in layout.names if name in channels)
        self.contact = contact_packet(layout, dict(channels))
        self.started = np.zeros(slots, dtype=np.bool_)
        """A row was judged."""
        self.boot: Int64s = np.full(slots, -1, dtype=np.int64)
        self.newest_ns: Int64s = np.full(slots, NEVER_NS, dtype=np.int64)
        self._run = np.zeros(slots, dtype=np.int64)
        self._codes = np.zeros((slots, codes))
        self._rows = np.full((slots, KEPT, k), np.nan)
        self._flags = np.zeros((slots, KEPT, k), dtype=np.bool_)
        self._accepted = np.full((slots, USUAL_ROWS, k), np.nan)
        self._count = np.zeros(slots, dtype=np.int64)

    def newer(self, cut: Cut, t_ns: Int64s, boot: Int64s) -> Bools:
        """Rows newer than everything before them, of the same boot or a later one."""
        unheard = self.boot[cut.slots] < 0
        self.boot[cut.slots[unheard]] = boot[cut.first[unheard]]
        if len(cut.slots) == len(t_ns):
            return (t_ns > self.newest_ns[cut.slots]) | (boot > self.boot[cut.slots])
        found = np.empty(len(t_ns), dtype=np.bool_)
        for slot, rows in cut.stretches:
            times, boots = t_ns[rows], boot[rows]
            before = np.maximum.accumulate(np.concatenate(([self.newest_ns[slot]], times[:-1])))
            rebooted = boots > np.maximum.accumulate(np.concatenate(([self.boot[slot]], boots[:-1])))
            found[rows] = (times > before) | rebooted
        return found

    def push(self, cut: Cut, t_ns: Int64s, boot: Int64s, values: Float64s, codes: Float64s) -> Float64s:
        """Features of new rows, shape (n, k, 3); NaN where a window is not full.

        A window reaches back past no gap, no start of the computer and no change of the context `codes`.
        """
        n = len(t_ns)
        step = t_ns - cut.before(t_ns, self.newest_ns)
        whole = whole_codes(codes)
        broken = (step > int(MAX_GAP * self.period_s * 1e9)) | (step < 0)
        broken |= boot != cut.before(boot, self.boot)
        broken |= (whole != cut.before(whole, self._codes)).any(axis=1)
        broken[cut.first] |= ~self.started[cut.slots]
        index = np.arange(n)
        newest_break = np.maximum.accumulate(np.where(broken, index, -1))
        begin = cut.first[cut.each]
        run = np.where(newest_break >= begin, index - newest_break, index - begin + self._run[cut.slots][cut.each])
        features = np.empty((*values.shape, FEATURES))
        features[:, :, 0] = values
        features[:, :, 1], features[:, :, 2] = self._rolling(cut, values)
        features[run < KEPT, :, 1:] = np.nan
        self._run[cut.slots] = np.minimum(run[cut.last] + 1, WINDOW)
        self.started[cut.slots] = True
        self.newest_ns[cut.slots], self.boot[cut.slots] = t_ns[cut.last], boot[cut.last]
        self._codes[cut.slots] = whole[cut.last]
        return features

    def _rolling(self, cut: Cut, values: Float64s) -> tuple[Float64s, Float64s]:
        """Mean and deviation of each row's window, added up in the order of `trainer.features.rolling`."""
        joined, at = _joined(cut, values, self._rows)
        window = [joined[at - back] for back in range(KEPT, -1, -1)]
        mean = window[0].copy()
        for row in window[1:]:
            mean += row
        mean /= WINDOW
        squares = np.zeros_like(mean)
        for row in window:
            deviation = row - mean
            deviation *= deviation
            squares += deviation
        return mean, np.sqrt(squares / KEPT)

    def flagged(self, cut: Cut, flags: Bools) -> npt.NDArray[np.int8]:
        """How many of the newest `WINDOW` rows are flagged, shape (n, k), each row counted in."""
        joined, at = _joined(cut, flags, self._flags)
        count = joined[at].astype(np.int8)
        for back in range(1, WINDOW):
            count += joined[at - back]
        return count

    def accept(self, cut: Cut, values: Float64s, calm: Bools) -> None:
        """Remember the newest of the `calm` rows."""
        each, slots = cut.each[calm], cut.slots
        number = np.bincount(each, minlength=len(slots))
        rank = np.arange(len(each)) - np.repeat(np.cumsum(number) - number, number)
        kept = rank >= (number - USUAL_ROWS)[each]
        at = (self._count[slots][each] + rank)[kept] % USUAL_ROWS
        self._accepted[slots[each][kept], at] = values[calm][kept]
        self._count[slots] += number

    def usual(self, slot: int) -> Float64s:
        """The accepted rows of a satellite, oldest first."""
        count = int(self._count[slot])
        if count <= USUAL_ROWS:
            return self._accepted[slot, :count]
        return np.roll(self._accepted[slot], -(count % USUAL_ROWS), axis=0)


def _joined(
    cut: Cut, rows: npt.NDArray[Any], kept: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """Each stretch behind what was kept of its satellite, and where its rows lie; keeps the newest rows."""
    n, q = len(rows), len(cut.slots)
    at = np.arange(n) + KEPT * (cut.each + 1)
    joined = np.empty((n + KEPT * q, *rows.shape[1:]), dtype=rows.dtype)
    joined[at] = rows
    head = cut.first + KEPT * np.arange(q)
    joined[head[:, None] + np.arange(KEPT)] = kept[cut.slots]
    kept[cut.slots] = joined[at[cut.last][:, None] + np.arange(1 - KEPT, 1)]
    return joined, at
