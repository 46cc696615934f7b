"""JSON in and out of the tree, by the rules of the real database: no nulls, no empty containers, arrays that are
objects with whole keys, values that the server fills in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rtdb.keys import array_index, check_depth, check_key
from rtdb.refused import Refused
from rtdb.tree import EMPTY, Node, Scalar

NOT_JSON = "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid key names?"
SHOWN_WHOLE = 1e21
"""From here on numbers are shown with an exponent."""


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def parse(body: bytes) -> Any:
    """The JSON of a body; NaN and infinities are none. Raises `Refused` (400)."""
    try:
        return json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, NOT_JSON) from None


def dumps(value: Any) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def scalar(value: Scalar) -> Scalar:
    """A scalar as the database keeps it: numbers are doubles, whole ones are shown without a point.

    So a whole number beyond 2**53 comes back near what was written, as Google's engine shows it.
    """
    if isinstance(value, bool | str):
        return value
    number = float(value)
    if not math.isfinite(number):
        raise Refused(400, NOT_JSON)
    if number.is_integer() and abs(number) < SHOWN_WHOLE:
        return int(number)
    return number


def _server_value(asked: Any, before: Node, now_ms: int) -> Scalar:
    if asked == "timestamp":
        return now_ms
    if isinstance(asked, dict) and set(asked) == {"increment"}:
        step = asked["increment"]
        if isinstance(step, int | float) and not isinstance(step, bool):
            is_number = isinstance(before.value, int | float) and not isinstance(before.value, bool)
            return scalar(before.value + step if is_number else step)  # pyright: ignore[reportOperatorIssue, reportOptionalOperand]
    raise Refused(400, "Invalid data; unknown server value")


def _priority(given: Any, before: Node, now_ms: int) -> Scalar | None:
    if isinstance(given, dict) and set(given) == {".sv"}:
        return _server_value(given[".sv"], Node(before.priority), now_ms)
    if given is None or (isinstance(given, int | float | str) and not isinstance(given, bool)):
        return None if given is None else scalar(given)
    raise Refused(400, "Invalid data; priority must be a string, a number or null")


def from_json(value: Any, before: Node = EMPTY, now_ms: int = 0, level: int = 0) -> Node:
    """The node of a JSON value.

    Args:
        value: what was sent, `.value`, `.priority` and `.sv` understood.
        before: what was at this place, for increments.
        now_ms: the server's time for `{".sv": "timestamp"}`.
        level: keys above this value, for the limit of depth.

    Raises:
        Refused: 400 for keys, depth or values that are not allowed.
    """
    check_depth(level)
    if value is None:
        return EMPTY
    priority = None
    if isinstance(value, dict) and ".priority" in value:
        priority = _priority(value[".priority"], before, now_ms)
    if isinstance(value, dict) and ".value" in value:
        if set(value) - {".value", ".priority"}:
            raise Refused(400, "Invalid data; .value cannot have children beside it")
        value = value[".value"]
        if value is None:
            return EMPTY
        if isinstance(value, dict | list) and not (isinstance(value, dict) and ".sv" in value):
            raise Refused(400, "Invalid data; .value must be a scalar")
    if isinstance(value, dict) and ".sv" in value:
        if set(value) - {".sv", ".priority"}:
            raise Refused(400, "Invalid data; .sv cannot have children beside it")
        return Node(_server_value(value[".sv"], before, now_ms), None, priority)
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refused(400, NOT_JSON) from None
    if isinstance(value, bool | int | float | str):
        return Node(scalar(value), None, priority)
    pairs: Mapping[str, Any]
    if isinstance(value, list):
        pairs = {str(place): item for place, item in enumerate(value)}
    else:
        pairs = {check_key(key): item for key, item in value.items() if key != ".priority"}
    made = {
        key: node
        for key, item in pairs.items()
        if not (node := from_json(item, before.child(key), now_ms, level + 1)).empty
    }
    return Node(None, made, priority) if made else EMPTY


def to_json(node: Node, export: bool = False) -> Any:
    """The JSON of a node; with `export` priorities are told and no arrays are made."""
    if node.value is not None:
        if export and node.priority is not None:
            return {".value": node.value, ".priority": node.priority}
        return node.value
    if not node.children:
        return None
    if not export:
        places = _places(node)
        if places is not None:
            row: list[Any] = [None] * (max(places) + 1)
            for place, child in zip(places, node.children.values(), strict=True):
                row[place] = to_json(child)
            return row
    told = {key: to_json(node.children[key], export) for key in node.ordered}
    if export and node.priority is not None:
        told[".priority"] = node.priority
    return told


def _places(node: Node) -> list[int] | None:
    """The indices of the children if they are shown as an array: whole keys, more than half of them there."""
    most = 2 * len(node.children)
    places: list[int] = []
    for key in node.children:
        place = array_index(key) if len(key) <= 15 else None
        if place is None or place >= most:
            return None
        places.append(place)
    return places
