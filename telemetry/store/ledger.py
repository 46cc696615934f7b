"""Pages of the ledger: by key, in either direction, through a filter or not."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from telemetry.store.catalog import Catalog
from telemetry.store.rows import Key, LedgerRow, Page
from telemetry.store.scan import COLUMNS, NEWEST, OLDEST, Row, Span, ordered

if TYPE_CHECKING:
    from telemetry.query import Query


def page(catalog: Catalog, query: Query | None, before: Key | None, after: Key | None, limit: int) -> Page:
    """See `StoreReader.page`."""
    if before is not None and after is not None:
        raise ValueError("a page lies before a key or after one, not both")
    if limit < 1:
        raise ValueError("a page has at least one row")
    span = Span(after or OLDEST, before or NEWEST)
    if query is not None:
        raise NotImplementedError
    with ordered(catalog, tuple(catalog.satellites()), span, descending=after is None) as rows:
        found = list(islice(rows, limit + 1))
    more = len(found) > limit
    ledger = [_ledger_row(catalog, row) for row in found[:limit]]
    if after is not None:
        ledger.reverse()
    return Page(ledger, more)


def row(catalog: Catalog, frame_id: int) -> LedgerRow | None:
    """See `StoreReader.frame_row`."""
    found = catalog.connection.execute(
        f"SELECT {COLUMNS} FROM frame f LEFT JOIN score s ON s.frame = f.id WHERE f.id = ?", (frame_id,)
    ).fetchone()
    if found is None:
        return None
    catalog.satellites()
    return _ledger_row(catalog, found)


def _ledger_row(catalog: Catalog, row: Row) -> LedgerRow:
    t_ns, number, satellite, boot, seq, received_ns, quality, layout, blob, model, score, p, state = row
    return LedgerRow(
        number,
        catalog.satellite_name(satellite),
        boot,
        seq,
        t_ns,
        received_ns,
        quality,
        catalog.layout(layout),
        np.frombuffer(blob, dtype="<f8"),
        model,
        score,
        p,
        state,
    )
