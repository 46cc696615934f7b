"""Rows with what models said about them, layout by layout: what a trainer reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from telemetry.frame import Float64s, Int64s, Layout
from telemetry.store.catalog import Catalog
from telemetry.store.connection import Row
from telemetry.store.rows import Bools, Key
from telemetry.store.source import Source, Span

Columns = tuple[Int64s, Int64s, Int64s, Float64s, Int64s, Float64s, Int64s]

CHUNK = 8192
_COLUMNS = "frame.id, frame.t_ns, frame.boot, frame.layout, frame.v, score.state, score.score, score.model"


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """n rows of one layout as columns. Where no model has judged a row `state` and `model` are 0, `score` NaN."""

    layout: Layout
    ids: Int64s
    t_ns: Int64s
    boot: Int64s
    values: Float64s
    """Shape (n, k), as sent."""
    state: Int64s
    score: Float64s
    model: Int64s

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Bools) -> JudgedRows:
        """Some of the rows."""
        ids, t_ns, boot, values, state, score, model = self.columns()
        return JudgedRows(
            self.layout, ids[rows], t_ns[rows], boot[rows], values[rows], state[rows], score[rows], model[rows]
        )

    def columns(self) -> Columns:
        """All that has a row each, in the order of the fields."""
        return self.ids, self.t_ns, self.boot, self.values, self.state, self.score, self.model


def joined(parts: Sequence[JudgedRows]) -> JudgedRows:
    """Rows of one layout, one part after the other; at least one part."""
    if len(parts) == 1:
        return parts[0]
    ids, t_ns, boot, values, state, score, model = zip(*(part.columns() for part in parts), strict=True)
    return JudgedRows(
        parts[0].layout,
        np.concatenate(ids),
        np.concatenate(t_ns),
        np.concatenate(boot),
        np.concatenate(values),
        np.concatenate(state),
        np.concatenate(score),
        np.concatenate(model),
    )


def between(catalog: Catalog, satellite: str, t0_ns: int, t1_ns: int) -> Iterator[JudgedRows]:
    """See `StoreReader.judged_between`."""
    number = catalog.satellite(satellite)
    if number is None:
        return
    source, span = Source(catalog, None), Span().within(t0_ns, t1_ns)

    def read() -> list[Row]:
        nonlocal span
        tail, bindings = source.sql(span, descending=False)
        rows = catalog.connection.rows(f"SELECT {_COLUMNS} {tail} LIMIT ?", (number, *bindings, CHUNK))
        if rows:
            span = span.beyond(Key(rows[-1][1], rows[-1][0]), descending=False)
        return rows

    yield from _chunks(catalog, read)


def after(catalog: Catalog, satellite: str, frame_id: int) -> Iterator[JudgedRows]:
    """See `StoreReader.judged_after`."""
    number = catalog.satellite(satellite)
    if number is None:
        return
    newest = frame_id

    def read() -> list[Row]:
        nonlocal newest
        # The sign keeps SQLite from the index on satellites: what came last lies together in the table itself.
        rows = catalog.connection.rows(
            f"SELECT {_COLUMNS} FROM frame LEFT JOIN score ON score.frame = frame.id"
            " WHERE frame.id > ? AND +frame.satellite = ? ORDER BY frame.id LIMIT ?",
            (newest, number, CHUNK),
        )
        if rows:
            newest = rows[-1][0]
        return rows

    yield from _chunks(catalog, read)


def _chunks(catalog: Catalog, read: Callable[[], list[Row]]) -> Iterator[JudgedRows]:
    """Rows as columns; each chunk is read on its own, so that no transaction stays open."""
    full = True
    while full:
        with catalog.snapshot():
            rows = read()
            found = _columns(catalog, rows) if rows else []
        full = len(rows) == CHUNK
        yield from found


def _columns(catalog: Catalog, rows: list[Row]) -> list[JudgedRows]:
    ids, t_ns, boot, kinds, blobs, state, score, model = zip(*rows, strict=True)
    integers = np.array(
        [ids, t_ns, boot, kinds, [one or 0 for one in state], [one or 0 for one in model]], dtype=np.int64
    )
    # None becomes NaN.
    scores = np.array(score, dtype=np.float64)
    found: list[JudgedRows] = []
    for kind in np.unique(integers[3]).tolist():
        layout = catalog.layout(kind)
        chosen = np.flatnonzero(integers[3] == kind)
        sent = np.frombuffer(b"".join([blobs[i] for i in chosen.tolist()]), dtype="<f8")
        mine = integers[:, chosen]
        values = sent.reshape(len(chosen), len(layout))
        found.append(JudgedRows(layout, mine[0], mine[1], mine[2], values, mine[4], scores[chosen], mine[5]))
    return found
