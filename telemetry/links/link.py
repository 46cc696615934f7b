"""What a link to another station is, whatever carries it.

A link replicates the append order of its publisher in four streams of immutable records (`record.py`) under keys
that sort as they were appended (`link_keys.py`), and carries requests of operators to the owner in a mailbox. A
follower keeps, per stream, how far everything is applied, in the same transaction as what was applied. Whether
frames are missing is judged on boot and sequence number, never on keys.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from telemetry.links.link_keys import StreamKey
from telemetry.links.record import Record
from telemetry.links.source import Source

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


class Link(Source, Protocol):
    """A source whose frames come from another station, with all that travels beside them.

    As a source it yields the stream `frames`; the cursor of a batch is the text of a `StreamCursor`.
    """

    @property
    def report(self) -> LinkReport:
        """How the link is now."""
        ...

    async def publish(self, records: Sequence[Record]) -> None:
        """Append records, all or none. A record whose key is there already is left as it is: a retry is harmless.

        Raises:
            ConnectionError: whether they were appended is not known; the same records are to be sent again.
        """
        ...

    def follow(self, stream: str, cursor: StreamCursor) -> AsyncIterator[Followed]:
        """What comes after `cursor`, in order of keys, each record once; ends when the link is closed."""
        ...

    async def post(self, letter: Letter) -> None:
        """Lay a letter into the mailbox; the same id again is the same letter.

        Raises:
            ConnectionError: whether it is there is not known.
        """
        ...

    def letters(self) -> AsyncIterator[Letter]:
        """The mailbox, oldest first, and what is laid into it from now on: for the owner alone."""
        ...

    async def done(self, letters: Sequence[Letter]) -> None:
        """Take letters out of the mailbox; their outcome is in the journal."""
        ...
