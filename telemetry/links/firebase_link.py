"""All of a link in one place: four streams, the owner's report, and the mailbox, over one database.

Followed here are text and names that anybody with a token may have written; what is laid down is under the user's
own id. Records are appended by the courier's child, through Google's own client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, TypeVar, cast

import msgspec

from telemetry.frame import Layout
from telemetry.links.firebase import Layouts
from telemetry.links.firebase_rest import Change, Rest
from telemetry.links.link import (
    BACKFILL,
    CONNECTING,
    DOWN,
    LIVE,
    REFUSED,
    STALE,
    Followed,
    Letter,
    LinkReport,
    StreamCursor,
    Told,
)
from telemetry.links.link_health import AccessRefused, LinkHealth
from telemetry.links.record import Record
from telemetry.links.stream_follower import StreamFollower
from telemetry.plain_text import plain_text

STATUS, MAILBOX = "status", "mailbox"
MOST_LETTER = 128 * 1024
"""Characters of a letter's body, at most."""
MOST_STATUS = 4 * 2**20
_WORST_FIRST = (REFUSED, DOWN, STALE, CONNECTING, BACKFILL, LIVE)
_Thing = TypeVar("_Thing")


class _Posted(msgspec.Struct):
    at_ns: Annotated[float, msgspec.Meta(ge=-(2**62), le=2**62)]
    """The database has no whole numbers beyond 2^53: exact to 256 ns."""
    kind: str
    t: str
    actor: str


class FirebaseLink:
    """One link. Iterators go on through outages by themselves; `close` ends them."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._followers: dict[str, StreamFollower] = {}
        self._healths: dict[str, LinkHealth] = {}
        self._layouts = Layouts(rest)
        self._coming: set[asyncio.Future[Any]] = set()
        self._closed = False

    @property
    def report(self) -> LinkReport:
        """The worst of what is followed."""
        reports = [one.report for one in self._followers.values()]
        reports += [one.report for one in self._healths.values()]
        return min(reports, key=lambda one: _WORST_FIRST.index(one.state), default=LinkReport(CONNECTING, ""))

    def is_live(self, stream: str) -> bool:
        """Whether all that was in `stream` a moment ago has been yielded."""
        return stream in self._followers and self._followers[stream].is_live

    def refused(self) -> dict[str, int]:
        """Records that were passed over, by reason."""
        found: dict[str, int] = {}
        for follower in self._followers.values():
            for reason, count in follower.refused.items():
                found[reason] = found.get(reason, 0) + count
        return found

    def follow(self, stream: str, cursor: StreamCursor) -> AsyncGenerator[Followed]:
        """What comes after `cursor`, in order of keys, each record once."""
        follower = self._followers[stream] = StreamFollower(self._rest, stream, cursor)
        return self._until_closed(follower.followed())

    async def layouts(self, record: Record) -> Mapping[str, Layout]:
        """Digest -> layout of each that a record of frames uses.

        Raises:
            RecordRefused: the link has no such layout, or what stands there is none.
        """
        return await self._followers["frames"].patiently(lambda: self._layouts.of(record))

    def told(self) -> AsyncGenerator[Told]:
        """The owner's report, now and whenever it is written anew."""
        return self._until_closed(self._told())

    async def _told(self) -> AsyncGenerator[Told]:
        node: dict[str, Any] = {}
        async with aclosing(self._changes(STATUS)) as changes:
            async for change in changes:
                _apply(node, change)
                stamp, text = node.get("at"), node.get("t")
                if isinstance(stamp, int | float) and isinstance(text, str) and len(text) <= MOST_STATUS:
                    yield Told(float(stamp), text)

    def letters(self) -> AsyncGenerator[Letter]:
        """The mailbox, oldest first, and what is laid into it; a letter may come again until it is `done`."""
        return self._until_closed(self._letters())

    async def _letters(self) -> AsyncGenerator[Letter]:
        boxes: dict[str, Any] = {}
        known: set[tuple[str, str]] = set()
        async with aclosing(self._changes(MAILBOX)) as changes:
            async for change in changes:
                if change.kind == "put" and change.path == "/":
                    # After a cut: what was not taken out may not have been read.
                    known.clear()
                _apply(boxes, change)
                here = {
                    (uid, number): value
                    for uid, letters in boxes.items()
                    if isinstance(letters, dict)
                    for number, value in cast("dict[str, Any]", letters).items()
                }
                known &= here.keys()
                new = [_letter(uid, number, here[uid, number]) for uid, number in here.keys() - known]
                known = set(here)
                for letter in sorted(new, key=lambda one: (one.at_ns, one.id)):
                    yield letter

    async def post(self, letter: Letter) -> None:
        """Lay an act into the mailbox; the same id again is the same act.

        Raises:
            LinkFailure: whether it is there is not known; AccessRefused: it is not, this user may not.
        """
        uid = (await self._rest.tokens.current()).uid
        if not uid:
            raise AccessRefused("the token names no user, and acts are laid into a user's mailbox")
        body = msgspec.json.encode(letter.body).decode()
        value = {"at_ns": letter.at_ns, "kind": letter.kind, "t": body, "actor": letter.actor}
        await self._rest.put(self._rest.endpoint.below(MAILBOX, uid, letter.id), value)

    async def done(self, letters: Sequence[Letter]) -> None:
        """Take letters out of the mailbox.

        Raises:
            LinkFailure: whether they are out of it is not known.
        """
        if letters:
            gone = {f"{letter.uid}/{letter.id}": None for letter in letters}
            await self._rest.patch(self._rest.endpoint.below(MAILBOX), gone)

    async def close(self) -> None:
        """End every iteration and close all connections."""
        self._closed = True
        coming = list(self._coming)
        for one in coming:
            one.cancel()
        if coming:
            await asyncio.wait(coming)
        await self._rest.close()

    def _changes(self, node: str) -> AsyncGenerator[Change]:
        health = self._healths[node] = self._rest.health()
        return self._rest.stream(self._rest.endpoint.below(node), health=health)

    async def _until_closed(self, things: AsyncGenerator[_Thing]) -> AsyncGenerator[_Thing]:
        try:
            while not self._closed:
                coming = asyncio.ensure_future(anext(things))
                self._coming.add(coming)
                try:
                    await asyncio.wait((coming,))
                finally:
                    self._coming.discard(coming)
                    if not coming.done():
                        coming.cancel()
                        await asyncio.wait((coming,))
                if coming.cancelled():
                    return
                yield coming.result()
        finally:
            await things.aclose()


def _apply(node: dict[str, Any], change: Change) -> None:
    """Do to `node` what was done to the one it is a copy of."""
    keys = [key for key in change.path.split("/") if key]
    if change.kind == "patch":
        for path, value in cast("dict[str, Any]", change.data if isinstance(change.data, dict) else {}).items():
            _put(node, [*keys, *(key for key in path.split("/") if key)], value)
    else:
        _put(node, keys, change.data)


def _put(node: dict[str, Any], keys: Sequence[str], value: object) -> None:
    if not keys:
        node.clear()
        if isinstance(value, dict):
            node.update(cast("dict[str, Any]", value))
        return
    key, *deeper = keys
    if not deeper:
        if value is None:
            node.pop(key, None)
        else:
            node[key] = value
        return
    below = node.get(key)
    if not isinstance(below, dict):
        below = {}
    inside = cast("dict[str, Any]", below)
    _put(inside, deeper, value)
    if inside:
        node[key] = inside
    else:
        node.pop(key, None)


def _letter(uid: str, number: str, value: object) -> Letter:
    """What stands in the mailbox; one that is no letter asks for nothing, which its reader refuses in words."""
    try:
        posted = msgspec.convert(value, _Posted)
        if len(posted.t) > MOST_LETTER:
            raise ValueError
        body = msgspec.json.decode(posted.t, type=dict[str, Any])
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError, RecursionError):
        return Letter(number, 0, "", "", {}, uid)
    return Letter(number, int(posted.at_ns), plain_text(posted.kind, 40), plain_text(posted.actor, 40), body, uid)
