"""Where in time a filter on channels can match at all, from what the blocks say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from telemetry.query import Query
from telemetry.store.blocks import COARSE, FINE
from telemetry.store.catalog import TrackRow
from telemetry.store.source import Source, Span

Ranges = list[tuple[int, int]]
"""Stretches of generation time, first and last ns inclusive."""


def stretches(source: Source, span: Span, descending: bool) -> Iterator[tuple[int, int]]:
    """Disjoint ranges of generation time within `span`, in walking order, outside which nothing matches."""
    low, high = span.after.t_ns, span.before.t_ns
    query = source.query
    if query is not None:
        first, last = query.time_bounds()
        low = low if first is None else max(low, first)
        high = high if last is None else min(high, last)
    if low > high:
        return
    if query is None or source.exact or source.flagged_only:
        yield low, high
        return
    catalog = source.catalog
    with catalog.snapshot():
        tracks = [
            track
            for track in catalog.tracks()
            if track.satellite in source.satellites and track.layout in source.layouts
        ]
        coarse: Ranges = []
        for track in tracks:
            coarse.extend(_may(source, query, track, COARSE, low, high))
            coarse.extend(_open(track.coarse_t0, track.coarse_t1, low, high))
            coarse.extend(_open(track.open_t0, track.open_t1, low, high))
    pieces = _disjoint(coarse, max((track.coarse_span for track in tracks), default=0))
    for t0, t1 in reversed(pieces) if descending else pieces:
        with catalog.snapshot():
            fine: Ranges = []
            for track in tracks:
                fine.extend(_may(source, query, track, FINE, t0, t1))
                fine.extend(_open(track.open_t0, track.open_t1, t0, t1))
        # Between two blocks lies one period of the packet; a step over it costs nothing, a new stretch does.
        found = _joined(fine, max((track.fine_span for track in tracks), default=0) // 2)
        yield from reversed(found) if descending else found


def _may(source: Source, query: Query, track: TrackRow, level: int, low: int, high: int) -> Ranges:
    """Times in [low, high] of the blocks of a track that can hold a match."""
    layout = source.catalog.layout(track.layout)
    span = track.coarse_span if level == COARSE else track.fine_span
    sent = [name for name in query.channels() if name in layout.positions]
    # Of a block's figures the lowest and the highest value of these channels, and nothing else of it.
    places = [layout.positions[name] + row * len(layout) for name in sent for row in (0, 1)]
    figures = "".join(f", substr(stats, {8 * place + 1}, 8)" for place in places)
    rows = source.catalog.connection.rows(
        f"SELECT t0, t1{figures} FROM block"
        " WHERE satellite = ? AND layout = ? AND stored = ? AND level = ? AND t0 BETWEEN ? AND ? AND t1 >= ?",
        (track.satellite, track.layout, track.stored, level, max(low - span, -(2**63)), high, low),
    )
    if not rows:
        return []
    bounds = np.frombuffer(b"".join(blob for row in rows for blob in row[2:]), dtype="<f8")
    bounds = bounds.reshape(len(rows), len(sent), 2)
    nothing = np.full(len(rows), np.nan)
    stats = dict.fromkeys(query.channels(), (nothing, nothing))
    stats.update({name: (bounds[:, i, 0], bounds[:, i, 1]) for i, name in enumerate(sent)})
    may = query.may_match_each(stats, len(rows)).tolist()
    return [(max(row[0], low), min(row[1], high)) for row, one in zip(rows, may, strict=True) if one]


def _open(t0: int | None, t1: int | None, low: int, high: int) -> Ranges:
    """What of the frames that no block holds yet lies in [low, high]."""
    if t0 is None or t1 is None or t0 > high or t1 < low:
        return []
    return [(max(t0, low), min(t1, high))]


def _disjoint(ranges: Sequence[tuple[int, int]], least: int) -> Ranges:
    """Rising disjoint pieces that cover `ranges`; neighbours are joined until a piece is `least` long.

    Blocks of several tracks overlap: without joining, a fleet would be walked in as many slivers as it has blocks.
    """
    pieces: Ranges = []
    end: int | None = None
    for t0, t1 in sorted(ranges):
        if end is not None and t1 <= end:
            continue
        start = t0 if end is None else max(t0, end + 1)
        if pieces and start == pieces[-1][1] + 1 and pieces[-1][1] - pieces[-1][0] < least:
            pieces[-1] = (pieces[-1][0], t1)
        else:
            pieces.append((start, t1))
        end = t1
    return pieces


def _joined(ranges: Sequence[tuple[int, int]], slack: int) -> Ranges:
    """Rising disjoint ranges that cover `ranges`; those closer than `slack` become one."""
    joined: Ranges = []
    for t0, t1 in sorted(ranges):
        if joined and t0 - joined[-1][1] <= max(1, slack):
            joined[-1] = (joined[-1][0], max(joined[-1][1], t1))
        else:
            joined.append((t0, t1))
    return joined
