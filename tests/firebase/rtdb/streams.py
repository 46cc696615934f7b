"""What a listener is sent: the value once, then each change of it as server-sent events."""

from __future__ import annotations

from typing import Any, NamedTuple

from rtdb.database import Change
from rtdb.keys import PRIORITY, Path
from rtdb.query import Query
from rtdb.tree import Node
from rtdb.values import dumps, to_json

KEEP_ALIVE = b"event: keep-alive\ndata: null\n\n"
CANCEL = b"event: cancel\ndata: null\n\n"
AUTH_REVOKED = b"event: auth_revoked\ndata: credential is no longer valid\n\n"


class Message(NamedTuple):
    """One `put` or `patch`."""

    event: str
    path: Path
    data: Any

    def encode(self) -> bytes:
        body = dumps({"path": "/" + "/".join(self.path), "data": self.data})
        return f"event: {self.event}\ndata: {body}\n\n".encode()


def whole(node: Node, query: Query | None) -> Message:
    """The first message: all that is listened to."""
    return Message("put", (), to_json(node if query is None else query.select(node)))


def messages(change: Change, path: Path, query: Query | None) -> list[Message]:
    """What a listener at `path` is told of a change; nothing where nothing changed for it."""
    before, after = change.before.at(path), change.after.at(path)
    if before.same(after):
        return []
    inside: list[Path] = []
    for place in change.places:
        at = change.at + place
        if at[-1:] == (PRIORITY,):
            at = at[:-1]
        if path[: len(at)] == at:
            return _of_all(before, after, query)
        if at[: len(path)] == path and not before.at(at[len(path) :]).same(after.at(at[len(path) :])):
            inside.append(at[len(path) :])
    if query is not None:
        return _of_window(before, after, query, inside, change.merged)
    if not change.merged:
        return [Message("put", place, to_json(after.at(place))) for place in inside]
    base = change.at[len(path) :] if len(change.at) > len(path) else ()
    return [Message("patch", base, {"/".join(place[len(base) :]): to_json(after.at(place)) for place in inside})]


def _of_all(before: Node, after: Node, query: Query | None) -> list[Message]:
    """The node was written as a whole, or one above it."""
    if query is None:
        return [Message("put", (), to_json(after))]
    shown = query.select(after)
    return [] if query.select(before).same(shown) else [Message("put", (), to_json(shown))]


def _of_window(before: Node, after: Node, query: Query, inside: list[Path], merged: bool) -> list[Message]:
    """Children that came into the window, went out of it, or changed in it.

    How the real server frames a window that slides is not documented; a follower must take all of these: a `put` of
    a child, a `put` of null, a `patch` of the root.
    """
    touched = {place[0] for place in inside}
    if query.limited:
        touched |= set(query.window(before)) ^ set(query.window(after))
    was, now = query.holds(before, touched), query.holds(after, touched)
    told: list[tuple[Path, Any]] = [((key,), None) for key in sorted(was - now)]
    for key in sorted(now):
        if key not in was:
            told.append(((key,), to_json(after.child(key))))
        else:
            told += [(place, to_json(after.at(place))) for place in inside if place[0] == key]
    if merged and told:
        return [Message("patch", (), {"/".join(place): data for place, data in told})]
    return [Message("put", place, data) for place, data in told]
