"""From text to the tree of `telemetry.query_syntax`: words, grammar, and errors that point at a column."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from telemetry.clock import NS_PER_S, parse_iso
from telemetry.plain_text import plain_text
from telemetry.query_syntax import (
    COMPARISONS,
    EQUALITIES,
    EVERYTHING,
    FIELDS,
    NUMBER,
    QUALITIES,
    SPANS,
    STATES,
    And,
    AnomalyTest,
    ChannelTest,
    LastTest,
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
)

MAX_LENGTH = 2000
MAX_DEPTH = 40
_SPAN_WORDS = {"sec": "s", "second": "s", "seconds": "s", "m": "min", "minute": "min", "minutes": "min",
               "hour": "h", "hours": "h", "day": "d", "days": "d"}  # fmt: skip
_TOKEN = re.compile(
    r"""\s*(?:(?P<op><=|>=|!=|==|<>|<|>|=)|(?P<paren>[()])|(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>[^\s()<>=!"]+))"""
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int

    def says(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words

    @property
    def shown(self) -> str:
        return "the end" if self.kind == "end" else f'"{plain_text(self.text, 40)}"'


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            if text[at] == '"':
                raise QueryError("the quotation mark is never closed", at)
            raise QueryError(f"{plain_text(text[at])!r} has no meaning here", at, COMPARISONS)
        kind = match.lastgroup or "word"
        piece = match.group(kind)
        column = match.start(kind)
        if kind == "string":
            piece = re.sub(r"\\(.)", r"\1", piece[1:-1])
        elif kind == "op":
            piece = {"==": "=", "<>": "!="}.get(piece, piece)
        found.append(_Token(kind, piece, column))
        at = match.end()
    found.append(_Token("end", "", end))
    return found


class _Parser:
    def __init__(self, text: str, words: Vocabulary) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._words = words
        self._names = {name.lower(): name for name in words.channels}

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def whole(self) -> Node:
        if self._next.kind == "end":
            return EVERYTHING
        node = self._joined("or", lambda: self._joined("and", self._negation, And), Or)
        if self._next.kind != "end":
            raise QueryError(
                f"{self._next.shown} does not continue the expression", self._next.column, ("and", "or")
            )
        return node

    def _joined(self, word: str, part: Callable[[], Node], join: type[And] | type[Or]) -> Node:
        parts = [part()]
        while self._next.says(word):
            self._take()
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        flat: list[Node] = []
        for one in parts:
            flat.extend(one.parts if isinstance(one, join) else (one,))
        return join(tuple(flat))

    def _negation(self) -> Node:
        token = self._next
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise QueryError(f"more than {MAX_DEPTH} levels of parentheses and not", token.column)
        try:
            if token.says("not"):
                self._take()
                return Not(self._negation())
            if token.kind == "paren" and token.text == "(":
                self._take()
                inner = self._joined("or", lambda: self._joined("and", self._negation, And), Or)
                if self._next.text != ")" or self._next.kind != "paren":
                    raise QueryError(
                        f"{self._next.shown} where the parenthesis should close", self._next.column, (")",)
                    )
                self._take()
                return inner
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Node:
        token = self._take()
        word = token.text.lower() if token.kind == "word" else ""
        if word in self._names:
            return self._channel(self._names[word])
        if self._words.frame_words:
            match word:
                case "anomaly":
                    return AnomalyTest()
                case "time":
                    return self._time()
                case "satellite":
                    op = self._operator(EQUALITIES)
                    return SatelliteTest(op, self._name("satellite", self._words.satellites))
                case "score":
                    op = self._operator(COMPARISONS)
                    return ScoreTest(op, self._number())
                case "state":
                    op = self._operator(EQUALITIES)
                    return StateTest(op, self._name("state", tuple(STATES)))
                case "quality":
                    if not self._take_word("has"):
                        raise QueryError(f"{self._next.shown} after quality", self._next.column, ("has",))
                    return QualityTest(self._name("quality", tuple(QUALITIES)))
                case _:
                    pass
        allowed = (*(FIELDS if self._words.frame_words else ()), *self._words.channels)
        if token.kind == "end":
            raise QueryError("something is missing at the end", token.column, ("not", "(", *allowed))
        raise QueryError(f"{token.shown} is no channel", token.column, nearest(token.text, allowed))

    def _channel(self, channel: str) -> Node:
        op = self._operator(COMPARISONS)
        labels = self._words.channels[channel]
        token = self._next
        if (
            labels
            and token.kind in ("word", "string")
            and not (token.kind == "word" and NUMBER.fullmatch(token.text))
        ):
            label = self._name(channel, tuple(name for _, name in labels))
            if op not in EQUALITIES:
                raise QueryError(f"{op} does not compare labels", token.column, EQUALITIES)
            return ChannelTest(channel, op, float(next(code for code, name in labels if name == label)), label)
        value = self._number()
        label = next((name for code, name in labels if code == value), None) if op in EQUALITIES else None
        return ChannelTest(channel, op, value, label)

    def _time(self) -> Node:
        if self._take_word("in"):
            if not self._take_word("last"):
                raise QueryError(f'{self._next.shown} after "time in"', self._next.column, ("last",))
            return LastTest(self._span())
        op = self._operator(COMPARISONS, extra=("in last",))
        token = self._take()
        text = token.text
        if self._next.kind == "word" and re.fullmatch(r"\d\d:\d\d.*", self._next.text):
            text += "T" + self._take().text
        try:
            return TimeTest(op, parse_iso(text))
        except ValueError:
            raise QueryError(f"{token.shown} is no time", token.column, ("2026-11-22T07:14:03Z",)) from None

    def _span(self) -> int:
        token = self._take()
        found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([A-Za-z]*)", token.text, re.ASCII)
        if token.kind != "word" or found is None:
            raise QueryError(f"{token.shown} is no length of time", token.column, ("10 min", "30 s", "2 h", "1 d"))
        amount, unit = found.groups()
        unit_at = token.column + len(amount)
        if not unit:
            unit_at = self._next.column
            unit = self._take().text if self._next.kind == "word" else ""
        unit = _SPAN_WORDS.get(unit.lower(), unit.lower())
        if unit not in SPANS:
            raise QueryError("a length of time needs its unit", unit_at, tuple(SPANS))
        try:
            ns = int(Decimal(amount) * SPANS[unit] * NS_PER_S)
        except InvalidOperation:
            ns = 0
        if not 0 < ns < 2**62:
            raise QueryError(f"{token.shown} is no length of time", token.column, ("10 min", "30 s", "2 h", "1 d"))
        return ns

    def _operator(self, allowed: Sequence[str], extra: Sequence[str] = ()) -> str:
        token = self._next
        if token.kind != "op" or token.text not in allowed:
            raise QueryError(f"{token.shown} where a comparison should stand", token.column, (*allowed, *extra))
        return self._take().text

    def _number(self) -> float:
        token = self._take()
        if token.kind != "word" or not NUMBER.fullmatch(token.text) or not math.isfinite(float(token.text)):
            raise QueryError(f"{token.shown} is no number", token.column, ("a number such as 7.2 or -1e-3",))
        return float(token.text)

    def _name(self, what: str, allowed: Sequence[str]) -> str:
        token = self._take()
        if token.kind in ("word", "string"):
            if token.text in allowed:
                return token.text
            same = [name for name in allowed if name.lower() == token.text.lower()]
            if len(same) == 1:
                return same[0]
        raise QueryError(f"{token.shown} is no value of {what}", token.column, nearest(token.text, allowed))

    def _take_word(self, word: str) -> bool:
        if self._next.says(word):
            self._take()
            return True
        return False


def nearest(word: str, allowed: Iterable[str]) -> tuple[str, ...]:
    """`allowed` with the names most like `word` first."""
    names = tuple(allowed)
    close = difflib.get_close_matches(word.lower(), [name.lower() for name in names], n=3, cutoff=0.5)
    first = [name for like in close for name in names if name.lower() == like]
    return tuple(dict.fromkeys((*first, *names)))


def parse_expression(text: str, words: Vocabulary) -> Node:
    """The tree of `text`; an empty text is `EVERYTHING`.

    Raises:
        QueryError: with the column and the words allowed there.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    return _Parser(text, words).whole()
