"""Putting rows through a filter on channels, looking at nothing else of them.

A row costs most where it becomes a Python object. So SQLite strings each column of some thousand rows together, of
a frame's values only the eight bytes of each channel that is compared, and numpy takes the strings apart again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from telemetry.frame import Float64s, Int64s
from telemetry.query import FilterColumns, Query
from telemetry.query_syntax import And, ChannelTest, LastTest, Node, QualityTest, TimeTest, leaves
from telemetry.store.catalog import Catalog
from telemetry.store.rows import Key
from telemetry.store.source import Source, Span

_NAN = np.array(np.nan, dtype="<f8").tobytes().hex()


class _Tested(NamedTuple):
    """What is looked at of n rows, as columns. What the query does not ask for is 0."""

    integers: Int64s
    """Shape (4, n): store id, generation time, quality, state (-1 without a score)."""
    floats: Float64s
    """Shape (1 + c, n): score, then each channel of the query; NaN where a packet lacks it."""


class Sieve:
    """Walks the rows of `source`, whose query compares channels, step by step in ledger order or against it."""

    def __init__(self, source: Source, query: Query, descending: bool) -> None:
        self._source = source
        self._query = replace(query, tree=_undecided(query.tree))
        self._descending = descending
        self._catalog: Catalog = source.catalog
        self._satellites = list(source.satellites)
        asked = tuple(leaves(self._query.tree))
        self._integers = {0: "frame.id"}
        if any(isinstance(leaf, TimeTest | LastTest) for leaf in asked):
            self._integers[1] = "frame.t_ns"
        if any(isinstance(leaf, QualityTest) for leaf in asked):
            self._integers[2] = "frame.quality"
        self._select = self._strung_together()

    def step(self, span: Span, size: int) -> tuple[list[int], Key | None]:
        """Ids of the rows that match, of about the next `size` in a span, in no order.

        Also the row the step ends with, or None where it ends with the span. The caller holds a snapshot.
        """
        if not self._satellites:
            return [], None
        share = -(-size // len(self._satellites))
        end: Key | None = None
        # What lies beyond the end is the next step's. The satellite that sets the end is asked first the next time:
        # it is likely to be the one with most rows, and the sooner it is asked the less the others are asked for.
        for number in tuple(self._satellites):
            further = self._key_of(number, span, share)
            if further is not None:
                end = further
                span = span.through(end, self._descending)
                self._satellites.remove(number)
                self._satellites.insert(0, number)
        return self._matching([(number, self._read(number, span)) for number in self._satellites]), end

    def _key_of(self, satellite: int, span: Span, nth: int) -> Key | None:
        """The key of the nth row of a satellite on the way through a span; None where there are fewer."""
        tail, bindings = self._source.sql(span, self._descending, tested=False)
        asked = (satellite, *bindings, nth - 1)
        found = self._catalog.connection.one(f"SELECT frame.t_ns, frame.id {tail} LIMIT 1 OFFSET ?", asked)
        return None if found is None else Key(*found)

    def _read(self, satellite: int, span: Span) -> _Tested:
        # Always oldest first: that is how rows lie, and against it each costs SQLite half as much again.
        tail, bindings = self._source.sql(span, False)
        asked = (satellite, *bindings)
        row = self._catalog.connection.one(self._select.format(tail), asked)
        channels = len(self._query.channels())
        if row is None or row[0] is None:
            return _Tested(np.empty((4, 0), dtype=np.int64), np.empty((1 + channels, 0)))
        found = [_integers(text) for text in row[: len(self._integers)]]
        n = len(found[0])
        integers: Int64s = np.zeros((4, n), dtype=np.int64)
        integers[list(self._integers)] = found
        integers[3] = -1
        floats = np.full((1 + channels, n), np.nan)
        for channel, text in enumerate(row[len(self._integers) :], 1):
            floats[channel] = np.frombuffer(bytes.fromhex(text), dtype="<f8")
        if self._query.needs_score:
            # A score would lose its last digits as text.
            judged = self._catalog.connection.rows(f"SELECT score.state, score.score {tail}", asked)
            integers[3] = [-1 if state is None else state for state, _ in judged]
            floats[0] = np.array([score for _, score in judged], dtype=np.float64)
        return _Tested(integers, floats)

    def _matching(self, parts: list[tuple[int, _Tested]]) -> list[int]:
        query = self._query
        integers = np.concatenate([part.integers for _, part in parts], axis=1)
        floats = np.concatenate([part.floats for _, part in parts], axis=1)
        names = self._catalog.satellites()
        places = {number: i for i, number in enumerate(names)}
        columns = FilterColumns(
            satellites=tuple(names.values()),
            satellite=np.repeat(
                np.array([places[number] for number, _ in parts], dtype=np.int64),
                [part.integers.shape[1] for _, part in parts],
            ),
            t_ns=integers[1],
            quality=integers[2],
            state=integers[3],
            score=floats[0],
            values={name: floats[1 + i] for i, name in enumerate(query.channels())},
        )
        return integers[0, query.mask(columns)].tolist()

    def _strung_together(self) -> str:
        """SQL that gives one row of strings, with a place for FROM and what follows it."""
        source, query = self._source, self._query
        inner = [f"{column} AS i{place}" for place, column in self._integers.items()]
        outer = [f"group_concat(i{place})" for place in self._integers]
        for number, name in enumerate(query.channels()):
            sent = [
                f"WHEN {layout} THEN substr(frame.v, {8 * positions[name] + 1}, 8)"
                for layout in source.layouts
                if name in (positions := self._catalog.layout(layout).positions)
            ]
            value = f"CASE frame.layout {' '.join(sent)} ELSE x'{_NAN}' END" if sent else f"x'{_NAN}'"
            inner.append(f"{value} AS c{number}")
            outer.append(f"group_concat(hex(c{number}), '')")
        return f"SELECT {', '.join(outer)} FROM (SELECT {', '.join(inner)} {{}})"


def _undecided(node: Node) -> Node:
    """What of a query SQL leaves open: of conditions that all must hold, those that compare a channel."""
    if not isinstance(node, And):
        return node
    return And(tuple(part for part in node.parts if any(isinstance(leaf, ChannelTest) for leaf in leaves(part))))


def _integers(text: str) -> Int64s:
    return np.fromstring(text, dtype=np.int64, sep=",")
