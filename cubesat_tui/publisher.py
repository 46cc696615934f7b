"""Sends what the mission store has to a link, through a courier process: the store is the outbox.

A range of rows is durable under its key before the courier is told to send it, one update is under way at a time,
and nothing counts as sent before the database said so. So neither a kill, of either process, nor a lost answer can
double a row or leave one out.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from cubesat_tui.children import Child, child_argv
from cubesat_tui.courier_tokens import TokenDesk
from cubesat_tui.link_places import place_of
from cubesat_tui.outbox import Outbox, is_last
from cubesat_tui.ownership import OWNER, Other, nodes_of, station_id
from cubesat_tui.setbacks import REFUSING, Setbacks
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.kill_points import reach
from telemetry.limits import Level
from telemetry.link_config import address_of
from telemetry.links.link import BACKFILL, CONNECTING, DOWN, LIVE, REFUSED, LinkReport
from telemetry.links.link_keys import MOST_ROWS
from telemetry.links.service_account import key_of
from telemetry.plain_text import plain_text
from telemetry.store.errors import StoreFull

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.writer import StoreWriter

log = logging.getLogger(__name__)

MODULE = "telemetry.links.courier"
LIVE_EVERY_S = 0.5
BEAT_EVERY_S = 5.0
PRUNE_EVERY_S = 60.0
DISK_RETRY_S = 1.0
ASK_AGAIN_S = 30.0
"""So often a station that was refused looks whether the other has gone."""
MOST_IN_A_ROW = 3
"""If more records than this are refused in a row it is not the records, and no more of them are left behind."""
MANY_ROWS = 2 * MOST_ROWS
"""More that waits than this is caught up, not sent live."""


class Note(Protocol):
    """Journals events with the next transaction of the station; `after` is called once they are durable."""

    def __call__(
        self,
        events: Sequence[Event],
        cursors: dict[str, str] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None: ...


class Publisher:
    """The publishing side of a station. All of it belongs to the station's loop."""

    def __init__(
        self,
        mission: Mission,
        directory: MissionDirectory,
        writer: StoreWriter,
        clock: Clock,
        streams: Sequence[str],
        note: Note,
        *,
        name: str,
        take_over: bool = False,
        status: Callable[[], str | None] = lambda: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Take note of what is to be sent; the courier is started by `run`.

        Args:
            streams: which of `link_keys.STREAMS` this station writes.
            note: journals, as `Ingest.note` does.
            name: `operator@host`, which another station is shown.
            take_over: claim the streams from whoever has them.
            status: the owner's report, a JSON text, asked for every 5 s.
            chance: numbers from 0 to 1, for the jitter of the pauses.

        Raises:
            telemetry.link_config.LinkRefused: the link cannot be used as it is configured; one line.
        """
        self._mission = mission
        self._clock = clock
        self._streams = tuple(streams)
        self._note = note
        self._status = status
        self._nodes = nodes_of(self._streams)
        key = key_of(mission)
        self._settings = {
            "url": address_of(mission.link, os.environ),
            "root": mission.link_root,
            "station": station_id(writer),
            "name": plain_text(name, 100),
            "session": uuid.uuid4().hex,
            "credentials": "" if key is None else str(key),
            "compress": mission.link.compress,
            "mirror_alerts": mission.link.mirror_alerts,
        }
        self._outbox = Outbox(directory, writer, clock, self._streams, place_of(mission))
        self._child = Child(
            "courier", child_argv(MODULE, str(directory.path)), directory.log / "courier.log", self._hear, clock
        )
        self._take_over = take_over
        self._said: deque[dict[str, Any]] = deque()
        self._woken = asyncio.Event()
        self._open = False
        """The courier knows the database."""
        self._claiming: set[str] = set()
        self._claimed: set[str] = set()
        self._held: set[str] = set()
        """Nodes that were ours at some time: they are not claimed back from another."""
        self._other: Other | None = None
        self._flying: list[str] = []
        """Keys the courier has and has not answered for, oldest first."""
        self._settling: dict[str, bool] = {}
        """Key whose fate is asked for -> whether the courier was told."""
        self._condemned: set[str] = set()
        """Keys that the database does not take, until that is in the journal."""
        self._bad_in_a_row = 0
        self._catching_up = 0
        self._setbacks = Setbacks(clock, chance, self._tell_down, self._tell_up)
        self._live_at = -math.inf
        self._beat_at = -math.inf
        self._beating = False
        self._prune_at = self._tidy_at = -math.inf
        self._deleting: dict[str, bool] = {}
        """Path -> whether the courier was told."""
        self.tokens = TokenDesk(clock, self._ask_for_token)
        self.quarantined = 0
        """Records the database does not take, since this station began."""
        self.sent_rows = 0
        """Rows confirmed by the database since this station began."""

    @property
    def backlog(self) -> int:
        """Rows in the store that the database has not confirmed; after the first look."""
        return self._outbox.backlog

    @property
    def pid(self) -> int | None:
        """Process id of the courier while it runs."""
        return self._child.pid

    @property
    def starts(self) -> int:
        """How often a courier was started."""
        return self._child.starts

    @property
    def report(self) -> LinkReport:
        """How publishing goes."""
        if self._other is not None:
            held = self._other.node in self._held
            return LinkReport(REFUSED, self._other.taken() if held else self._other.refused())
        wrong = self._setbacks.report
        if wrong is not None:
            return wrong
        if self._child.state == "waiting":
            return LinkReport(DOWN, self._child.error)
        if not self._ready:
            return LinkReport(CONNECTING, "")
        if self._catching_up:
            done = 100 * (self._catching_up - self.backlog) // self._catching_up
            return LinkReport(BACKFILL, f"{min(99, max(0, done))} %")
        bad = self.quarantined
        return LinkReport(LIVE, f"{bad} record{'s' if bad > 1 else ''} not taken by the database" if bad else "")

    @property
    def _ready(self) -> bool:
        return self._open and self._claimed >= self._nodes.keys()

    def nudge(self) -> None:
        """Something is newly durable."""
        self._woken.set()

    def delete(self, paths: Sequence[str]) -> None:
        """Take mail (`mailbox/<uid>/<id>`) out of the database, now or when it is reached again."""
        for path in paths:
            self._deleting.setdefault(path, False)
        self._woken.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        supervising = asyncio.create_task(self._child.supervise(), name="courier")
        try:
            while True:
                await self._wait(self._step())
        finally:
            await self._child.close()
            supervising.cancel()
            await asyncio.gather(supervising, return_exceptions=True)
            self._outbox.close()
            self.tokens.close()

    async def _wait(self, seconds: float) -> None:
        """Until something is said or durable, at most `seconds`."""
        woken = asyncio.ensure_future(self._woken.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({woken, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            slept.cancel()
            await asyncio.gather(woken, slept, return_exceptions=True)
        self._woken.clear()

    def _hear(self, message: dict[str, Any]) -> None:
        self._said.append(message)
        self._woken.set()

    def _say(self, **order: Any) -> None:
        self._child.say(order)

    def _step(self) -> float:
        """Do what can be done now; seconds until there is something to do again if nothing happens."""
        try:
            while self._said:
                self._take(self._said[0])
                self._said.popleft()
            return self._go_on()
        except StoreFull:
            return DISK_RETRY_S

    def _go_on(self) -> float:
        now = self._clock.monotonic()
        if not self._open:
            return ASK_AGAIN_S
        pause_s = self._setbacks.pause_s
        if pause_s > 0:
            return pause_s
        if self._other is not None or not self._ready:
            self._claim()
            return ASK_AGAIN_S
        self._beat(now)
        self._tidy(now)
        self._ask_for_settling()
        if self._settling or self._flying or self._condemned:
            return BEAT_EVERY_S
        ranges = self._outbox.next_ranges()
        behind = self.backlog > MANY_ROWS
        self._catching_up = max(self._catching_up, self.backlog) if behind else 0
        if ranges and (behind or now >= self._live_at):
            self._live_at = now + LIVE_EVERY_S
            self._flying = [one.key for one in ranges]
            reach("publish")
            self._say(send=ranges)
            return BEAT_EVERY_S
        return max(0.0, self._live_at - now) if ranges else LIVE_EVERY_S

    def _claim(self) -> None:
        if self._claiming:
            return
        for node, streams in self._nodes.items():
            if node not in self._claimed:
                self._claiming.add(node)
                again = node in self._held
                self._say(
                    claim={
                        "node": node,
                        "streams": list(streams),
                        "take_over": self._take_over and not again,
                        "again": again,
                    }
                )

    def _beat(self, now: float) -> None:
        if not self._beating and now >= self._beat_at:
            self._beat_at = now + BEAT_EVERY_S
            self._beating = True
            self._say(beat={"status": self._status() if OWNER in self._nodes else None})

    def _tidy(self, now: float) -> None:
        """Let go of what is too old, and of mail that was answered."""
        hours = self._mission.link.retention_hours
        if hours and now >= self._prune_at and self._setbacks.report is None:
            self._prune_at = now + PRUNE_EVERY_S
            before_s = self._clock.now_ns() // NS_PER_S - round(hours * 3600)
            for stream in self._streams:
                self._say(prune={"stream": stream, "before_s": before_s})
        paths = [path for path, told in self._deleting.items() if not told]
        if paths and now >= self._tidy_at:
            self._deleting.update(dict.fromkeys(paths, True))
            self._say(delete=paths)

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"ready": _}:
                self._begin()
            case {"opened": _}:
                self._open = True
                self.tokens.begin()
            case {"claimed": str() as node, "heads": dict() as heads}:
                self._take_claim(node, heads)
            case {"refused": dict() as other}:
                self._take_refusal(other)
            case {"sent": str() as key}:
                self._take_sent(key)
            case {"quarantined": str() as key}:
                self._done_with(key)
            case {"absent": str() as key}:
                self._take_absent(key)
            case {"failed": dict() as failure}:
                self._take_failure(failure)
            case {"link": _}:
                self._beating = False
                self._setbacks.recovered("beat", wholly=False)
            case {"deleted": list() as paths}:
                for path in paths:
                    self._deleting.pop(path, None)
            case {"token": dict() as token}:
                self.tokens.take(str(token.get("value")), _whole(token.get("expires_ns")))
            case {"pruned": _}:
                pass
            case _:
                log.warning("the courier said what is not understood: %s", plain_text(str(message)[:200]))

    def _begin(self) -> None:
        """A courier has begun, and knows nothing of what was said to the one before it."""
        self._open = self._beating = False
        self._claimed.clear()
        self._claiming.clear()
        self._flying, self._settling = [], {}
        self._deleting = dict.fromkeys(self._deleting, False)
        self._say(open=self._settings)

    def _take_claim(self, node: str, heads: dict[str, Any]) -> None:
        self._claiming.discard(node)
        last = next((stream for stream, key in heads.items() if isinstance(key, str) and is_last(key)), None)
        if last is not None:
            where = f"{self._settings['root']}/heads/{last}"
            words = (
                f"no record can be named after the newest one of {last}: correct {where}, or use another link.path"
            )
            self._setbacks.failed("claim", REFUSING, words)
            return
        self._claimed.add(node)
        self._outbox.learn({stream: key for stream, key in heads.items() if isinstance(key, str)})
        new = node not in self._held
        self._held.add(node)
        if self._other is not None and self._other.node == node:
            self._other = None
        self._setbacks.recovered("claim")
        if new and self._take_over:
            text = f"link {self._settings['root']}: this station took over as {node}"
            self._journal("publish.took_over", text, Level.WARNING, {"node": node})
        if self._ready:
            self._settling = {one.key: False for one in self._outbox.overtaken()}

    def _ask_for_settling(self) -> None:
        for key in [key for key, asked in self._settling.items() if not asked]:
            found = self._outbox.find(key)
            if found is None:
                del self._settling[key]
            else:
                self._settling[key] = True
                self._say(settle=found)

    def _take_sent(self, key: str) -> None:
        rows = self._outbox.done_with(key)
        reach("published")
        self.sent_rows += rows
        self._bad_in_a_row = 0
        self._forget(key)
        self._setbacks.recovered("send")

    def _take_absent(self, key: str) -> None:
        for one in self._outbox.withdraw(key):
            self._forget(one)

    def _forget(self, key: str) -> None:
        self._flying = [one for one in self._flying if one != key]
        self._settling.pop(key, None)
        self._condemned.discard(key)

    def _take_failure(self, failure: dict[str, Any]) -> None:
        kind, words = str(failure.get("kind")), plain_text(str(failure.get("why")))
        match failure:
            case {"key": str() as key} if kind == "poison" and self._bad_in_a_row < MOST_IN_A_ROW:
                self._bad_in_a_row += 1
                self._quarantine(key, words)
            case {"key": str() as key}:
                self._flying = [one for one in self._flying if one != key]
                if key in self._settling:
                    self._settling[key] = False
                self._setbacks.failed("send", "refused" if kind == "poison" else kind, words)
            case {"claim": str() as node}:
                self._claiming.discard(node)
                self._setbacks.failed("claim", kind, words)
            case {"beat": _}:
                self._beating = False
                self._setbacks.mild("beat", kind, words)
            case {"token": _}:
                self.tokens.fail(words)
            case {"delete": list() as paths}:
                self._deleting.update(dict.fromkeys(paths, False))
                self._tidy_at = self._clock.monotonic() + BEAT_EVERY_S
            case _:
                log.warning("the courier failed at what nobody waits for: %s", words)

    def _tell_down(self, words: str) -> None:
        text = f"link {self._settings['root']}: nothing gets through: {words}; tried again until it does"
        self._journal("publish.down", text, Level.WARNING, {"why": words})

    def _tell_up(self) -> None:
        text = f"link {self._settings['root']}: gets through again, {self.backlog} rows wait"
        self._journal("publish.recovered", text, Level.IN_LIMITS, {"backlog": self.backlog})

    def _quarantine(self, key: str, words: str) -> None:
        """Tell of it, then go on behind it: a record that is never taken must not hold up the others."""
        self._forget(key)
        found = self._outbox.find(key)
        if found is None:
            return
        self.quarantined += 1
        stream, _, first, last = found
        text = f"link: {stream} {first} to {last} do not go out, the link has a gap there: {words}"
        body = {"key": key, "stream": stream, "first": first, "last": last, "why": words}
        self._condemned.add(key)
        self._journal(
            "publish.quarantined", text, Level.WARNING, body, after=lambda: self._hear({"quarantined": key})
        )

    def _done_with(self, key: str) -> None:
        self._outbox.done_with(key)
        self._forget(key)

    def _take_refusal(self, told: dict[str, Any]) -> None:
        node = str(told.get("node"))
        before = self._other
        self._other = Other(
            node if node in self._nodes else OWNER,
            plain_text(str(told.get("by")), 100),
            _whole(told.get("since_ns")),
            _whole(told.get("beat_ns")),
        )
        self._claiming.discard(node)
        self._claimed.discard(node)
        self._flying, self._settling, self._beating = [], {}, False
        self._setbacks.rest(ASK_AGAIN_S)
        if before is None or before[:3] != self._other[:3]:
            held = node in self._held
            words = self._other.taken() if held else self._other.refused()
            body = {"node": node, "by": self._other.name, "since_ns": self._other.since_ns}
            kind = "publish.taken_over" if held else "publish.refused"
            self._journal(kind, f"link {self._settings['root']}: {words}", Level.WARNING, body)

    def _ask_for_token(self) -> bool:
        if self._open:
            self._say(token=True)
        return self._open

    def _journal(
        self, kind: str, text: str, level: Level, body: dict[str, Any], after: Callable[[], None] | None = None
    ) -> None:
        event = Event(
            self._clock.now_ns(), "", kind, int(level), "link", "", {"text": plain_text(text, 400), **body}
        )
        self._note([event], None, after)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
