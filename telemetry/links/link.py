"""What a link to another station is, whatever carries it.

A link replicates the append order of its publisher in four streams of immutable records (`record.py`) under keys
that sort as they were appended (`link_keys.py`), and carries requests of operators to the owner in a mailbox. A
follower keeps, per stream, how far everything is applied, in the same transaction as what was applied. Whether
frames are missing is judged on boot and sequence number, never on keys.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from telemetry.frame import Layout
from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record

CONNECTING: Final = "CONNECTING"
BACKFILL: Final = "BACKFILL"
LIVE: Final = "LIVE"
STALE: Final = "STALE"
DOWN: Final = "DOWN"
REFUSED: Final = "REFUSED"
LINK_STATES: Final = (CONNECTING, BACKFILL, LIVE, STALE, DOWN, REFUSED)

_CURSOR = re.compile(r"(\S+) ([0-9]{1,18})")


class LinkReport(NamedTuple):
    """How a link is: one of `LINK_STATES`, and what a person should know beside it (`43 %`, who took over)."""

    state: str
    detail: str


class StreamCursor(msgspec.Struct, frozen=True):
    """Up to where a stream is applied: the key of the record applied last and the id of its last row."""

    key: str = ""
    last: int = -1

    @property
    def text(self) -> str:
        """The form kept in the store; empty before the first record."""
        return f"{self.key} {self.last}" if self.key else ""

    @staticmethod
    def of(text: str | None) -> StreamCursor:
        """Read `text` back; None and the empty text are the beginning of the stream.

        Raises:
            ValueError: it is no cursor.
        """
        if not text:
            return StreamCursor()
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:60]!r} is no cursor of a stream")
        return StreamCursor(StreamKey.parse(found[1]).text, int(found[2]))


class Lost(msgspec.Struct, frozen=True):
    """Rows `first` to `last` of a publisher should be in the link, and are not."""

    stream: str
    first: int
    last: int


class Pruned(msgspec.Struct, frozen=True):
    """Rows up to `last` of a publisher were in the link, and it has let go of what is older."""

    stream: str
    first: int
    last: int


Followed = Record | Lost | Pruned


class Letter(msgspec.Struct, frozen=True):
    """An act of an operator on its way to the owner, applied once by its `id`.

    `uid` is who the link knows the sender to be, "" until it has set it; `actor` is the name the sender gives.
    """

    id: str
    at_ns: int
    kind: str
    actor: str
    body: dict[str, Any]
    uid: str = ""


class Told(NamedTuple):
    """The owner's report as it stands in a link: UTC ms by the clock of the link's server, and JSON."""

    stamp_ms: float
    text: str


class Link(Protocol):
    """One end of a link, opened: what other stations have laid down is followed, letters are laid down and taken.

    Records are appended by the carrier's courier, from the store (`telemetry.store.publication`). Iterators go on
    through outages by themselves, say in `report` how they fare, and end when the link is closed.
    """

    @property
    def report(self) -> LinkReport:
        """The worst of what is followed."""
        ...

    def is_live(self, stream: str) -> bool:
        """Whether all that was in `stream` a moment ago has been yielded."""
        ...

    def refused(self) -> dict[str, int]:
        """Records that were passed over because they were none, by reason."""
        ...

    def follow(self, stream: str, cursor: StreamCursor) -> AsyncIterator[Followed]:
        """What comes after `cursor`, in the order of keys, each record once; what is missing in its place."""
        ...

    async def layouts(self, record: Record) -> Mapping[str, Layout]:
        """Digest -> layout of at least those that a record of frames uses.

        Raises:
            telemetry.links.record.RecordRefused: the link has no such layout, or what stands there is none.
        """
        ...

    def told(self) -> AsyncIterator[Told]:
        """The owner's report, now and whenever it is written anew."""
        ...

    def letters(self) -> AsyncIterator[Letter]:
        """The mailbox, oldest first, and what is laid into it; one may come again until it is `done`."""
        ...

    async def post(self, letter: Letter) -> None:
        """Lay a letter into the mailbox; the same id again is the same letter.

        Raises:
            ConnectionError: whether it is there is not known; the same letter is to be sent again.
        """
        ...

    async def done(self, letters: Sequence[Letter]) -> None:
        """Take letters out of the mailbox; their outcome is in the journal.

        Raises:
            ConnectionError: whether they are out of it is not known.
        """
        ...

    async def close(self) -> None:
        """End every iteration."""
        ...
