"""Which rows a walk through the ledger reads: satellites, layouts and the SQL behind a query within a span."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from telemetry.query import Query
from telemetry.query_syntax import STATES, And, AnomalyTest, Node, Or, StateTest
from telemetry.store.catalog import Catalog
from telemetry.store.rows import Key

OLDEST = Key(-(2**63), -1)
NEWEST = Key(2**63 - 1, 2**62)

Bindings = tuple[int | float | str, ...]

_UNSCORED = "frame INDEXED BY frame_time", "frame.satellite", "frame.t_ns"
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

    def beyond(self, key: Key, descending: bool) -> Span:
        """What of it comes after `key` on the way."""
        return Span(self.after, key, self.max_id) if descending else Span(key, self.before, self.max_id)

    def through(self, key: Key, descending: bool) -> Span:
        """What of it comes before `key` on the way, and the row of `key` itself."""
        if descending:
            return Span(Key(key.t_ns, key.id - 1), self.before, self.max_id)
        return Span(self.after, Key(key.t_ns, key.id + 1), self.max_id)


@dataclass(frozen=True)
class Source:
    """The rows a query can match, as far as SQL can tell."""

    catalog: Catalog
    query: Query | None

    @cached_property
    def exact(self) -> bool:
        """Whether SQL alone decides."""
        return self.query is None or self.query.sql_exact

    @cached_property
    def flagged_only(self) -> bool:
        """Whether only flagged rows can match, so that their index is walked."""
        return self.query is not None and _flagged(self.query.tree)

    @cached_property
    def satellites(self) -> tuple[int, ...]:
        """Store ids of the satellites that can match."""
        known = self.catalog.satellites()
        wanted = None if self.query is None else self.query.satellites()
        return tuple(number for number, name in known.items() if wanted is None or name in wanted)

    @cached_property
    def layouts(self) -> tuple[int, ...]:
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

    def sql(self, span: Span, descending: bool, tested: bool = True) -> tuple[str, Bindings]:
        """What stands behind the columns of a SELECT: rows of one satellite by key.

        The bindings lack their first, the store id of the satellite. Without `tested` it is all rows of the span
        in which matches can lie, and columns of the index alone are looked at.
        """
        # Looking scores up that nobody asks for would take a quarter of the time.
        lean = not self.exact and self.query is not None and not self.query.needs_score
        tables, satellite, time = _FLAGGED if self.flagged_only else _UNSCORED if lean else _ALL
        way = "DESC" if descending else "ASC"
        where, bindings = self._condition if tested else ("", ())
        bindings = (span.after.t_ns, span.before.t_ns, *bindings)
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
            f"FROM {tables} WHERE {satellite} = ? AND {time} BETWEEN ? AND ?{where}"
            f" ORDER BY {time} {way}, frame.id {way}"
        )
        return sql, bindings

    @cached_property
    def _condition(self) -> tuple[str, Bindings]:
        if self.query is None:
            return "", ()
        where, bindings = self.query.sql()
        if len(self.layouts) == len(self.catalog.layouts()):
            return f" AND ({where})", bindings
        return f" AND ({where}) AND frame.layout IN ({','.join(map(str, self.layouts)) or -1})", bindings


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
