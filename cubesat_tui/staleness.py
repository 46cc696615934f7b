"""Which channels have fallen silent, and whether that is an alarm.

Silence is measured on the monotonic clock since reception, channel by channel, by the rule of
`telemetry.freshness`. What has a cause that is shown elsewhere is marked and not alarmed: the source died ("link
down"), or the satellite is out of view and is heard in passes only ("loss of signal"). Silence during such a cause
does not count, and begins anew when it is over. Otherwise a satellite has one alarm, which lists its channels.
A source that lives and sends nothing is no cause: nobody else would say so.

Of a satellite that is heard in passes only, while none of them is known (its elements no longer reach the present,
or no station ever sees it), nobody can tell a failure from a loss of signal. To alarm would be red between all
passes, which is nearly always; to say nothing would make the silence look expected. So its alarm is raised, listed
with what is missing, and muted by "no pass known": it is not new and never rings, its values are EXPIRED as any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from telemetry.alarms import STALE, Event
from telemetry.clock import NS_PER_S, Clock, iso
from telemetry.dictionary import Bus, Channel, Mission
from telemetry.frame import FrameBatch, Layout, Quality
from telemetry.freshness import expires_after_s
from telemetry.suppression import stale_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cubesat_tui.contacts import ContactWatch
    from cubesat_tui.link_state import LinkState
    from telemetry.alarm_desk import AlarmDesk
    from telemetry.store.reader import StoreReader

SETTLE_S = 5.0
"""A channel is alarmed on after it was EXPIRED for so long, and let go of after it was fresh for so long."""
ASLEEP_S = 10.0
"""A station that did not look for so long has not listened either."""
RISE_NS = 60 * NS_PER_S
"""Time that a pass has to bring its first frame; until then the satellite counts as out of view."""
SET_NS = 30 * NS_PER_S
"""It counts so again for this long before the end: low over the horizon the first frames are lost."""
LINK_DOWN, LOSS_OF_SIGNAL, NO_PASS_KNOWN = "link down", "loss of signal", "no pass known"
NO_PASS_WORDS = "no pass is known for this satellite, so whether it should be heard is not either: give a newer tle"


@dataclass
class _Watch:
    """What is followed of one satellite; moments on the monotonic clock (s)."""

    name: str
    bus: Bus
    since: float
    """Silence before this moment does not count."""
    heard: dict[str, float] = field(default_factory=dict[str, float])
    """Digest of a layout -> when a frame of it was received last."""
    channels: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Digest of a layout -> the channels that such a frame brings."""
    quickest: dict[str, Channel] = field(default_factory=dict[str, Channel])
    """Digest of a layout -> the channel of it that expires first."""
    stale: dict[str, float | None] = field(default_factory=dict[str, float | None])
    """Channels of the alarm, each with the moment since which it is fresh again."""
    told: frozenset[str] = frozenset()
    """Channels the desk was told of."""
    cause: str = ""
    muted: str = ""
    """The cause the desk was told of."""
    in_view: float = math.inf
    """Since when it is in view of a station; inf while it is not."""

    def hear(self, layout: Layout, at: float) -> None:
        if layout.digest not in self.channels:
            known = [self.bus.by_name[name] for name in layout.names if name in self.bus.by_name]
            self.channels[layout.digest] = tuple(channel.name for channel in known)
            if known:
                self.quickest[layout.digest] = min(known, key=expires_after_s)
        self.heard[layout.digest] = max(at, self.heard.get(layout.digest, -math.inf))

    def last(self) -> dict[str, float]:
        """Channel -> when it was received last; those never received left out."""
        found: dict[str, float] = {}
        for digest, at in self.heard.items():
            for name in self.channels[digest]:
                if at > found.get(name, -math.inf):
                    found[name] = at
        return found


class Staleness:
    """Follows every satellite of a mission; `received` with each batch that is durable, `step` once a second."""

    def __init__(
        self, mission: Mission, clock: Clock, desk: AlarmDesk, link: LinkState, contacts: ContactWatch
    ) -> None:
        self._clock = clock
        self._desk = desk
        self._link = link
        self._contacts = contacts
        self._in_passes_only = not mission.source.visible
        now = clock.monotonic()
        self._looked = now
        self._watches = {one.name: _Watch(one.name, mission.bus_of(one.name), now) for one in mission.satellites}

    def restore(self, reader: StoreReader) -> None:
        """Take up what the store knows: when each channel was received last, and the alarms that are open."""
        now, wall = self._clock.monotonic(), self._clock.now_ns()
        for satellite, watch in self._watches.items():
            for frame in reader.newest_of_layouts(satellite):
                watch.hear(frame.layout, now - max(0, wall - frame.received_ns) / NS_PER_S)
            alarm = self._desk.alarms.get((satellite, STALE))
            if alarm is not None and alarm.active:
                # One that mission.toml no longer has would never be heard again.
                watch.stale = dict.fromkeys(name for name in alarm.channels if name in watch.bus.by_name)
                watch.told, watch.muted = frozenset(alarm.channels), alarm.inhibited_by

    def received(self, batch: FrameBatch) -> None:
        """Frames arrived now. What was recorded on board says nothing of the present."""
        now = self._clock.monotonic()
        live = batch.satellite[(batch.quality & int(Quality.STORED)) == 0]
        for index in set(live.tolist()):
            self._watches[batch.satellites[index]].hear(batch.layout, now)

    def step(self, t_ns: int, *, refusing: bool = False) -> list[Event]:
        """What is to be journaled now. `t_ns`: mission time. `refusing`: the disk is full, frames wait outside."""
        now = self._clock.monotonic()
        slept, self._looked = now - self._looked > ASLEEP_S, now
        if not self._link.live:
            return []
        events: list[Event] = []
        for watch in self._watches.values():
            if slept or refusing:
                watch.since = now
            events += self._look(watch, now, t_ns)
        return events

    def expired(self, satellite: str) -> tuple[str, ...]:
        """The channels of a satellite that an alarm would list, or lists."""
        return tuple(name for name, fresh in self._watches[satellite].stale.items() if fresh is None)

    def _look(self, watch: _Watch, now: float, t_ns: int) -> list[Event]:
        visible = self._contacts.in_view(watch.name, t_ns, RISE_NS, SET_NS)
        watch.in_view = min(watch.in_view, now) if visible else math.inf
        watch.cause = self._cause(watch, visible=visible)
        if watch.cause in (LINK_DOWN, LOSS_OF_SIGNAL):
            watch.since = now
        if not (watch.stale or watch.told or watch.muted or watch.cause) and self._is_fresh(watch, now):
            return []
        last = watch.last()
        self._follow(watch, last, now)
        events: list[Event] = []
        again = watch.cause != watch.muted and NO_PASS_KNOWN in (watch.cause, watch.muted)
        if watch.cause and watch.cause != watch.muted:
            events += self._desk.inhibit(watch.name, watch.cause, t_ns)
            if watch.muted:
                events += self._desk.release(watch.name, watch.muted, t_ns)
            watch.muted = watch.cause
        named = sorted(watch.stale, key=lambda name: last.get(name, -math.inf))
        if watch.told != frozenset(named) or (named and again):
            events += self._desk.stale(watch.name, named, t_ns, self._text(watch, named, last, now), again=again)
            watch.told = frozenset(named)
        if watch.muted and not watch.cause and not self._undecided(watch, last, now):
            events += self._desk.release(watch.name, watch.muted, t_ns)
            watch.muted = ""
        return events

    def _is_fresh(self, watch: _Watch, now: float) -> bool:
        """Whether no channel can have expired: nearly always, and found for all channels of a packet at once."""
        return all(
            now - watch.heard[digest] <= expires_after_s(channel, self._link.rate)
            for digest, channel in watch.quickest.items()
        )

    def _cause(self, watch: _Watch, *, visible: bool) -> str:
        if self._link.cut:
            return LINK_DOWN
        if not self._in_passes_only or visible or not self._contacts.planned(watch.name):
            return ""
        return LOSS_OF_SIGNAL if self._contacts.known(watch.name) else NO_PASS_KNOWN

    def _follow(self, watch: _Watch, last: dict[str, float], now: float) -> None:
        """Channels enter when they were silent for too long, and leave once they were fresh for a while."""
        for name, at in last.items():
            channel = watch.bus.by_name[name]
            held = expires_after_s(channel, self._link.rate)
            if channel.contact_only and math.isinf(watch.in_view):
                watch.stale.pop(name, None)
            elif name not in watch.stale:
                begun = max(at, watch.since, watch.in_view if channel.contact_only else -math.inf)
                if now - begun > held + SETTLE_S:
                    watch.stale[name] = None
            elif now - at > held:
                watch.stale[name] = None
            else:
                fresh = watch.stale[name]
                watch.stale[name] = now if fresh is None else fresh
                if fresh is not None and now - fresh >= SETTLE_S:
                    del watch.stale[name]

    def _undecided(self, watch: _Watch, last: dict[str, float], now: float) -> bool:
        """Whether a channel of the alarm may still come back from what silenced it."""
        for name, fresh in watch.stale.items():
            held = expires_after_s(watch.bus.by_name[name], self._link.rate) if name in watch.bus.by_name else 0.0
            if fresh is not None or now - max(last.get(name, -math.inf), watch.since) <= held + SETTLE_S:
                return True
        return False

    def _text(self, watch: _Watch, named: Iterable[str], last: dict[str, float], now: float) -> str:
        """Where nothing comes any more, or nobody knows when it should; else the desk's words name channels."""
        names = list(named)
        told = self._silence(watch, names, last, now)
        if names and watch.cause == NO_PASS_KNOWN:
            return f"{told or stale_text(names)}; {NO_PASS_WORDS}"
        return told

    def _silence(self, watch: _Watch, names: list[str], last: dict[str, float], now: float) -> str:
        """The sentence where nothing comes any more, else ""."""
        held = [expires_after_s(watch.bus.by_name[name], self._link.rate) for name in last]
        newest = max(last.values(), default=now)
        if len(names) < 2 or now - newest <= min(held, default=math.inf):
            return ""
        since_ns = self._clock.now_ns() - round((now - newest) * NS_PER_S)
        return f"nothing received since {iso(since_ns)[11:19]}Z: {len(names)} of {len(last)} channels too old"
