"""Who is told of alarms besides the operator at the screen: commands and webhooks of mission.toml.

A hook hears of an alarm once it is in the journal. It has a queue and a task of its own, so that neither ingest nor
another hook waits for it; what did not arrive is tried again, and a place that cannot be reached is told of once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

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

FAILED = "hook.failed"
RECOVERED = "hook.recovered"
MOST_WAITING = 64
GIVE_UP_NS = 3600 * NS_PER_S
"""News that old helps nobody: it is counted and not sent."""


@dataclass
class Telling:
    """One alarm on its way."""

    at_ns: int
    body: bytes


@dataclass
class Outlet:
    """One hook and what waits for it. `note` journals what becomes of it."""

    hook: Hook
    delivery: Delivery
    clock: Clock
    note: Callable[[Sequence[Event]], None]
    told: dict[Key, int] = field(default_factory=dict)
    """The open alarms it was told of, and how severe they were then."""
    lost: int = 0
    """What was given up on since the place was last reached."""
    failing: str = ""
    """Why it cannot be reached; "" while it can."""
    waiting: deque[Telling] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _backoff: Backoff = field(default_factory=lambda: Backoff(top=60.0))

    def put(self, telling: Telling) -> None:
        """Send it when it is its turn; the oldest gives way where too many wait."""
        self.waiting.append(telling)
        if len(self.waiting) > MOST_WAITING:
            self.waiting.popleft()
            self.lost += 1
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._fail(self.delivery.missing())
        try:
            while True:
                await self._news.wait()
                await self._deliver_all()
                self._news.clear()
                await self.delivery.rest()
        finally:
            await self.delivery.rest()

    async def _deliver_all(self) -> None:
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
        text = f"{self.hook.title}: {left} alarm{'s' if left > 1 else ''} not confirmed when the station ended"
        return [self._event(FAILED, Level.WARNING, text, self.failing)]

    def _event(self, kind: str, level: Level, text: str, why: str) -> Event:
        body = {"text": text, "why": why, "waiting": len(self.waiting), "lost": self.lost}
        return Event(self.clock.now_ns(), "", kind, int(level), self.hook.title, "", body)


class Hooks:
    """All hooks of a station. It follows the alarms itself, so that it can tell what an event made of them."""

    def __init__(self, outlets: Sequence[Outlet], alarms: Mapping[Key, Alarm], *, simulated: bool) -> None:
        """`alarms`: those that were open before; they are not told again, only that they cleared."""
        self.outlets = tuple(outlets)
        self._alarms = dict(alarms)
        self._simulated = simulated
        for outlet in self.outlets:
            outlet.told |= {one.key: one.severity for one in alarms.values() if self._wants(outlet, one)}

    def tell(self, events: Sequence[Event], *, live: bool) -> None:
        """These events are in the journal now. Where data is not `live` (a replay) nobody is told."""
        if not self.outlets:
            return
        for event in events:
            if event.kind not in ALARM_KINDS:
                continue
            before = self._alarms.get((event.satellite, event.subject))
            self._alarms = fold(self._alarms, event)
            after = self._alarms.get((event.satellite, event.subject))
            for outlet in self.outlets:
                occasion = self._occasion(outlet, before, after)
                alarm = after or before
                if occasion and alarm is not None and live and occasion in outlet.hook.on:
                    outlet.put(Telling(outlet.clock.now_ns(), self._body(occasion, event, alarm)))

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
                group.create_task(outlet.run())

    def close(self) -> list[Event]:
        """What is to be journaled when the station ends."""
        return [event for outlet in self.outlets for event in outlet.close()]


def hooks_of(
    mission: Mission,
    directory: MissionDirectory,
    clock: Clock,
    note: Callable[[Sequence[Event]], None],
    alarms: Mapping[Key, Alarm],
) -> Hooks:
    """The hooks of a mission; `alarms` are those that are open already."""
    outlets: list[Outlet] = []
    if mission.hooks:
        from cubesat_tui.hook_delivery import delivery_of

        log_file = directory.log / "hooks.log"
        outlets = [Outlet(hook, delivery_of(hook, directory.path, log_file), clock, note) for hook in mission.hooks]
    return Hooks(outlets, alarms, simulated=mission.simulated)
