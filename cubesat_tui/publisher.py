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
from cubesat_tui.ownership import OWNER, Other, nodes_of, station_id
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.kill_points import reach
from telemetry.limits import Level
from telemetry.link_config import address_of
from telemetry.links.link import BACKFILL, CONNECTING, DOWN, LIVE, REFUSED, LinkReport
from telemetry.links.link_health import LinkFailure
from telemetry.links.link_keys import MOST_ROWS, StreamKey
from telemetry.links.service_account import key_of
from telemetry.links.tokens import NEVER_NS, Token
from telemetry.plain_text import plain_text
from telemetry.store.errors import StoreFull
from telemetry.store.reader import StoreReader

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.writer import StoreWriter

log = logging.getLogger(__name__)

MODULE = "telemetry.links.courier"
MOST_RANGES = 5
LIVE_EVERY_S = 0.5
BEAT_EVERY_S = 5.0
PRUNE_EVERY_S = 60.0
DISK_RETRY_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
ASK_AGAIN_S = 30.0
"""So often a station that was refused looks whether the other has gone."""
TOKEN_S = 20.0
EARLY_NS = 300 * NS_PER_S
"""A token is renewed so long before it ends."""
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
        self._writer = writer
        self._clock = clock
        self._streams = tuple(streams)
        self._note = note
        self._status = status
        self._chance = chance
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
        self._reader = StoreReader(directory.telemetry)
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
        self._heads: dict[str, str] = {}
        self._start_s: int | None = None
        self._flying: list[str] = []
        """Keys the courier has and has not answered for, oldest first."""
        self._settling: dict[str, bool] = {}
        """Key whose fate is asked for -> whether the courier was told."""
        self._condemned: set[str] = set()
        """Keys that the database does not take, until that is in the journal."""
        self._backlog = 0
        self._catching_up = 0
        self._failures: dict[str, tuple[str, str]] = {}
        """What does not work now -> kind and words."""
        self._told_down = False
        self._attempts = 0
        self._pause_until = -math.inf
        self._live_at = -math.inf
        self._beat_at = -math.inf
        self._beating = False
        self._prune_at = self._tidy_at = -math.inf
        self._deleting: dict[str, bool] = {}
        """Path -> whether the courier was told."""
        self._token: Token | None = None
        self._asked: list[asyncio.Future[Token]] = []
        self.quarantined = 0
        """Records the database does not take, since this station began."""
        self.sent_rows = 0
        """Rows confirmed by the database since this station began."""

    @property
    def backlog(self) -> int:
        """Rows in the store that the database has not confirmed; after the first look."""
        return self._backlog

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
        for kind, words in self._failures.values():
            if kind == "refused":
                return LinkReport(REFUSED, words)
            wait = math.ceil(self._pause_until - self._clock.monotonic())
            return LinkReport(DOWN, f"{words}: " + (f"next attempt in {wait} s" if wait > 0 else "trying again"))
        if self._child.state == "waiting":
            return LinkReport(DOWN, self._child.error)
        if not self._ready:
            return LinkReport(CONNECTING, "")
        if self._catching_up:
            done = 100 * (self._catching_up - self._backlog) // self._catching_up
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
            self._reader.close()
            for future in self._asked:
                future.cancel()

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
        if now < self._pause_until:
            return self._pause_until - now
        if self._other is not None or not self._ready:
            self._claim()
            return ASK_AGAIN_S
        self._beat(now)
        self._tidy(now)
        self._ask_for_settling()
        if self._settling or self._flying or self._condemned:
            return BEAT_EVERY_S
        ranges = self._next_ranges()
        behind = self._backlog > MANY_ROWS
        self._catching_up = max(self._catching_up, self._backlog) if behind else 0
        if ranges and (behind or now >= self._live_at):
            self._live_at = now + LIVE_EVERY_S
            self._flying = [key for _, key, _, _ in ranges]
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
        if hours and now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_S
            before_s = self._clock.now_ns() // NS_PER_S - round(hours * 3600)
            for stream in self._streams:
                self._say(prune={"stream": stream, "before_s": before_s})
        paths = [path for path, told in self._deleting.items() if not told]
        if paths and now >= self._tidy_at:
            self._deleting.update(dict.fromkeys(paths, True))
            self._say(delete=paths)

    def _next_ranges(self) -> list[tuple[str, str, int, int]]:
        """(stream, key, first, last) of what goes next: what is on its way already, else the oldest rows."""
        publication = self._writer.publication
        newest = self._reader.outgoing.newest_ids()
        sent = {stream: publication.sent_until(stream) for stream in self._streams}
        self._backlog = sum(max(0, newest[stream] - sent[stream]) for stream in self._streams)
        known = [(StreamKey.parse(key).stream, key, first, last) for key, first, last in publication.unpublished()]
        ranges = [one for one in known if one[0] in self._streams][:MOST_RANGES]
        taken = sent | {stream: last for stream, _, _, last in known}
        # One of each in turn, so that an alarm does not wait for hours of frames.
        turns = deque(self._streams if len(ranges) == len(known) else ())
        while turns and len(ranges) < MOST_RANGES:
            stream = turns.popleft()
            found = self._reader.outgoing.next_range(stream, taken[stream])
            if found is None:
                continue
            key = StreamKey(stream, self._start(), found[0]).text
            publication.publish_range(key, *found)
            ranges.append((stream, key, *found))
            taken[stream] = found[1]
            turns.append(stream)
        return ranges

    def _start(self) -> int:
        """Start for new keys: after all that stands in the database, whatever this machine's clock says."""
        if self._start_s is None:
            starts = [_start_of(key) + 1 for key in self._heads.values()]
            ours = self._writer.publication.start_after(self._clock.now_ns() // NS_PER_S)
            self._start_s = max([ours, *starts])
        return self._start_s

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"ready": _}:
                self._begin()
            case {"opened": _}:
                self._open = True
                if self._asked:
                    self._say(token=True)
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
                self._recovered("beat")
            case {"deleted": list() as paths}:
                for path in paths:
                    self._deleting.pop(path, None)
            case {"token": dict() as token}:
                self._take_token(token)
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
        self._claimed.add(node)
        self._heads |= {stream: key for stream, key in heads.items() if isinstance(key, str)}
        new = node not in self._held
        self._held.add(node)
        self._other = None
        self._recovered("claim")
        if new and self._take_over:
            text = f"link {self._settings['root']}: this station took over as {node}"
            self._journal("publish.took_over", text, Level.WARNING, {"node": node})
        if self._ready:
            self._settle()

    def _settle(self) -> None:
        """Ask for what was on its way when others wrote: to send it now would put it before what they sent."""
        self._settling = {}
        if self._start_s is not None and max(map(_start_of, self._heads.values()), default=0) > self._start_s:
            self._start_s = None
        for key, _, _ in self._writer.publication.unpublished():
            place = StreamKey.parse(key)
            if place.stream in self._streams and _start_of(self._heads.get(place.stream, "")) > place.start_s:
                self._settling[key] = False

    def _ask_for_settling(self) -> None:
        for key, first, last in self._writer.publication.unpublished() if self._settling else ():
            if self._settling.get(key) is False:
                self._settling[key] = True
                self._say(settle=(StreamKey.parse(key).stream, key, first, last))

    def _take_sent(self, key: str) -> None:
        rows = next(
            (last - first + 1 for one, first, last in self._writer.publication.unpublished() if one == key), 0
        )
        self._writer.publication.published(key)
        reach("published")
        self.sent_rows += rows
        self._forget(key)
        self._recovered("send")

    def _take_absent(self, key: str) -> None:
        """It never arrived: its rows go out anew, under a key after those of the others."""
        later = [
            one for one, _, _ in self._writer.publication.unpublished(StreamKey.parse(key).stream) if one >= key
        ]
        for one in reversed(later):
            self._writer.publication.withdrawn(one)
            self._forget(one)

    def _forget(self, key: str) -> None:
        self._flying = [one for one in self._flying if one != key]
        self._settling.pop(key, None)
        self._condemned.discard(key)

    def _take_failure(self, failure: dict[str, Any]) -> None:
        kind, words = str(failure.get("kind")), plain_text(str(failure.get("why")))
        match failure:
            case {"key": str() as key} if kind == "poison":
                self._quarantine(key, words)
            case {"key": str() as key}:
                self._flying = [one for one in self._flying if one != key]
                if key in self._settling:
                    self._settling[key] = False
                self._failed("send", kind, words)
            case {"claim": str() as node}:
                self._claiming.discard(node)
                self._failed("claim", kind, words)
            case {"beat": _}:
                self._beating = False
                self._failures["beat"] = (kind, words)
            case {"token": _}:
                self._answer_tokens(LinkFailure(words))
            case {"delete": list() as paths}:
                self._deleting.update(dict.fromkeys(paths, False))
                self._tidy_at = self._clock.monotonic() + BEAT_EVERY_S
            case _:
                log.warning("the courier failed at what nobody waits for: %s", words)

    def _failed(self, what: str, kind: str, words: str) -> None:
        """Pause with full jitter, once for all that failed together."""
        now = self._clock.monotonic()
        if now < self._pause_until:
            return
        self._attempts += 1
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._attempts, 10))
        self._pause_until = now + self._chance() * (LONGEST_PAUSE_S if kind == "refused" else longest)
        self._failures[what] = (kind, words)
        if not self._told_down and self._attempts > 1:
            self._told_down = True
            text = f"link {self._settings['root']}: nothing gets through: {words}; tried again until it does"
            self._journal("publish.down", text, Level.WARNING, {"why": words})

    def _recovered(self, what: str) -> None:
        """This works again, and with it whatever failed for want of an answer."""
        self._failures = {
            one: (kind, words)
            for one, (kind, words) in self._failures.items()
            if one != what and (kind != "retry" or what == "beat")
        }
        if what == "beat":
            return
        self._attempts = 0
        self._pause_until = -math.inf
        if self._told_down:
            self._told_down = False
            text = f"link {self._settings['root']}: gets through again, {self._backlog} rows wait"
            self._journal("publish.recovered", text, Level.IN_LIMITS, {"backlog": self._backlog})

    def _quarantine(self, key: str, words: str) -> None:
        """Tell of it, then go on behind it: a record that is never taken must not hold up the others."""
        self._forget(key)
        found = [one for one in self._writer.publication.unpublished() if one[0] == key]
        if not found:
            return
        self.quarantined += 1
        _, first, last = found[0]
        stream = StreamKey.parse(key).stream
        text = f"link: {stream} {first} to {last} do not go out, the link has a gap there: {words}"
        body = {"key": key, "stream": stream, "first": first, "last": last, "why": words}
        self._condemned.add(key)
        self._journal(
            "publish.quarantined", text, Level.WARNING, body, after=lambda: self._hear({"quarantined": key})
        )

    def _done_with(self, key: str) -> None:
        self._writer.publication.published(key)
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
        self._pause_until = self._clock.monotonic() + ASK_AGAIN_S
        if before is None or before[:3] != self._other[:3]:
            held = node in self._held
            words = self._other.taken() if held else self._other.refused()
            body = {"node": node, "by": self._other.name, "since_ns": self._other.since_ns}
            kind = "publish.taken_over" if held else "publish.refused"
            self._journal(kind, f"link {self._settings['root']}: {words}", Level.WARNING, body)

    def _take_token(self, told: dict[str, Any]) -> None:
        value = str(told.get("value"))
        how = "owner" if value == "owner" else "bearer"
        self._token = Token(value, _whole(told.get("expires_ns")) or NEVER_NS, how, "service")
        self._answer_tokens(self._token)

    def _answer_tokens(self, answer: Token | LinkFailure) -> None:
        asked, self._asked = self._asked, []
        for future in asked:
            if future.done():
                continue
            if isinstance(answer, Token):
                future.set_result(answer)
            else:
                future.set_exception(answer)

    async def token(self, *, anew: bool) -> Token:
        """A token to read the database with, minted by the courier.

        Raises:
            LinkFailure: there is none to be had now.
        """
        known = self._token
        if not anew and known is not None and known.expires_ns - EARLY_NS > self._clock.now_ns():
            return known
        future: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self._asked = [one for one in self._asked if not one.done()]
        if self._open and not self._asked:
            self._say(token=True)
        self._asked.append(future)
        try:
            async with asyncio.timeout(TOKEN_S):
                return await future
        except TimeoutError:
            raise LinkFailure(self._child.error or "the courier gives no token") from None

    def _journal(
        self, kind: str, text: str, level: Level, body: dict[str, Any], after: Callable[[], None] | None = None
    ) -> None:
        event = Event(
            self._clock.now_ns(), "", kind, int(level), "link", "", {"text": plain_text(text, 400), **body}
        )
        self._note([event], None, after)


class CourierTokens:
    """Tokens for whoever reads the database in a station that has a service account."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def current(self) -> Token:
        return await self._publisher.token(anew=False)

    async def renewed(self) -> Token:
        return await self._publisher.token(anew=True)


def _start_of(key: str) -> int:
    try:
        return StreamKey.parse(key).start_s
    except ValueError:
        return 0


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
