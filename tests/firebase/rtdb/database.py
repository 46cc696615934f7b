"""One database: its data, its rules, who listens; reads and writes as an account may make them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rtdb.keys import Path, check_depth, read_path
from rtdb.query import Query
from rtdb.refused import Refused
from rtdb.rules import Rules
from rtdb.tokens import Account
from rtdb.tree import EMPTY, Node
from rtdb.values import dumps, from_json, to_json

_PUSH = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

NULL_ETAG = "null_etag"


class Change(NamedTuple):
    """One write that was applied: `places` relative to `at`, which is what a PATCH names (() for a PUT)."""

    at: Path
    places: tuple[Path, ...]
    merged: bool
    before: Node
    after: Node


class Database:
    """Data below one namespace. Not thread-safe: everything runs on the server's loop.

    Args:
        now_ms: the server's clock, Unix milliseconds.
        record: called with a path and a JSON value (export format) for each change, before it is told to anybody.
    """

    def __init__(self, now_ms: Callable[[], int], record: Callable[[Path, Any], None] | None = None) -> None:
        self.root = EMPTY
        self.rules = Rules.open()
        self.listeners: list[Callable[[Change], None]] = []
        self.now_ms = now_ms
        self._record = record
        self._last_push = (0, [0] * 12)

    def read(self, path: Path, account: Account, query: Query | None = None) -> Node:
        """What is at a path, of a query's window alone; raises `Refused` (401, 400 without an index)."""
        self.check_read(path, account)
        node = self.root.at(path)
        if query is None:
            return node
        self.rules.check_index(path, query.needed_index)
        return query.select(node)

    def check_read(self, path: Path, account: Account) -> None:
        """Raises `Refused` (401) where the account may not read."""
        self.rules.check_read(self.root, path, account, self.now_ms())

    def put(self, path: Path, value: Any, account: Account, if_match: str | None = None) -> Node:
        """Write one place; returns what is there now. Raises `Refused` (401, 400) and `NotMatching`."""
        before = self.root.at(path)
        if if_match is not None:
            # Who may not read may not guess either.
            self.check_read(path, account)
            if etag(before) != if_match:
                raise NotMatching(before)
        # One request, one time: rules compare what was written with theirs.
        now = self.now_ms()
        node = from_json(value, before, now, len(path))
        self._apply(path, {(): node}, account, now, merged=False)
        return self.root.at(path)

    def patch(self, path: Path, value: Any, account: Account) -> None:
        """Write several places below a path at once, or none. Raises `Refused` (401, 400)."""
        if not isinstance(value, dict):
            raise Refused(400, "Invalid data; couldn't parse JSON object. Are you sending a JSON object?")
        now = self.now_ms()
        writes: dict[Path, Node] = {}
        for key, item in value.items():
            place = read_path(key)
            if not place:
                raise Refused(400, "Invalid data; an update needs a key")
            check_depth(len(path) + len(place))
            if any(place[: len(other)] == other or other[: len(place)] == place for other in writes):
                raise Refused(400, "Invalid data; one path of the update contains another")
            writes[place] = from_json(item, self.root.at(path + place), now, len(path) + len(place))
        self._apply(path, writes, account, now, merged=True)

    def push(self, path: Path, value: Any, account: Account) -> str:
        """Write a new child under a key that sorts after those before; returns the key."""
        key = self._push_key()
        self.put((*path, key), value, account)
        return key

    def _apply(self, at: Path, writes: Mapping[Path, Node], account: Account, now: int, *, merged: bool) -> None:
        before = after = self.root
        for place, node in writes.items():
            after = after.with_at(at + place, node)
        self.rules.check_write(before, after, [at + place for place in writes], account, now)
        self.root = after
        if self._record is not None:
            for place in writes:
                self._record(at + place, to_json(after.at(at + place), export=True))
        change = Change(at, tuple(writes), merged, before, after)
        for listener in list(self.listeners):
            listener(change)

    def restore(self, path: Path, value: Any) -> None:
        """Put what a record says, told to nobody."""
        self.root = self.root.with_at(path, from_json(value))

    def _push_key(self) -> str:
        """20 characters: 8 of time, 12 at random, counted up within a millisecond."""
        now = self.now_ms()
        last, tail = self._last_push
        if now == last:
            place = 11
            while tail[place] == 63:
                tail[place] = 0
                place -= 1
            tail[place] += 1
        else:
            tail = [random.randrange(64) for _ in range(12)]
        self._last_push = (now, tail)
        head = [now >> (6 * place) & 63 for place in range(7, -1, -1)]
        return "".join(_PUSH[digit] for digit in head + tail)


class NotMatching(Exception):
    """The value was another than the writer had seen."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self.node = node


def etag(node: Node) -> str:
    """A name for what a node holds; nobody but the server can compute it."""
    if node.empty:
        return NULL_ETAG
    return hashlib.sha1(dumps(to_json(node, export=True)).encode(), usedforsecurity=False).hexdigest()
