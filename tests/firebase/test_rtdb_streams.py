"""What the test server tells a listener: whoever applies all messages has what is there."""

from __future__ import annotations

from typing import Any

import pytest

from random_cases import Case, random_case
from rtdb.database import Change, Database
from rtdb.query import Query, read_query
from rtdb.refused import Refused
from rtdb.server import RtdbServer
from rtdb.streams import Message, messages, whole
from rtdb.tokens import ADMIN
from rtdb.tree import EMPTY, Node
from rtdb.values import dumps, from_json, to_json
from target import Target


class Mirror:
    """A follower: applies puts and patches, nothing else."""

    def __init__(self, path: tuple[str, ...], query: Query | None) -> None:
        self.path = path
        self.query = query
        self.node: Node = EMPTY
        self.told = 0

    def take(self, message: Message) -> None:
        self.told += 1
        if message.event == "put":
            self.node = self.node.with_at(message.path, from_json(message.data))
            return
        for place, value in message.data.items():
            parts = (*message.path, *place.split("/"))
            self.node = self.node.with_at(parts, from_json(value))

    def hear(self, change: Change) -> None:
        for message in messages(change, self.path, self.query):
            self.take(message)

    def wanted(self, database: Database) -> Any:
        node = database.root.at(self.path)
        return to_json(node if self.query is None else self.query.select(node))


def mirrors(case: Case) -> list[Mirror]:
    """Listeners at the root and below, plain and with the queries of the case."""
    plain = [Mirror((), None), Mirror(("a",), None), Mirror(("0", "1"), None)]
    asked = [
        Mirror(
            tuple(part for part in path.split("/") if part),
            read_query({name: dumps(value) for name, value in {"orderBy": by, **bounds}.items()}),
        )
        for path, by, bounds in case.queries
        if by != "$key" or all(isinstance(bounds.get(name, ""), str) for name in ("startAt", "endAt"))
    ]
    return plain + asked


def write(database: Database, act: str, path: str, value: Any) -> None:
    parts = tuple(part for part in path.split("/") if part)
    if act == "update":
        database.patch(parts, value, ADMIN)
    elif act == "priority":
        database.put((*parts, ".priority"), value, ADMIN)
    else:
        database.put(parts, value, ADMIN)


def test_a_listener_that_applies_all_messages_has_what_is_there() -> None:
    told = 0
    for seed in range(150):
        case = random_case(seed)
        database = Database(lambda: 0)
        followers = mirrors(case)
        for one in followers:
            one.take(whole(EMPTY, one.query))
            database.listeners.append(one.hear)
        for act, path, value in case.steps:
            try:
                write(database, act, path, value)
            except Refused:
                continue
            for one in followers:
                assert to_json(one.node) == one.wanted(database), (seed, act, path, one.path, one.query)
        told += sum(one.told for one in followers)
    assert told > 2000


def test_a_window_slides_by_one_in_and_one_out(firebase_server: RtdbServer) -> None:
    target = Target(firebase_server.host, firebase_server.namespace)
    target.put("f", {"f1": 1, "f2": 2, "f3": 3})
    with target.listen("f", orderBy="$key", limitToLast=2) as events:
        assert next(events).told == ("put", "/", {"f2": 2, "f3": 3})
        target.put("f/f4", 4)
        assert [next(events).told for _ in range(2)] == [("put", "/f2", None), ("put", "/f4", 4)]
        target.ask("PATCH", "f", {"f5": 5, "f6": 6})
        assert next(events).told == ("patch", "/", {"f3": None, "f4": None, "f5": 5, "f6": 6})
    target.close()


def test_an_update_from_above_reaches_the_listener_as_one_patch(firebase_server: RtdbServer) -> None:
    target = Target(firebase_server.host, firebase_server.namespace)
    with target.listen("link/frames") as events:
        assert next(events).told == ("put", "/", None)
        target.ask("PATCH", "link", {"frames/f1": 1, "frames/f2": 2, "heads/frames": "f2"})
        assert next(events).told == ("patch", "/", {"f1": 1, "f2": 2})
        target.put("link", {"heads": 1})
        assert next(events).told == ("put", "/", None)
    target.close()


@pytest.mark.parametrize("charset", [True, False])
def test_a_stream_says_that_it_is_utf8_unless_told_not_to(firebase_server: RtdbServer, charset: bool) -> None:
    firebase_server.set(charset=charset)
    target = Target(firebase_server.host, firebase_server.namespace)
    with target.listen("a") as events:
        assert ("charset=utf-8" in events.response.headers["Content-Type"]) is charset
    target.close()
