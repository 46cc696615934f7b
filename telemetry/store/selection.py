"""A whole selection of the ledger, oldest first, in chunks of columns: what an export reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from telemetry.store.catalog import Catalog
from telemetry.store.rows import Key, SelectionChunk
from telemetry.store.scan import Span, channels_of, columns, ordered

if TYPE_CHECKING:
    from telemetry.query import Query


def rows_from(catalog: Catalog, query: Query | None, limit: int | None, chunk: int) -> Iterator[SelectionChunk]:
    """See `StoreReader.rows_from`."""
    if query is not None:
        raise NotImplementedError
    with catalog.snapshot():
        satellites = tuple(catalog.satellites())
        channels = channels_of(tuple(catalog.layouts().values()))
        newest = int(catalog.connection.execute("SELECT ifnull(max(id), 0) FROM frame").get)
    span = Span(max_id=newest)
    left = limit
    while left is None or left > 0:
        size = chunk if left is None else min(chunk, left)
        with catalog.snapshot(), ordered(catalog, satellites, span, descending=False) as rows:
            found = list(islice(rows, size))
        if not found:
            return
        yield columns(catalog, found, channels)
        span = Span(Key(found[-1][0], found[-1][1]), max_id=newest)
        if left is not None:
            left -= len(found)
