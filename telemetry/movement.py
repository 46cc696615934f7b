"""Stuck, rate and delta rules: a channel that stands still where it should move, and one that jumps.

The change alarms of XTCE, the delta check of PUS ST[12]. All compare a valid sample with the valid one before it:

- stuck: the value has been the same for more than `stuck_s` seconds of generation time and for `STUCK_SAMPLES`
  samples at least. WARNING: a sensor that stands still hides whatever happens to what it measures.
- rate: the value changed by more than `max_rate` units per second. WATCH: mostly a glitch of one to three samples,
  which no limit with a repetition number and no model tells.
- delta: the value less the one before is below the low or above the high end of `delta`, both of which are allowed,
  however long it took. `delta_level`: a counter that steps ([0, 0]), or one that must (low above 0).

The first sample that breaks a rule enters its state: `min_violations` does not count here, an allowance in seconds
has its patience in it and a spike is no longer than one sample. It is left after `min_conformance` successive
samples that differ from the value stood at, or that change as allowed. A gap longer than a value is held, a
step backwards in time and a restart of the computer begin anew; a state once entered stays until samples end it.

All rows of a packet and all satellites of a bus are looked at at once; rows are taken one by one only of a channel
that breaks a rule or did so before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from telemetry.clock import NS_PER_S
from telemetry.dictionary import Bus, Channel
from telemetry.frame import Float64s, FrameBatch, Int64s, Layout
from telemetry.limits import Level, Result, Transition
from telemetry.query_syntax import ChannelTest, Node, holds_rows, leaves

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
MovementRule = Literal["stuck", "rate", "delta"]
Context = Callable[[str, Int64s], Mapping[str, Float64s | float]]
"""(satellite, generation times) -> newest value of each context channel that the packet does not carry."""

LEVELS: Mapping[str, Level] = {"stuck": Level.WARNING, "rate": Level.WATCH}
"""Of a delta the channel says it."""
STUCK_SAMPLES = 5


@dataclass
class _Episode:
    """A rule that a channel of a satellite breaks.

    `value` the newest one, `worst` what it stood at or jumped to farthest from `base`, the value before (NaN: it
    began before a restart), `measured` seconds or change per second, `count` the samples that broke the rule, or
    repeated the value.
    """

    value: float
    worst: float
    base: float
    measured: float
    count: int
    conforming: int = 0


class _Kept:
    """What is remembered of the newest valid sample of each column, shape (satellites, columns)."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self.slots: dict[str, int] = {}
        self.value: Float64s = np.empty((0, columns))
        self.t_ns: Int64s = np.empty((0, columns), dtype=np.int64)
        self.boot: Int64s = np.empty((0, columns), dtype=np.int64)
        self.since_ns: Int64s = np.empty((0, columns), dtype=np.int64)
        """When the value was sent first."""
        self.run: Int64s = np.empty((0, columns), dtype=np.int64)
        """Samples since then."""

    def of(self, satellites: Sequence[str]) -> Indices:
        """The row of each satellite; those not seen before have no sample."""
        new = [name for name in dict.fromkeys(satellites) if name not in self.slots]
        if new:
            none = np.zeros((len(new), self._columns), dtype=np.int64)
            self.slots.update({name: len(self.slots) + i for i, name in enumerate(new)})
            self.value = np.vstack([self.value, np.full(none.shape, np.nan)])
            self.t_ns, self.boot = np.vstack([self.t_ns, none]), np.vstack([self.boot, none])
            self.since_ns, self.run = np.vstack([self.since_ns, none]), np.vstack([self.run, none])
        return np.array([self.slots[name] for name in satellites], dtype=np.intp)


class _Rows(NamedTuple):
    """The n rows of a batch that count, each satellite's together and in order of generation; k columns each.

    `before` and `step_ns`: value of the valid sample before, and time since; `linked`: neither gap nor restart lies
    between. `heads`: the first row of each of m satellites.
    """

    number: Indices
    """Of the row in the batch."""
    slots: Indices
    heads: Indices
    value: Float64s
    ok: Bools
    before: Float64s
    step_ns: Int64s
    linked: Bools
    places: Indices
    """Of each row among the n + m, where each satellite's are preceded by what was kept of it."""
    newest: Indices
    """Place of the newest valid sample up to each place, (n + m, k)."""


class Moved(NamedTuple):
    """Rules that were broken or kept again, and rules that are still broken, each with the row of a batch."""

    changes: list[tuple[int, Transition]]
    ongoing: list[tuple[int, Transition]]


NOTHING_MOVED = Moved([], [])


class Movement:
    """The stuck and rate rules of one packet of a bus, for all satellites that send it."""

    def __init__(self, bus: Bus, layout: Layout) -> None:
        known = [bus.by_name.get(name) for name in layout.names]
        ruled = [i for i, one in enumerate(known) if one and _rules(one)]
        self._channels = [bus.by_name[layout.names[i]] for i in ruled]
        self._order = {one.name: j for j, one in enumerate(self._channels)}
        self._stuck_where = _by_condition([one.stuck_condition for one in self._channels])
        self._rate_where = _by_condition([one.rate_condition for one in self._channels])
        self._delta_where = _by_condition([one.delta_condition for one in self._channels])
        used = {
            leaf.channel
            for tree, _ in (*self._stuck_where, *self._rate_where, *self._delta_where)
            for leaf in leaves(tree)
            if isinstance(leaf, ChannelTest)
        }
        sent = [i for i, name in enumerate(layout.names) if name in used]
        self._sent = [layout.names[i] for i in sent]
        self._elsewhere = sorted(used - set(self._sent))
        self._columns = np.array([*ruled, *sent], dtype=np.intp)
        self._stuck_ns = np.array([_ns(one.stuck_s) for one in self._channels], dtype=np.int64)
        self._max_rate = np.array([np.inf if one.max_rate is None else one.max_rate for one in self._channels])
        self._deltas = np.array([one.delta or (-np.inf, np.inf) for one in self._channels]).reshape(-1, 2)
        held = [bus.by_name[layout.names[i]] for i in (*ruled, *sent)]
        self._gap_ns = np.array([_ns(one.expiry_periods * one.period_s) for one in held], dtype=np.int64)
        self._kept = _Kept(len(self._columns))
        self._open: dict[tuple[int, int, MovementRule], _Episode] = {}

    def step(self, batch: FrameBatch, invalid: Bools, use: Bools, context: Context) -> Moved:
        """Look at the rows `use` (n,) of a batch of this packet, each satellite's in order of generation.

        `invalid` (n, k) says which values are no samples.

        Returns:
            What they changed, and what went on, each with the row, in order of rows.
        """
        if not self._channels or not use.any():
            return NOTHING_MOVED
        rows = self._arranged(batch, invalid, use)
        c = len(self._channels)
        known = self._context(batch, rows, context)
        since_ns, run = self._runs(batch, rows, known)
        t_ns = batch.t_ns[rows.number][:, None]
        stuck = rows.ok[:, :c] & (t_ns - since_ns > self._stuck_ns) & (run >= STUCK_SAMPLES)
        step_ns = rows.step_ns[:, :c]
        # Values that are none, and no time between two, are told apart by `linked`.
        with np.errstate(invalid="ignore", over="ignore"):
            change = (rows.value - rows.before)[:, :c]
            rate = rows.linked[:, :c] & (np.abs(change) * NS_PER_S > self._max_rate * step_ns)
            delta = rows.linked[:, :c] & ((change < self._deltas[:, 0]) | (change > self._deltas[:, 1]))
        for broken, where in ((rate, self._rate_where), (delta, self._delta_where)):
            for tree, columns in where:
                broken[:, columns] &= holds_rows(tree, known)[:, None]
        all_broken: dict[MovementRule, Bools] = {"stuck": stuck, "rate": rate, "delta": delta}
        if not self._open and not any(broken.any() for broken in all_broken.values()):
            return NOTHING_MOVED
        found = Moved([], [])
        for slot, j, rule in self._concerned(rows, all_broken):
            lines = np.flatnonzero((rows.slots == slot) & rows.ok[:, j])
            if rule == "stuck":
                measured, counts = (t_ns[lines, 0] - since_ns[lines, j]) / NS_PER_S, run[lines, j]
            else:
                lines = lines[rows.linked[lines, j]]
                measured, counts = change[lines, j], np.ones(len(lines), dtype=np.int64)
                if rule == "rate":
                    measured = measured * NS_PER_S / step_ns[lines, j]
            broken = all_broken[rule][lines, j]
            samples = zip(
                rows.number[lines].tolist(),
                rows.value[lines, j].tolist(),
                rows.before[lines, j].tolist(),
                broken.tolist(),
                measured.tolist(),
                counts.tolist(),
                strict=True,
            )
            self._follow((slot, j, rule), samples, found)
        for told in found:
            told.sort(key=lambda one: (one[0], self._order[one[1].channel.name], one[1].result.rule))
        return found

    def resume(self, satellite: str, channel: str, rule: str, value: float, count: int) -> bool:
        """Take up an episode that was open when the station ended; stuck at `value`, or worst at it.

        False, and nothing done, for a channel without that rule.
        """
        for j, one in enumerate(self._channels):
            known: MovementRule | None = next((known for known in _rules(one) if known == rule), None)
            if one.name == channel and known is not None:
                [slot] = self._kept.of([satellite]).tolist()
                self._open[slot, j, known] = _Episode(value, value, math.nan, math.nan, count)
                return True
        return False

    def rebuild(self, batch: FrameBatch, invalid: Bools, context: Context) -> None:
        """Look at rows that were judged before the station ended, after `resume`: runs go on, nothing is told."""
        resumed, self._open = self._open, {}
        self.step(batch, invalid, np.ones(len(batch), dtype=np.bool_), context)
        for key, episode in self._open.items():
            known = resumed.get(key)
            if known is not None:
                known.conforming, known.base, known.measured = episode.conforming, episode.base, episode.measured
        self._open = resumed

    def _arranged(self, batch: FrameBatch, invalid: Bools, use: Bools) -> _Rows:
        """The rows in the order of satellites, each valid sample beside the one before it."""
        index = np.flatnonzero(use)
        slots = self._kept.of(batch.satellites)[batch.satellite[index]]
        if len(batch.satellites) > 1:
            order = np.argsort(slots, kind="stable")
            index, slots = index[order], slots[order]
        heads = np.flatnonzero(np.diff(slots, prepend=-1))
        n, m, k = len(index), len(heads), len(self._columns)
        group = np.repeat(np.arange(m), np.diff(heads, append=n))
        places, kept = np.arange(n) + group + 1, heads + np.arange(m)
        value, t_ns, boot = (np.empty((n + m, k)), *(np.empty((n + m, k), dtype=np.int64) for _ in range(2)))
        ok = np.ones((n + m, k), dtype=np.bool_)
        of_kept, of_rows = slots[heads], np.ix_(index, self._columns)
        value[kept], value[places] = self._kept.value[of_kept], batch.values[of_rows]
        t_ns[kept], t_ns[places] = self._kept.t_ns[of_kept], batch.t_ns[index][:, None]
        boot[kept], boot[places] = self._kept.boot[of_kept], batch.boot[index][:, None]
        ok[places] = ~invalid[of_rows]
        newest = np.arange(n + m)[:, None] * ok
        if not ok.all():
            newest = np.maximum.accumulate(newest, axis=0)
        before = newest[places - 1]
        step_ns = t_ns[places] - np.take_along_axis(t_ns, before, 0)
        linked = ok[places] & (step_ns > 0) & (step_ns <= self._gap_ns)
        linked &= boot[places] == np.take_along_axis(boot, before, 0)
        last = newest[np.append(kept[1:], n + m) - 1]
        for whole, store in ((value, self._kept.value), (t_ns, self._kept.t_ns), (boot, self._kept.boot)):
            store[of_kept] = np.take_along_axis(whole, last, 0)
        previous = np.take_along_axis(value, before, 0)
        return _Rows(index, slots, heads, value[places], ok[places], previous, step_ns, linked, places, newest)

    def _context(self, batch: FrameBatch, rows: _Rows, context: Context) -> dict[str, Float64s]:
        """Newest valid value of each context channel at each row, as far as a condition asks for it."""
        found: dict[str, Float64s] = {}
        for j, name in enumerate(self._sent, len(self._channels)):
            found[name] = np.where(rows.ok[:, j], rows.value[:, j], rows.before[:, j])
        if self._elsewhere:
            for name in self._elsewhere:
                found[name] = np.full(len(rows.number), np.nan)
            for mine in np.split(np.arange(len(rows.number)), rows.heads[1:]):
                satellite = batch.satellites[int(batch.satellite[rows.number[mine[0]]])]
                told = context(satellite, batch.t_ns[rows.number[mine]])
                for name in self._elsewhere:
                    found[name][mine] = told.get(name, np.nan)
        return found

    def _runs(self, batch: FrameBatch, rows: _Rows, known: Mapping[str, Float64s]) -> tuple[Int64s, Int64s]:
        """Since when (UTC ns) each ruled value is the same, and for how many samples; where its rule holds only."""
        c, n, m = len(self._channels), len(rows.number), len(rows.heads)
        start = rows.ok[:, :c] & ~(rows.linked & (rows.value == rows.before))[:, :c]
        for tree, columns in self._stuck_where:
            start[:, columns] |= rows.ok[:, columns] & ~holds_rows(tree, known)[:, None]
        kept = rows.heads + np.arange(m)
        of_kept = rows.slots[rows.heads]
        since = np.empty((n + m, c), dtype=np.int64)
        since[kept], since[rows.places] = self._kept.since_ns[of_kept, :c], batch.t_ns[rows.number][:, None]
        before = np.ones((n + m, c), dtype=np.int64)
        before[kept] = self._kept.run[of_kept, :c]
        counted = np.zeros((n + m, c), dtype=np.int64)
        counted[rows.places] = rows.ok[:, :c]
        counted = np.cumsum(counted, axis=0)
        begins = np.ones((n + m, c), dtype=np.bool_)
        begins[rows.places] = start
        begun = np.maximum.accumulate(np.arange(n + m)[:, None] * begins, axis=0)
        since_ns = np.take_along_axis(since, begun, 0)
        run = counted - np.take_along_axis(counted, begun, 0) + np.take_along_axis(before, begun, 0)
        last = np.append(kept[1:], n + m) - 1
        self._kept.since_ns[of_kept, :c], self._kept.run[of_kept, :c] = since_ns[last], run[last]
        return since_ns[rows.places], run[rows.places]

    def _concerned(
        self, rows: _Rows, all_broken: Mapping[MovementRule, Bools]
    ) -> list[tuple[int, int, MovementRule]]:
        """Each satellite, column and rule that is broken in these rows, or was."""
        here = set(rows.slots[rows.heads].tolist())
        found = {key: None for key in self._open if key[0] in here}
        for rule, broken in all_broken.items():
            for i, j in np.argwhere(broken).tolist():
                found[int(rows.slots[i]), j, rule] = None
        return list(found)

    def _follow(
        self,
        key: tuple[int, int, MovementRule],
        samples: Iterable[tuple[int, float, float, bool, float, int]],
        found: Moved,
    ) -> None:
        """One rule of one channel over samples: row, value, the one before, whether it is broken, size, count."""
        _, j, rule = key
        needed = self._channels[j].min_conformance
        episode = self._open.get(key)
        for i, value, before, bad, size, count in samples:
            if episode is None:
                if bad:
                    episode = self._open[key] = _Episode(value, value, before, size, count)
                    found.changes.append((i, self._transition(j, rule, episode, entered=True)))
                continue
            if bad or (rule == "stuck" and value == episode.worst):
                episode.conforming = 0
                episode.count += 1
                if not abs(size) <= abs(episode.measured):
                    episode.measured = size
                if abs(value - episode.base) > abs(episode.worst - episode.base):
                    episode.worst = value
            else:
                episode.conforming += 1
            episode.value = value
            if episode.conforming >= needed:
                found.changes.append((i, self._transition(j, rule, episode, entered=False)))
                del self._open[key]
                episode = None
            else:
                found.ongoing.append((i, self._transition(j, rule, episode, entered=True)))

    def _transition(self, j: int, rule: MovementRule, episode: _Episode, *, entered: bool) -> Transition:
        channel, measured = self._channels[j], episode.measured
        side = 0 if rule == "stuck" or math.isnan(measured) else int(math.copysign(1, measured))
        limit = channel.stuck_s if rule == "stuck" else channel.max_rate
        level = Level[channel.delta_level.upper()] if rule == "delta" else LEVELS[rule]
        if rule == "delta" and channel.delta is not None:
            side = 0 if math.isnan(measured) else 1 if measured > channel.delta[1] else -1
            limit = channel.delta[side > 0] if side else None
        result = Result(level if entered else Level.IN_LIMITS, side if entered else 0, limit, "", rule)
        return Transition(
            channel, result, episode.value, entered, episode.count, episode.worst, "", episode.measured
        )


def movement_text(change: Transition) -> str:
    """The sentence of a stuck or rate transition.

    `Rate X -0.012 deg/s unchanged for 61 s, allowed 60 s, WARNING STUCK`
    """
    channel, rule = change.channel, change.result.rule
    now, measured = channel.quantity(change.value), change.measured
    if not change.entered:
        worst = channel.quantity(change.worst)
        if rule == "stuck":
            return f"{channel.label} {now} moves again; it stood at {worst}, {change.count} samples"
        return f"{channel.label} {now} changes as allowed again; worst {worst}, {change.count} samples"
    word = f"{change.result.level.name} {rule.upper()}"
    if rule == "stuck":
        stood = "" if math.isnan(measured) else f" for {measured:.10g} s"
        return f"{channel.label} {now} unchanged{stood}, allowed {channel.stuck_s:.10g} s, {word}"
    if rule == "delta":
        allowed, stepped = _allowed(channel), "" if math.isnan(measured) else f" by {measured:+.6g}"
        return f"{channel.label} {now} changed{stepped} from the sample before, allowed {allowed}, {word}"
    allowed = f"{channel.max_rate:.10g} {channel.unit}".rstrip()
    return f"{channel.label} {now} changed by {measured:+.4g} a second, allowed {allowed} a second, {word}"


def _allowed(channel: Channel) -> str:
    """`-0.5 to 0.5 V`, `0 cycles`, `at least 1`."""
    low, high = channel.delta or (-math.inf, math.inf)
    if low == high or not math.isfinite(low):
        text = f"{'' if low == high else 'at most '}{high:.10g}"
    else:
        text = f"at least {low:.10g}" if not math.isfinite(high) else f"{low:.10g} to {high:.10g}"
    return f"{text} {channel.unit}".rstrip()


def _rules(channel: Channel) -> list[MovementRule]:
    """The rules that a channel has."""
    given: dict[MovementRule, object] = {"stuck": channel.stuck_s, "rate": channel.max_rate, "delta": channel.delta}
    return [rule for rule, allowance in given.items() if allowance is not None]


def _ns(seconds: float | None) -> int:
    return int(np.iinfo(np.int64).max) if seconds is None else round(seconds * NS_PER_S)


def _by_condition(conditions: Sequence[Node | None]) -> list[tuple[Node, list[int]]]:
    """Each different condition with the columns it is for."""
    found: dict[Node, list[int]] = {}
    for j, tree in enumerate(conditions):
        if tree is not None:
            found.setdefault(tree, []).append(j)
    return list(found.items())
