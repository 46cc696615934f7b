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
    here = _bins(reader, satellite, values, end, width, BINS)
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
    changed = changed_codes([c.name for c in codes], _bins(reader, satellite, codes, end, width, BINS))
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
    low, high = np.full((len(channels), bins), np.nan), np.full((len(channels), bins), np.nan)
    for i, channel in enumerate(channels):
        found = reader.series(satellite, channel.name, end - bins * width, end, bins)
        low[i], high[i] = found.low, found.high
    return Bins(low, high)
