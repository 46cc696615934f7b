"""Pages of the ledger: by key, in either direction, through a filter or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from telemetry.store.catalog import Catalog
from telemetry.store.connection import Row
from telemetry.store.rows import Key, LedgerRow, Page
from telemetry.store.scan import COLUMNS, Walk
from telemetry.store.source import NEWEST, OLDEST, Span

if TYPE_CHECKING:
    from telemetry.query import Query

_LARGEST_STEP = 16_384


def page(catalog: Catalog, query: Query | None, before: Key | None, after: Key | None, limit: int) -> Page:
    """See `StoreReader.page`."""
    if before is not None and after is not None:
        raise ValueError("a page lies before a key or after one, not both")
    if limit < 1:
        raise ValueError("a page has at least one row")
    walk = Walk(catalog, query, Span(after or OLDEST, before or NEWEST), descending=after is None)
    found: list[Row] = []
    for rows in walk.steps(limit + 1, largest=_LARGEST_STEP):
        found.extend(rows)
        if len(found) > limit:
            break
    ledger = [_ledger_row(catalog, row) for row in found[:limit]]
    if after is not None:
        ledger.reverse()
    return Page(ledger, len(found) > limit)


def row(catalog: Catalog, frame_id: int) -> LedgerRow | None:
    """See `StoreReader.frame_row`."""
    found = catalog.connection.one(
        f"SELECT {COLUMNS} FROM frame LEFT JOIN score ON score.frame = frame.id WHERE frame.id = ?", (frame_id,)
    )
    return None if found is None else _ledger_row(catalog, found)


def _ledger_row(catalog: Catalog, row: Row) -> LedgerRow:
    t_ns, number, satellite, boot, seq, received_ns, quality, layout, blob, model, score, p, state = row
    return LedgerRow(
        id=number,
        satellite=catalog.satellite_name(satellite),
        boot=boot,
        seq=seq,
        t_ns=t_ns,
        received_ns=received_ns,
        quality=quality,
        layout=catalog.layout(layout),
        values=np.frombuffer(blob, dtype="<f8"),
        model=model,
        score=score,
        p=p,
        state=state,
    )
