"""One channel over time, and raw rows of a span: from blocks where a block lies inside a bin, else from frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from telemetry.frame import Float64s, FrameBatch, Int64s, Layout
from telemetry.store.blocks import COARSE, FINE, Blocks, read_blocks
from telemetry.store.catalog import Catalog, TrackRow
from telemetry.store.recorded import axes_of
from telemetry.store.rows import Scores, Series

_END = 2**62


class _Range(NamedTuple):
    """Frames of a track by id, and the generation times between which they lie."""

    first_id: int
    last_id: int
    t0: int
    t1: int


class _Pieces:
    """Pieces of a series, single frames and whole blocks, until they are put into bins."""

    def __init__(self, begin: int, end: int, width: int) -> None:
        self.begin, self.end, self.width = begin, end, width
        self._t: list[Int64s] = []
        self._values: list[Float64s] = []
        self._last_t: list[Int64s] = []
        self._order: list[Int64s] = []
        self._count: list[Int64s] = []

    def add_frames(self, t_ns: Int64s, values: Float64s, ids: Int64s) -> None:
        """Valid values of single frames."""
        self._t.append(t_ns)
        self._values.append(np.stack([values, values, values]))
        self._last_t.append(t_ns)
        self._order.append(ids)
        self._count.append(np.ones(len(ids), dtype=np.int64))

    def add_blocks(self, blocks: Blocks, column: int) -> None:
        """Blocks that lie inside one bin each; those without a valid value add nothing."""
        use = blocks.count[:, column] > 0
        self._t.append(blocks.t0[use])
        self._values.append(np.stack([blocks.low[use, column], blocks.high[use, column], blocks.last[use, column]]))
        self._last_t.append(blocks.last_t[use, column])
        self._order.append(blocks.first_id[use])
        self._count.append(blocks.count[use, column])

    def series(self) -> Series:
        n = (self.end - self.begin) // self.width
        low, high, last = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
        count = np.zeros(n, dtype=np.int64)
        if self._t:
            bins = (np.concatenate(self._t) - self.begin) // self.width
            order = np.lexsort((np.concatenate(self._order), np.concatenate(self._last_t), bins))
            bins, values = bins[order], np.concatenate(self._values, axis=1)[:, order]
            starts = np.flatnonzero(np.diff(bins, prepend=-1))
            if len(starts):
                at = bins[starts]
                low[at] = np.minimum.reduceat(values[0], starts)
                high[at] = np.maximum.reduceat(values[1], starts)
                last[at] = values[2, np.append(starts[1:], len(bins)) - 1]
                count[at] = np.add.reduceat(np.concatenate(self._count)[order], starts)
        return Series(self.width, self.begin + np.arange(n, dtype=np.int64) * self.width, low, high, last, count)


@dataclass(frozen=True)
class _Collector:
    """Takes one channel of one track to pieces: whole blocks where they fit into a bin, single frames elsewhere."""

    catalog: Catalog
    satellite: str
    track: TrackRow
    layout: Layout
    channel: str
    pieces: _Pieces

    def collect(self) -> None:
        track, pieces = self.track, self.pieces
        fine = self._blocks(COARSE, track.coarse_span, _Range(0, _END, pieces.begin, pieces.end - 1))
        if track.coarse_first is not None and track.coarse_t0 is not None and track.coarse_t1 is not None:
            fine.append(_Range(track.coarse_first, _END, track.coarse_t0, track.coarse_t1))
        for part in fine:
            for rest in self._blocks(FINE, track.fine_span, part):
                self._frames(rest)
        if track.open_first is not None and track.open_t0 is not None and track.open_t1 is not None:
            self._frames(_Range(track.open_first, _END, track.open_t0, track.open_t1))

    def _blocks(self, level: int, span: int, part: _Range) -> list[_Range]:
        """Take the blocks of one level that lie inside one bin; returns what lies across bins, for a finer look."""
        track, pieces = self.track, self.pieces
        begin, end = max(pieces.begin, part.t0), min(pieces.end - 1, part.t1)
        rows = self.catalog.connection.rows(
            "SELECT first_id, last_id, t0, t1, stats FROM block WHERE satellite = ? AND layout = ? AND stored = ?"
            " AND level = ? AND t0 BETWEEN ? AND ? AND t1 >= ? AND first_id BETWEEN ? AND ? ORDER BY first_id",
            (*track[:3], level, max(begin - span, -(2**63)), end, begin, part.first_id, part.last_id),
        )
        if not rows:
            return []
        blocks = read_blocks(rows, len(self.layout))
        fits = (blocks.t0 >= pieces.begin) & (blocks.t1 < pieces.end)
        fits &= blocks.t0 // pieces.width == blocks.t1 // pieces.width
        pieces.add_blocks(blocks.take(fits), self.layout.positions[self.channel])
        across: list[_Range] = []
        joined = False
        for i, fit in enumerate(fits.tolist()):
            if not fit:
                this = _Range(int(blocks.first_id[i]), int(blocks.last_id[i]), int(blocks.t0[i]), int(blocks.t1[i]))
                if joined:
                    last = across.pop()
                    this = _Range(last.first_id, this.last_id, min(last.t0, this.t0), max(last.t1, this.t1))
                across.append(this)
            joined = not fit
        return across

    def _frames(self, part: _Range) -> None:
        track, pieces, column = self.track, self.pieces, self.layout.positions[self.channel]
        begin, end = max(pieces.begin, part.t0), min(pieces.end - 1, part.t1)
        rows = self.catalog.connection.rows(
            "SELECT id, t_ns, substr(v, ?, 8) FROM frame INDEXED BY frame_time WHERE satellite = ?"
            " AND t_ns BETWEEN ? AND ? AND layout = ? AND id BETWEEN ? AND ? AND quality & 1 = ?",
            (column * 8 + 1, track.satellite, begin, end, track.layout, part.first_id, part.last_id, track.stored),
        )
        if not rows:
            return
        values = np.frombuffer(b"".join([row[2] for row in rows]), dtype="<f8")
        only = Layout(self.layout.packet, (self.layout.columns[column],))
        valid = ~self.catalog.invalid(self.satellite, only, values[:, np.newaxis])[:, 0]
        places = np.array([row[:2] for row in rows], dtype=np.int64)[valid]
        pieces.add_frames(places[:, 1], values[valid], places[:, 0])


def series(catalog: Catalog, satellite: str, channel: str, span: tuple[int, int], bins: int) -> Series:
    """See `StoreReader.series`; `span` is [t0, t1)."""
    t0, t1 = span
    if t1 <= t0:
        raise ValueError("a series needs a span: t1_ns must be after t0_ns")
    if bins < 1:
        raise ValueError("a series needs at least one bin")
    width = -(-(t1 - t0) // bins)
    pieces = _Pieces(t0 // width * width, ((t1 - 1) // width + 1) * width, width)
    number = catalog.satellite(satellite)
    for track in catalog.tracks(number) if number is not None else []:
        layout = catalog.layout(track.layout)
        if channel in layout.positions:
            _Collector(catalog, satellite, track, layout, channel, pieces).collect()
    return pieces.series()


def tail(catalog: Catalog, satellite: str, packet: str, n: int) -> FrameBatch | None:
    """See `StoreReader.tail`."""
    number = catalog.satellite(satellite)
    if number is None or n < 1:
        return None
    tracks = [track for track in catalog.tracks(number) if catalog.layout(track.layout).packet == packet]
    if not tracks:
        return None
    newest = max(tracks, key=lambda track: (track.newest_t, track.newest))
    rows = catalog.connection.rows(
        "SELECT boot, seq, t_ns, received_ns, quality, v FROM frame"
        " WHERE satellite = ? AND t_ns <= ? AND layout = ? ORDER BY t_ns DESC, id DESC LIMIT ?",
        (number, newest.newest_t, newest.layout, n),
    )
    rows.reverse()
    layout = catalog.layout(newest.layout)
    head = np.array([row[:5] for row in rows], dtype=np.int64).reshape(len(rows), 5)
    values = np.frombuffer(b"".join(row[5] for row in rows), dtype="<f8").reshape(len(rows), len(layout))
    return FrameBatch(
        layout,
        (satellite,),
        np.zeros(len(rows), dtype=np.int64),
        head[:, 0],
        head[:, 1],
        head[:, 2],
        head[:, 3],
        head[:, 4],
        values,
    )


def window(
    catalog: Catalog, satellite: str, channels: Sequence[str], span: tuple[int, int], max_rows: int
) -> tuple[Int64s, Float64s, Int64s]:
    """See `StoreReader.window`; `span` is [t0, t1)."""
    number = catalog.satellite(satellite)
    wanted: dict[int, Layout] = {}
    if number is not None:
        for track in catalog.tracks(number):
            layout = catalog.layout(track.layout)
            if any(channel in layout.positions for channel in channels):
                wanted[track.layout] = layout
    rows: list[tuple[int, int, int, bytes]] = []
    if wanted and max_rows > 0:
        marks = ",".join("?" * len(wanted))
        rows = catalog.connection.rows(
            f"SELECT t_ns, id, layout, v FROM frame WHERE satellite = ? AND t_ns >= ? AND t_ns < ?"
            f" AND layout IN ({marks}) ORDER BY t_ns DESC, id DESC LIMIT ?",
            (number, *span, *wanted, max_rows),
        )
        rows.reverse()
    values = np.full((len(rows), len(channels)), np.nan)
    kinds = np.array([row[2] for row in rows], dtype=np.int64)
    for kind, layout in wanted.items():
        chosen = np.flatnonzero(kinds == kind)
        if not len(chosen):
            continue
        blob = b"".join(rows[i][3] for i in chosen.tolist())
        sent = np.frombuffer(blob, dtype="<f8").reshape(len(chosen), len(layout))
        for j, channel in enumerate(channels):
            if channel in layout.positions:
                values[chosen, j] = sent[:, layout.positions[channel]]
    return (
        np.array([row[0] for row in rows], dtype=np.int64),
        values,
        np.array([row[1] for row in rows], dtype=np.int64),
    )


def scores(catalog: Catalog, satellite: str, n: int | None, t0_ns: int | None, t1_ns: int | None) -> Scores:
    """See `StoreReader.scores`."""
    number = catalog.satellite(satellite)
    rows: list[tuple[int, int, int, float, float, int, bytes | None]] = []
    if number is not None:
        # CROSS JOIN fixes the order: walk the frames of the satellite in time, look the score of each up.
        rows = catalog.connection.rows(
            "SELECT s.frame, s.t_ns, s.model, s.score, s.p, s.state, s.axes"
            " FROM frame f INDEXED BY frame_time CROSS JOIN score s ON s.frame = f.id"
            " WHERE f.satellite = ? AND f.t_ns >= ? AND f.t_ns < ? ORDER BY f.t_ns DESC, f.id DESC LIMIT ?",
            (
                number,
                t0_ns if t0_ns is not None else -_END,
                t1_ns if t1_ns is not None else _END,
                n if n is not None else -1,
            ),
        )
        rows.reverse()
    return Scores(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.float64),
        np.array([row[4] for row in rows], dtype=np.float64),
        np.array([row[5] for row in rows], dtype=np.int64),
        axes_of(row[6] for row in rows),
    )
