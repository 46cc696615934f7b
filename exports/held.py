"""Which channels are EXPIRED at each row of a selection: nothing in a file says that a channel fell silent.

A file holds what was sent, row by row, and fills nothing in: an empty cell is a channel that was not due as well as
one that is dead. The rule is that of `telemetry.freshness`, told in generation time: at a row, a channel is EXPIRED
that was sent before and whose newest value is older than it is held. Channels sent in a pass only are none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission
from telemetry.frame import Frame, Int64s
from telemetry.freshness import acquisition, expires_after_s
from telemetry.store.reader import StoreReader
from telemetry.store.rows import Bools, SelectionChunk

NEVER_NS = -(1 << 62)
ALWAYS_NS = (1 << 63) - 1


def acquisition_now(
    mission: Mission, reader: StoreReader, health: Mapping[str, Any], satellite: str, now_ns: int
) -> dict[str, list[str]]:
    """Acquisition status -> channels of a satellite now, by wall time since reception.

    `health`: the newest heartbeat.
    """
    rate = health.get("rate", 1.0)
    rate = float(rate) if isinstance(rate, int | float) and rate > 0 else math.inf
    in_contact = any(
        one.acquisition_ns <= now_ns < one.loss_ns for one in reader.contacts(now_ns, now_ns + 1, satellite)
    )
    newest: dict[str, tuple[float, float]] = {}
    for frame in reader.newest_of_layouts(satellite):
        age_s = max(0, now_ns - frame.received_ns) / NS_PER_S
        for name, value in zip(frame.layout.names, frame.values.tolist(), strict=True):
            newest[name] = (value, age_s)
    found: dict[str, list[str]] = {}
    for channel in mission.bus_of(satellite).channels:
        status = acquisition(channel, *newest.get(channel.name, (None, None)), rate, in_contact)
        found.setdefault(status.value, []).append(channel.name)
    return found


class Held:
    """Follows a selection from chunk to chunk; `newest_at` is `StoreReader.newest_at`."""

    def __init__(self, mission: Mission, newest_at: Callable[[str, int], Mapping[str, Frame]]) -> None:
        self._mission = mission
        self._newest_at = newest_at
        self._last: dict[str, Int64s] = {}
        """Satellite -> generation time (UTC ns) of the newest value of each column."""
        self._limits: dict[str, Int64s] = {}

    def expired(self, chunk: SelectionChunk) -> Bools:
        """Shape (n, c), True where the channel is EXPIRED at the row; rows of one selection, in its order."""
        found = np.zeros(chunk.sent.shape, dtype=np.bool_)
        for index, satellite in enumerate(chunk.satellites):
            rows = np.flatnonzero(chunk.satellite == index)
            if not len(rows):
                continue
            t_ns, layout = chunk.t_ns[rows], chunk.layout[rows]
            last = self._before(satellite, int(t_ns[0]), chunk.channels).copy()
            held = self._held(satellite, chunk.channels)
            for (carriers, before), alike in _alike(chunk, last).items():
                columns = np.array(alike, dtype=np.intp)
                at = np.where(np.isin(layout, carriers), t_ns, NEVER_NS)
                at[0] = max(int(at[0]), before)
                np.maximum.accumulate(at, out=at)
                last[columns] = at[-1]
                age = np.where(at > NEVER_NS, t_ns - at, 0)
                if age.max() > held[columns].min():
                    found[np.ix_(rows, columns)] = age[:, None] > held[columns]
            self._last[satellite] = last
        return found

    def _before(self, satellite: str, t_ns: int, channels: tuple[str, ...]) -> Int64s:
        """What was sent before the first row, which may be long ago."""
        known = self._last.get(satellite)
        if known is not None:
            return known
        last = np.full(len(channels), NEVER_NS, dtype=np.int64)
        place = {name: i for i, name in enumerate(channels)}
        for frame in self._newest_at(satellite, t_ns - 1).values():
            for name in frame.layout.names:
                if name in place:
                    last[place[name]] = max(last[place[name]], frame.t_ns)
        return last

    def _held(self, satellite: str, channels: tuple[str, ...]) -> Int64s:
        """Nanoseconds for which a value of each column holds."""
        limits = self._limits.get(satellite)
        if limits is None:
            one = self._mission.by_name.get(satellite)
            known = {} if one is None else self._mission.buses[one.bus].by_name
            limits = self._limits[satellite] = np.array(
                [
                    ALWAYS_NS
                    if name not in known or known[name].contact_only
                    else round(expires_after_s(known[name]) * NS_PER_S)
                    for name in channels
                ],
                dtype=np.int64,
            )
        return limits


def _alike(chunk: SelectionChunk, last: Int64s) -> dict[tuple[tuple[int, ...], int], list[int]]:
    """Columns by the layouts (numbers in the chunk) that carry them, and by when they were sent last."""
    carriers: dict[str, list[int]] = {}
    for number, layout in enumerate(chunk.layouts):
        for name in layout.names:
            carriers.setdefault(name, []).append(number)
    found: dict[tuple[tuple[int, ...], int], list[int]] = {}
    for i, name in enumerate(chunk.channels):
        found.setdefault((tuple(carriers.get(name, ())), int(last[i])), []).append(i)
    return found
