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
from trainer.fusion.live import Memory

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

    def places(self, chosen: Bools, counts: Int64s, size: int) -> tuple[Indices, Indices, Indices]:
        """Where the newest of the `chosen` rows go in rings of `size` rows a satellite.

        Args:
            chosen: shape (n,).
            counts: rows that went into each satellite's ring before, shape (slots,); counted on.

        Returns:
            The rows that stay, the satellite of each, and its place in the ring.
        """
        each = self.each[chosen]
        number = np.bincount(each, minlength=len(self.slots))
        rank = np.arange(len(each)) - np.repeat(np.cumsum(number) - number, number)
        stay = rank >= (number - size)[each]
        at = (counts[self.slots][each] + rank)[stay] % size
        counts[self.slots] += number
        return np.flatnonzero(chosen)[stay], self.slots[each[stay]], at

    def before(self, rows: npt.NDArray[Any], kept: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The row before each row: of the same stretch, or what was `kept` of its satellite, shape (slots, ...)."""
        out = np.empty_like(rows)
        out[1:] = rows[:-1]
        out[self.first] = kept[self.slots]
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """What n new rows have become."""

    features: Float64s
    """Shape (n, k, 3); NaN where a window is not full."""
    broken: Bools
    """Rows no window reaches back past: a gap, a start of the computer, time running backwards, another context."""
    apart: Bools
    """Those of them where more changed than the context."""


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """The newest rows of one satellite, oldest first: times, context codes, values, and as in `Fed`."""

    t_ns: Int64s
    codes: Float64s
    values: Float64s
    broken: Bools
    apart: Bools


class Streams:
    """One packet of every satellite of a bus, live or stored."""

    def __init__(
        self, layout: Layout, channels: Mapping[str, Channel], slots: int, codes: int, past: int = 0
    ) -> None:
        """Nothing has come yet.

        Args:
            codes: width of the context codes.
            past: raw rows of each satellite to keep, so that a new model knows what came before it.
        """
        k = len(layout)
        self.layout = layout
        self.period_s = packet_period(channels[name] for name in layout.names if name in channels)
        self.contact = contact_packet(layout, dict(channels))
        self.started = np.zeros(slots, dtype=np.bool_)
        """A row was judged."""
        self.boot: Int64s = np.full(slots, -1, dtype=np.int64)
        self.newest_ns: Int64s = np.full(slots, NEVER_NS, dtype=np.int64)
        self.memories: dict[int, tuple[Memory, Indices]] = {}
        """What the fusion remembers of each satellite judged by one, and the columns of its channels."""
        self._seq: Int64s = np.full(slots, -1, dtype=np.int64)
        """Of the newest row; -1 where it has none of its own."""
        self._run = np.zeros(slots, dtype=np.int64)
        self._codes = np.zeros((slots, codes))
        self._rows = np.full((slots, KEPT, k), np.nan)
        self._flags = np.zeros((slots, KEPT, k), dtype=np.bool_)
        self._accepted = np.full((slots, USUAL_ROWS, k), np.nan)
        self._count = np.zeros(slots, dtype=np.int64)
        self._past = Past(
            np.zeros((slots, past), dtype=np.int64),
            np.zeros((slots, past, codes)),
            np.full((slots, past, k), np.nan),
            np.zeros((slots, past), dtype=np.bool_),
            np.zeros((slots, past), dtype=np.bool_),
        )
        self._past_count = np.zeros(slots, dtype=np.int64)

    def newer(self, cut: Cut, t_ns: Int64s, boot: Int64s, seq: Int64s) -> Bools:
        """Rows newer than everything before them.

        Boot and sequence number tell, whatever the clock on board says; where a row or the one before it has no
        numbers of its own (`seq` -1), a later generation time or a later boot.
        """
        unheard = self.boot[cut.slots] < 0
        self.boot[cut.slots[unheard]] = boot[cut.first[unheard]]
        boots, seqs = cut.before(boot, self.boot), cut.before(seq, self._seq)
        later = np.where(
            (seq >= 0) & (seqs >= 0),
            (boot > boots) | ((boot == boots) & (seq > seqs)),
            (t_ns > cut.before(t_ns, self.newest_ns)) | (boot > boots),
        )
        if not later.all() and len(cut.slots) < len(t_ns):
            for slot, rows in cut.stretches:
                if not later[rows].all():
                    later[rows] = self._newer_one_by_one(slot, t_ns[rows], boot[rows], seq[rows])
        # Of several rows of a satellite the last one stays.
        self._seq[cut.slots[cut.each[later]]] = seq[later]
        return later

    def _newer_one_by_one(self, slot: int, t_ns: Int64s, boot: Int64s, seq: Int64s) -> list[bool]:
        """The same for a satellite with a row that is not newer: those behind it are compared with one before."""
        found: list[bool] = []
        newest = int(self.newest_ns[slot]), int(self.boot[slot]), int(self._seq[slot])
        for row in zip(t_ns.tolist(), boot.tolist(), seq.tolist(), strict=True):
            numbered = row[2] >= 0 and newest[2] >= 0
            later = row[1:] > newest[1:] if numbered else row[0] > newest[0] or row[1] > newest[1]
            newest = row if later else newest
            found.append(later)
        return found

    def push(self, cut: Cut, t_ns: Int64s, boot: Int64s, values: Float64s, codes: Float64s) -> Fed:
        """What new rows become.

        A window reaches back past no gap, no start of the computer and no change of the context `codes`.
        """
        n = len(t_ns)
        step = t_ns - cut.before(t_ns, self.newest_ns)
        whole = whole_codes(codes)
        apart = (step > int(MAX_GAP * self.period_s * 1e9)) | (step < 0)
        apart |= boot != cut.before(boot, self.boot)
        apart[cut.first] |= ~self.started[cut.slots]
        broken = apart | (whole != cut.before(whole, self._codes)).any(axis=1)
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
        return Fed(features, broken, apart)

    def keep(self, cut: Cut, t_ns: Int64s, values: Float64s, codes: Float64s, fed: Fed) -> None:
        """Remember the newest rows as they are; after they were judged."""
        past = self._past
        size = past.t_ns.shape[1]
        if not size:
            return
        rows, slots, at = cut.places(np.ones(len(t_ns), dtype=np.bool_), self._past_count, size)
        past.t_ns[slots, at], past.codes[slots, at], past.values[slots, at] = t_ns[rows], codes[rows], values[rows]
        past.broken[slots, at], past.apart[slots, at] = fed.broken[rows], fed.apart[rows]

    def past(self, slot: int) -> Past:
        """The rows `keep` remembers of a satellite, oldest first."""
        past, count = self._past, int(self._past_count[slot])
        size = past.t_ns.shape[1]
        order: Indices = np.arange(min(count, size), dtype=np.intp)
        if count > size:
            order = (order + count) % size
        return Past(*(getattr(past, name)[slot, order] for name in Past.__slots__))

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
        rows, slots, at = cut.places(calm, self._count, USUAL_ROWS)
        self._accepted[slots, at] = values[rows]

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
