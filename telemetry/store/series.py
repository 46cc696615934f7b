"""One channel over time, and raw rows of a span: from blocks where a block lies inside a bin, else from frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from telemetry.frame import Float64s, FrameBatch, Int64s, Layout
from telemetry.store.blocks import COARSE, FINE, read_blocks
from telemetry.store.catalog import Catalog, TrackRow
from telemetry.store.rows import Scores, Series


@dataclass(slots=True)
class _Points:
    """Pieces of a series before they are put into bins; `order` breaks ties of time."""

    bin: list[Int64s] = field(default_factory=list[Int64s])
    low: list[Float64s] = field(default_factory=list[Float64s])
    high: list[Float64s] = field(default_factory=list[Float64s])
    last: list[Float64s] = field(default_factory=list[Float64s])
    last_t: list[Int64s] = field(default_factory=list[Int64s])
    order: list[Int64s] = field(default_factory=list[Int64s])
    count: list[Int64s] = field(default_factory=list[Int64s])


def series(catalog: Catalog, satellite: str, channel: str, t0_ns: int, t1_ns: int, bins: int) -> Series:
    """See `StoreReader.series`."""
    if t1_ns <= t0_ns:
        raise ValueError("a series needs a span: t1_ns must be after t0_ns")
    if bins < 1:
        raise ValueError("a series needs at least one bin")
    width = -(-(t1_ns - t0_ns) // bins)
    first, last = t0_ns // width, (t1_ns - 1) // width
    n = int(last - first + 1)
    points = _Points()
    number = catalog.satellite(satellite)
    for track in catalog.tracks(number) if number is not None else []:
        layout = catalog.layout(track.layout)
        if channel in layout.positions:
            _collect(catalog, satellite, track, layout, channel, (first * width, (last + 1) * width, width), points)
    low, high, newest = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    count = np.zeros(n, dtype=np.int64)
    if points.bin:
        bin_ = np.concatenate(points.bin) - first
        order = np.lexsort((np.concatenate(points.order), np.concatenate(points.last_t), bin_))
        bin_ = bin_[order]
        starts = np.flatnonzero(np.diff(bin_, prepend=-1))
        ends = np.append(starts[1:], len(bin_)) - 1
        at = bin_[starts]
        if len(at):
            low[at] = np.minimum.reduceat(np.concatenate(points.low)[order], starts)
            high[at] = np.maximum.reduceat(np.concatenate(points.high)[order], starts)
            newest[at] = np.concatenate(points.last)[order][ends]
            count[at] = np.add.reduceat(np.concatenate(points.count)[order], starts)
    return Series(width, np.arange(first, last + 1, dtype=np.int64) * width, low, high, newest, count)


class _Range(NamedTuple):
    """Frames of a track by id, and the generation times between which they lie."""

    first_id: int
    last_id: int
    t0: int
    t1: int


_END = 2**62


def _collect(
    catalog: Catalog,
    satellite: str,
    track: TrackRow,
    layout: Layout,
    channel: str,
    bounds: tuple[int, int, int],
    points: _Points,
) -> None:
    """Add what one track has in [begin, end): whole blocks where they fit into a bin, single frames elsewhere."""
    column = layout.positions[channel]
    everything = _Range(0, _END, bounds[0], bounds[1] - 1)
    fine = _take_blocks(catalog, track, COARSE, everything, bounds, (column, len(layout)), points)
    if track.coarse_first is not None and track.coarse_t0 is not None and track.coarse_t1 is not None:
        fine.append(_Range(track.coarse_first, _END, track.coarse_t0, track.coarse_t1))
    single: list[_Range] = []
    for part in fine:
        single.extend(_take_blocks(catalog, track, FINE, part, bounds, (column, len(layout)), points))
    if track.open_first is not None and track.open_t0 is not None and track.open_t1 is not None:
        single.append(_Range(track.open_first, _END, track.open_t0, track.open_t1))
    only = Layout(layout.packet, (layout.columns[column],))
    for part in single:
        _take_frames(catalog, satellite, track, only, column, part, bounds, points)


def _take_blocks(
    catalog: Catalog,
    track: TrackRow,
    level: int,
    part: _Range,
    bounds: tuple[int, int, int],
    column: tuple[int, int],
    points: _Points,
) -> list[_Range]:
    """Add the blocks of one level that lie inside one bin; returns what lies across bins, for a finer look."""
    begin, end, width = bounds
    span = track.coarse_span if level == COARSE else track.fine_span
    rows = catalog.connection.execute(
        "SELECT first_id, last_id, t0, t1, stats FROM block WHERE satellite = ? AND layout = ? AND stored = ?"
        " AND level = ? AND t0 BETWEEN ? AND ? AND t1 >= ? AND first_id BETWEEN ? AND ? ORDER BY first_id",
        (
            track.satellite,
            track.layout,
            track.stored,
            level,
            max(begin - span, part.t0 - span),
            min(end - 1, part.t1),
            begin,
            part.first_id,
            part.last_id,
        ),
    ).fetchall()
    if not rows:
        return []
    blocks = read_blocks(rows, column[1])
    j = column[0]
    fits = (blocks.t0 // width == blocks.t1 // width) & (blocks.t0 >= begin) & (blocks.t1 < end)
    use = fits & (blocks.count[:, j] > 0)
    _add(
        points,
        blocks.t0[use] // width,
        (blocks.low[use, j], blocks.high[use, j], blocks.last[use, j]),
        blocks.last_t[use, j],
        blocks.first_id[use],
        blocks.count[use, j],
    )
    across: list[_Range] = []
    joined = False
    for i in range(len(blocks)):
        if fits[i]:
            joined = False
            continue
        this = _Range(int(blocks.first_id[i]), int(blocks.last_id[i]), int(blocks.t0[i]), int(blocks.t1[i]))
        if joined:
            before = across[-1]
            across[-1] = _Range(before.first_id, this.last_id, min(before.t0, this.t0), max(before.t1, this.t1))
        else:
            across.append(this)
        joined = True
    return across


def _take_frames(
    catalog: Catalog,
    satellite: str,
    track: TrackRow,
    layout: Layout,
    column: int,
    part: _Range,
    bounds: tuple[int, int, int],
    points: _Points,
) -> None:
    begin, end, width = bounds
    rows = catalog.connection.execute(
        "SELECT id, t_ns, substr(v, ?, 8) FROM frame WHERE satellite = ? AND t_ns BETWEEN ? AND ? AND layout = ?"
        " AND id BETWEEN ? AND ? AND quality & 1 = ?",
        (
            column * 8 + 1,
            track.satellite,
            max(begin, part.t0),
            min(end - 1, part.t1),
            track.layout,
            part.first_id,
            part.last_id,
            track.stored,
        ),
    ).fetchall()
    if not rows:
        return
    values = np.frombuffer(b"".join(row[2] for row in rows), dtype="<f8")
    valid = ~catalog.invalid(satellite, layout, values[:, None])[:, 0]
    t = np.array([row[1] for row in rows], dtype=np.int64)[valid]
    ids = np.array([row[0] for row in rows], dtype=np.int64)[valid]
    chosen = values[valid]
    _add(points, t // width, (chosen, chosen, chosen), t, ids, np.ones(len(t), dtype=np.int64))


def _add(
    points: _Points,
    bins: Int64s,
    values: tuple[Float64s, Float64s, Float64s],
    last_t: Int64s,
    order: Int64s,
    count: Int64s,
) -> None:
    points.bin.append(bins)
    points.low.append(values[0])
    points.high.append(values[1])
    points.last.append(values[2])
    points.last_t.append(last_t)
    points.order.append(order)
    points.count.append(count)


def tail(catalog: Catalog, satellite: str, packet: str, n: int) -> FrameBatch | None:
    """See `StoreReader.tail`."""
    number = catalog.satellite(satellite)
    if number is None or n < 1:
        return None
    tracks = [track for track in catalog.tracks(number) if catalog.layout(track.layout).packet == packet]
    if not tracks:
        return None
    newest = max(tracks, key=lambda track: (track.newest_t, track.newest))
    rows = catalog.connection.execute(
        "SELECT boot, seq, t_ns, received_ns, quality, v FROM frame WHERE satellite = ? AND t_ns <= ? AND layout = ?"
        " ORDER BY t_ns DESC, id DESC LIMIT ?",
        (number, newest.newest_t, newest.layout, n),
    ).fetchall()
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
    catalog: Catalog, satellite: str, channels: Sequence[str], t0_ns: int, t1_ns: int, max_rows: int
) -> tuple[Int64s, Float64s, Int64s]:
    """See `StoreReader.window`."""
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
        rows = catalog.connection.execute(
            f"SELECT t_ns, id, layout, v FROM frame WHERE satellite = ? AND t_ns >= ? AND t_ns < ?"
            f" AND layout IN ({marks}) ORDER BY t_ns DESC, id DESC LIMIT ?",
            (number, t0_ns, t1_ns, *wanted, max_rows),
        ).fetchall()
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
        rows = catalog.connection.execute(
            "SELECT s.frame, s.t_ns, s.model, s.score, s.p, s.state, s.axes"
            " FROM frame f INDEXED BY frame_time CROSS JOIN score s ON s.frame = f.id"
            " WHERE f.satellite = ? AND f.t_ns >= ? AND f.t_ns < ? ORDER BY f.t_ns DESC, f.id DESC LIMIT ?",
            (
                number,
                t0_ns if t0_ns is not None else -_END,
                t1_ns if t1_ns is not None else _END,
                n if n is not None else -1,
            ),
        ).fetchall()
        rows.reverse()
    nowhere = np.full(3, np.nan, dtype="<f4").tobytes()
    axes = np.frombuffer(b"".join(row[6] or nowhere for row in rows), dtype="<f4").reshape(len(rows), 3)
    return Scores(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.float64),
        np.array([row[4] for row in rows], dtype=np.float64),
        np.array([row[5] for row in rows], dtype=np.int64),
        axes,
    )
