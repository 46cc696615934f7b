"""What the writer keeps in memory of each track, so that a block is written the moment it is full.

A track is the frames of one satellite, layout and origin in the order they were stored. Its row in the store says
where the newest frame is and where the frames begin that no block holds yet; from that row and those frames (63 at
most) the state here is made again after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from telemetry.frame import Float64s, FrameBatch, Int64s, Layout, Quality, supersedes
from telemetry.store.blocks import COARSE, FINE, Blocks, fine_blocks, join_blocks, merge_blocks, read_blocks
from telemetry.store.connection import Database
from telemetry.store.rows import Bools, InvalidRule

_PER_COARSE = COARSE // FINE
_COLUMNS = (
    "id, newest, newest_t, boot, seq, open_first, open_t0, open_t1, coarse_first, coarse_t0, coarse_t1,"
    " fine_span, coarse_span"
)


@dataclass(slots=True)
class _Rows:
    """Frames that no block holds yet."""

    ids: list[Int64s] = field(default_factory=list[Int64s])
    t_ns: list[Int64s] = field(default_factory=list[Int64s])
    values: list[Float64s] = field(default_factory=list[Float64s])
    invalid: list[Bools] = field(default_factory=list[Bools])
    count: int = 0


@dataclass(slots=True)
class Track:
    """State of one track; `stored` is 1 for frames recorded on board and sent later."""

    satellite: int
    layout: int
    stored: int
    id: int | None = None
    newest: int = 0
    newest_t: int = -(2**63)
    newest_place: tuple[int, int] | None = None
    """Boot and sequence number of the newest frame; None before the first, and where it goes by time."""
    boot: int = -1
    seq: int = -1
    fine_span: int = 0
    coarse_span: int = 0
    rows: _Rows = field(default_factory=_Rows)
    fine: list[Blocks] = field(default_factory=list[Blocks])
    """Blocks of 64 that no block of 4,096 holds yet, one each."""

    def follow(self, ids: Int64s, batch: FrameBatch, rows: Int64s | slice) -> None:
        """Move the newest frame and the highest number on over stored frames.

        Live frames go by boot and sequence number, as `supersedes` says; recorded ones by generation time.
        """
        t_ns, boot, seq = batch.t_ns[rows], batch.boot[rows], batch.seq[rows]
        top = int(boot.max())
        self.boot, self.seq = max((self.boot, self.seq), (top, int(seq[boot == top].max())))
        by_time = (batch.quality[rows] & int(Quality.NO_SEQUENCE) != 0) | bool(self.stored)
        numbered = np.flatnonzero(~by_time)
        if len(numbered):
            numbered = numbered[boot[numbered] == boot[numbered].max()]
            last = int(numbered[seq[numbered].argmax()])
            self._take(int(ids[last]), int(t_ns[last]), (int(boot[last]), int(seq[last])))
        timed = np.flatnonzero(by_time)
        if len(timed):
            last = int(timed[len(timed) - 1 - int(t_ns[timed][::-1].argmax())])
            self._take(int(ids[last]), int(t_ns[last]), None)

    def _take(self, number: int, t_ns: int, place: tuple[int, int] | None) -> None:
        if supersedes(place, t_ns, self.newest_place, self.newest_t):
            self.newest, self.newest_t, self.newest_place = number, t_ns, place

    def add(
        self, ids: Int64s, t_ns: Int64s, values: Float64s, invalid: Bools
    ) -> tuple[Blocks | None, list[Blocks]]:
        """Take stored frames in; returns the blocks of 64 and of 4,096 they completed."""
        rows = self.rows
        rows.ids.append(ids)
        rows.t_ns.append(t_ns)
        rows.values.append(values)
        rows.invalid.append(invalid)
        rows.count += len(ids)
        full = rows.count - rows.count % FINE
        if not full:
            return None, []
        all_ids, all_t = np.concatenate(rows.ids), np.concatenate(rows.t_ns)
        all_values, all_invalid = np.concatenate(rows.values), np.concatenate(rows.invalid)
        blocks = fine_blocks(all_ids[:full], all_t[:full], all_values[:full], all_invalid[:full])
        rest = rows.count - full
        self.rows = _Rows()
        if rest:
            # Copies: a view would keep the whole batch alive for as long as the block stays open.
            self.rows = _Rows(
                [all_ids[full:].copy()],
                [all_t[full:].copy()],
                [all_values[full:].copy()],
                [all_invalid[full:].copy()],
                rest,
            )
        self.fine_span = max(self.fine_span, int((blocks.t1 - blocks.t0).max()))
        coarse: list[Blocks] = []
        for i in range(len(blocks)):
            self.fine.append(blocks.take(slice(i, i + 1)))
            if len(self.fine) == _PER_COARSE:
                merged = merge_blocks(join_blocks(self.fine))
                self.coarse_span = max(self.coarse_span, int(merged.t1[0] - merged.t0[0]))
                coarse.append(merged)
                self.fine = []
        return blocks, coarse

    def row(self) -> tuple[int | None, ...]:
        """Column values for the store, without the id."""
        rows = self.rows
        opened: tuple[int | None, int | None, int | None] = (None, None, None)
        if rows.count:
            opened = (
                int(rows.ids[0][0]),
                min(int(t.min()) for t in rows.t_ns),
                max(int(t.max()) for t in rows.t_ns),
            )
        coarse: tuple[int | None, int | None, int | None] = (None, None, None)
        if self.fine:
            coarse = (
                int(self.fine[0].first_id[0]),
                min(int(block.t0[0]) for block in self.fine),
                max(int(block.t1[0]) for block in self.fine),
            )
        place = (self.satellite, self.layout, self.stored, self.newest, self.newest_t, self.boot, self.seq)
        return (*place, *opened, *coarse, self.fine_span, self.coarse_span)


SAVE = """
INSERT INTO track(satellite, layout, stored, newest, newest_t, boot, seq, open_first, open_t0, open_t1,
                  coarse_first, coarse_t0, coarse_t1, fine_span, coarse_span)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(satellite, layout, stored) DO UPDATE SET
    newest = excluded.newest, newest_t = excluded.newest_t, boot = excluded.boot, seq = excluded.seq,
    open_first = excluded.open_first, open_t0 = excluded.open_t0, open_t1 = excluded.open_t1,
    coarse_first = excluded.coarse_first, coarse_t0 = excluded.coarse_t0, coarse_t1 = excluded.coarse_t1,
    fine_span = excluded.fine_span, coarse_span = excluded.coarse_span
"""


def load_track(
    connection: Database,
    satellite: tuple[int, str],
    layout: tuple[int, Layout],
    stored: int,
    invalid: InvalidRule,
) -> Track:
    """The state of a track as the store has it; an empty one when it has no frame yet."""
    track = Track(satellite[0], layout[0], stored)
    place = (satellite[0], layout[0], stored)
    found = connection.one(f"SELECT {_COLUMNS} FROM track WHERE satellite = ? AND layout = ? AND stored = ?", place)
    if found is None:
        return track
    track.id, track.newest, track.newest_t, track.boot, track.seq = found[:5]
    open_first, open_t0, open_t1, coarse_first, coarse_t0, coarse_t1, track.fine_span, track.coarse_span = found[5:]
    newest = connection.one("SELECT boot, seq, quality FROM frame WHERE id = ?", (track.newest,))
    if newest is not None and not stored and not int(newest[2]) & int(Quality.NO_SEQUENCE):
        track.newest_place = int(newest[0]), int(newest[1])
    channels = len(layout[1])
    if open_first is not None:
        kept = connection.rows(
            "SELECT id, t_ns, v FROM frame WHERE satellite = ? AND t_ns BETWEEN ? AND ? AND layout = ? AND id >= ?"
            " AND quality & 1 = ? ORDER BY id",
            (satellite[0], open_t0, open_t1, layout[0], open_first, stored),
        )
        values = np.frombuffer(b"".join(row[2] for row in kept), dtype="<f8").reshape(len(kept), channels)
        track.rows = _Rows(
            [np.array([row[0] for row in kept], dtype=np.int64)],
            [np.array([row[1] for row in kept], dtype=np.int64)],
            [values],
            [invalid(satellite[1], layout[1], values)],
            len(kept),
        )
    if coarse_first is not None:
        blocks = connection.rows(
            "SELECT first_id, last_id, t0, t1, stats FROM block WHERE satellite = ? AND layout = ? AND stored = ?"
            " AND level = ? AND t0 BETWEEN ? AND ? AND first_id >= ? ORDER BY first_id",
            (*place, FINE, coarse_t0, coarse_t1, coarse_first),
        )
        track.fine = [read_blocks([row], channels) for row in blocks]
    return track


class Tracks:
    """The tracks a writer has met. To be forgotten when a transaction fails."""

    def __init__(self, connection: Database, invalid: InvalidRule) -> None:
        self._connection = connection
        self._invalid = invalid
        self._known: dict[tuple[int, int, int], Track] = {}

    def groups(self, satellites: Int64s, batch: FrameBatch, layout: int) -> Iterator[tuple[Int64s | slice, Track]]:
        """Rows of a batch by track; a slice where all rows belong to one.

        Args:
            satellites: store id of each row's satellite.
            layout: store id of the batch's layout.
        """
        stored = batch.quality & int(Quality.STORED)
        if bool((satellites == satellites[0]).all() and (stored == stored[0]).all()):
            name = batch.satellites[int(batch.satellite[0])]
            yield slice(None), self._track((int(satellites[0]), name), (layout, batch.layout), int(stored[0]))
            return
        keys = satellites * 2 + stored
        order = np.argsort(keys, kind="stable")
        cuts = np.flatnonzero(np.diff(keys[order])) + 1
        for rows in np.split(order, cuts):
            row = int(rows[0])
            name = batch.satellites[int(batch.satellite[row])]
            yield rows, self._track((int(satellites[row]), name), (layout, batch.layout), int(stored[row]))

    def _track(self, satellite: tuple[int, str], layout: tuple[int, Layout], stored: int) -> Track:
        key = (satellite[0], layout[0], stored)
        track = self._known.get(key)
        if track is None:
            track = load_track(self._connection, satellite, layout, stored, self._invalid)
            self._known[key] = track
        return track
