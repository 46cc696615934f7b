"""What the newest stored frames say about counts that were running when the station ended.

A limit counts samples before it speaks, a stuck value its seconds, and a limit set goes by the mode that was sent
last: none of it is journaled, all of it is in the frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from telemetry.clock import NS_PER_S
from telemetry.frame import Float64s, FrameBatch, Int64s, Quality
from telemetry.freshness import invalid_mask
from telemetry.limit_alarms import UPDATE_EVERY_NS

if TYPE_CHECKING:
    from telemetry.dictionary import Bus, Channel
    from telemetry.store.reader import StoreReader

MOST_ROWS = 600
"""Rows of a packet that are looked at; where many satellites start at once, fewer."""
FEW = 10


def newest_rows(reader: StoreReader, satellite: str, bus: Bus, satellites: int) -> list[FrameBatch]:
    """Of each packet the newest live rows that may still count, oldest first."""
    most = MOST_ROWS // max(1, satellites // FEW)
    found: list[FrameBatch] = []
    for packet, layout in bus.layouts.items():
        channels = [bus.by_name[name] for name in layout.names]
        rows = reader.tail(satellite, packet, min(most, max(map(_rows_needed, channels), default=1)))
        if rows is None:
            continue
        live = np.flatnonzero((rows.quality & int(Quality.STORED | Quality.LATE)) == 0)
        if len(live):
            found.append(rows.take(live))
    return found


def _rows_needed(channel: Channel) -> int:
    # An episode's count was told this long ago at most.
    seconds = max(channel.stuck_s or 0.0, UPDATE_EVERY_NS / NS_PER_S)
    return max(channel.min_violations, channel.min_conformance, 2, int(seconds / channel.period_s) + 2)


class PastContext:
    """`telemetry.movement.Context` of rows of the past: what had been sent by then."""

    def __init__(self, bus: Bus, batches: Sequence[FrameBatch]) -> None:
        self._sent: dict[str, tuple[Int64s, Float64s]] = {}
        for batch in batches:
            invalid = invalid_mask(bus.channels_of(batch.layout), batch.values)
            for i, name in enumerate(batch.layout.names):
                if name in bus.context:
                    valid = np.flatnonzero(~invalid[:, i])
                    self._sent[name] = batch.t_ns[valid], batch.values[valid, i]

    def at(self, t_ns: Int64s) -> Mapping[str, Float64s]:
        """Newest valid value of each context channel at each time; NaN before the first."""
        found: dict[str, Float64s] = {}
        for name, (times, values) in self._sent.items():
            if len(times):
                last = np.searchsorted(times, t_ns, side="right") - 1
                found[name] = np.where(last >= 0, values[np.maximum(last, 0)], np.nan)
        return found
