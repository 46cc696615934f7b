"""Queries on frames: the ledger's filter, the export's selection, and what of them a store can decide by itself.

A query is exact on numpy columns (`mask`) and gives three necessary conditions for finding rows quickly: bounds in
time, an SQL fragment, and whether a block of rows can hold a match at all (`may_match`). A row without a valid
value of a channel satisfies neither a comparison with it nor the comparison's negation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
import numpy.typing as npt

from telemetry.clock import SystemClock
from telemetry.dictionary import Channel, Mission
from telemetry.frame import Float64s, Int64s
from telemetry.freshness import invalid_mask
from telemetry.query_parser import parse_expression
from telemetry.query_syntax import (
    OPPOSITE,
    QUALITIES,
    STATES,
    And,
    AnomalyTest,
    ChannelTest,
    LastTest,
    Leaf,
    Node,
    Not,
    Or,
    QualityTest,
    QueryError,
    SatelliteTest,
    ScoreTest,
    StateTest,
    TimeTest,
    Vocabulary,
    leaves,
    text_of,
)

__all__ = ["Bounds", "FilterColumns", "Query", "QueryError", "parse"]

Bools = npt.NDArray[np.bool_]
Bounds = tuple[int | None, int | None]
"""First and last generation time in ns, both inclusive; None is open."""

_UNSCORED = -1
_EMPTY: Bounds = (1, 0)
_LAST_NS = 2**63 - 1


@dataclass(frozen=True)
class FilterColumns:
    """n rows of frames with their scores, as columns.

    `satellite` indexes into `satellites`. `state` is -1 and `score` NaN where a row has no score. `values` holds
    each channel that the rows carry, as sent; a channel that is absent was not sent with these rows.
    """

    satellites: Sequence[str]
    satellite: Int64s
    t_ns: Int64s
    quality: Int64s
    state: Int64s
    score: Float64s
    values: Mapping[str, Float64s]

    def __len__(self) -> int:
        return int(self.t_ns.shape[0])


@dataclass(frozen=True)
class Query:
    """A checked expression on the frames of one mission. `now_ns` is what `time in last ...` counts back from."""

    tree: Node
    mission: Mission
    now_ns: int

    @cached_property
    def text(self) -> str:
        """Canonical text; parses back to an equal tree. Empty for the filter that keeps everything."""
        return text_of(self.tree)

    @cached_property
    def needs_score(self) -> bool:
        """Whether it asks for the score of a row."""
        return any(isinstance(leaf, AnomalyTest | ScoreTest | StateTest) for leaf in leaves(self.tree))

    @property
    def sql_exact(self) -> bool:
        """Whether `sql` alone decides, because no channel is compared."""
        return not self.channels()

    def channels(self) -> tuple[str, ...]:
        """Channels it compares, each once, in the order of the text."""
        return tuple(dict.fromkeys(leaf.channel for leaf in leaves(self.tree) if isinstance(leaf, ChannelTest)))

    def at(self, now_ns: int) -> Query:
        """The same expression at another time; a screen that follows calls it on each tick."""
        return replace(self, now_ns=now_ns)

    def pinned(self) -> Query:
        """`time in last ...` written as the time it means now, so that the text says the same tomorrow."""
        return replace(self, tree=_pinned(self.tree, self.now_ns))

    def time_bounds(self) -> Bounds:
        """Bounds on generation time that every matching row lies in; (1, 0) where no time can match."""
        return _bounds(self.tree, self.now_ns, False)

    def satellites(self) -> frozenset[str] | None:
        """The only satellites that can match, or None when it does not depend on them."""
        return _satellites(self.tree, False)

    def sql(self) -> tuple[str, tuple[int | float | str, ...]]:
        """A necessary condition and its parameters, for `frame` LEFT JOINed with `score`.

        Columns are `frame.t_ns`, `frame.satellite` (through table `satellite`), `frame.quality`, `score.state` and
        `score.score`. Comparisons of channels count as true: apply `mask` unless `sql_exact`.
        """
        parameters: list[int | float | str] = []
        return _sql(self.tree, self.now_ns, False, parameters), tuple(parameters)

    def mask(self, columns: FilterColumns) -> Bools:
        """Shape (n,), True where the row matches."""
        return _Evaluation(self, columns).mask(self.tree, False)

    def may_match(self, stats: Mapping[str, tuple[float, float]]) -> bool:
        """Whether a block of rows can hold a match.

        `stats` gives (min, max) of a channel's values in the block; (nan, nan) says that the block holds no valid
        value of it, and a channel that is absent could be anything.
        """
        arrays = {name: (np.array([low]), np.array([high])) for name, (low, high) in stats.items()}
        return bool(self.may_match_each(arrays, 1)[0])

    def may_match_each(self, stats: Mapping[str, tuple[Float64s, Float64s]], blocks: int) -> Bools:
        """`may_match` of each of several blocks; shape (blocks,), as each array of `stats`."""
        return _may(self.tree, stats, blocks, False)


def parse(text: str, mission: Mission, now_ns: int | None = None) -> Query:
    """The query `text` on the frames of `mission`; empty text keeps everything.

    Raises:
        QueryError: with the column for a caret and the words allowed there.
    """
    enums: dict[str, dict[str, int]] = {}
    words: dict[str, tuple[tuple[int, str], ...]] = {}
    clash: set[str] = set()
    for bus in mission.buses.values():
        for channel in bus.channels:
            known = enums.setdefault(channel.name, {})
            if any(known.get(label, code) != code for code, label in channel.enum):
                clash.add(channel.name)
            known.update({label: code for code, label in channel.enum})
            words[channel.name] = tuple((code, label) for label, code in known.items())
    words.update(dict.fromkeys(clash, ()))
    tree = parse_expression(text, Vocabulary(words, tuple(mission.by_name)))
    return Query(tree, mission, SystemClock().now_ns() if now_ns is None else now_ns)


def _pinned(node: Node, now_ns: int) -> Node:
    match node:
        case And(parts):
            return And(tuple(_pinned(part, now_ns) for part in parts))
        case Or(parts):
            return Or(tuple(_pinned(part, now_ns) for part in parts))
        case Not(part):
            return Not(_pinned(part, now_ns))
        case LastTest(span_ns):
            return TimeTest(">=", now_ns - span_ns)
        case _:
            return node


def _time_test(leaf: TimeTest | LastTest, now_ns: int, negated: bool) -> tuple[str, int]:
    op, t_ns = (leaf.op, leaf.t_ns) if isinstance(leaf, TimeTest) else (">=", now_ns - leaf.span_ns)
    return (OPPOSITE[op] if negated else op), t_ns


def _bounds(node: Node, now_ns: int, negated: bool) -> Bounds:
    match node:
        case Not(part):
            return _bounds(part, now_ns, not negated)
        case And(parts) | Or(parts):
            if isinstance(node, And) == negated and not parts:
                return _EMPTY
            all_of = [_bounds(part, now_ns, negated) for part in parts]
            return _meet(all_of) if isinstance(node, And) != negated else _hull(all_of)
        case TimeTest() | LastTest():
            op, t_ns = _time_test(node, now_ns, negated)
            return {
                "<": (None, max(t_ns - 1, -_LAST_NS)),
                "<=": (None, t_ns),
                ">": (min(t_ns + 1, _LAST_NS), None),
                ">=": (t_ns, None),
                "=": (t_ns, t_ns),
                "!=": (None, None),
            }[op]
        case _:
            return None, None


def _meet(bounds: Sequence[Bounds]) -> Bounds:
    lows = [low for low, _ in bounds if low is not None]
    highs = [high for _, high in bounds if high is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    return _EMPTY if low is not None and high is not None and low > high else (low, high)


def _hull(bounds: Sequence[Bounds]) -> Bounds:
    some = [one for one in bounds if one != _EMPTY]
    if not some:
        return _EMPTY
    lows, highs = [low for low, _ in some], [high for _, high in some]
    low = None if None in lows else min(one for one in lows if one is not None)
    high = None if None in highs else max(one for one in highs if one is not None)
    return low, high


def _satellites(node: Node, negated: bool) -> frozenset[str] | None:
    match node:
        case Not(part):
            return _satellites(part, not negated)
        case And(parts) | Or(parts):
            found = [_satellites(part, negated) for part in parts]
            named = [one for one in found if one is not None]
            if isinstance(node, And) != negated:
                return reduce(frozenset[str].intersection, named) if named else None
            return frozenset(name for one in named for name in one) if len(named) == len(found) else None
        case SatelliteTest(op, name):
            return frozenset({name}) if (op == "=") != negated else None
        case _:
            return None


def _sql(node: Node, now_ns: int, negated: bool, parameters: list[int | float | str]) -> str:
    match node:
        case Not(part):
            return _sql(part, now_ns, not negated, parameters)
        case And(parts) | Or(parts):
            joint = " AND " if isinstance(node, And) != negated else " OR "
            fragments = [_sql(part, now_ns, negated, parameters) for part in parts]
            return "(" + joint.join(fragments) + ")" if fragments else ("0" if negated else "1")
        case ChannelTest():
            return "1"
        case TimeTest() | LastTest():
            op, t_ns = _time_test(node, now_ns, negated)
            parameters.append(t_ns)
            return f"frame.t_ns {op} ?"
        case SatelliteTest(op, name):
            parameters.append(name)
            equal = "=" if (op == "=") != negated else "IS NOT"
            return f"frame.satellite {equal} (SELECT id FROM satellite WHERE name = ?)"
        case ScoreTest(op, value):
            parameters.append(value)
            return f"score.score {OPPOSITE[op] if negated else op} ?"
        case StateTest(op, word):
            states = ", ".join(str(one) for one in sorted(STATES[word]))
            inside = "IN" if (op == "=") != negated else "NOT IN"
            return f"coalesce(score.state, {_UNSCORED}) {inside} ({states})"
        case AnomalyTest():
            return f"coalesce(score.state, {_UNSCORED}) <= 0" if negated else "score.state > 0"
        case QualityTest(word):
            return f"(frame.quality & {int(QUALITIES[word])}) {'=' if negated else '!='} 0"


def _may(node: Node, stats: Mapping[str, tuple[Float64s, Float64s]], blocks: int, negated: bool) -> Bools:
    match node:
        case Not(part):
            return _may(part, stats, blocks, not negated)
        case And(parts) | Or(parts):
            conjunction = isinstance(node, And) != negated
            verdict = np.full(blocks, conjunction)
            for part in parts:
                this = _may(part, stats, blocks, negated)
                verdict = (verdict & this) if conjunction else (verdict | this)
            return verdict
        case ChannelTest(channel, op, value) if channel in stats:
            low, high = stats[channel]
            match OPPOSITE[op] if negated else op:
                case "<":
                    return low < value
                case "<=":
                    return low <= value
                case ">":
                    return high > value
                case ">=":
                    return high >= value
                case "=":
                    return (low <= value) & (value <= high)
                case _:
                    return (low < value) | (high > value)
        case _:
            return np.ones(blocks, dtype=np.bool_)


class _Evaluation:
    """One query on one set of columns; validity of a channel is found once."""

    def __init__(self, query: Query, columns: FilterColumns) -> None:
        self._query = query
        self._columns = columns
        self._valid: dict[str, Bools] = {}

    def mask(self, node: Node, negated: bool) -> Bools:
        match node:
            case Not(part):
                return self.mask(part, not negated)
            case And(parts) | Or(parts):
                conjunction = isinstance(node, And) != negated
                found = np.full(len(self._columns), conjunction)
                for part in parts:
                    found = (
                        (found & self.mask(part, negated)) if conjunction else (found | self.mask(part, negated))
                    )
                return found
            case ChannelTest(channel, op, value):
                values = self._columns.values.get(channel)
                if values is None:
                    return np.zeros(len(self._columns), dtype=np.bool_)
                return _compare(OPPOSITE[op] if negated else op, values, value) & self._is_valid(channel, values)
            case _:
                return self._leaf(node, negated)

    def _leaf(self, leaf: Leaf, negated: bool) -> Bools:
        columns = self._columns
        match leaf:
            case TimeTest() | LastTest():
                op, t_ns = _time_test(leaf, self._query.now_ns, negated)
                return _compare(op, columns.t_ns, t_ns)
            case ScoreTest(op, value):
                scored = (columns.state != _UNSCORED) & ~np.isnan(columns.score)
                return _compare(OPPOSITE[op] if negated else op, columns.score, value) & scored
            case SatelliteTest(op, name):
                indices = [i for i, one in enumerate(columns.satellites) if one == name]
                return self._of(indices) == ((op == "=") != negated)
            case StateTest(op, word):
                return np.isin(columns.state, list(STATES[word])) == ((op == "=") != negated)
            case AnomalyTest():
                return (columns.state > 0) != negated
            case QualityTest(word):
                return ((columns.quality & int(QUALITIES[word])) != 0) != negated
            case ChannelTest():
                return self.mask(leaf, negated)

    def _is_valid(self, channel: str, values: Float64s) -> Bools:
        if channel not in self._valid:
            valid = np.isfinite(values)
            for definition, indices in self._definitions(channel):
                rows = self._of(indices)
                valid[rows] = ~invalid_mask([definition], values[rows, np.newaxis])[:, 0]
            self._valid[channel] = valid
        return self._valid[channel]

    def _of(self, satellites: list[int]) -> Bools:
        """Rows of these satellites. A table to look up in is ten times as fast as `np.isin`."""
        wanted = np.zeros(len(self._columns.satellites), dtype=np.bool_)
        wanted[satellites] = True
        return wanted[self._columns.satellite]

    def _definitions(self, channel: str) -> list[tuple[Channel, list[int]]]:
        """Each definition of the channel with the indices of the satellites that use it."""
        mission = self._query.mission
        by_bus: dict[str, list[int]] = {}
        for index, name in enumerate(self._columns.satellites):
            if name in mission.by_name:
                by_bus.setdefault(mission.by_name[name].bus, []).append(index)
        buses = ((mission.buses[bus], indices) for bus, indices in by_bus.items())
        return [(bus.by_name[channel], indices) for bus, indices in buses if channel in bus.by_name]


def _compare(op: str, values: npt.NDArray[np.float64] | Int64s, against: float) -> Bools:
    match op:
        case "<":
            return values < against
        case "<=":
            return values <= against
        case ">":
            return values > against
        case ">=":
            return values >= against
        case "=":
            return values == against
        case _:
            return values != against
