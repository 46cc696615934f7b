"""A whole selection of the ledger, oldest first, in chunks of columns: what an export reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Int64s, Layout
from telemetry.store.catalog import Catalog
from telemetry.store.connection import Row
from telemetry.store.rows import SelectionChunk
from telemetry.store.scan import Walk
from telemetry.store.source import Span

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
    t_ns, ids, numbers, boot, seq, received_ns, quality, kinds, blobs, model, score, p, state = zip(
        *rows, strict=True
    )
    shape = len(rows), len(channels)
    number_of, kind_of = _integers(numbers), _integers(kinds)
    satellites, satellite = np.unique(number_of, return_inverse=True)
    layouts, layout = np.unique(kind_of, return_inverse=True)
    values = np.full(shape, np.nan)
    sent = np.zeros(shape, dtype=np.bool_)
    invalid = np.zeros(shape, dtype=np.bool_)
    for kind in layouts.tolist():
        this = catalog.layout(kind)
        origin = [j for j, name in enumerate(this.names) if name in channels]
        target = np.array([channels.index(this.names[j]) for j in origin], dtype=np.intp)
        for number in satellites.tolist():
            chosen = np.flatnonzero((kind_of == kind) & (number_of == number))
            if not len(chosen):
                continue
            matrix = np.frombuffer(b"".join([blobs[i] for i in chosen.tolist()]), dtype="<f8")
            matrix = matrix.reshape(len(chosen), len(this))
            bad = catalog.invalid(catalog.satellite_name(number), this, matrix)
            if len(chosen) == len(rows) and this.names == channels:
                # One packet with all the channels there are: nothing to place, which is where the time would go.
                values, sent, invalid = matrix, np.ones(shape, dtype=np.bool_), bad
                continue
            place = (chosen[:, np.newaxis], target[np.newaxis, :])
            values[place], sent[place], invalid[place] = matrix[:, origin], True, bad[:, origin]
    judged = np.array([one is not None for one in model], dtype=np.bool_)
    return SelectionChunk(
        satellites=tuple(catalog.satellite_name(number) for number in satellites.tolist()),
        layouts=tuple(catalog.layout(number) for number in layouts.tolist()),
        channels=channels,
        satellite=satellite.astype(np.int64),
        layout=layout.astype(np.int64),
        id=_integers(ids),
        boot=_integers(boot),
        seq=_integers(seq),
        t_ns=_integers(t_ns),
        received_ns=_integers(received_ns),
        quality=_integers(quality),
        values=values,
        sent=sent,
        invalid=invalid,
        scored=judged,
        model=_integers([one or 0 for one in model]),
        # None becomes NaN.
        score=np.array(score, dtype=np.float64),
        p=np.array(p, dtype=np.float64),
        state=_integers([one or 0 for one in state]),
    )


def _integers(column: Sequence[int]) -> Int64s:
    return np.array(column, dtype=np.int64)


def _channels(layouts: Sequence[Layout]) -> tuple[str, ...]:
    """Every channel of the layouts once, in the order of first appearance."""
    return tuple(dict.fromkeys(name for layout in layouts for name in layout.names))
