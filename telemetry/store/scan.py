"""Walking the frames of a store in ledger order, through a filter or not.

The ledger's order is (generation time, id). Each satellite's frames are walked on its own index and the walks are
merged, so a page costs the same whether the store holds a thousand frames or a hundred million. A filter on
channels first asks the blocks which stretches of time can hold a match at all and walks only those; a filter that
wants flagged rows walks the index of flagged rows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from telemetry.query import Query
from telemetry.store.catalog import Catalog
from telemetry.store.connection import Row
from telemetry.store.rows import Key
from telemetry.store.sieve import Sieve
from telemetry.store.source import Source, Span
from telemetry.store.stretches import stretches

COLUMNS = (
    "frame.t_ns, frame.id, frame.satellite, frame.boot, frame.seq, frame.received_ns, frame.quality, frame.layout,"
    " frame.v, score.model, score.score, score.p, score.state"
)
_MOST_IDS = 500


@dataclass(frozen=True)
class Walk:
    """Rows of `COLUMNS` that lie in a span and match a query, in ledger order or against it."""

    catalog: Catalog
    query: Query | None
    span: Span
    descending: bool

    def steps(self, size: int, largest: int | None = None) -> Iterator[list[Row]]:
        """Matching rows, a list per step of about `size` rows looked at; a list may be empty.

        Each step reads in a snapshot of its own, so no transaction is open while the caller holds a list. The step
        doubles up to `largest`, for a filter that turns out to let little through.
        """
        source = Source(self.catalog, self.query)
        sieve = None if self.query is None or source.exact else Sieve(source, self.query, self.descending)
        for t0, t1 in stretches(source, self.span, self.descending):
            span = self.span.within(t0, t1)
            while span.after < span.before:
                with self.catalog.snapshot():
                    if sieve is None:
                        rows = self._next(source, span, size)
                        end = Key(*rows[-1][:2]) if len(rows) == size else None
                    else:
                        ids, end = sieve.step(span, size)
                        rows = self._whole(ids)
                yield rows
                if end is None:
                    break
                span = span.beyond(end, self.descending)
                size = max(size, min(size * 2, largest or size))

    def _next(self, source: Source, span: Span, size: int) -> list[Row]:
        """The next `size` rows of all satellites."""
        tail, bindings = source.sql(span, self.descending)
        with self.catalog.connection.walks(
            f"SELECT {COLUMNS} {tail}", ((number, *bindings) for number in source.satellites)
        ) as walks:
            merged = walks[0] if len(walks) == 1 else heapq.merge(*walks, key=_key, reverse=self.descending)
            return list(islice(merged, size))

    def _whole(self, ids: list[int]) -> list[Row]:
        """The rows with these ids, in walking order."""
        rows: list[Row] = []
        for i in range(0, len(ids), _MOST_IDS):
            some = ids[i : i + _MOST_IDS]
            rows += self.catalog.connection.rows(
                f"SELECT {COLUMNS} FROM frame LEFT JOIN score ON score.frame = frame.id"
                f" WHERE frame.id IN ({','.join('?' * len(some))})",
                some,
            )
        rows.sort(key=_key, reverse=self.descending)
        return rows


def _key(row: Row) -> tuple[int, int]:
    return row[0], row[1]
