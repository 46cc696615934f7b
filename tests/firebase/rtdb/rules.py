"""Security rules: who may read and write where, and what is indexed.

A right given on the way down to a place holds for all below; `.validate` is asked of every place that gets data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rtdb.keys import PRIORITY, Path
from rtdb.refused import Refused
from rtdb.rules_language import Expression, RulesError, Scope, Snapshot, read_expression
from rtdb.tokens import Account
from rtdb.tree import Node

OPEN = '{"rules": {".read": true, ".write": true}}'

_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_NAMES = frozenset(("auth", "now", "root", "data"))


class Level:
    """The rules of one place: `read`, `write`, `validate`, `index`, and the levels below by key or `$name`."""

    def __init__(self, given: Any, names: frozenset[str] = _NAMES, where: str = "") -> None:
        if not isinstance(given, dict):
            raise RulesError(f"{where or '/'}: an object is needed")
        self.read = self._expression(given, ".read", names, where)
        self.write = self._expression(given, ".write", names | {"newData"}, where)
        self.validate = self._expression(given, ".validate", names | {"newData"}, where)
        index = given.get(".indexOn", [])
        self.index: list[str] = [index] if isinstance(index, str) else index
        self.any: str = ""
        self.below: dict[str, Level] = {}
        for key, inner in given.items():
            if key.startswith("."):
                if key not in (".read", ".write", ".validate", ".indexOn"):
                    raise RulesError(f"{where}/{key}: is not known")
                continue
            if key.startswith("$"):
                if self.any:
                    raise RulesError(f"{where}: two wildcards")
                self.any = key
            self.below[key] = Level(inner, names | {key} if key.startswith("$") else names, f"{where}/{key}")

    @staticmethod
    def _expression(given: Mapping[str, Any], kind: str, names: frozenset[str], where: str) -> Expression | None:
        if kind not in given:
            return None
        text = given[kind]
        if isinstance(text, bool):
            return lambda _scope: text
        if not isinstance(text, str):
            raise RulesError(f"{where}/{kind}: true, false or an expression is needed")
        try:
            return read_expression(text, names)
        except RulesError as why:
            raise RulesError(f"{where}/{kind}: {why}") from None

    def step(self, key: str, found: dict[str, str]) -> Level | None:
        """The level of a child; a wildcard's name goes into `found`."""
        if key in self.below and not key.startswith("$"):
            return self.below[key]
        if self.any:
            found[self.any] = key
            return self.below[self.any]
        return None


def _holds(expression: Expression | None, scope: Scope) -> bool:
    """What cannot be answered is not allowed."""
    if expression is None:
        return False
    try:
        return expression(scope) is True
    except (RulesError, TypeError, ArithmeticError):
        return False


class Rules:
    """Rules of one database; raises `Refused` (400) for a text that is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            given = json.loads(_COMMENT.sub(lambda found: found[1] or " ", text))
            self._root = Level(given["rules"])
        except (ValueError, KeyError, TypeError, RulesError) as why:
            raise Refused(400, f"Error in the rules: {why}") from None

    @classmethod
    def open(cls) -> Rules:
        """Everybody may do everything."""
        return cls(OPEN)

    def _way(self, path: Path) -> Iterator[tuple[int, Level, Scope]]:
        """The levels on the way to a path, with how many keys lead there and the wildcards so far."""
        found: dict[str, str] = {}
        level: Level | None = self._root
        yield 0, self._root, {}
        for count, key in enumerate(path, 1):
            if level is None or (level := level.step(key, found)) is None:
                return
            yield count, level, dict(found)

    def check_read(self, root: Node, path: Path, account: Account, now_ms: int) -> None:
        """Raises `Refused` (401) where the account may not read."""
        if account.admin:
            return
        for count, level, found in self._way(path):
            if _holds(level.read, _scope(found, root, None, path[:count], account, now_ms)):
                return
        raise Refused(401, "Permission denied")

    def check_write(self, before: Node, after: Node, paths: Sequence[Path], account: Account, now_ms: int) -> None:
        """Raises `Refused` (401) unless the account may write all the paths."""
        if account.admin:
            return
        for path in paths:
            if not any(
                _holds(level.write, _scope(found, before, after, path[:count], account, now_ms))
                for count, level, found in self._way(path)
            ):
                raise Refused(401, "Permission denied")
        for place, level, found in self._written(after, paths):
            if level.validate is not None and not _holds(
                level.validate, _scope(found, before, after, place, account, now_ms)
            ):
                raise Refused(401, "Permission denied")

    def _written(self, after: Node, paths: Sequence[Path]) -> Iterator[tuple[Path, Level, Scope]]:
        """Every place with data on the way to the paths and below them, with its level."""
        for path in paths:
            place = path[:-1] if path[-1:] == (PRIORITY,) else path
            last: tuple[int, Level, Scope] | None = None
            for last in self._way(place):
                count, level, found = last
                if count < len(place) and not after.at(place[:count]).empty:
                    yield place[:count], level, found
            if last is not None and last[0] == len(place):
                yield from _below(after.at(place), place, last[1], last[2])

    def check_index(self, path: Path, index: str | None) -> None:
        """Raises `Refused` (400) for a query by a child that no rule indexes."""
        if index is None:
            return
        for count, level, _found in self._way(path):
            if count == len(path) and index in level.index:
                return
        where = "/" + "/".join(path)
        raise Refused(400, f'Index not defined, add ".indexOn": "{index}", for path "{where}", to the rules')


def _below(node: Node, place: Path, level: Level, found: Scope) -> Iterator[tuple[Path, Level, Scope]]:
    if node.empty:
        return
    yield place, level, found
    for key, child in node.children.items():
        names = dict(found)
        inner = level.step(key, names)
        if inner is not None:
            yield from _below(child, (*place, key), inner, names)


def _scope(found: Scope, before: Node, after: Node | None, place: Path, account: Account, now_ms: int) -> Scope:
    scope = {
        **found,
        "auth": account.auth,
        "now": now_ms,
        "root": Snapshot(before),
        "data": Snapshot(before, place),
    }
    if after is not None:
        scope["newData"] = Snapshot(after, place)
    return scope
