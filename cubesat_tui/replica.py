"""A replica: the store of a station that runs elsewhere, filled over a link, for the consoles of this directory.

It takes the place of a station (same lock, same thread, same store) and is none: it scores nothing, raises no alarm
and answers no act. Frames, scores, journal and considered fits are the owner's; passes and what the orbit tells are
computed here; acts go to the owner's mailbox. Each row of a stream is applied in one transaction with the cursor
behind it, so that a replica which is killed goes on exactly where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from cubesat_tui.children import Backoff
from cubesat_tui.contact_plan import ContactPlan
from cubesat_tui.contacts import ContactWatch
from cubesat_tui.forecast import Forecast
from cubesat_tui.heartbeat import STATION
from cubesat_tui.link_opening import LinkMaker
from cubesat_tui.mailbox import Outgoing, answered_before
from cubesat_tui.missing_rows import missing_event
from cubesat_tui.owner_watch import OwnerWatch
from cubesat_tui.pending_acts import FIELD as PENDING
from cubesat_tui.replica_intake import ReplicaIntake
from cubesat_tui.replica_words import link_words
from cubesat_tui.roles import REPLICA, claim_role
from telemetry.alarms import Event
from telemetry.clock import Clock
from telemetry.dictionary import Mission
from telemetry.limits import Level
from telemetry.links.link import Lost, Pruned, StreamCursor
from telemetry.links.link_keys import STREAMS
from telemetry.plain_text import plain_text
from telemetry.store.directory import MissionDirectory, MissionHeld, MissionLock
from telemetry.store.errors import StoreFull
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from telemetry.store.rows import HealthRow
from telemetry.store.validity import invalid_rule
from telemetry.store.writer import StoreWriter

log = logging.getLogger(__name__)

BEAT_EVERY_S = 1.0
LOOK_EVERY_S = 0.2
"""What operators ask for is looked for this often."""
PLAN_EVERY_S = 30.0


class Replica:
    """One link, mirrored. `run` holds the directory until `stop`."""

    def __init__(
        self,
        directory: MissionDirectory,
        mission: Mission,
        link_name: str,
        make_link: LinkMaker,
        *,
        clock: Clock,
        operator: str = "",
        wait_for_lock_s: float = 0.3,
        lock: MissionLock | None = None,
    ) -> None:
        """Take note of what is to be mirrored; nothing is opened before `run`.

        Args:
            link_name: what the link is called on screen, in the journal and in the cursors.
            make_link: opens the link, in the loop of `run`.
            lock: the directory's, where it is held already; `run` releases it.
        """
        self.directory = directory
        self.mission = mission
        self.clock = clock
        self.operator = operator
        self.link_name = link_name
        self.refused: Counter[str] = Counter()
        """What came over the link and was no record, by reason."""
        self._make_link = make_link
        self._wait_for_lock_s = wait_for_lock_s
        self._lock = lock or MissionLock(directory.station_lock)
        self._stopping = asyncio.Event()
        self._told = ""

    def stop(self) -> None:
        """End `run`. For the loop's thread."""
        self._stopping.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Run until stopped; `ready` is called once the directory is held and the store is open.

        Raises:
            MissionHeld: a station or another replica holds the directory.
            telemetry.store.errors.StoreError: the store cannot be used, or is that of a station.
        """
        if not await asyncio.to_thread(self._lock.acquire, self._wait_for_lock_s):
            raise MissionHeld(self.directory.path)
        try:
            with contextlib.ExitStack() as open_files:
                self._open(open_files)
                self._beat()
                ready()
                await self._hold()
        finally:
            self._lock.release()

    def _open(self, open_files: contextlib.ExitStack) -> None:
        mission, clock = self.mission, self.clock
        self.writer = StoreWriter(self.directory.telemetry, clock, invalid_rule(mission))
        open_files.callback(self.writer.close)
        claim_role(self.directory, self.writer, REPLICA)
        inbox = Inbox(self.directory.inbox)
        open_files.callback(inbox.close)
        for satellite in mission.satellites:
            self.writer.describe_satellite(satellite.name, satellite.norad, satellite.bus)
        reader = StoreReader(self.directory.telemetry)
        try:
            accepted, answered = reader.frames_accepted(), answered_before(reader)
        finally:
            reader.close()
        self.owner = OwnerWatch(clock)
        self.contacts = ContactWatch()
        self.forecast = Forecast(mission)
        self.outgoing = Outgoing(inbox, clock, answered)
        opened = self._make_link(self.writer, self._note_all)
        self.link, self._beside = opened
        self.intake = ReplicaIntake(
            self.link, mission, self.writer, clock, self.link_name, accepted, self._mirrored
        )

    async def _hold(self) -> None:
        loops: list[Coroutine[Any, Any, Any]] = [
            *(self._follow(stream) for stream in STREAMS),
            self._hear_owner(),
            self._look_for_acts(),
            self.outgoing.send(self.link.post, self._tell, self._note),
            self._heartbeat(),
            self._plan_contacts(),
        ]
        if self._beside is not None:
            loops.append(self._beside())
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(one, name=one.__name__) for one in loops]
        intake = asyncio.create_task(self.intake.run(), name="intake")
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            waiting: set[asyncio.Task[Any]] = {*tasks, intake, stopping}
            while not stopping.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in (*tasks, intake, stopping):
                task.cancel()
            await asyncio.gather(*tasks, intake, return_exceptions=True)
            await self.link.close()
            self.intake.finish()
            self._beat(ended=True)

    async def _follow(self, stream: str) -> None:
        """Put what comes over one stream into the intake; whatever ends the iteration, it is begun again."""
        backoff = Backoff(first=1.0, top=30.0)
        cursor = StreamCursor.of(self.writer.cursor(self.link_name, stream))
        while True:
            begun = self.clock.monotonic()
            try:
                async for item in self.link.follow(stream, cursor):
                    if isinstance(item, Lost | Pruned):
                        self._note(missing_event(item, self.clock.now_ns()))
                    else:
                        await self.intake.put(stream, item)
                        cursor = StreamCursor(item.key, item.last)
            except Exception as error:  # whatever a follower dies of, the replica lives on and says so
                log.exception("following %s died", stream)
                self.refused[plain_text(f"{stream}: {type(error).__name__}", 80)] += 1
            await self.clock.sleep(backoff.after(self.clock.monotonic() - begun))

    async def _hear_owner(self) -> None:
        backoff = Backoff(first=1.0, top=30.0)
        while True:
            begun = self.clock.monotonic()
            try:
                async for told in self.link.told():
                    self.owner.hear(told.stamp_ms, told.text)
            except Exception:  # as in `_follow`
                log.exception("following the owner's report died")
            await self.clock.sleep(backoff.after(self.clock.monotonic() - begun))

    async def _look_for_acts(self) -> None:
        while True:
            before = len(self.outgoing.unanswered)
            for event in self.outgoing.look():
                self._note(event)
            if len(self.outgoing.unanswered) != before:
                # An act says that it is pending at once, not with the next beat.
                self._beat()
            if self.outgoing.stop_asked:
                self.stop()
            await self.clock.sleep(LOOK_EVERY_S)

    def _mirrored(self, events: list[Event]) -> None:
        if self.outgoing.mirrored(events):
            self._beat()

    async def _heartbeat(self) -> None:
        while True:
            begun = self.clock.monotonic()
            state, detail = self._beat()
            if state != self._told:
                self._told = state
                bad = state not in ("LIVE", "QUIET", "REPLAY", "CONNECTING", "BACKFILL")
                text = f"link {self.link_name} {state} {detail}".strip()
                kind = f"link.{state.lower().replace(' ', '_')}"
                self._note(self._event(kind, {"text": text}, Level.WATCH if bad else Level.IN_LIMITS))
            await self.clock.sleep(max(BEAT_EVERY_S / 2, BEAT_EVERY_S - (self.clock.monotonic() - begun)))

    async def _plan_contacts(self) -> None:
        plan = ContactPlan(self.mission, self.contacts, self.writer)
        while True:
            # What is wrong with an orbit the owner journals.
            await plan.follow(self._mission_now_ns())
            await self.clock.sleep(PLAN_EVERY_S)

    def _mission_now_ns(self) -> int:
        report = self.owner.report
        if report is None or report.live or report.mission_ns is None:
            return self.clock.now_ns()
        return report.mission_ns

    def _note(self, event: Event) -> None:
        self.intake.note(event)

    def _note_all(
        self,
        events: Sequence[Event],
        cursors: dict[str, str] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None:
        """As `Ingest.note`, for what runs beside the link; it keeps no cursors."""
        for event in events:
            self._note(event)
        if after is not None:
            after()

    def _event(self, kind: str, body: dict[str, Any], level: Level = Level.IN_LIMITS) -> Event:
        """A fact about this replica and its link; the owner's journal has none of it."""
        return Event(
            at_ns=self.clock.now_ns(),
            satellite="",
            kind=kind,
            severity=int(level),
            subject=self.link_name,
            body=body,
        )

    def _tell(self) -> None:
        self._beat()

    def _beat(self, *, ended: bool = False) -> tuple[str, str]:
        if ended:
            state, detail = "DOWN", "the replica has ended"
        else:
            state, detail = link_words(self.link.report, self.owner, self.link_name)
        with contextlib.suppress(StoreFull):
            self.writer.beat(
                HealthRow(station=STATION, beat_ns=self.clock.now_ns(), body=self._body(state, detail))
            )
        return state, detail

    def _body(self, state: str, detail: str) -> dict[str, Any]:
        """What the owner told last, and what only this replica knows. Times are UTC ns."""
        report = self.owner.report
        told: dict[str, Any] = {} if report is None else msgspec.to_builtins(report)
        if report is not None and self.owner.silent:
            # What it planned is over: nobody knows whether it fits models at all.
            told["trainer"]["next_ns"] = None
        now_ns = self._mission_now_ns()
        return {
            **told,
            "link": state,
            "detail": detail,
            "source": self.link_name,
            "simulated": self.mission.simulated,
            "accepted": self.intake.accepted,
            "packets": {},
            "contact": self.contacts.health(now_ns),
            "predicted": self.forecast.health(now_ns),
            "disk_full": self.intake.disk_full or told.get("disk_full", 0),
            "history": None,
            "pid": os.getpid(),
            "operator": self.operator,
            "replica": {
                "link": self.link.report.state,
                "of": told.get("operator", ""),
                "owner_silent_s": round(self.owner.silent_s, 1),
                "scores_waiting": self.intake.scores_waiting,
                "refused": dict(self.refused + self.intake.refused + Counter(self.link.refused())),
            },
            PENDING: self.outgoing.unanswered,
        }
