"""Who is told of alarms besides the operator at the screen: commands and webhooks of mission.toml.

A hook hears of an alarm once it is in the journal. It has a queue and a task of its own, so that neither ingest nor
another hook waits for it; what did not arrive is tried again, and a place that cannot be reached is told of once.
What still waits when a station ends is told by the next one (`cubesat_tui.hook_positions`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from cubesat_tui import hook_positions
from cubesat_tui.children import Backoff
from cubesat_tui.status import alarm_object
from telemetry.alarms import ALARM_KINDS, Alarm, Event, Key, fold
from telemetry.clock import NS_PER_S, Clock, iso
from telemetry.hook_config import CLEARED, RAISED, SEVERITY, Hook
from telemetry.limits import Level

if TYPE_CHECKING:
    from cubesat_tui.hook_delivery import Delivery
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader

FAILED = "hook.failed"
RECOVERED = "hook.recovered"
LATE = "hook.late"
MOST_WAITING = 64
GIVE_UP_NS = 3600 * NS_PER_S
"""News that old helps nobody: it is counted and not sent."""
_HOURS = GIVE_UP_NS // (3600 * NS_PER_S)
KEPT_WITHIN_S = 5.0
"""So long a hook waits until the store has kept that it delivered; a full disk does not silence it."""
KEEP_EVERY = 1000
"""Journal rows after which the position of idle hooks is kept, too."""


class Note(Protocol):
    """`Ingest.note`."""

    def __call__(
        self,
        events: Sequence[Event],
        cursors: dict[str, str] | None = None,
        after: Callable[[], None] | None = None,
    ) -> None: ...


@dataclass
class Telling:
    """One alarm on its way: the journal row it is about, and when that was."""

    id: int
    at_ns: int
    body: bytes


@dataclass
class Outlet:
    """One hook and what waits for it. `note` journals what becomes of it; `name` tells it from all others."""

    hook: Hook
    name: str
    delivery: Delivery
    clock: Clock
    note: Note
    seen: int = 0
    """Id of the newest journal row that was looked at for it."""
    told: dict[Key, int] = field(default_factory=dict)
    """The open alarms it was told of, and how severe they were then."""
    lost: int = 0
    """What was given up on since the place was last reached."""
    failing: str = ""
    """Why it cannot be reached; "" while it can."""
    waiting: deque[Telling] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _backoff: Backoff = field(default_factory=lambda: Backoff(top=60.0))

    @property
    def position(self) -> int:
        """Up to this journal row everything is told or given up."""
        return self.waiting[0].id - 1 if self.waiting else self.seen

    def put(self, telling: Telling) -> None:
        """Send it when it is its turn; the oldest gives way where too many wait."""
        self.waiting.append(telling)
        if len(self.waiting) > MOST_WAITING:
            self.waiting.popleft()
            self.lost += 1
        self._news.set()

    async def run(self, keep: Callable[[], Awaitable[None]]) -> None:
        """Deliver until cancelled; `keep` returns once the store has the positions."""
        self._fail(self.delivery.missing())
        try:
            while True:
                await self._news.wait()
                await self._deliver_all(keep)
                self._news.clear()
                await self.delivery.rest()
        finally:
            await self.delivery.rest()

    async def _deliver_all(self, keep: Callable[[], Awaitable[None]]) -> None:
        late = 0
        while self.waiting:
            telling = self.waiting[0]
            if self.clock.now_ns() - telling.at_ns > GIVE_UP_NS:
                self.waiting.popleft()
                self.lost += 1
                continue
            begun = self.clock.monotonic()
            why = await self.delivery.deliver(telling.body)
            if why:
                self._fail(why)
                late = len(self.waiting)
                await self.delivery.rest()
                await self.clock.sleep(self._backoff.after(self.clock.monotonic() - begun))
                continue
            if self.waiting and self.waiting[0] is telling:
                self.waiting.popleft()
            self._recover(late)
            await keep()

    def _fail(self, why: str) -> None:
        if why and not self.failing:
            text = f"{self.hook.title}: {why}; tried again until it gets through"
            self.note([self._event(FAILED, Level.WARNING, text, why)])
        self.failing = why or self.failing

    def _recover(self, late: int) -> None:
        if self.failing:
            lost = f", {self.lost} given up" if self.lost else ""
            text = f"{self.hook.title}: gets through again, {late} told late{lost}"
            self.note([self._event(RECOVERED, Level.IN_LIMITS, text, self.failing)])
        self.failing, self.lost = "", 0
        self._backoff.failures = 0

    def close(self) -> list[Event]:
        """What is to be journaled of what still waits."""
        left = len(self.waiting) + self.lost
        if not left:
            return []
        what = f"{left} alarm{'s' if left > 1 else ''} not confirmed when the station ended"
        text = f"{self.hook.title}: {what}; tried again by the next one within {_HOURS} h"
        return [self._event(FAILED, Level.WARNING, text, self.failing)]

    def take_up(self, missed: Sequence[Telling]) -> None:
        """What an earlier station could not tell: now, as far as it is news and there is room."""
        news = [one for one in missed if self.clock.now_ns() - one.at_ns <= GIVE_UP_NS][-MOST_WAITING:]
        for one in news:
            self.put(one)
        gone = len(missed) - len(news)
        if missed:
            lost = f", {gone} given up: older than {_HOURS} h, or too many" if gone else ""
            text = f"{self.hook.title}: {len(news)} told late, since the station had ended{lost}"
            self.note([self._event(LATE, Level.WATCH if gone else Level.IN_LIMITS, text, "")])

    def _event(self, kind: str, level: Level, text: str, why: str) -> Event:
        body = {"text": text, "why": why, "waiting": len(self.waiting), "lost": self.lost}
        return Event(self.clock.now_ns(), "", kind, int(level), self.hook.title, "", body)


class Hooks:
    """All hooks of a station. It follows the alarms itself, so that it can tell what an event made of them."""

    def __init__(
        self, outlets: Sequence[Outlet], alarms: Mapping[Key, Alarm], note: Note, *, simulated: bool
    ) -> None:
        """`alarms`: those that were open before; they are not told again, only that they cleared."""
        self.outlets = tuple(outlets)
        self._note = note
        self._kept = 0
        self._alarms = dict(alarms)
        self._simulated = simulated
        for outlet in self.outlets:
            outlet.told |= {one.key: one.severity for one in alarms.values() if self._wants(outlet, one)}

    def tell(self, events: Sequence[Event], *, live: bool, last_id: int = 0) -> None:
        """These events are in the journal now, the last with `last_id`. Where data is not `live` nobody is told."""
        if not self.outlets:
            return
        for number, event in enumerate(events, last_id - len(events) + 1):
            for outlet, telling in self._tellings(event, number):
                if live:
                    # How long it waits here; when it was aboard may be another matter.
                    telling.at_ns = outlet.clock.now_ns()
                    outlet.put(telling)
        for outlet in self.outlets:
            outlet.seen = max(outlet.seen, last_id)
        if last_id - self._kept >= KEEP_EVERY:
            self._kept = last_id
            self._note([], self.cursors())

    def take_up(self, events: Sequence[Event], newest: int) -> None:
        """What of `events`, alarm events of the journal up to the row `newest`, earlier stations could not tell."""
        missed: dict[str, list[Telling]] = {outlet.name: [] for outlet in self.outlets}
        for event in events:
            for outlet, telling in self._tellings(event, event.id):
                if event.id > outlet.seen and not hook_positions.of_the_past(event):
                    missed[outlet.name].append(telling)
        self._kept = newest
        for outlet in self.outlets:
            outlet.seen = newest
            outlet.take_up(missed[outlet.name])

    def _tellings(self, event: Event, number: int) -> list[tuple[Outlet, Telling]]:
        """Follow an event, the journal row `number`; who is to be told what."""
        found: list[tuple[Outlet, Telling]] = []
        if event.kind in ALARM_KINDS:
            before = self._alarms.get((event.satellite, event.subject))
            self._alarms = fold(self._alarms, event)
            after = self._alarms.get((event.satellite, event.subject))
            for outlet in self.outlets:
                occasion = self._occasion(outlet, before, after)
                alarm = after or before
                if occasion and alarm is not None and occasion in outlet.hook.on:
                    found.append((outlet, Telling(number, event.at_ns, self._body(occasion, event, alarm))))
        return found

    def cursors(self) -> dict[str, str]:
        """The positions of all, for the store."""
        positions = {outlet.name: outlet.position for outlet in self.outlets}
        return {hook_positions.CURSOR: hook_positions.write(positions)} if positions else {}

    async def keep(self) -> None:
        """Return once the store has the positions, or does not take them in time."""
        kept = asyncio.Event()
        self._note([], self.cursors(), kept.set)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEPT_WITHIN_S):
                await kept.wait()

    def _occasion(self, outlet: Outlet, before: Alarm | None, after: Alarm | None) -> str:
        """What a change of an alarm is to a hook: one it was not told of while muted or mild is raised later."""
        if after is None:
            known = outlet.told.pop(before.key, None) if before is not None else None
            return "" if known is None else CLEARED
        known = outlet.told.get(after.key)
        if not after.active or not self._wants(outlet, after) or (known is not None and after.severity <= known):
            return ""
        if known is None and after.acked_ns is not None:
            return ""
        outlet.told[after.key] = after.severity
        return RAISED if known is None else SEVERITY

    @staticmethod
    def _wants(outlet: Outlet, alarm: Alarm) -> bool:
        return alarm.severity >= Level[outlet.hook.level] and not alarm.muted

    def _body(self, occasion: str, event: Event, alarm: Alarm) -> bytes:
        return msgspec.json.encode(
            {
                "occasion": occasion,
                "delivery": f"{alarm.id}-{occasion}-{event.at_ns}",
                "at": iso(event.at_ns),
                "simulated": self._simulated,
                "alarm": alarm_object(alarm),
            }
        )

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for outlet in self.outlets:
                group.create_task(outlet.run(self.keep))

    def close(self) -> list[Event]:
        """What is to be journaled when the station ends."""
        return [event for outlet in self.outlets for event in outlet.close()]


def hooks_of(
    mission: Mission,
    directory: MissionDirectory,
    clock: Clock,
    note: Note,
    cursor: str | None,
    *,
    live: bool,
) -> Hooks:
    """The hooks of a mission, with what they could not tell before. `cursor`: the stored positions.

    Where data is not `live` there is nothing to be told.
    """
    if not mission.hooks:
        return Hooks((), {}, note, simulated=mission.simulated)
    from cubesat_tui.hook_delivery import delivery_of
    from telemetry.store.reader import StoreReader

    log_file = directory.log / "hooks.log"
    outlets: list[Outlet] = []
    for hook in mission.hooks:
        # Two that share a title are told apart by their order in mission.toml.
        name = f"{hook.title} {sum(one.hook.title == hook.title for one in outlets) + 1}"
        outlets.append(Outlet(hook, name, delivery_of(hook, directory.path, log_file), clock, note))
    reader = StoreReader(directory.telemetry)
    try:
        hooks = _taken_up(outlets, reader, cursor, note, simulated=mission.simulated, live=live)
    finally:
        reader.close()
    note([], hooks.cursors())
    return hooks


def _taken_up(
    outlets: Sequence[Outlet], reader: StoreReader, cursor: str | None, note: Note, *, simulated: bool, live: bool
) -> Hooks:
    newest, positions = hook_positions.newest_id(reader), hook_positions.read(cursor)
    for outlet in outlets:
        outlet.seen = min(positions.get(outlet.name, newest), newest) if live else newest
    oldest = min(outlet.seen for outlet in outlets)
    hooks = Hooks(outlets, hook_positions.alarms_at(reader, oldest), note, simulated=simulated)
    hooks.take_up(hook_positions.alarm_events_after(reader, oldest), newest)
    return hooks
