"""Summaries of 64 and 4,096 frames: min, max, first, last and count of every channel.

A block is made of consecutive frames, in the order they were stored, of one satellite, one layout and one origin
(live, or recorded on board), so that a backfill of old data does not stretch the blocks of live data over hours.
INVALID values take no part. `first` and `last` are the valid values with the oldest and the newest generation time
(of equal times the first and the last stored), which is why each channel also keeps the times of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from telemetry.frame import Float64s, Int64s
from telemetry.store.rows import Bools

FINE = 64
COARSE = 4096
_ROWS = 7
_EARLIEST, _LATEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """b blocks of one track as columns. Per-channel arrays have shape (b, k); NaN where `count` is 0."""

    first_id: Int64s
    last_id: Int64s
    t0: Int64s
    t1: Int64s
    low: Float64s
    high: Float64s
    first: Float64s
    last: Float64s
    count: Int64s
    first_t: Int64s
    last_t: Int64s

    def __len__(self) -> int:
        return int(self.t0.shape[0])

    def stats(self) -> list[bytes]:
        """One blob per block: low, high, first, last as float64, then count, first_t, last_t as int64."""
        floats = np.stack([self.low, self.high, self.first, self.last], axis=1).astype("<f8", copy=False)
        integers = np.stack([self.count, self.first_t, self.last_t], axis=1).astype("<i8", copy=False)
        packed = np.concatenate([floats, integers.view("<f8")], axis=1)
        return [block.tobytes() for block in packed]

    def take(self, rows: Bools | slice) -> Blocks:
        return Blocks(
            self.first_id[rows],
            self.last_id[rows],
            self.t0[rows],
            self.t1[rows],
            self.low[rows],
            self.high[rows],
            self.first[rows],
            self.last[rows],
            self.count[rows],
            self.first_t[rows],
            self.last_t[rows],
        )


def read_blocks(rows: Sequence[tuple[int, int, int, int, bytes]], channels: int) -> Blocks:
    """Blocks from (first_id, last_id, t0, t1, stats) rows of the store."""
    places = np.array([row[:4] for row in rows], dtype=np.int64).reshape(len(rows), 4)
    packed = np.frombuffer(b"".join(row[4] for row in rows), dtype="<f8").reshape(len(rows), _ROWS, channels)
    integers = packed[:, 4:].view("<i8")
    return Blocks(
        places[:, 0],
        places[:, 1],
        places[:, 2],
        places[:, 3],
        packed[:, 0],
        packed[:, 1],
        packed[:, 2],
        packed[:, 3],
        integers[:, 0],
        integers[:, 1],
        integers[:, 2],
    )


def fine_blocks(ids: Int64s, t_ns: Int64s, values: Float64s, invalid: Bools) -> Blocks:
    """Blocks of `FINE` frames each; the number of frames must be a multiple of it. Ids rise."""
    n, k = values.shape
    b = n // FINE
    t = t_ns.reshape(b, FINE)
    v = values.reshape(b, FINE, k)
    valid = ~invalid.reshape(b, FINE, k)
    if bool((np.diff(t, axis=1) < 0).any()):
        order = np.argsort(t, axis=1, kind="stable")
        t = np.take_along_axis(t, order, axis=1)
        v = np.take_along_axis(v, order[:, :, None], axis=1)
        valid = np.take_along_axis(valid, order[:, :, None], axis=1)
    count = valid.sum(axis=1)
    some = count > 0
    head = valid.argmax(axis=1)
    tail = FINE - 1 - valid[:, ::-1].argmax(axis=1)
    grouped = ids.reshape(b, FINE)
    return Blocks(
        grouped[:, 0],
        grouped[:, -1],
        t[:, 0],
        t[:, -1],
        np.where(some, np.where(valid, v, np.inf).min(axis=1), np.nan),
        np.where(some, np.where(valid, v, -np.inf).max(axis=1), np.nan),
        np.where(some, np.take_along_axis(v, head[:, None, :], axis=1)[:, 0], np.nan),
        np.where(some, np.take_along_axis(v, tail[:, None, :], axis=1)[:, 0], np.nan),
        count,
        np.where(some, np.take_along_axis(t, head, axis=1), _LATEST),
        np.where(some, np.take_along_axis(t, tail, axis=1), _EARLIEST),
    )


def merge_blocks(parts: Blocks) -> Blocks:
    """One block that covers all of `parts` (b >= 1, in the order they were stored)."""
    some = parts.count > 0
    earliest = parts.first_t.argmin(axis=0)
    newest = len(parts) - 1 - parts.last_t[::-1].argmax(axis=0)
    columns: Int64s = np.arange(parts.low.shape[1], dtype=np.int64)
    any_value = some.any(axis=0)
    return Blocks(
        parts.first_id[:1],
        parts.last_id[-1:],
        parts.t0.min(keepdims=True),
        parts.t1.max(keepdims=True),
        np.where(any_value, np.where(some, parts.low, np.inf).min(axis=0), np.nan)[None],
        np.where(any_value, np.where(some, parts.high, -np.inf).max(axis=0), np.nan)[None],
        np.where(any_value, parts.first[earliest, columns], np.nan)[None],
        np.where(any_value, parts.last[newest, columns], np.nan)[None],
        parts.count.sum(axis=0, keepdims=True),
        parts.first_t[earliest, columns][None],
        parts.last_t[newest, columns][None],
    )


def join_blocks(parts: Sequence[Blocks]) -> Blocks:
    """Blocks one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Blocks(
        np.concatenate([p.first_id for p in parts]),
        np.concatenate([p.last_id for p in parts]),
        np.concatenate([p.t0 for p in parts]),
        np.concatenate([p.t1 for p in parts]),
        np.concatenate([p.low for p in parts]),
        np.concatenate([p.high for p in parts]),
        np.concatenate([p.first for p in parts]),
        np.concatenate([p.last for p in parts]),
        np.concatenate([p.count for p in parts]),
        np.concatenate([p.first_t for p in parts]),
        np.concatenate([p.last_t for p in parts]),
    )
