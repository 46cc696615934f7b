"""Which frames are new to a store: by satellite, boot and sequence number, never by time.

What was recorded on board arrives after frames that are younger, and a link may bring a frame twice.
"""

from __future__ import annotations

import numpy as np

from telemetry.frame import FrameBatch, Int64s
from telemetry.store.connection import Database
from telemetry.store.rows import AppendResult, Bools


class Acceptance:
    """Knows the newest sequence number of each satellite's boot. To be forgotten when a transaction fails."""

    def __init__(self, connection: Database) -> None:
        self._connection = connection
        self._known: dict[tuple[int, int], int] = {}

    def accept(self, satellites: Int64s, batch: FrameBatch, result: AppendResult) -> Bools | None:
        """Which rows are new: None for all of them (the usual case), else a mask; the others are counted.

        Args:
            satellites: store id of each row's satellite.
        """
        bad = (batch.boot < 0) | (batch.seq < 0)
        single = bool((satellites == satellites[0]).all() and (batch.boot == batch.boot[0]).all())
        if single and not bad.any():
            place = (int(satellites[0]), int(batch.boot[0]))
            first = int(batch.seq[0])
            if first > self._newest(place) and bool((np.diff(batch.seq) > 0).all()):
                self._known[place] = int(batch.seq[-1])
                return None
        keep = ~bad
        if bad.any():
            reason = "boot or sequence number below zero"
            result.refused[reason] = result.refused.get(reason, 0) + int(bad.sum())
        for satellite, boot in set(zip(satellites[keep].tolist(), batch.boot[keep].tolist(), strict=True)):
            rows = np.flatnonzero(keep & (satellites == satellite) & (batch.boot == boot))
            seqs = batch.seq[rows]
            new = self._new_seqs((satellite, boot), seqs)
            keep[rows[~new]] = False
            result.duplicates += int((~new).sum())
            if new.any():
                place = (satellite, boot)
                self._known[place] = max(self._newest(place), int(seqs[new].max()))
        return keep

    def _new_seqs(self, place: tuple[int, int], seqs: Int64s) -> Bools:
        new = np.zeros(len(seqs), dtype=np.bool_)
        new[np.unique(seqs, return_index=True)[1]] = True
        low, high = int(seqs.min()), int(seqs.max())
        if low > self._newest(place):
            return new
        if high - low < 16 * len(seqs):
            found = self._connection.rows(
                "SELECT seq FROM frame WHERE satellite = ? AND boot = ? AND seq BETWEEN ? AND ?",
                (*place, low, high),
            )
            known = np.array([row[0] for row in found], dtype=np.int64)
            return new & ~np.isin(seqs, known)
        for i in np.flatnonzero(new).tolist():
            row = self._connection.value(
                "SELECT 1 FROM frame WHERE satellite = ? AND boot = ? AND seq = ?", (*place, int(seqs[i]))
            )
            new[i] = row is None
        return new

    def _newest(self, place: tuple[int, int]) -> int:
        known = self._known.get(place)
        if known is None:
            known = int(
                self._connection.value(
                    "SELECT ifnull(max(seq), -1) FROM frame WHERE satellite = ? AND boot = ?", place
                )
            )
            self._known[place] = known
        return known


def is_late(newest: tuple[int, int], boot: Int64s, seq: Int64s) -> Bools:
    """Rows older, by boot and sequence number, than a row of the same packet that was stored before them.

    Args:
        newest: boot and sequence number of the newest row stored before all of these.
    """
    if bool((boot == boot[0]).all()):
        start = newest[1] if newest[0] == int(boot[0]) else (2**62 if newest[0] > int(boot[0]) else -1)
        before = np.maximum.accumulate(np.concatenate([[start], seq[:-1]]))
        return seq < before
    late = np.zeros(len(seq), dtype=np.bool_)
    for i, place in enumerate(zip(boot.tolist(), seq.tolist(), strict=True)):
        late[i] = place < newest
        newest = max(newest, place)
    return late
