"""What is usual where: centre and spread of every feature, by place in the orbit and by mode.

A panel current of half its value is unusual only where the Sun stands; an isolation forest over the values alone
cannot see it, because half is what the panel gives every time it turns away. So each feature is compared with the
same place in earlier orbits first. Which channels can be judged this way is decided by numbers, never by names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s
from trainer.context import ContextTrack, OrbitClock, key_index, no_place
from trainer.features import FEATURES

if TYPE_CHECKING:
    from telemetry.dictionary import Channel

BIN_S = 16.0
"""Length of a place in the orbit, seconds."""

NEIGHBOURS = 4
"""Places on either side whose largest deviations a place shares: an orbit's events come a minute early or late."""

JUMP = 15.0
"""The largest deviation of a window seen anywhere in the orbit, divided by this, is at least normal everywhere:
what switches (charge control, a heater) does so at another place each time."""

SWING = 40.0
"""No value is judged finer than its swing over the window divided by this: six orbits do not show all the ways a
charging battery or a warming panel can take."""

WIDE_SWING = 25.0
"""The same for a fusion, whose members see what is sudden: what a satellite does by plan (a pass in the dark, a
payload that stays off) is felt in its battery and its panels for an orbit, at places where that was never seen."""

LEAST_ROWS = 12
"""A place or mode with fewer rows is not known; a place then counts as the whole orbit."""

LEAST_KEY_ROWS = 60

ENVELOPE = 3.0
"""Accepted rows of a place lie within this many spreads of its centre, all of them."""

TRUSTED_PERIODS = 12
"""The phase is extrapolated this far beyond the window."""

UNKNOWN = 2.0
"""In an unknown mode, or one never seen at this place, a spread is this many times that of the whole window."""

LEAST_TURNS = 3
"""Orbits that must have seen a place before differences between orbits are known there."""

WANDERS = 5.0
"""A channel that differs this much more between orbits than within one, at half of all places, does not repeat.
In the simulated 3U field components stand at 11 to 24, everything else below 3.5."""

TREMBLE = 0.01
"""A value that turns back in fewer of its steps was computed, not measured: every sensor trembles. In the simulated
3U positions turn back in 0.002 of their steps at most, everything that is measured in 0.28 at least."""

LEAST_STEPS = 300
"""Steps without which that cannot be said."""

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Place:
    """Where n rows stand."""

    bins: Indices
    """Place in the orbit, 0 unknown, else 1..bins."""
    key: Indices
    """Mode, 0 unknown, else 1..keys."""
    turn: Int64s
    """Number of the orbit, any origin."""


def learn_clock(track: ContextTrack) -> tuple[str, OrbitClock] | None:
    """The context channel that repeats most regularly, as a clock; None when none repeats.

    Starts of the same code, a whole number of periods apart, to 2 % and at least three of them. Period and epoch
    are the straight line through the starts.
    """
    best: tuple[float, str, float, float, int] | None = None
    for name in track.channels:
        t_ns, value = track.steps(name)
        for code in np.unique(value):
            starts: Int64s = t_ns[value == code]
            if value[0] == code:
                starts = starts[1:]
            if len(starts) < 3:
                continue
            since: Float64s = (starts - starts[0]) / 1e9
            step = float(np.median(np.diff(since)))
            if step < 20 * BIN_S:
                continue
            turn: Float64s = np.round(since / step)
            if len(np.unique(turn)) < 3:
                continue
            line: Float64s = np.polyfit(turn, since, 1)
            period, offset = float(line[0]), float(line[1])
            error = float(np.max(np.abs(since - period * turn - offset))) / period
            if error < 0.02 and (best is None or error < best[0]):
                best = (error, name, period, offset, int(starts[0]))
    if best is None:
        return None
    _, name, period, offset, first = best
    newest = max(int(track.steps(channel)[0][-1]) for channel in track.channels if len(track.steps(channel)[0]))
    bins = max(1, round(period / BIN_S))
    until = newest + int(TRUSTED_PERIODS * period * 1e9)
    return name, OrbitClock(first + int(offset * 1e9), int(period * 1e9), bins, until)


def learn_keys(codes: Float64s) -> Float64s:
    """The modes with enough rows, most frequent first, shape (k, m)."""
    known = codes[np.isfinite(codes).all(axis=1)]
    code = np.zeros(len(known), dtype=np.int64)
    for column in known.T:
        values, which = np.unique(column, return_inverse=True)
        code = code * len(values) + which
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return known[first[order][counts[order] >= LEAST_KEY_ROWS]]


def unjudged(channel: Channel, values: Float64s) -> str | None:
    """Why a channel cannot be judged by what is usual for it, or None. Numbers and dictionary attributes only."""
    if channel.enum:
        return "enumerated"
    if channel.predicted:
        return "predicted"
    known = values[np.isfinite(values)]
    if len(known) < 2 * LEAST_ROWS:
        return "too few values"
    if len(np.unique(known)) <= 3:
        return "constant or a switch"
    step = np.diff(known)
    step = step[step != 0]
    if len(step) and (np.mean(step > 0) > 0.98 or np.mean(step < 0) > 0.98):
        return "counts in one direction"
    return "computed, not measured" if computed(step) else None


def computed(step: Float64s, least: int = LEAST_STEPS) -> bool:
    """Whether a value trembles in too few of its `step`s other than 0; fewer than `least` cannot say."""
    return len(step) >= least and bool(np.mean(step[1:] * step[:-1] < 0) < TREMBLE)


@dataclass(frozen=True, eq=False)
class Usual:
    """Centre and spread tables of c channels; shapes as in `trainer.served.PacketModel`."""

    centre: Float64s
    spread: Float64s
    key_offset: Float64s
    key_spread: Float64s


def learn_usual(
    features: Float64s,
    place: Place,
    bin_count: int,
    key_count: int,
    step: Float64s,
    *,
    exact: bool = False,
    kin: Bools | None = None,
) -> Usual:
    """Tables from accepted rows.

    Args:
        features: shape (n, c, 3); NaN where not usable.
        place: where each row stands.
        step: smallest step of each channel, shape (c,): no spread is less than half of it.
        exact: for a fusion: keep all digits (in float32 a change of units moves deviations by some 1e-5), and judge
            more widely.
        kin: modes known without contact, which with it are judged alike while they have few rows, shape
            (key_count + 1,): a pass may lie in a held-out orbit, whose rows set the threshold.

    A place's spread reaches over its neighbours, since an eclipse does not begin, nor the battery get full, at the
    same second each orbit,
    and over the differences between orbits, since the next orbit may differ as much. A channel that differs more
    between orbits than within one nearly everywhere (a field component: the Earth turns below the orbit) does not
    repeat: it is compared with the whole window.
    """
    c = int(features.shape[1])
    bins, key = place.bins, place.key
    key_offset = np.zeros((key_count + 1, c, FEATURES))
    centre = np.zeros((bin_count + 1, c, FEATURES))
    order = np.argsort(bins, kind="stable")
    bounds = np.searchsorted(bins[order], np.arange(bin_count + 2))
    counts = np.diff(bounds)
    counts[0] = 0
    whole = _median(features, np.zeros((c, FEATURES)))
    modes = key_count > 1
    for turn in range(2 if modes else 1):
        adjusted = (features - key_offset[key])[order] if turn else features[order]
        medians = _group_medians(adjusted, bounds)
        centre[:] = np.where((counts >= LEAST_ROWS)[:, None, None] & np.isfinite(medians), medians, whole)
        if modes:
            resting = features - centre[bins]
            main = _median(resting[key == 1], np.zeros((c, FEATURES)))
            for k in range(2, key_count + 1):
                key_offset[k] = _median(resting[key == k], main) - main
    residual = np.abs(features - centre[bins] - key_offset[key])
    typical = 1.4826 * _median(residual, np.zeros((c, FEATURES)))
    reach = np.zeros((bin_count + 1, c, FEATURES))
    sorted_residual = np.nan_to_num(residual[order])
    filled = np.flatnonzero(counts)
    if len(filled):
        first = bounds[filled[0]]
        reach[filled] = np.maximum.reduceat(sorted_residual[first:], bounds[filled] - first, axis=0)
        # Half of all places see at least this much: what comes at no fixed place is expected anywhere.
        common = np.median(reach[filled], axis=0) / ENVELOPE
    else:
        common = np.quantile(sorted_residual, 0.999, axis=0) / ENVELOPE
    if bin_count > 2 * NEIGHBOURS:
        inner = reach[1:]
        if exact:
            # What steps from one place to the next does so at the other side of that border some day.
            both = (counts[1:] >= LEAST_ROWS) & (np.roll(counts[1:], 1) >= LEAST_ROWS)
            inner = np.maximum(inner, np.abs(centre[1:] - np.roll(centre[1:], 1, axis=0)) * both[:, None, None])
        shifted = [np.roll(inner, by, axis=0) for by in range(-NEIGHBOURS, NEIGHBOURS + 1)]
        reach[1:] = np.maximum.reduce(shifted)
    floor = np.maximum(np.maximum(typical / 2, common / 1.5), step[:, None] / 2)
    half_range = np.maximum(np.nanmax(features, axis=0) - whole, whole - np.nanmin(features, axis=0))
    floor[:, :2] = np.maximum(floor[:, :2], half_range[:, :2] / (WIDE_SWING if exact else SWING))
    floor[:, 2] = np.maximum(floor[:, 2], reach[:, :, 2].max(axis=0) / JUMP)
    between, wanders = _between_orbits(features - key_offset[key], place, bin_count, step)
    spread = np.maximum(np.maximum(reach / ENVELOPE, between), floor)
    unknown = counts < LEAST_ROWS
    centre[unknown], spread[unknown] = whole, np.maximum(half_range / ENVELOPE, floor)
    key_spread = np.zeros((key_count + 1, c, FEATURES))
    for k in range(2, key_count + 1):
        key_spread[k] = 1.4826 * _median(residual[key == k], np.zeros((c, FEATURES)))
    if exact:
        for k in range(2, key_count + 1):
            few = (np.isfinite(residual[key == k]).sum(axis=0) < LEAST_ROWS) & (kin is None or not kin[k])
            key_offset[k][few], key_spread[k][few] = 0.0, UNKNOWN * spread[0][few]
        key_spread[0] = UNKNOWN * spread[0]
    centre[:, wanders], spread[:, wanders] = whole[wanders], np.maximum(half_range / ENVELOPE, floor)[wanders]
    key_offset[:, wanders], key_spread[1:, wanders] = 0.0, 0.0
    tables = centre, np.maximum(spread, 1e-12), key_offset, key_spread
    return Usual(*(tables if exact else (_rounded(table) for table in tables)))


def _between_orbits(features: Float64s, place: Place, bin_count: int, step: Float64s) -> tuple[Float64s, Bools]:
    """Range of the orbits' medians at each place, shape (bin_count + 1, c, 3), and which channels do not repeat."""
    c = int(features.shape[1])
    out: Float64s = np.zeros((bin_count + 1, c, FEATURES))
    nobody: Bools = np.zeros(c, dtype=np.bool_)
    if bin_count == 0:
        return out, nobody
    turn: Int64s = place.turn - place.turn.min()
    turns = int(turn.max()) + 1
    cell: Int64s = place.bins * turns + turn
    order = np.argsort(cell, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    bounds = np.append(first, len(order))
    medians = _group_medians(features[order], bounds)
    within = _group_std(features[order][:, :, 0], bounds)
    of_bin: Int64s = cells // turns
    least: Float64s = step / 2
    places, start, seen = np.unique(of_bin, return_index=True, return_counts=True)
    known = (places > 0) & (seen >= LEAST_TURNS)
    if not known.any():
        return out, nobody
    widest = np.maximum.reduceat(medians, start) - np.minimum.reduceat(medians, start)
    out[places[known]] = np.nan_to_num(widest[known])
    # Cells of one place lie one behind the other: an orbit each.
    several = np.repeat(seen, seen)[:, None]
    mean = np.repeat(np.add.reduceat(medians[:, :, 0], start), seen, axis=0) / several
    squares = np.add.reduceat((medians[:, :, 0] - mean) ** 2, start)[known]
    differs: Float64s = np.sqrt(squares / (seen[known][:, None] - 1))
    noise: Float64s = np.maximum(_middle(within, start, seen)[known], least)
    ratio: Float64s = differs / noise
    otherwise: Float64s = np.zeros(c, dtype=np.float64)
    wanders: Bools = np.asarray(_median(ratio, otherwise) > WANDERS, dtype=np.bool_)
    return out, wanders


def resolution(values: Float64s) -> Float64s:
    """Smallest step between two different values of each column, shape (k,)."""
    out = np.full(values.shape[1], 1e-9)
    for i in range(values.shape[1]):
        known = np.unique(values[:, i][np.isfinite(values[:, i])])
        step = np.diff(known)
        # Quantised values differ in their last bit too; that is no step.
        step = step[step > 1e-6 * (known[-1] - known[0])] if len(known) else step
        if len(step):
            out[i] = max(float(np.quantile(step, 0.1)), 1e-9)
    return out


def where(clock: OrbitClock | None, keys: Float64s, t_ns: Int64s, codes: Float64s) -> Place:
    """Place, mode and orbit of rows; a row in an unknown mode has no place either."""
    key = key_index(codes, keys)
    bins = no_place(len(t_ns)) if clock is None else clock.place(t_ns)
    turn = np.zeros(len(t_ns), dtype=np.int64) if clock is None else (t_ns - clock.epoch_ns) // clock.period_ns
    return Place(np.where(key == 0, 0, bins), key, turn)


def _group_medians(rows: Float64s, bounds: Indices) -> Float64s:
    """Median of rows[bounds[g]:bounds[g + 1]] for every g, NaN left out, NaN where nothing is left.

    All groups are sorted at once, padded to the longest: one call instead of thousands.
    """
    counts = np.diff(bounds)
    longest = int(counts[1:].max(initial=1)) if len(counts) > 1 else int(counts.max(initial=1))
    out = np.full((len(counts), *rows.shape[1:]), np.nan)
    wanted = np.flatnonzero((counts > 0) & (counts <= longest))
    padded = np.full((len(wanted), longest, *rows.shape[1:]), np.nan)
    for i, g in enumerate(wanted):
        padded[i, : counts[g]] = rows[bounds[g] : bounds[g + 1]]
    known = longest - np.isnan(padded).sum(axis=1)
    padded.sort(axis=1)
    low = np.take_along_axis(padded, np.maximum((known - 1) // 2, 0)[:, None], axis=1)[:, 0]
    high = np.take_along_axis(padded, np.minimum(known // 2, longest - 1)[:, None], axis=1)[:, 0]
    out[wanted] = np.where(known > 0, (low + high) / 2, np.nan)
    return out


def _middle(rows: Float64s, start: Indices, counts: Indices) -> Float64s:
    """Median of each group of few rows, shape (groups, c); NaN where one of them is."""
    cells = np.full((len(counts), int(counts.max()), rows.shape[1]), np.inf)
    group = np.repeat(np.arange(len(counts)), counts)
    cells[group, np.arange(len(rows)) - start[group]] = rows
    cells.sort(axis=1)
    which = np.arange(len(counts))
    middle = (cells[which, (counts - 1) // 2] + cells[which, counts // 2]) / 2
    return np.where(np.isnan(np.add.reduceat(rows, start)), np.nan, middle)


def _group_std(rows: Float64s, bounds: Indices) -> Float64s:
    """Standard deviation of each group, NaN where it holds one."""
    counts = np.diff(bounds)[:, None]
    mean = np.add.reduceat(rows, bounds[:-1], axis=0) / counts
    deviation = rows - np.repeat(mean, counts[:, 0], axis=0)
    return np.sqrt(np.add.reduceat(deviation * deviation, bounds[:-1], axis=0) / counts)


def _median(rows: Float64s, otherwise: Float64s) -> Float64s:
    """Median over rows, NaN left out; `otherwise` where nothing is left."""
    if not len(rows):
        return otherwise
    ordered = np.sort(rows, axis=0)
    known = len(rows) - np.isnan(rows).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum((known - 1) // 2, 0)[None], axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(known // 2, len(rows) - 1)[None], axis=0)[0]
    return np.where(known > 0, (low + high) / 2, otherwise)


def _rounded(table: Float64s) -> Float64s:
    """As the artifact keeps it (float32), so that what is calibrated is what is served."""
    return table.astype(np.float32).astype(np.float64)
