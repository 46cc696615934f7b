"""Which model a satellite is judged by, which ones before it, and whether promotion is held: told by the station.

The station keeps one cursor a satellite in the mission store, in the transaction of the event that changed it. It
serves by it after a restart, and the trainer follows it: what is promoted is the trainer's proposal, what serves is
the station's word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from telemetry.clock import NS_PER_S, iso

if TYPE_CHECKING:
    from collections.abc import Callable

SERVED = "served"
"""Link of the cursors; the stream is the satellite."""
REMEMBERED = 20
"""Versions a satellite's line goes back."""


class Hold(msgspec.Struct, frozen=True):
    """No automatic promotion before `until_ns` (wall time, UTC ns)."""

    since_ns: int
    until_ns: int
    actor: str
    reason: str

    @property
    def sentence(self) -> str:
        """`held by kim until 2026-11-22T14:00:00Z: reason`."""
        return f"held by {self.actor} until {when(self.until_ns)}: {self.reason}"


class Serving(msgspec.Struct, frozen=True):
    """One satellite's models."""

    versions: tuple[int, ...] = ()
    """In the order in which they served, the newest last: that one serves."""
    hold: Hold | None = None

    @property
    def version(self) -> int | None:
        """The one that serves; None while learning."""
        return self.versions[-1] if self.versions else None

    @property
    def before(self) -> int | None:
        """The one that a roll-back returns to."""
        return self.versions[-2] if len(self.versions) > 1 else None

    def promoted(self, version: int) -> Serving:
        """With another one on top."""
        return msgspec.structs.replace(self, versions=(*self.versions, version)[-REMEMBERED:])

    def rolled_back(self, version: int) -> Serving:
        """Back at `version`: what served since then is off the line, so that a second one goes further back."""
        earlier = self.versions[:-1]
        if version in earlier:
            last = len(earlier) - 1 - earlier[::-1].index(version)
            return msgspec.structs.replace(self, versions=earlier[: last + 1])
        return msgspec.structs.replace(self, versions=(*earlier, version))

    def held(self, now_ns: int) -> Hold | None:
        """The hold, where it is not over."""
        return self.hold if self.hold is not None and now_ns < self.hold.until_ns else None


def cursor_name(satellite: str) -> str:
    """Under which name a transaction keeps the cursor of a satellite."""
    return f"{SERVED}/{satellite}"


def encoded(serving: Serving) -> str:
    """The cursor."""
    return msgspec.json.encode(serving).decode()


def serving_of(cursor: Callable[[str, str], str | None], satellite: str) -> Serving | None:
    """What the store says of `satellite`; None where no station has said anything yet, or nobody can read it.

    `cursor`: `StoreReader.cursor` or `StoreWriter.cursor`.
    """
    found = cursor(SERVED, satellite)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found, type=Serving)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def when(t_ns: int) -> str:
    """A moment to the second."""
    return iso(t_ns // NS_PER_S * NS_PER_S)
