"""Walking the frames of a store in ledger order, through a filter or not.

The ledger's order is (generation time, id). Each satellite's frames are walked on its own index and the walks are
merged, so a page costs the same whether the store holds a thousand frames or a hundred million. A filter on
channels first asks the blocks which stretches of time can hold a match at all and walks only those; a filter that
wants flagged rows walks the index of flagged rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np

from telemetry.frame import Float64s
from telemetry.query import FilterColumns, Query
from telemetry.query_syntax import STATES, And, AnomalyTest, Node, Or, StateTest
from telemetry.store.blocks import COARSE, FINE, read_blocks
from telemetry.store.catalog import Catalog, TrackRow
from telemetry.store.connection import Row
from telemetry.store.rows import Key

OLDEST = Key(-(2**63), -1)
NEWEST = Key(2**63 - 1, 2**62)

COLUMNS = (
    "frame.t_ns, frame.id, frame.satellite, frame.boot, frame.seq, frame.received_ns, frame.quality, frame.layout,"
    " frame.v, score.model, score.score, score.p, score.state"
)
_TESTED = "frame.t_ns, frame.id, frame.satellite, frame.quality, frame.layout, frame.v"
"""What a filter on channels looks at; the score is joined only where it is asked for, which doubles the speed."""
_MOST_IDS = 500
_ALL = "frame INDEXED BY frame_time LEFT JOIN score ON score.frame = frame.id", "frame.satellite", "frame.t_ns"
_FLAGGED = (
    "score INDEXED BY score_anomaly CROSS JOIN frame ON frame.id = score.frame",
    "score.state > 0 AND score.satellite",
    "score.t_ns",
)


@dataclass(frozen=True)
class Span:
    """Rows strictly between two keys; `max_id` leaves out what was stored later."""

    after: Key = OLDEST
    before: Key = NEWEST
    max_id: int = 2**62

    def within(self, t0: int, t1: int) -> Span:
        """What of it lies in the generation times [t0, t1]."""
        after, before = Key(t0, -1), Key(t1, 2**62)
        return Span(max(self.after, after), min(self.before, before), self.max_id)


@dataclass(frozen=True)
class Walk:
    """Rows of `COLUMNS` that lie in a span and match a query, in ledger order or against it."""

    catalog: Catalog
    query: Query | None
    span: Span
    descending: bool

    def steps(self, size: int, largest: int | None = None) -> Iterator[list[Row]]:
        """Matching rows, a list per step of up to `size` rows read; a list may be empty.

        Each step reads in a snapshot of its own, so no transaction is open while the caller holds a list. The step
        doubles up to `largest`, for a filter that turns out to let little through.
        """
        for t0, t1 in self._stretches():
            span = self.span.within(t0, t1)
            while span.after < span.before:
                with self.catalog.snapshot():
                    with self._rows(span) as rows:
                        found = list(islice(rows, size))
                    matching = self._matching(found)
                if found:
                    yield matching
                if len(found) < size:
                    break
                last = Key(found[-1][0], found[-1][1])
                span = replace(span, before=last) if self.descending else replace(span, after=last)
                size = max(size, min(size * 2, largest or size))

    @contextmanager
    def _rows(self, span: Span) -> Generator[Iterator[Row], None, None]:
        tables, satellite, time = _FLAGGED if self._flagged_only else _ALL
        way = "DESC" if self.descending else "ASC"
        where, bindings = self._condition
        places: list[int | float | str] = [span.after.t_ns, span.before.t_ns]
        # Each row pays for each condition, so those that the range of times implies already are left out.
        if span.after.id >= 0:
            where += f" AND ({time}, frame.id) > (?, ?)"
            bindings = (*bindings, *span.after)
        if span.before.id < NEWEST.id:
            where += f" AND ({time}, frame.id) < (?, ?)"
            bindings = (*bindings, *span.before)
        if span.max_id < NEWEST.id:
            where += " AND frame.id <= ?"
            bindings = (*bindings, span.max_id)
        sql = (
            f"SELECT {self._columns} FROM {tables} WHERE {satellite} = ? AND {time} BETWEEN ? AND ?{where}"
            f" ORDER BY {time} {way}, frame.id {way}"
        )
        with self.catalog.connection.walks(
            sql, ((number, *places, *bindings) for number in self._satellites)
        ) as walks:
            if len(walks) == 1:
                yield walks[0]
            else:
                yield heapq.merge(*walks, key=_key, reverse=self.descending)

    @cached_property
    def _satellites(self) -> tuple[int, ...]:
        known = self.catalog.satellites()
        wanted = None if self.query is None else self.query.satellites()
        return tuple(number for number, name in known.items() if wanted is None or name in wanted)

    @cached_property
    def _exact(self) -> bool:
        """Whether SQL alone decides, so that whole rows can be read at once."""
        return self.query is None or self.query.sql_exact

    @cached_property
    def _columns(self) -> str:
        if self._exact or self.query is None:
            return COLUMNS
        return f"{_TESTED}, score.state, score.score" if self.query.needs_score else f"{_TESTED}, NULL, NULL"

    @cached_property
    def _flagged_only(self) -> bool:
        return self.query is not None and _flagged(self.query.tree)

    @cached_property
    def _condition(self) -> tuple[str, tuple[int | float | str, ...]]:
        if self.query is None:
            return "", ()
        where, bindings = self.query.sql()
        if len(self._layouts) == len(self.catalog.layouts()):
            return f" AND ({where})", bindings
        return f" AND ({where}) AND frame.layout IN ({','.join(map(str, self._layouts)) or -1})", bindings

    @cached_property
    def _layouts(self) -> tuple[int, ...]:
        """Layouts that can hold a match: a packet that lacks what is compared cannot."""
        query = self.query
        layouts = self.catalog.layouts()
        if query is None or query.sql_exact:
            return tuple(layouts)
        nothing = (np.nan, np.nan)
        return tuple(
            number
            for number, layout in layouts.items()
            if query.may_match({name: nothing for name in query.channels() if name not in layout.positions})
        )

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Disjoint ranges of generation time, in walking order, outside which nothing matches."""
        low, high = self.span.after.t_ns, self.span.before.t_ns
        if self.query is not None:
            first, last = self.query.time_bounds()
            low = low if first is None else max(low, first)
            high = high if last is None else min(high, last)
        if low > high:
            return
        if self._exact or self._flagged_only:
            yield low, high
            return
        with self.catalog.snapshot():
            tracks = [
                track
                for track in self.catalog.tracks()
                if track.satellite in self._satellites and track.layout in self._layouts
            ]
            coarse: list[tuple[int, int]] = []
            for track in tracks:
                coarse.extend(self._may(track, COARSE, low, high))
                coarse.extend(_open(track.coarse_t0, track.coarse_t1, low, high))
                coarse.extend(_open(track.open_t0, track.open_t1, low, high))
        pieces = _disjoint(coarse, max((track.coarse_span for track in tracks), default=0))
        for t0, t1 in reversed(pieces) if self.descending else pieces:
            with self.catalog.snapshot():
                fine: list[tuple[int, int]] = []
                for track in tracks:
                    fine.extend(self._may(track, FINE, t0, t1))
                    fine.extend(_open(track.open_t0, track.open_t1, t0, t1))
            # Between two blocks lies one period of the packet; a step over it costs nothing, a new stretch does.
            stretches = _joined(fine, max((track.fine_span for track in tracks), default=0) // 2)
            yield from reversed(stretches) if self.descending else stretches

    def _may(self, track: TrackRow, level: int, low: int, high: int) -> list[tuple[int, int]]:
        """Times in [low, high] of the blocks of a track that can hold a match."""
        query = self.query
        if query is None:
            return [(low, high)]
        span = track.coarse_span if level == COARSE else track.fine_span
        rows = self.catalog.connection.rows(
            "SELECT first_id, last_id, t0, t1, stats FROM block"
            " WHERE satellite = ? AND layout = ? AND stored = ? AND level = ? AND t0 BETWEEN ? AND ? AND t1 >= ?",
            (track.satellite, track.layout, track.stored, level, max(low - span, -(2**63)), high, low),
        )
        if not rows:
            return []
        positions = self.catalog.layout(track.layout).positions
        blocks = read_blocks(rows, len(positions))
        ranges: dict[str, list[tuple[float, float]]] = {}
        for name in query.channels():
            j = positions.get(name)
            if j is None:
                ranges[name] = [(np.nan, np.nan)] * len(blocks)
            else:
                ranges[name] = list(zip(blocks.low[:, j].tolist(), blocks.high[:, j].tolist(), strict=True))
        times = zip(blocks.t0.tolist(), blocks.t1.tolist(), strict=True)
        return [
            (max(t0, low), min(t1, high))
            for i, (t0, t1) in enumerate(times)
            if query.may_match({name: pairs[i] for name, pairs in ranges.items()})
        ]

    def _matching(self, found: list[Row]) -> list[Row]:
        query = self.query
        if query is None or self._exact or not found:
            return found
        hits = np.flatnonzero(query.mask(self._filter_columns(found, query))).tolist()
        rows: list[Row] = []
        for i in range(0, len(hits), _MOST_IDS):
            ids: list[int] = [found[hit][1] for hit in hits[i : i + _MOST_IDS]]
            whole = self.catalog.connection.rows(
                f"SELECT {COLUMNS} FROM frame LEFT JOIN score ON score.frame = frame.id"
                f" WHERE frame.id IN ({','.join('?' * len(ids))})",
                ids,
            )
            by_id = {row[1]: row for row in whole}
            rows.extend(by_id[number] for number in ids)
        return rows

    def _filter_columns(self, rows: list[Row], query: Query) -> FilterColumns:
        names = self.catalog.satellites()
        places = {number: i for i, number in enumerate(names)}
        t_ns, _, satellites, quality, layouts, blobs, state, score = zip(*rows, strict=True)
        kinds = np.array(layouts, dtype=np.int64)
        values: dict[str, Float64s] = {name: np.full(len(rows), np.nan) for name in query.channels()}
        for kind in np.unique(kinds).tolist():
            layout = self.catalog.layout(kind)
            chosen = np.flatnonzero(kinds == kind)
            mine: tuple[bytes, ...] = (
                blobs if len(chosen) == len(rows) else tuple(blobs[i] for i in chosen.tolist())
            )
            matrix = np.frombuffer(b"".join(mine), dtype="<f8").reshape(len(chosen), len(layout))
            for name, column in values.items():
                if name in layout.positions:
                    column[chosen] = matrix[:, layout.positions[name]]
        unscored = not query.needs_score
        return FilterColumns(
            satellites=tuple(names.values()),
            satellite=np.array([places[number] for number in satellites], dtype=np.int64),
            t_ns=np.array(t_ns, dtype=np.int64),
            quality=np.array(quality, dtype=np.int64),
            state=np.full(len(rows), -1) if unscored else np.array([-1 if one is None else one for one in state]),
            score=np.full(len(rows), np.nan) if unscored else np.array(score, dtype=np.float64),
            values=values,
        )


def _key(row: Row) -> tuple[int, int]:
    return row[0], row[1]


def _flagged(node: Node) -> bool:
    """Whether only flagged rows can match. False where that is not plain from the form of the query."""
    match node:
        case AnomalyTest():
            return True
        case StateTest("=", word):
            return all(state > 0 for state in STATES[word])
        case And(parts):
            return any(_flagged(part) for part in parts)
        case Or(parts):
            return bool(parts) and all(_flagged(part) for part in parts)
        case _:
            return False


def _open(t0: int | None, t1: int | None, low: int, high: int) -> list[tuple[int, int]]:
    """What of the frames that no block holds yet lies in [low, high]."""
    if t0 is None or t1 is None or t0 > high or t1 < low:
        return []
    return [(max(t0, low), min(t1, high))]


def _disjoint(ranges: Sequence[tuple[int, int]], least: int) -> list[tuple[int, int]]:
    """Rising disjoint pieces that cover `ranges`; neighbours are joined until a piece is `least` long.

    Blocks of several tracks overlap: without joining, a fleet would be walked in as many slivers as it has blocks.
    """
    pieces: list[tuple[int, int]] = []
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


def _joined(ranges: Sequence[tuple[int, int]], slack: int) -> list[tuple[int, int]]:
    """Rising disjoint ranges that cover `ranges`; those closer than `slack` become one."""
    joined: list[tuple[int, int]] = []
    for t0, t1 in sorted(ranges):
        if joined and t0 - joined[-1][1] <= max(1, slack):
            joined[-1] = (joined[-1][0], max(joined[-1][1], t1))
        else:
            joined.append((t0, t1))
    return joined
