"""Ten minutes of every channel in eight bins, read from the store now and then and carried on in between."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from telemetry.freshness import invalid_mask

if TYPE_CHECKING:
    from telemetry.dictionary import Channel
    from telemetry.store.reader import StoreReader

BINS = 8
BIN_NS = 75_000_000_000
"""Eight bins of 75 s are the ten minutes the screens name; edges are multiples of it, so columns stand still."""
READ_AGAIN_NS = 4_000_000_000
"""The store is read again after so long: late frames and a history being written appear within seconds."""
MOST_ROWS = 20_000


class SparkHistory:
    """Last value of each bin by channel. The newest bin follows the newest value without asking the store."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._satellite = ""
        self._read_ns: int | None = None
        self._bins: dict[str, dict[int, float]] = {}

    def step(
        self, satellite: str, channels: Sequence[Channel], now_ns: int, newest: Mapping[str, tuple[float, int]]
    ) -> dict[str, tuple[float, ...]]:
        """Bins of all `channels` up to `now_ns`, oldest first, NaN where empty. `newest`: valid value, its time."""
        last = now_ns // BIN_NS
        first = last - BINS + 1
        read_ns = self._read_ns
        if satellite != self._satellite or read_ns is None or abs(now_ns - read_ns) >= READ_AGAIN_NS:
            self._bins = bin_values(self._reader, satellite, channels, first * BIN_NS, (last + 1) * BIN_NS)
            self._satellite, self._read_ns = satellite, now_ns
        out: dict[str, tuple[float, ...]] = {}
        for channel in channels:
            bins = self._bins.setdefault(channel.name, {})
            if channel.name in newest:
                value, t_ns = newest[channel.name]
                bins[t_ns // BIN_NS] = value
            out[channel.name] = tuple(bins.get(b, math.nan) for b in range(first, last + 1))
        return out


def sparks_at(
    reader: StoreReader, satellite: str, channels: Sequence[Channel], t_ns: int
) -> dict[str, tuple[float, ...]]:
    """Bins of all `channels` up to the moment `t_ns`, of nothing that came after it."""
    last = t_ns // BIN_NS
    first = last - BINS + 1
    found = bin_values(reader, satellite, channels, first * BIN_NS, t_ns + 1)
    return {name: tuple(bins.get(b, math.nan) for b in range(first, last + 1)) for name, bins in found.items()}


def bin_values(
    reader: StoreReader, satellite: str, channels: Sequence[Channel], t0_ns: int, t1_ns: int
) -> dict[str, dict[int, float]]:
    """Bin -> last valid value of [t0_ns, t1_ns) in it, by channel; one pass over the rows for all of them."""
    names = [channel.name for channel in channels]
    t_ns, values, _ = reader.window(satellite, names, t0_ns, t1_ns, MOST_ROWS)
    known = ~invalid_mask(channels, values)
    places = t_ns // BIN_NS
    found: dict[str, dict[int, float]] = {}
    for column, name in enumerate(names):
        rows = np.flatnonzero(known[:, column])
        # Rows are in order of time: of equal places the last one stays.
        found[name] = dict(zip(places[rows].tolist(), values[rows, column].tolist(), strict=True))
    return found
