"""Compares a marked window of a satellite with what was before it, from the store. Use it on a reader thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cubesat_tui.window_ranks import BINS, ORBITS, WINDOW_BINS, Bins, Rank, changed_codes, ranked

if TYPE_CHECKING:
    from telemetry.dictionary import Channel, Mission
    from telemetry.store.reader import StoreReader

PLACE = ("orb.", "gs.")
"""Channels that say where the satellite is, not how it is: they are not ranked."""
DAY_NS = 86_400_000_000_000
MOST_ROWS_NS = DAY_NS
"""Up to so long a stretch is read row by row."""
PIECE_NS = DAY_NS // 12
"""Of it at once."""


class Compared(NamedTuple):
    """The window [t0_ns, t1_ns) as it was cut into bins, its ranks, and enumerated channels that changed in it.

    `quiet`: channels with too few values in the window or before it. `orbits`: earlier ones that were compared.
    """

    satellite: str
    t0_ns: int
    t1_ns: int
    ranks: tuple[Rank, ...]
    changed: tuple[str, ...]
    quiet: int
    orbits: int


def period_ns(mission: Mission, satellite: str) -> int | None:
    """Length of an orbit by the mean motion of the element set; None without one."""
    tle = mission.satellite(satellite).tle
    if tle is None:
        return None
    try:
        per_day = float(tle[1][52:63])
    except ValueError:
        return None
    return round(DAY_NS / per_day) if 0.01 < per_day < 20 else None


def compare(reader: StoreReader, mission: Mission, satellite: str, t0_ns: int, t1_ns: int) -> Compared:
    """Rank the channels of `satellite` in [t0_ns, t1_ns).

    Raises:
        ValueError: the window is empty.
    """
    if t1_ns <= t0_ns:
        raise ValueError("a window needs a begin before its end")
    width = -(-(t1_ns - t0_ns) // WINDOW_BINS)
    end = -(-t1_ns // width) * width
    channels = mission.bus_of(satellite).channels
    codes = [c for c in channels if c.enum]
    values = [c for c in channels if not c.enum and not c.predicted and not c.name.startswith(PLACE)]
    both = _bins(reader, satellite, [*values, *codes], end, width, BINS)
    here = Bins(both.low[: len(values)], both.high[: len(values)])
    period = period_ns(mission, satellite)
    orbit, orbits = None, list[Bins]()
    if period is not None and period > WINDOW_BINS * width:
        back = round(period / width) * width
        orbit = _bins(reader, satellite, values, end - back, width, BINS)
        orbits = [_bins(reader, satellite, values, end - k * back, width, 2 * WINDOW_BINS) for k in (2, 3)]
        tail = slice(BINS - 2 * WINDOW_BINS, BINS)
        orbits.insert(0, Bins(orbit.low[:, tail], orbit.high[:, tail]))
        orbits = [one for one in orbits if np.isfinite(one.low).any()]
    steps = [10.0 ** -(c.decimals if c.decimals is not None else 6) for c in values]
    ranks = ranked([c.name for c in values], steps, here, orbit, orbits)
    states = Bins(both.low[len(values) :], both.high[len(values) :])
    changed = changed_codes([c.name for c in codes], states)
    return Compared(
        satellite,
        end - WINDOW_BINS * width,
        end,
        tuple(ranks),
        tuple(changed),
        len(values) - len(ranks),
        min(ORBITS, len(orbits)),
    )


def _bins(reader: StoreReader, satellite: str, channels: list[Channel], end: int, width: int, bins: int) -> Bins:
    """From rows, which hold all channels at once; from the store's own summaries where these are fewer."""
    low, high = np.full((len(channels), bins), np.nan), np.full((len(channels), bins), np.nan)
    begin = end - bins * width
    if end - begin > MOST_ROWS_NS:
        for i, channel in enumerate(channels):
            found = reader.series(satellite, channel.name, begin, end, bins)
            low[i], high[i] = found.low, found.high
        return Bins(low, high)
    names = [channel.name for channel in channels]
    for first in range(begin, end, PIECE_NS):
        t_ns, values, _ = reader.window(satellite, names, first, min(end, first + PIECE_NS), 1_000_000)
        at = (t_ns - begin) // width
        for i in range(len(channels)):
            column = values[:, i]
            known = np.isfinite(column)
            where, here = at[known], column[known]
            if not len(where):
                continue
            starts = np.flatnonzero(np.diff(where, prepend=-1))
            places = where[starts]
            low[i, places] = np.fmin(low[i, places], np.minimum.reduceat(here, starts))
            high[i, places] = np.fmax(high[i, places], np.maximum.reduceat(here, starts))
    return Bins(low, high)
