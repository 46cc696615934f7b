"""Who this station is to others of a link, and the words when another one writes there.

Ownership is configured, never elected: a station claims what it was told to write, is refused where another has it,
and lets go the moment another has taken over. Nothing is given back at the end: the same station comes back.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from telemetry.clock import NS_PER_S, iso

if TYPE_CHECKING:
    from telemetry.store.writer import StoreWriter

PUBLISHER, OWNER = "publisher", "owner"
_WRITES = {PUBLISHER: "its frames", OWNER: "scores and alarms"}
_LINK, _STREAM = "self", "id"


def station_id(writer: StoreWriter) -> str:
    """The name by which a link knows the station of this store; made once and kept with the store."""
    found = writer.cursor(_LINK, _STREAM)
    if found is None:
        found = str(uuid.uuid4())
        writer.append([], [], {f"{_LINK}/{_STREAM}": found})
    return found


def nodes_of(streams: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Node to claim -> which of the streams it stands for."""
    found = {
        PUBLISHER: tuple(stream for stream in streams if stream == "frames"),
        OWNER: tuple(stream for stream in streams if stream != "frames"),
    }
    return {node: some for node, some in found.items() if some}


class Other(NamedTuple):
    """The station that has a node: who, since when, and when the link heard of it last (UTC ns)."""

    node: str
    name: str
    since_ns: int
    beat_ns: int

    @property
    def since(self) -> str:
        """When it began, to the second; "" where it did not say."""
        return _second(self.since_ns)

    def refused(self) -> str:
        """Why this station must not write."""
        heard = _second(self.beat_ns)
        return (
            f"{_WRITES[self.node]} come from {self.name}"
            + (f" since {self.since}" if self.since else "")
            + (f", heard of last at {heard}" if heard else "")
            + ": --take-over takes its place"
        )

    def taken(self) -> str:
        """Why this station does not write any more."""
        return f"taken over by {self.name}" + (f" at {self.since}" if self.since else "")


def _second(ns: int) -> str:
    return iso(ns // NS_PER_S * NS_PER_S) if 0 < ns < 2**62 else ""
