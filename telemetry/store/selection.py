"""A whole selection of the ledger, oldest first, in chunks of columns: what an export reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Layout
from telemetry.store.catalog import Catalog
from telemetry.store.connection import Row
from telemetry.store.rows import SelectionChunk
from telemetry.store.scan import Span, Walk

if TYPE_CHECKING:
    from telemetry.query import Query


def rows_from(catalog: Catalog, query: Query | None, limit: int | None, chunk: int) -> Iterator[SelectionChunk]:
    """See `StoreReader.rows_from`."""
    with catalog.snapshot():
        channels = _channels(tuple(catalog.layouts().values()))
        newest = int(catalog.connection.value("SELECT ifnull(max(id), 0) FROM frame"))
    left = limit
    for rows in Walk(catalog, query, Span(max_id=newest), descending=False).steps(chunk):
        found = rows if left is None else rows[:left]
        if found:
            yield columns(catalog, found, channels)
        if left is not None:
            left -= len(found)
            if left <= 0:
                return


def columns(catalog: Catalog, rows: Sequence[Row], channels: tuple[str, ...]) -> SelectionChunk:
    """Rows of `scan.COLUMNS` as arrays, with one column of values for each of `channels`."""
    shape = len(rows), len(channels)
    numbers = np.array([row[2] for row in rows], dtype=np.int64)
    kinds = np.array([row[7] for row in rows], dtype=np.int64)
    satellites, satellite = np.unique(numbers, return_inverse=True)
    layouts, layout = np.unique(kinds, return_inverse=True)
    values = np.full(shape, np.nan)
    sent = np.zeros(shape, dtype=np.bool_)
    invalid = np.zeros(shape, dtype=np.bool_)
    for kind in layouts.tolist():
        this = catalog.layout(kind)
        origin = [j for j, name in enumerate(this.names) if name in channels]
        target = np.array([channels.index(this.names[j]) for j in origin], dtype=np.intp)
        for number in satellites.tolist():
            chosen = np.flatnonzero((kinds == kind) & (numbers == number))
            if not len(chosen):
                continue
            matrix = np.frombuffer(b"".join([rows[i][8] for i in chosen.tolist()]), dtype="<f8")
            matrix = matrix.reshape(len(chosen), len(this))
            bad = catalog.invalid(catalog.satellite_name(number), this, matrix)
            place = (chosen[:, np.newaxis], target[np.newaxis, :])
            values[place], sent[place], invalid[place] = matrix[:, origin], True, bad[:, origin]
    return SelectionChunk(
        satellites=tuple(catalog.satellite_name(number) for number in satellites.tolist()),
        layouts=tuple(catalog.layout(number) for number in layouts.tolist()),
        channels=channels,
        satellite=satellite.astype(np.int64),
        layout=layout.astype(np.int64),
        id=np.array([row[1] for row in rows], dtype=np.int64),
        boot=np.array([row[3] for row in rows], dtype=np.int64),
        seq=np.array([row[4] for row in rows], dtype=np.int64),
        t_ns=np.array([row[0] for row in rows], dtype=np.int64),
        received_ns=np.array([row[5] for row in rows], dtype=np.int64),
        quality=np.array([row[6] for row in rows], dtype=np.int64),
        values=values,
        sent=sent,
        invalid=invalid,
        scored=np.array([row[9] is not None for row in rows], dtype=np.bool_),
        model=np.array([row[9] or 0 for row in rows], dtype=np.int64),
        score=np.array([np.nan if row[10] is None else row[10] for row in rows], dtype=np.float64),
        p=np.array([np.nan if row[11] is None else row[11] for row in rows], dtype=np.float64),
        state=np.array([row[12] or 0 for row in rows], dtype=np.int64),
    )


def _channels(layouts: Sequence[Layout]) -> tuple[str, ...]:
    """Every channel of the layouts once, in the order of first appearance."""
    return tuple(dict.fromkeys(name for layout in layouts for name in layout.names))
