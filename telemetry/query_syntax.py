"""The expression language: its words, the tree, and the canonical text (`telemetry.query_parser` reads it).

    expression := conjunction ("or" conjunction)*
    conjunction := negation ("and" negation)*
    negation := "not" negation | "(" expression ")" | test
    test := CHANNEL op NUMBER | CHANNEL (= | !=) LABEL | "anomaly" | "satellite" (= | !=) NAME
          | "time" op TIME | "time in last" NUMBER (s | min | h | d) | "score" op NUMBER
          | "state" (= | !=) (nominal | above | confirmed | anomaly | unscored) | "quality has" FLAG

A limit set's `when` is the same language with channels only. `telemetry.query` evaluates it on frames.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import numpy as np
import numpy.typing as npt

from telemetry.clock import NS_PER_S, iso
from telemetry.frame import Quality

COMPARISONS = ("<", "<=", ">", ">=", "=", "!=")
EQUALITIES = ("=", "!=")
OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "=": "!=", "!=": "="}
STATES: Mapping[str, frozenset[int]] = {
    "nominal": frozenset({0}),
    "above": frozenset({1}),
    "confirmed": frozenset({2}),
    "anomaly": frozenset({1, 2}),
    "unscored": frozenset({-1}),
}
"""Word -> values of `score.state`; a row without a score counts as -1."""
QUALITIES: Mapping[str, Quality] = {
    "stored": Quality.STORED,
    "late": Quality.LATE,
    "no_sequence": Quality.NO_SEQUENCE,
    "simulated": Quality.SIMULATED,
    "replayed": Quality.REPLAYED,
}
SPANS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
FIELDS = ("anomaly", "time", "satellite", "score", "state", "quality")
_KEYWORDS = frozenset(("and", "or", "not", "in", "last", "has", *FIELDS))
_BARE = re.compile(r"[^\s()<>=!\"\\]+")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class QueryError(ValueError):
    """What is wrong, where, and what could stand there.

    Attributes:
        message: one sentence, plain text.
        column: index of the character to put a caret under.
        allowed: words that fit there, the likeliest first; may be empty.
    """

    def __init__(self, message: str, column: int, allowed: Sequence[str] = ()) -> None:
        self.message = message
        self.column = column
        self.allowed = tuple(allowed)
        hint = ""
        if self.allowed:
            rest = len(self.allowed) - 8
            hint = f": allowed: {', '.join(self.allowed[:8])}" + (f" and {rest} more" if rest > 0 else "")
        super().__init__(f"column {column + 1}: {message}{hint}")


class Vocabulary(msgspec.Struct, frozen=True):
    """The names an expression may use.

    `channels` maps a channel name to its enumeration, (code, label) pairs. Without `frame_words` only channels
    are known, as in a limit set's `when`.
    """

    channels: Mapping[str, Sequence[tuple[int, str]]]
    satellites: Sequence[str] = ()
    frame_words: bool = True


@dataclass(frozen=True)
class ChannelTest:
    channel: str
    op: str
    value: float
    label: str | None = field(default=None, compare=False)


class TimeTest(msgspec.Struct, frozen=True):
    op: str
    t_ns: int


class LastTest(msgspec.Struct, frozen=True):
    span_ns: int


class SatelliteTest(msgspec.Struct, frozen=True):
    op: str
    name: str


class ScoreTest(msgspec.Struct, frozen=True):
    op: str
    value: float


class StateTest(msgspec.Struct, frozen=True):
    op: str
    word: str


class QualityTest(msgspec.Struct, frozen=True):
    word: str


class AnomalyTest(msgspec.Struct, frozen=True):
    """A flagged row: `score.state > 0`."""


class Not(msgspec.Struct, frozen=True):
    part: Node


class And(msgspec.Struct, frozen=True):
    """All parts; with no part at all it is true (the empty filter)."""

    parts: tuple[Node, ...]


class Or(msgspec.Struct, frozen=True):
    parts: tuple[Node, ...]


Leaf = ChannelTest | TimeTest | LastTest | SatelliteTest | ScoreTest | StateTest | QualityTest | AnomalyTest
Node = Leaf | Not | And | Or
EVERYTHING = And(())


def leaves(node: Node) -> Iterable[Leaf]:
    """Every test of the tree, in the order of its text."""
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield node


def compare(op: str, value: float, against: float) -> bool:
    """`value op against` for two finite numbers; NaN on the left is never true, for no operator."""
    if math.isnan(value):
        return False
    match op:
        case "<":
            return value < against
        case "<=":
            return value <= against
        case ">":
            return value > against
        case ">=":
            return value >= against
        case "=":
            return value == against
        case _:
            return value != against


def holds(node: Node, context: Mapping[str, float], negated: bool = False) -> bool:
    """Whether a channels-only expression is true of the values in `context`.

    A channel that is missing or NaN satisfies neither a comparison nor its negation.

    Raises:
        TypeError: the tree holds something else than channel tests.
    """
    match node:
        case Not(part):
            return holds(part, context, not negated)
        case And(parts) | Or(parts):
            conjunction = isinstance(node, And) != negated
            verdicts = (holds(part, context, negated) for part in parts)
            return all(verdicts) if conjunction else any(verdicts)
        case ChannelTest(channel, op, value):
            now = context.get(channel)
            return now is not None and compare(OPPOSITE[op] if negated else op, now, value)
        case _:
            raise TypeError("only channels can be told from a context")


_COMPARED = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}


def holds_rows(
    node: Node, context: Mapping[str, npt.NDArray[np.float64]], negated: bool = False
) -> npt.NDArray[np.bool_]:
    """`holds` of n rows at once: `context` gives each channel n values, NaN where it is missing.

    Raises:
        TypeError: the tree holds something else than channel tests.
        KeyError: a channel has no column.
    """
    match node:
        case Not(part):
            return holds_rows(part, context, not negated)
        case And(parts) | Or(parts):
            verdicts = [holds_rows(part, context, negated) for part in parts]
            conjunction = isinstance(node, And) != negated
            return (np.logical_and if conjunction else np.logical_or).reduce(verdicts)
        case ChannelTest(channel, op, value):
            now = context[channel]
            return _COMPARED[OPPOSITE[op] if negated else op](now, value) & ~np.isnan(now)
        case _:
            raise TypeError("only channels can be told from a context")


def text_of(node: Node) -> str:
    """The canonical text: lower-case words, definition's spelling of names, as few parentheses as possible."""
    match node:
        case And(parts):
            return " and ".join(f"({text_of(p)})" if isinstance(p, Or) else text_of(p) for p in parts)
        case Or(parts):
            return " or ".join(text_of(p) for p in parts)
        case Not(part):
            inner = text_of(part)
            return f"not ({inner})" if isinstance(part, And | Or) else f"not {inner}"
        case ChannelTest(channel, op, value, label):
            return f"{channel} {op} {_quoted(label) if label is not None else number_text(value)}"
        case TimeTest(op, t_ns):
            return f"time {op} {iso(t_ns)}"
        case LastTest(span_ns):
            return f"time in last {_span_text(span_ns)}"
        case SatelliteTest(op, name):
            return f"satellite {op} {_quoted(name)}"
        case ScoreTest(op, value):
            return f"score {op} {number_text(value)}"
        case StateTest(op, word):
            return f"state {op} {word}"
        case QualityTest(word):
            return f"quality has {word}"
        case AnomalyTest():
            return "anomaly"


def number_text(value: float) -> str:
    """The shortest decimal that reads back as `value`; no `.0` on whole numbers."""
    text = repr(float(value))
    return text.removesuffix(".0")


def _span_text(span_ns: int) -> str:
    for unit, seconds in reversed(SPANS.items()):
        if span_ns % (seconds * NS_PER_S) == 0:
            return f"{span_ns // (seconds * NS_PER_S)} {unit}"
    whole = Decimal(span_ns) / NS_PER_S
    return f"{whole:f} s"


def _quoted(name: str) -> str:
    if _BARE.fullmatch(name) and name.lower() not in _KEYWORDS and not NUMBER.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
