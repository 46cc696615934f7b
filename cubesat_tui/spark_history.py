"""Ten minutes of every channel in eight bins, kept up to date a few channels at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from telemetry.store.reader import StoreReader

BINS = 8
BIN_NS = 75_000_000_000
"""Eight bins of 75 s are the ten minutes the screens name; edges are multiples of it, so columns stand still."""
A_STEP = 6
"""Channels re-read from the store a step: late frames and a history being written appear within seconds."""


class SparkHistory:
    """Last value of each bin by channel. The newest bin follows the newest value without asking the store."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._bins: dict[tuple[str, str], dict[int, float]] = {}
        self._turn = 0

    def step(
        self, satellite: str, channels: tuple[str, ...], now_ns: int, newest: Mapping[str, tuple[float, int]]
    ) -> dict[str, tuple[float, ...]]:
        """Bins of all `channels` up to `now_ns`, oldest first, NaN where empty. `newest`: valid value, its time."""
        last = now_ns // BIN_NS
        first = last - BINS + 1
        fresh = [name for name in channels if (satellite, name) not in self._bins]
        due = [channels[(self._turn + i) % len(channels)] for i in range(min(A_STEP, len(channels)))]
        self._turn += A_STEP
        for name in dict.fromkeys((*fresh, *due)):
            self._bins[satellite, name] = self._read(satellite, name, first, last)
        out: dict[str, tuple[float, ...]] = {}
        for name in channels:
            bins = self._bins[satellite, name]
            if name in newest:
                value, t_ns = newest[name]
                bins[t_ns // BIN_NS] = value
            out[name] = tuple(bins.get(b, math.nan) for b in range(first, last + 1))
        return out

    def _read(self, satellite: str, name: str, first: int, last: int) -> dict[int, float]:
        series = self._reader.series(satellite, name, first * BIN_NS, (last + 1) * BIN_NS, BINS)
        return {
            t // BIN_NS: value
            for t, value, count in zip(
                series.t_ns.tolist(), series.last.tolist(), series.count.tolist(), strict=True
            )
            if count
        }
