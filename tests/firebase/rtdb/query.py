"""Queries: which children of a node are asked for, and in which order."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from rtdb.keys import AFTER_ALL, BEFORE_ALL, KeyOrder, Path, key_order, read_path, text_order
from rtdb.refused import Refused
from rtdb.tree import EMPTY, Node, Scalar

NAMES = ("startAt", "startAfter", "endAt", "endBefore", "equalTo", "limitToFirst", "limitToLast")
SILENT = {"$key": None, "$priority": None}

ValueOrder: TypeAlias = tuple[int, float, bytes]
Place: TypeAlias = tuple[ValueOrder, KeyOrder, int]
"""Where a child stands: its value, its key, and 0; a bound beside it has -1 (before) or 1 (after)."""

_NO_VALUE: ValueOrder = (0, 0, b"")


def value_order(value: Scalar | None, has_children: bool = False) -> ValueOrder:
    """null < false < true < numbers < texts < objects."""
    if has_children:
        return (4, 0, b"")
    if value is None:
        return _NO_VALUE
    if isinstance(value, bool):
        return (1, int(value), b"")
    if isinstance(value, str):
        return (3, 0, text_order(value))
    return (2, value, b"")


def _child_order(key: str) -> tuple[KeyOrder, int]:
    return (key_order(key), 0)


class Query(NamedTuple):
    """What to order by, between which places, and how many."""

    by: str
    path: Path
    low: Place | None
    high: Place | None
    first: int | None
    last: int | None

    @property
    def needed_index(self) -> str | None:
        """What the rules must name under `.indexOn`; None where no index is needed."""
        return SILENT.get(self.by, ".value" if self.by == "$value" else "/".join(self.path))

    def place(self, key: str, node: Node) -> Place:
        """Where a child stands in the order."""
        if self.by == "$key":
            return (_NO_VALUE, key_order(key), 0)
        if self.by == "$priority":
            return (value_order(node.priority), key_order(key), 0)
        found = node.at(self.path)
        return (value_order(found.value, bool(found.children)), key_order(key), 0)

    def within(self, place: Place) -> bool:
        return (self.low is None or self.low <= place) and (self.high is None or place <= self.high)

    @property
    def limited(self) -> bool:
        return self.first is not None or self.last is not None

    def window(self, node: Node) -> list[str]:
        """Keys of the children asked for, in the order asked for."""
        if self.by == "$key":
            keys = node.ordered
            start = 0 if self.low is None else bisect_left(keys, self.low[1:], key=_child_order)
            end = len(keys) if self.high is None else bisect_left(keys, self.high[1:], key=_child_order)
            found = keys[start:end]
        else:
            places = sorted((self.place(key, child), key) for key, child in node.children.items())
            found = [key for place, key in places if self.within(place)]
        if self.first is not None:
            return found[: self.first]
        return found if self.last is None else found[-self.last :]

    def select(self, node: Node) -> Node:
        """The node with the children asked for alone, and no priority; as it is where nothing is left out."""
        if self.low is None and self.high is None and not self.limited:
            return node
        keys = self.window(node)
        if not keys:
            return EMPTY
        return Node(None, {key: node.children[key] for key in keys})

    def holds(self, node: Node, keys: Iterable[str]) -> set[str]:
        """Which of the keys are in the window."""
        if self.limited:
            return set(self.window(node)).intersection(keys)
        return {key for key in keys if key in node.children and self.within(self.place(key, node.children[key]))}


def _parameter(given: Mapping[str, str], name: str) -> Any:
    try:
        value = json.loads(given[name])
    except ValueError:
        raise Refused(400, f"Constraint {name} must be valid JSON") from None
    if isinstance(value, dict | list):
        raise Refused(400, "Constraint index field must be a JSON primitive")
    return value


def _limit(given: Mapping[str, str], name: str) -> int | None:
    if name not in given:
        return None
    try:
        value = json.loads(given[name])
    except ValueError:
        value = None
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise Refused(400, f"{name} must be a positive integer")
    return value


def read_query(given: Mapping[str, str]) -> Query | None:
    """The query of a request's parameters, None without one; raises `Refused` (400)."""
    asked = [name for name in NAMES if name in given]
    if "orderBy" not in given:
        if asked:
            raise Refused(400, "orderBy must be defined when other query parameters are defined")
        return None
    try:
        by = json.loads(given["orderBy"])
    except ValueError:
        by = None
    if not isinstance(by, str) or not by or (by[0] == "$" and by not in ("$key", "$value", "$priority")):
        raise Refused(400, "orderBy must be a valid JSON encoded path")
    path = () if by[0] == "$" else read_path(by)
    if "equalTo" in asked and {"startAt", "startAfter", "endAt", "endBefore"} & set(asked):
        raise Refused(400, "equalTo cannot be specified in addition to startAfter, startAt, endAt, or endBefore")
    for one, other in (("startAt", "startAfter"), ("endAt", "endBefore"), ("limitToFirst", "limitToLast")):
        if one in asked and other in asked:
            raise Refused(400, f"Only one of {one} and {other} may be specified")

    def bound(name: str, side: int) -> Place | None:
        if name not in given:
            return None
        value = _parameter(given, name)
        if by != "$key":
            return (value_order(value), AFTER_ALL if side > 0 else BEFORE_ALL, 0)
        if not isinstance(value, str):
            raise Refused(400, f"{name} must be a string when ordering by $key")
        return (_NO_VALUE, key_order(value), side)

    return Query(
        by,
        path,
        bound("startAt", -1) or bound("startAfter", 1) or bound("equalTo", -1),
        bound("endAt", 1) or bound("endBefore", -1) or bound("equalTo", 1),
        _limit(given, "limitToFirst"),
        _limit(given, "limitToLast"),
    )
