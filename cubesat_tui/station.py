"""A station: one running mission. Sources, ingest, monitoring and the trainer child, supervised on one event loop.

Everything here, the store writer and the scoring included, belongs to the loop's thread. Who may run a mission is
decided by the kernel's lock on `station.lock` and by nothing else. What a station knows it tells through the
mission store; a console, even in the same process, reads it there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from cubesat_tui.acts import CURSOR as INBOX_CURSOR
from cubesat_tui.acts import Acts
from cubesat_tui.backfill import CURSOR as HISTORY_CURSOR
from cubesat_tui.backfill import PAUSE_S, Backfill, has_history, in_thread, past_of, pieces
from cubesat_tui.children import Backoff
from cubesat_tui.contact_plan import ContactPlan
from cubesat_tui.contacts import ContactWatch
from cubesat_tui.faults_by_hand import KINDS_BEGIN, REMEMBERED, FaultsByHand
from cubesat_tui.forecast import Forecast
from cubesat_tui.frame_queue import FrameQueue
from cubesat_tui.heartbeat import health_row
from cubesat_tui.hook_positions import CURSOR as HOOKS_CURSOR
from cubesat_tui.hook_positions import past
from cubesat_tui.hooks import hooks_of
from cubesat_tui.ingest import DISK_RETRY_S, Ingest
from cubesat_tui.judgement import Judgement
from cubesat_tui.link_state import LinkState
from cubesat_tui.model_acts import ModelActs
from cubesat_tui.nominal import NominalByHand
from cubesat_tui.roles import STATION, claim_role
from cubesat_tui.served_models import ServedModels
from cubesat_tui.sources import SourceFactory
from cubesat_tui.staleness import Staleness
from cubesat_tui.trainer_child import TrainerView, trainer_child
from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, Clock, MissionClock
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from telemetry.limits import Level
from telemetry.links.source import Source
from telemetry.plain_text import plain_text
from telemetry.store.directory import MissionDirectory, MissionHeld, MissionLock
from telemetry.store.errors import StoreFull
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from telemetry.store.rows import ScoredBatch
from telemetry.store.validity import invalid_rule
from telemetry.store.writer import StoreWriter

if TYPE_CHECKING:
    from cubesat_tui.station_links import StationLinks

log = logging.getLogger(__name__)

INBOX_EVERY_S = 0.25
BEAT_EVERY_S = 1.0
CONTACTS_EVERY_S = 1.0
STOP_SOURCE_S = 0.4


class Station:
    """One mission, running. `run` holds it until `stop`, or until the source ends where that is wanted."""

    def __init__(
        self,
        directory: MissionDirectory,
        mission: Mission,
        source_name: str,
        make_source: SourceFactory,
        *,
        clock: Clock,
        operator: str = "",
        trainer: bool = True,
        history: bool = True,
        end_with_source: bool = False,
        wait_for_lock_s: float = 0.3,
        lock: MissionLock | None = None,
        links: StationLinks | None = None,
    ) -> None:
        """Take note of what is to be run; nothing is opened before `run`.

        Args:
            directory: the mission directory, existing.
            mission: its definition.
            source_name: key of the source's cursor in the store.
            make_source: makes the source to continue after a cursor; called again when a source dies.
            clock: wall and monotonic time.
            operator: whose name stands beside `station.started`.
            trainer: run the trainer as a child.
            history: write the past of a new simulated mission.
            end_with_source: `run` returns when the source has no more frames.
            wait_for_lock_s: how long to wait for a station that is just ending.
            lock: the mission's, where it is held already; `run` releases it.
            links: what it does over a link, where it uses one.
        """
        self.directory = directory
        self.mission = mission
        self.clock = clock
        self.operator = operator
        self.source_name = source_name
        self.source: Source | None = None
        self.source_error = ""
        self.source_ended = False
        self.history_progress: tuple[int, int] | None = None
        self.beats_missed = 0
        """Heartbeats a full disk swallowed since the last one written."""
        self._beaten = -math.inf
        self.links = links
        self._make_source = make_source
        self._with_trainer = trainer
        self._with_history = history
        self._end_with_source = end_with_source
        self._wait_for_lock_s = wait_for_lock_s
        self._lock = lock or MissionLock(directory.station_lock)
        self._stopping = asyncio.Event()
        self._first_frame = asyncio.Event()

    def stop(self) -> None:
        """End `run`: stop the source, commit, close the children, let go of the mission. For the loop's thread."""
        self._stopping.set()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Run until stopped; `ready` is called once the mission is held and the store is open.

        Raises:
            MissionHeld: another station holds the mission.
            telemetry.store.errors.StoreError: the store cannot be used.
        """
        if not await asyncio.to_thread(self._lock.acquire, self._wait_for_lock_s):
            raise MissionHeld(self.directory.path)
        try:
            await self._hold(ready)
        finally:
            self._lock.release()

    async def _hold(self, ready: Callable[[], None]) -> None:
        with contextlib.ExitStack() as open_files:
            self._open(open_files)
            self.ingest.note([self._event("station.started", "station", {"source": self.source_name})])
            self._beat()
            ready()
            trainer = None if self.child is None else asyncio.create_task(self.child.supervise())
            loops = [asyncio.create_task(one, name=one.__name__) for one in self._loops()]
            ingest = asyncio.create_task(self.ingest.run(), name="ingest")
            try:
                await self._until_over([*loops, ingest])
            finally:
                await self._end(loops, ingest, trainer)

    def _open(self, open_files: contextlib.ExitStack) -> None:
        mission, clock = self.mission, self.clock
        self.writer = StoreWriter(self.directory.telemetry, clock, invalid_rule(mission))
        open_files.callback(self.writer.close)
        claim_role(self.directory, self.writer, STATION)
        inbox = Inbox(self.directory.inbox)
        open_files.callback(inbox.close)
        for satellite in mission.satellites:
            self.writer.describe_satellite(satellite.name, satellite.norad, satellite.bus)
        self.mission_clock = MissionClock(clock, live=True)
        self.models = ServedModels(mission, self.directory, self.writer, clock)
        self.contacts = ContactWatch()
        self.forecast = Forecast(mission)
        self.link = LinkState(mission, clock, self.contacts)
        self.desk = AlarmDesk()
        self.trainer_view = TrainerView(self._tell_of_trainer)
        reader = StoreReader(self.directory.telemetry)
        try:
            told = self.models.restore(reader.runs(None, 10_000))
            self.judgement = Judgement(mission, self.models, self.desk, clock, self.forecast, self.contacts)
            told += self.judgement.restore(reader)
            self.staleness = Staleness(mission, clock, self.desk, self.link, self.contacts)
            self.staleness.restore(reader)
            accepted, before = reader.frames_accepted(), reader.health()
            injected = reader.journal_page(None, limit=REMEMBERED, kind=KINDS_BEGIN)
        finally:
            reader.close()
        self.queue = FrameQueue(clock)
        self.ingest = Ingest(
            self.queue, self.judgement, self.writer, clock, self.source_name, self._confirm, self._journaled
        )
        if self.judgement.newest_ns is not None:
            self.mission_clock.observe(self.judgement.newest_ns)
        if before is not None:
            # Until the source says so itself: a replay that cannot be opened ends no shelf by the wall clock.
            self.mission_clock.live = before.body.get("live") is not False
        self.hooks = hooks_of(
            mission,
            self.directory,
            clock,
            self.ingest.note,
            self.writer.cursor(HOOKS_CURSOR),
            live=self.mission_clock.live,
        )
        self.ingest.accepted = accepted
        self.ingest.refused.update(before.body.get("refused", {}) if before is not None else {})
        self.ingest.note(told)
        self.faults = FaultsByHand(mission, lambda: self.source, clock.now_ns)
        self.faults.restore(reversed(injected))
        applied = self.writer.cursor(INBOX_CURSOR)
        nominal = NominalByHand(mission, self.mission_clock.now_ns)
        self.acts = Acts(
            inbox,
            self.desk,
            clock.now_ns,
            self.models,
            self.stop,
            applied,
            self.faults,
            nominal,
            self.mission_clock.now_ns,
            ModelActs(mission, self.models, clock.now_ns),
        )
        done = Backfill.is_done(self.writer.cursor(HISTORY_CURSOR))
        if self._with_history and not done and has_history(mission):
            # Told from the first heartbeat on: the trainer waits for it.
            self.history_progress = (0, 100)
        self.child = trainer_child(self.directory, self.trainer_view, clock) if self._with_trainer else None
        if self.links is not None:
            self.links.open(self, inbox, self._apply_requests)

    def _loops(self) -> list[Coroutine[Any, Any, None]]:
        loops: list[Coroutine[Any, Any, None]] = [
            self._pull(),
            self._poll_inbox(),
            self._heartbeat(),
            self._follow_contacts(),
        ]
        if self.history_progress is not None:
            loops.append(self._write_history())
        if self.hooks.outlets:
            loops.append(self.hooks.run())
        if self.links is not None:
            loops += self.links.loops()
        return loops

    def _journaled(self, events: Sequence[Event], last_id: int) -> None:
        self.hooks.tell(events, live=self.mission_clock.live, last_id=last_id)
        if self.links is not None:
            self.links.committed(events)

    async def _until_over(self, tasks: list[asyncio.Task[None]]) -> None:
        """Wait for `stop`; a loop that fails ends the station with its error, one that finishes does not."""
        stopping = asyncio.create_task(self._stopping.wait())
        waiting: set[asyncio.Task[Any]] = {*tasks, stopping}
        try:
            while not stopping.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task is not stopping:
                        task.result()
        finally:
            stopping.cancel()

    async def _end(
        self, loops: list[asyncio.Task[None]], ingest: asyncio.Task[None], trainer: asyncio.Task[None] | None
    ) -> None:
        closing = asyncio.create_task(self.child.close()) if self.child is not None else None
        if self.source is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SOURCE_S):
                    await self.source.close()
        for task in [*loops, ingest]:
            task.cancel()
        await asyncio.gather(*loops, ingest, return_exceptions=True)
        if self.links is not None:
            await self.links.close()
        ended = [*self.hooks.close(), self._event("station.ended", "station", {})]
        self.ingest.note(ended, self.hooks.cursors())
        await self.ingest.finish()
        self.link.end()
        self._beat()
        if closing is not None and trainer is not None:
            await closing
            trainer.cancel()
            await asyncio.gather(trainer, return_exceptions=True)

    async def _pull(self) -> None:
        """Read the source into the queue; when it dies, say so, wait, and continue after what was stored."""
        backoff = Backoff(top=30.0)
        while True:
            begun = self.clock.monotonic()
            try:
                source = self._make_source(self.writer.cursor(self.source_name))
                self.faults.give(source)
                self.source = source
                self.mission_clock.live = source.live
                self.link.use(source)
                async for batch in source:
                    self.source_error = ""
                    await self.queue.put(batch)
                break
            except Exception as error:  # whatever a source dies of, the station lives on and says so
                log.exception("the source %s died", self.source_name)
                self.source_error = plain_text(f"{type(error).__name__}: {error}")
            await self.ingest.idle()
            # Its counts would go with it.
            self.ingest.refused.update(getattr(self.source, "refused", {}))
            self.source = None
            pause = backoff.after(self.clock.monotonic() - begun)
            self.link.lost(self.source_error)
            text = f"source {self.source_name} died: {self.source_error}"
            body = {"error": self.source_error, "text": text}
            self.ingest.note([self._event("link.lost", self.source_name, body, Level.WARNING)])
            await self.clock.sleep(pause)
        await self.ingest.idle()
        self.source_ended = True
        self.link.over()
        self.ingest.note([self._event("link.ended", self.source_name, {"text": "the source has no more frames"})])
        if self._end_with_source:
            await self.ingest.idle()
            self.stop()

    async def _confirm(self, batch: FrameBatch) -> None:
        self.link.received(batch)
        self.staleness.received(batch)
        if not self._first_frame.is_set():
            self._first_frame.set()
            self._beat()
        if len(batch):
            self.mission_clock.observe(int(batch.t_ns.max()))
        if self.source is not None:
            await self.source.committed(batch)

    async def _poll_inbox(self) -> None:
        while True:
            self._apply_requests()
            await self.clock.sleep(INBOX_EVERY_S)

    def _apply_requests(self) -> None:
        if self.ingest.disk_full:
            return
        try:
            applied = self.acts.poll()
        except StoreFull as error:
            log.warning("%s; requests wait", error)
            return
        if applied:
            self.ingest.note(applied.events, applied.cursors(), lambda: self.acts.forget(applied))

    async def _heartbeat(self) -> None:
        while True:
            begun = self.clock.monotonic()
            self._beat()
            self._end_shelves()
            changed = self.link.step()
            if changed is not None:
                state, detail = changed
                text = f"link {state} {detail}".strip()
                self.ingest.note([self._event(f"link.{state.lower()}", self.source_name, {"text": text})])
            refusing = self.ingest.disk_full > 0
            silent = self.staleness.step(self.mission_clock.now_ns(), refusing=refusing)
            if silent:
                self.ingest.note(silent)
            # What the disk took for the beat is not added to the silence until the next.
            await self.clock.sleep(max(BEAT_EVERY_S / 2, BEAT_EVERY_S - (self.clock.monotonic() - begun)))

    def _end_shelves(self) -> None:
        # What is replayed has no time of its own before its first frame.
        if self.mission_clock.live or self.judgement.newest_ns is not None:
            expired = self.desk.expire(self.mission_clock.now_ns())
            if expired:
                self.ingest.note(expired)

    def _tell_of_trainer(self) -> None:
        """A fit may be over before the next heartbeat; the trainers of a fleet turn too often for one each."""
        if self.clock.monotonic() - self._beaten >= BEAT_EVERY_S / 10:
            self._beat()

    def _beat(self) -> None:
        self._beaten = self.clock.monotonic()
        try:
            self.writer.beat(health_row(self))
            self.beats_missed = 0
        except StoreFull:
            self.beats_missed += 1

    async def _follow_contacts(self) -> None:
        plan = ContactPlan(self.mission, self.contacts, self.writer)
        while True:
            # A replay has no time of its own before its first frame, and may then jump back to it.
            known = self.mission_clock.live or self.judgement.newest_ns is not None
            for satellite, note in (await plan.follow(self.mission_clock.now_ns()) if known else {}).items():
                self.ingest.note([self._event("contact.orbit", satellite, {"text": note}, Level.WATCH)])
            events = self.contacts.step(self.mission_clock.now_ns())
            if events:
                self.ingest.note(events)
            await self.clock.sleep(CONTACTS_EVERY_S)

    async def _write_history(self) -> None:
        # The present first: what the satellite does now is on screen before what it did yesterday.
        await self._first_frame.wait()
        began_s = getattr(self.source, "boot", None)
        now_ns = self.clock.now_ns() if began_s is None else began_s * NS_PER_S
        plan = Backfill.of(self.writer.cursor(HISTORY_CURSOR), now_ns)
        self.ingest.note([], {HISTORY_CURSOR: plan.cursor()})
        satellites = [satellite.name for satellite in self.mission.satellites]
        for number, satellite in enumerate(satellites):
            past = past_of(self.mission, satellite, plan.t_end_ns)
            batches = past.frames()
            first_ns: int | None = None
            while (batch := await in_thread(batches)) is not None:
                first_ns = int(batch.t_ns[0]) if first_ns is None else first_ns
                for piece in pieces(batch):
                    await self._store_history(piece)
                share = (int(batch.t_ns[-1]) - first_ns) / max(1, plan.t_end_ns - first_ns)
                self.history_progress = (int(100 * (number + share) / len(satellites)), 100)
            await self._store_past([], past.events)
        self.ingest.note([], {HISTORY_CURSOR: Backfill(plan.t_end_ns, done=True).cursor()})
        await self.ingest.idle()
        self.history_progress = None
        self._beat()

    async def _store_history(self, piece: FrameBatch) -> None:
        await self._store_past([ScoredBatch(piece, None, self.judgement.invalid(piece))], [])
        await self.clock.sleep(PAUSE_S)

    async def _store_past(self, scored: list[ScoredBatch], events: list[Event]) -> None:
        """In a transaction of its own, of which no hook hears; nothing of it touches an alarm that is open now."""
        while True:
            closed = [past(event) for event in events if (event.satellite, event.subject) not in self.desk.alarms]
            try:
                self.ingest.store(scored, closed, {})
                break
            except StoreFull:
                await self.clock.sleep(DISK_RETRY_S)

    def _event(self, kind: str, subject: str, body: dict[str, Any], level: Level = Level.IN_LIMITS) -> Event:
        return Event(
            at_ns=self.clock.now_ns(),
            satellite="",
            kind=kind,
            severity=int(level),
            subject=subject,
            actor=self.operator if kind.startswith("station.") else "",
            body=body,
        )
