"""Walking the frames of a store in ledger order, and what is read of them as columns.

The ledger's order is (generation time, id). Each satellite's frames are walked on its own index and the walks are
merged, so a page costs the same whether the store holds a thousand frames or a hundred million.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import apsw
import numpy as np

from telemetry.frame import Layout
from telemetry.store.catalog import Catalog
from telemetry.store.rows import Key, SelectionChunk

OLDEST = Key(-(2**63), -1)
NEWEST = Key(2**63 - 1, 2**62)

COLUMNS = "f.t_ns, f.id, f.satellite, f.boot, f.seq, f.received_ns, f.quality, f.layout, f.v, s.model, s.score, s.p, s.state"
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Span:
    """Rows strictly between two keys; `max_id` leaves out what was stored later."""

    after: Key = OLDEST
    before: Key = NEWEST
    max_id: int = 2**62


@contextmanager
def ordered(
    catalog: Catalog, satellites: Sequence[int], span: Span, descending: bool, where: str = "", bindings: Row = ()
) -> Iterator[Iterator[Row]]:
    """Rows of `COLUMNS` in ledger order, read as they are asked for. Leaving ends the reading.

    `where` is SQL over `f` (frame) and `s` (score, LEFT JOIN).
    """
    way = "DESC" if descending else "ASC"
    sql = (
        f"SELECT {COLUMNS} FROM frame f INDEXED BY frame_time LEFT JOIN score s ON s.frame = f.id"
        " WHERE f.satellite = ? AND f.t_ns >= ? AND f.t_ns <= ?"
        " AND (f.t_ns, f.id) > (?, ?) AND (f.t_ns, f.id) < (?, ?) AND f.id <= ?"
        f"{f' AND ({where})' if where else ''} ORDER BY f.t_ns {way}, f.id {way}"
    )
    cursors: list[apsw.Cursor] = []
    try:
        for satellite in satellites:
            cursor = catalog.connection.cursor()
            cursors.append(cursor)
            places = (span.after.t_ns, span.before.t_ns, *span.after, *span.before, span.max_id)
            cursor.execute(sql, (satellite, *places, *bindings))
        if len(cursors) == 1:
            yield cursors[0]
        else:
            yield heapq.merge(*cursors, key=_key, reverse=descending)
    finally:
        for cursor in cursors:
            cursor.close(True)


def _key(row: Row) -> tuple[int, int]:
    return row[0], row[1]


def channels_of(layouts: Sequence[Layout]) -> tuple[str, ...]:
    """Every channel of the layouts once, in the order of first appearance."""
    return tuple(dict.fromkeys(name for layout in layouts for name in layout.names))


def columns(catalog: Catalog, rows: Sequence[Row], channels: tuple[str, ...]) -> SelectionChunk:
    """Rows of `COLUMNS` as arrays, with one column of values per channel of `channels`."""
    n, c = len(rows), len(channels)
    names = catalog.satellites()
    numbers = np.array([row[2] for row in rows], dtype=np.int64)
    kinds = np.array([row[7] for row in rows], dtype=np.int64)
    satellites = {number: i for i, number in enumerate(sorted(set(numbers.tolist())))}
    layouts = {number: i for i, number in enumerate(sorted(set(kinds.tolist())))}
    satellite = np.array([satellites[number] for number in numbers.tolist()], dtype=np.int64)
    layout = np.array([layouts[number] for number in kinds.tolist()], dtype=np.int64)
    values = np.full((n, c), np.nan)
    sent = np.zeros((n, c), dtype=np.bool_)
    invalid = np.zeros((n, c), dtype=np.bool_)
    place = {name: j for j, name in enumerate(channels)}
    for kind, index in layouts.items():
        this = catalog.layout(kind)
        own = [(place[name], j) for j, name in enumerate(this.names) if name in place]
        target, origin = [pair[0] for pair in own], [pair[1] for pair in own]
        chosen = np.flatnonzero(layout == index)
        matrix = np.frombuffer(b"".join([rows[i][8] for i in chosen.tolist()]), dtype="<f8")
        matrix = matrix.reshape(len(chosen), len(this))
        values[np.ix_(chosen, target)] = matrix[:, origin]
        sent[np.ix_(chosen, target)] = True
        for number, number_index in satellites.items():
            mine = satellite[chosen] == number_index
            if mine.any():
                bad = catalog.invalid(names[number], this, matrix[mine])
                invalid[np.ix_(chosen[mine], target)] = bad[:, origin]
    scored = np.array([row[9] is not None for row in rows], dtype=np.bool_)
    return SelectionChunk(
        satellites=tuple(names[number] for number in satellites),
        layouts=tuple(catalog.layout(number) for number in layouts),
        channels=channels,
        satellite=satellite,
        layout=layout,
        id=np.array([row[1] for row in rows], dtype=np.int64),
        boot=np.array([row[3] for row in rows], dtype=np.int64),
        seq=np.array([row[4] for row in rows], dtype=np.int64),
        t_ns=np.array([row[0] for row in rows], dtype=np.int64),
        received_ns=np.array([row[5] for row in rows], dtype=np.int64),
        quality=np.array([row[6] for row in rows], dtype=np.int64),
        values=values,
        sent=sent,
        invalid=invalid,
        scored=scored,
        model=np.array([row[9] or 0 for row in rows], dtype=np.int64),
        score=np.array([np.nan if row[10] is None else row[10] for row in rows], dtype=np.float64),
        p=np.array([np.nan if row[11] is None else row[11] for row in rows], dtype=np.float64),
        state=np.array([row[12] or 0 for row in rows], dtype=np.int64),
    )
