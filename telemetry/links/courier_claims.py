"""Who writes to a link: claimed with the mark of what was there, and looked after while this station writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, cast

import msgspec

from telemetry.kill_points import reach
from telemetry.links.courier_database import RETRY, STAMP, Database, Failure, blameless
from telemetry.plain_text import plain_text

NS_PER_MS = 1_000_000
CHECK_S = 1.0
"""So often it is looked whether the link is still this station's."""
_TRIES = 10


class Claim(msgspec.Struct):
    """To become the one who writes a node's streams; `again`: was it before, and nobody else may be it since."""

    node: str
    streams: list[str]
    take_over: bool = False
    again: bool = False


class Writer(msgspec.Struct):
    """Who writes, as it stands in the database; fields of another kind are as if they were not there."""

    id: str = ""
    name: str = ""
    session: str = ""
    since_ns: int = 0
    beat: int = 0


class Overtaken(Exception):
    """Another station writes here now: `node`, and who (`by`)."""

    def __init__(self, node: str, by: Writer) -> None:
        self.node, self.by = node, by
        super().__init__(node)

    def told(self) -> dict[str, Any]:
        """For the station."""
        name = plain_text(self.by.name or "somebody without a name", 100)
        since_ns, beat_ns = self.by.since_ns, self.by.beat * NS_PER_MS
        return {"refused": {"node": self.node, "by": name, "since_ns": since_ns, "beat_ns": beat_ns}}


class Self(Protocol):
    """What a station signs with."""

    @property
    def root(self) -> str: ...
    @property
    def station(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def session(self) -> str: ...


class Claims:
    """The nodes of one station in a database."""

    def __init__(
        self,
        own: Self,
        database: Database,
        monotonic: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._own = own
        self._database = database
        self._monotonic = monotonic
        self._now_ns = now_ns
        self._seen: dict[str, float] = {}
        """Node -> when it was seen to be ours."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Those that are ours."""
        return tuple(self._seen)

    def claim(self, claim: Claim) -> None:
        """Become the one who writes.

        Raises:
            Overtaken: another is.
            Failure: that is not known now.
        """
        path = f"{self._own.root}/{claim.node}"
        for _ in range(_TRIES):
            there, tag = self._database.tagged(path)
            writer = _writer(there)
            mine = self._is_mine(writer)
            may = writer is None or mine or (writer.id == self._own.station and not claim.again)
            if writer is not None and not (may or (claim.take_over and not claim.again)):
                raise Overtaken(claim.node, writer)
            signed = {
                "id": self._own.station,
                "name": self._own.name,
                "session": self._own.session,
                "since_ns": writer.since_ns if mine and writer is not None else self._now_ns(),
                "beat": dict(STAMP),
            }
            if self._database.set_if(path, tag, signed):
                reach("courier-claimed")
                self._seen[claim.node] = self._monotonic()
                return
        raise Failure(RETRY, "others claim the link at this moment")

    def hold(self) -> None:
        """See that what was claimed is still ours, where that was not seen for a second.

        Raises:
            Overtaken: it is not.
            Failure: that cannot be seen now; there is nothing in it that could be at fault.
        """
        try:
            for node, seen in list(self._seen.items()):
                if self._monotonic() - seen >= CHECK_S:
                    self._look(node)
        except Failure as failure:
            raise blameless(failure) from None

    def _look(self, node: str) -> None:
        writer = _writer(self._database.get(f"{self._own.root}/{node}"))
        if writer is None:
            # The database was emptied: nobody else is there.
            self.claim(Claim(node, [], again=True))
        elif self._is_mine(writer):
            self._seen[node] = self._monotonic()
        else:
            del self._seen[node]
            raise Overtaken(node, writer)

    def _is_mine(self, writer: Writer | None) -> bool:
        own = self._own
        return writer is not None and (writer.id, writer.session) == (own.station, own.session)


def _writer(there: Any) -> Writer | None:
    if not isinstance(there, dict):
        return None
    fields = cast("dict[str, Any]", there)
    known: dict[str, Any] = {}
    for name in Writer.__struct_fields__:
        value = fields.get(name)
        if name in ("id", "name", "session"):
            if isinstance(value, str):
                known[name] = value
        elif isinstance(value, (int, float)) and 0 <= value < 2**63:
            # A database of JSON may keep whole numbers as floating ones.
            known[name] = int(value)
    return Writer(**known)
