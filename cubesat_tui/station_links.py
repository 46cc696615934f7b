"""What a station does over the link of its mission: publishes rows, follows frames, answers acts from elsewhere.

One object beside the station, made where a link is used and not otherwise. Which streams a station writes is its
role, and configured: a bare simulator writes frames, an owner what it judged, a station with a source of its own
both.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from cubesat_tui.link_opening import check_to_follow, open_rest
from cubesat_tui.link_places import endpoint_of, follow_place
from cubesat_tui.mailbox import Intake, answered_before
from cubesat_tui.missing_rows import missing_event
from cubesat_tui.owner_watch import Report
from cubesat_tui.publisher import Publisher
from telemetry.alarms import Event
from telemetry.link_config import FIREBASE
from telemetry.links.link import Lost, Pruned
from telemetry.links.link_keys import STREAMS
from telemetry.links.service_account import key_of
from telemetry.plain_text import plain_text
from telemetry.store.reader import StoreReader

if TYPE_CHECKING:
    from cubesat_tui.station import Station
    from telemetry.dictionary import Mission
    from telemetry.links.firebase_rest import Rest
    from telemetry.links.source import Source
    from telemetry.store.inbox import Inbox

FRAMES = ("frames",)
JUDGED = tuple(stream for stream in STREAMS if stream != "frames")


@dataclass(frozen=True)
class LinkRole:
    """`streams`: what the station writes into the link; all but frames make it the owner."""

    streams: tuple[str, ...]
    take_over: bool = False

    @property
    def owns(self) -> bool:
        """Whether it judges for everybody, and answers the mailbox."""
        return "journal" in self.streams


class StationLinks:
    """The link side of one station; everything on the station's loop once it is opened."""

    def __init__(self, mission: Mission, role: LinkRole) -> None:
        self._mission = mission
        self._role = role
        self._rest: Rest | None = None
        self._note: Callable[[Sequence[Event]], None] = lambda _: None
        self._now_ns: Callable[[], int] = lambda: 0
        self.publisher: Publisher | None = None
        self.intake: Intake | None = None

    def check(self) -> None:
        """See that the link can be used so, before anything is started.

        Raises:
            telemetry.link_config.LinkRefused: it cannot, and what to do; one line.
        """
        if self._role.streams:
            endpoint_of(self._mission)
            key_of(self._mission)
        else:
            check_to_follow(self._mission)

    def open(self, station: Station, inbox: Inbox, arrived: Callable[[], None]) -> None:
        """The station's store is open. `arrived` is called when the inbox has something new.

        Raises:
            telemetry.link_config.LinkRefused: the link cannot be used.
        """
        from cubesat_tui.heartbeat import health_body

        def report() -> str:
            told = health_body(station)
            fields = {name: told[name] for name in Report.__struct_fields__ if name in told}
            return msgspec.json.encode(fields).decode()

        mission, clock = self._mission, station.clock
        self._note, self._now_ns = station.ingest.note, clock.now_ns
        if station.source_name == FIREBASE:
            follow_place(station.writer, mission, FIREBASE)
        streams = self._role.streams

        def courier() -> Publisher:
            return Publisher(
                mission,
                station.directory,
                station.writer,
                clock,
                streams,
                station.ingest.note,
                name=plain_text(f"{station.operator or 'station'}@{socket.gethostname()}", 100),
                take_over=self._role.take_over,
                status=report,
            )

        self._rest, self.publisher = open_rest(mission, clock, courier, writes=bool(streams))
        if self._role.owns:
            from telemetry.links.firebase_link import FirebaseLink

            def searched() -> set[str]:
                reader = StoreReader(station.directory.telemetry)
                try:
                    return answered_before(reader)
                finally:
                    reader.close()

            self.intake = Intake(FirebaseLink(self._rest), inbox, clock, searched, self._note, arrived)

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """To be run beside the station's own."""
        return [one.run() for one in (self.publisher, self.intake) if one is not None]

    def source(self, cursor: str | None) -> Source:
        """Frames that come over the link, after `cursor`; empty: from the beginning."""
        assert self._rest is not None
        cursor = cursor or None
        if self._mission.source.layout == "original":
            from telemetry.links.original_layout import OriginalSource

            return OriginalSource(self._rest, cursor, self._mission)
        from telemetry.links.firebase import FirebaseSource

        return FirebaseSource(self._rest, cursor, self._mission, missing=self._tell_missing)

    def committed(self, events: Sequence[Event]) -> None:
        """A transaction is durable, with these events in it."""
        if self.publisher is not None:
            self.publisher.nudge()
        if self.intake is not None and events:
            self.intake.journaled(events)

    def health(self) -> dict[str, Any] | None:
        """For the heartbeat: how publishing goes, and how many rows the link does not have yet."""
        if self.publisher is None or not self._role.streams:
            return None
        state, detail = self.publisher.report
        return {"to": FIREBASE, "state": state, "detail": detail, "unsent": self.publisher.backlog}

    async def close(self) -> None:
        """Close all connections."""
        if self._rest is not None:
            await self._rest.close()

    def _tell_missing(self, item: Lost | Pruned) -> None:
        self._note([missing_event(item, self._now_ns())])
