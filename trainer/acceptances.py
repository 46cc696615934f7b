"""What an operator has declared nominal, read from the journal: rows to train on whatever a model thinks of them.

An acceptance names channels, a span of generation time and a reason. Its rows leave quarantine for those channels
alone; hard limits are never overruled. A release lets go of the anchor: the reference begins anew where it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.reader import StoreReader

ACCEPTED = "nominal.accepted"
RELEASED = "nominal.released"
_CHUNK = 10_000


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """One act. `id` is its journal row, times are generation times (UTC ns), both inclusive."""

    id: int
    actor: str
    reason: str
    channels: tuple[str, ...]
    t0_ns: int
    t1_ns: int

    @property
    def sentence(self) -> str:
        """What a run that takes it up says."""
        return f"accepted as nominal by {self.actor}: {self.reason}"


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The anchor begins at `from_ns`, generation time."""

    id: int
    actor: str
    reason: str
    from_ns: int

    @property
    def sentence(self) -> str:
        """What a run that takes it up says."""
        return f"anchor released by {self.actor}: {self.reason}"


class ActsOnRows:
    """The acts on one satellite's rows, as far as the journal was read."""

    def __init__(self, satellite: str) -> None:
        self._satellite = satellite
        self.accepted: list[Acceptance] = []
        self.released: Release | None = None
        self.read_to = 0
        """Newest journal row read."""

    def refresh(self, reader: StoreReader, until: int | None = None) -> list[Acceptance | Release]:
        """Read on in the journal, to the row `until` where one is given; what is new, oldest first."""
        found: list[Acceptance | Release] = []
        while events := reader.journal(self.read_to, _CHUNK):
            for event in events:
                if until is not None and event.id > until:
                    return found
                self.read_to = event.id
                act = _act(event) if event.satellite == self._satellite else None
                if isinstance(act, Acceptance):
                    self.accepted.append(act)
                elif act is not None:
                    self.released = act
                if act is not None:
                    found.append(act)
        return found

    def after(self, row: int) -> tuple[Acceptance | Release, ...]:
        """Acts journaled after the row `row`, of the releases the newest."""
        acts: list[Acceptance | Release] = [*self.accepted]
        if self.released is not None:
            acts.append(self.released)
        return tuple(sorted((act for act in acts if act.id > row), key=lambda act: act.id))

    @property
    def newest(self) -> int:
        """Journal row of the newest act; 0 where there is none."""
        released = 0 if self.released is None else self.released.id
        return max([released, *(one.id for one in self.accepted)])


def _act(event: Event) -> Acceptance | Release | None:
    """The act an event tells of; None for other events, and for one that cannot be read."""
    if event.kind not in (ACCEPTED, RELEASED):
        return None
    raw = {**event.body, "id": event.id, "actor": event.actor}
    try:
        return msgspec.convert(raw, Acceptance if event.kind == ACCEPTED else Release)
    except msgspec.ValidationError:
        return None
