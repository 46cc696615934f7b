"""Checking TOML tables key by key, so that one wrong key does not hide the next.

Every error is one line: file, key, value, what is allowed. Keys nobody reads are errors, because a limit that is
spelled wrong is a limit that is not there.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from telemetry.dictionary import EXACT_INTEGERS
from telemetry.plain_text import is_plain, plain_text


@dataclass(frozen=True)
class Rule:
    """What a key may hold: a msgspec type, a further test, and the sentence that says so."""

    type: Any
    allowed: str
    test: Callable[[Any], bool] = lambda _: True
    needed: bool = False


class Report:
    """Collects the errors of one file."""

    def __init__(self, file: str) -> None:
        self.file = plain_text(file, 100)
        self.lines: list[str] = []

    def error(self, key: str, value: object, allowed: str) -> None:
        """One line; `value` is shown as TOML-like text, cut and made plain."""
        shown = "missing" if value is MISSING else plain_text(_shown(value), 60)
        self.lines.append(f"{self.file}: {plain_text(key, 120)}: {shown}: allowed: {plain_text(allowed, 400)}")

    def table(
        self, table: object, path: str, rules: Mapping[str, Rule], children: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The keys of `table` that are right; each wrong, missing or unknown one is an error.

        `children` are keys read elsewhere.
        """
        if not isinstance(table, dict):
            self.error(path, table, "a table")
            return {}
        found: dict[str, Any] = {}
        for key, value in as_table(cast("object", table)).items():
            if key in children:
                continue
            rule = rules.get(key)
            if rule is None:
                self.error(_join(path, key), value, _known(key, (*rules, *children)))
                continue
            converted = self.value(value, _join(path, key), rule)
            if converted is not MISSING:
                found[key] = converted
        for key, rule in rules.items():
            if rule.needed and key not in table:
                self.error(_join(path, key), MISSING, rule.allowed)
        return found

    def value(self, value: object, path: str, rule: Rule) -> Any:
        """`value` as the rule's type, or MISSING after reporting it."""
        if _too_large(value):
            self.error(path, value, f"{rule.allowed}; whole numbers up to 2^53 (values are float64)")
            return MISSING
        try:
            converted = msgspec.convert(value, rule.type, strict=True)
        except msgspec.ValidationError:
            self.error(path, value, rule.allowed)
            return MISSING
        if not rule.test(converted):
            self.error(path, value, rule.allowed)
            return MISSING
        return converted

    def tables(self, value: object, path: str) -> list[tuple[str, object]]:
        """(path, element) of an array of tables."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.error(path, value, "an array of tables")
            return []
        return [(f"{path}[{i}]", one) for i, one in enumerate(cast("list[object]", value))]


MISSING: Any = msgspec.UNSET


def _shown(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value + '"'
        case list():
            return "[" + ", ".join(_shown(one) for one in cast("list[object]", value)[:8]) + "]"
        case dict():
            items = list(cast("dict[str, object]", value).items())[:8]
            return "{" + ", ".join(f"{key} = {_shown(one)}" for key, one in items) + "}"
        case _:
            return str(value)


def as_table(value: object) -> Mapping[str, Any]:
    """`value` where it is a table, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _known(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    return (f"{close[0]}? " if close else "") + "keys here are " + ", ".join(known)


def _too_large(value: object) -> bool:
    match value:
        case bool():
            return False
        case int():
            return abs(value) > EXACT_INTEGERS
        case list():
            return any(_too_large(one) for one in cast("list[object]", value))
        case _:
            return False


def is_text(limit: int, *, empty: bool = False) -> Callable[[str], bool]:
    """A test: plain text of at most `limit` characters, not padded with spaces."""
    return lambda text: is_plain(text, limit) and text == text.strip() and (empty or bool(text))


def words(limit: int, needed: bool = False) -> Rule:
    """Text of 1 to `limit` characters."""
    return Rule(str, f"1 to {limit} printable characters, no control or invisible ones", is_text(limit), needed)


def one_of(*choices: str, needed: bool = False) -> Rule:
    """One of the texts `choices`."""
    return Rule(str, " or ".join(f'"{word}"' for word in choices), lambda text: text in choices, needed)


def number(allowed: str, low: float, high: float, *, above: bool = False, needed: bool = False) -> Rule:
    """A finite number from `low` (or `above` it) to `high`, in the words of `allowed`."""
    return Rule(
        float, allowed, lambda v: math.isfinite(v) and (low < v if above else low <= v) and v <= high, needed
    )
