"""The simulator as a source of telemetry: one batch per packet kind and second, on an absolute grid of seconds."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, Final

import msgspec
import numpy as np

from sim.catalogue import Fault
from sim.cursor import Cursor, packed, read, unpacked, written
from sim.flight import HISTORY_ORBITS, Flight, history_start
from sim.mishaps import Mishaps
from sim.recorder import Recorders
from sim.release import released
from sim.scenario import scenario
from telemetry.clock import NS_PER_S, Clock
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Int64s, Quality

CATCH_UP_S: Final = 60
"""A live simulator that was away for less makes up what is missing; after more there is a gap and a new boot."""
LARGEST_CHUNK_S: Final = 600
LARGEST_CHUNK: Final = 120_000
"""Satellite-seconds made at once, at most."""
SHORTEST_SLEEP_S: Final = 0.1
RESTART_ORBITS: Final = 1.0
HISTORIES: Final = 8
"""With fewer satellites than this each begins exactly in the state its own history ends in."""
FLEET: Final = 20
SPARE_CURSOR_S: Final = 10
"""The states of so many satellites are too long to be stored every second; frames that were stored since the last
cursor are made again, the same, and known as twins by their numbers. As often a cursor is stored of seconds of
which nothing arrives."""


class SimSource:
    """Simulated satellites of a mission, live at 1 Hz or at another rate.

    With `cursor` None it starts a new boot at the present second, in the state that `sim.history.history` of
    `history_orbits` orbits ends in. With the cursor of its last committed batch it goes on in the same boot, frame
    by frame, when less than `CATCH_UP_S` have passed; otherwise, and for a cursor of another seed or scenario, it
    starts a new boot and the gap stays a gap. Away from 1x there is no wall clock to fall behind of: it goes on
    where it stopped. Only the last batch of a tick carries a cursor, so a half-stored tick is made again; it may be
    empty of frames. All satellites of a bus travel in one batch per packet and tick.

    Where the mission's source is not `visible`, only what the ground hears in a pass arrives live; everything else
    comes down in a pass, marked STORED.

    Raises:
        ValueError: the mission cannot be simulated, or `cursor` is not one of this source's.
    """

    def __init__(
        self,
        mission: Mission,
        cursor: str | None,
        clock: Clock,
        rate: float | None = None,
        history_orbits: float = HISTORY_ORBITS,
    ) -> None:
        config = mission.source
        self._rate = config.rate if rate is None else rate
        if not (math.isfinite(self._rate) and self._rate > 0):
            raise ValueError(f"rate: {self._rate}: allowed: a finite number above 0")
        self._clock = clock
        self._seed, self._scenario = config.seed, config.scenario
        self._story = scenario(config.scenario, mission.directory)
        self._flights = [Flight(mission, names, config.seed) for names in _by_bus(mission).values()]
        self._warm_orbits = history_orbits
        self._closed = asyncio.Event()
        kept = None if cursor is None else read(cursor)
        if kept is not None and {name for flight in self._flights for name in flight.satellites} != set(kept.state):
            kept = None
        if kept is not None and (kept.seed, kept.scenario) != (config.seed, config.scenario):
            self._warm_orbits = RESTART_ORBITS
            self._begin(max(self._now_s(), kept.next))
        elif kept is not None and (not self.live or self._now_s() - max(kept.next, kept.sent) < CATCH_UP_S):
            self._resume(kept)
        elif kept is not None:
            self._first_start = kept.first_start
            self._restart(max(self._now_s(), kept.next), kept)
        else:
            self._begin(self._now_s())
        given = () if kept is None else kept.given
        self._mishaps = Mishaps(mission, self._story, self._first_start, self._flights, given)
        self._mishaps.begin(self._next)
        self._recorders: Recorders | None = None
        if not config.visible:
            same = kept is not None and (kept.seed, kept.scenario) == (config.seed, config.scenario)
            record, since = (kept.record, kept.since) if kept is not None and same else ({}, {})
            self._recorders = Recorders(mission, self._mishaps, record, since)
            if self._cold and kept is not None:
                self._recorders.end(max(kept.next, kept.sent))
        self._before: deque[Cursor] = deque()
        """Where it stood at the seconds whose packets are partly on their way still."""
        satellites = sum(len(flight.satellites) for flight in self._flights)
        self._largest_chunk_s = min(LARGEST_CHUNK_S, max(1, LARGEST_CHUNK // satellites))
        self._grid_ns = self._boot * NS_PER_S
        if not self.live:
            self._grid_ns = clock.now_ns() - round((self._next - self._boot) / self._rate * NS_PER_S)

    @property
    def name(self) -> str:
        return "sim"

    @property
    def live(self) -> bool:
        return self._rate == 1.0

    @property
    def rate(self) -> float:
        return self._rate

    @property
    def boot(self) -> int:
        """UTC second of the first frame of the present boot; a history ends here."""
        return self._boot

    @property
    def next_s(self) -> int:
        """UTC second of the next frame to be made."""
        return self._next

    def faults(self, t0_ns: int, t1_ns: int) -> list[Fault]:
        """The truth about what is wrong between two times; for tests and evaluation, never for the detector."""
        return self._mishaps.between(t0_ns // NS_PER_S, -(-t1_ns // NS_PER_S))

    def inject(self, fault: Fault) -> None:
        """Let `fault` happen, as `sim.injection.Injectable` says.

        Raises:
            FaultRefused: these satellites cannot have it.
        """
        self._mishaps.inject(fault)
        if self._recorders is not None:
            self._recorders.replan()

    def clear(self, fault_id: str | None) -> None:
        """End the fault that was given under this id, or all that were given, before the next frame."""
        self._mishaps.end(fault_id, self._next)
        if self._recorders is not None:
            self._recorders.replan()

    def status(self) -> dict[str, Any]:
        """Scenario, seed, rate and boot, for the station's health row."""
        return {"scenario": self._scenario, "seed": self._seed, "rate": self._rate, "boot": self._boot}

    def __aiter__(self) -> AsyncIterator[FrameBatch]:
        return self._batches()

    async def committed(self, batch: FrameBatch) -> None:
        """Nothing to do: the cursor in the store says it all."""
        del batch

    async def close(self) -> None:
        self._closed.set()

    async def _batches(self) -> AsyncIterator[FrameBatch]:
        await self._warm_up()
        while not self._closed.is_set():
            due = self._due()
            if due < self._next:
                await self._sleep()
                continue
            if due - self._next >= CATCH_UP_S * max(1.0, self._rate):
                await self._after_a_pause(due)
                continue
            stop = min(due + 1, self._next + self._largest_chunk_s)
            for batch in await self._tick(stop):
                yield batch
                if self._closed.is_set():
                    return

    def _now_s(self) -> int:
        return self._clock.now_ns() // NS_PER_S

    def _due(self) -> int:
        """UTC second of the newest frame that should exist by now."""
        elapsed = (self._clock.now_ns() - self._grid_ns) / NS_PER_S
        return self._boot + math.floor(elapsed * self._rate + 1e-6)

    def _begin(self, now_s: int) -> None:
        self._first_start = self._boot = self._next = self._sent = now_s
        self._seq = [np.zeros(len(flight.satellites), dtype=np.int64) for flight in self._flights]
        self._cold = True
        self._fresh = True
        self._reboots: dict[str, float] = {}
        for flight in self._flights:
            flight.held = {}

    def _restart(self, now_s: int, kept: Cursor) -> None:
        """A new boot after `kept`: strictly later, computers restarted, temperatures those of a warm satellite."""
        first = self._first_start
        self._begin(max(now_s, kept.boot + 1))
        self._first_start, self._fresh = first, False
        self._warm_orbits = RESTART_ORBITS
        self._reboots = {name: unpacked(text).reboots + 1.0 for name, text in kept.state.items()}

    def _resume(self, kept: Cursor) -> None:
        self._first_start, self._boot, self._next = kept.first_start, kept.boot, kept.next
        self._sent = max(kept.next, kept.sent)
        self._seq = [np.array([kept.seq[name] for name in flight.satellites]) for flight in self._flights]
        for flight in self._flights:
            flight.states = [unpacked(kept.state[name]) for name in flight.satellites]
            flight.held = dict(kept.held.get(flight.bus.name, {}))
        self._cold = self._fresh = False
        self._reboots = {}

    async def _warm_up(self) -> None:
        """Fly up to the boot, giving way to other tasks between blocks."""
        if not self._cold:
            if self._next < self._sent:
                # Only to have again what was on its way: the rest was sent.
                self._fly(self._sent)
            self._record()
            return
        for flight in self._flights:
            for _ in _arrive(flight, self._boot, self._warm_orbits):
                await asyncio.sleep(0)
            states = flight.states
            if self._reboots:
                for name, state in zip(flight.satellites, states, strict=True):
                    state.uptime, state.reboots = 0.0, self._reboots[name]
            if self._fresh and self._story.begin == "detumble":
                numbers = flight.surroundings.numbers
                states = [
                    released(state, self._story.begin_deg_s, self._seed, number)
                    for state, number in zip(states, numbers, strict=True)
                ]
            flight.states = states
        self._cold = False
        self._record()

    def _record(self) -> None:
        """Let recorders run that do not."""
        if self._recorders is not None and not self._recorders.recording:
            for flight, numbers in zip(self._flights, self._seq, strict=True):
                self._recorders.begin(flight, self._boot, self._next, numbers.tolist())

    async def _after_a_pause(self, due: int) -> None:
        """The machine slept, or nobody took the frames: a new boot when live, time that never passed otherwise."""
        if not self.live:
            self._grid_ns += round((due - self._next) / self._rate * NS_PER_S)
            return
        if self._recorders is not None:
            self._recorders.end(self._next)
        self._restart(due, self._cursor())
        self._mishaps.begin(self._next)
        self._before.clear()
        self._grid_ns = self._boot * NS_PER_S
        await self._warm_up()

    async def _tick(self, stop: int) -> list[FrameBatch]:
        """Frames up to before `stop` of every satellite; the last batch carries the cursor."""
        since = self._next
        made, may_dump = self._fly(stop)
        if self._recorders is not None:
            for name, packets in may_dump.items():
                for batches in self._recorders.dump(name, stop, packets, self._clock.now_ns()):
                    made += batches
                    await asyncio.sleep(0)
        now_and_then = stop // SPARE_CURSOR_S > since // SPARE_CURSOR_S or since == self._boot
        few = sum(len(flight.satellites) for flight in self._flights) < FLEET
        if now_and_then or (few and made):
            if not made:
                made.append(_nothing(self._flights[0]))
            made[-1] = replace(made[-1], cursor=written(self._resumable()))
        return made

    def _fly(self, stop: int) -> tuple[list[FrameBatch], dict[str, int]]:
        """What arrives up to before `stop`, and how many packets of its record each satellite may send down."""
        made: list[FrameBatch] = []
        may_dump: dict[str, int] = {}
        self._mishaps.follow(stop)
        plans = self._mishaps.plans
        if any(plan.delays for plan in plans):
            self._before.append(self._cursor())
        for i, (flight, plan) in enumerate(zip(self._flights, plans, strict=True)):
            pieces = list(flight.measured(self._next, stop, plan))
            heard = None
            if self._recorders is not None:
                heard = flight.heard(pieces)
                contact = np.concatenate([piece.contact for piece in pieces])
                may_dump |= self._recorders.passes(flight, self._next, contact, heard)
            batches, self._seq[i] = flight.packed(
                pieces,
                boot=self._boot,
                seq=self._seq[i],
                received_ns=self._clock.now_ns(),
                quality=Quality.SIMULATED,
                keep=heard,
            )
            made += plan.transport(batches, self._next, stop)
        self._next = stop
        return made, may_dump

    def _resumable(self) -> Cursor:
        """Where to go on from: here, or where the oldest packet that has not arrived yet was made."""
        held = [since for plan in self._mishaps.plans if (since := plan.holding_since_s) is not None]
        if not held:
            self._before.clear()
            return self._cursor()
        while len(self._before) > 1 and self._before[1].next <= min(held):
            self._before.popleft()
        first = self._before[0]
        over = (fault for fault in first.given if fault.end_s < self._next)
        now = self._cursor()
        return msgspec.structs.replace(
            first, given=(*over, *now.given), sent=self._next, record=now.record, since=now.since
        )

    def _cursor(self) -> Cursor:
        seq: dict[str, int] = {}
        state: dict[str, str] = {}
        for flight, numbers in zip(self._flights, self._seq, strict=True):
            seq.update(zip(flight.satellites, numbers.tolist(), strict=True))
            state.update(zip(flight.satellites, map(packed, flight.states), strict=True))
        record, since = ({}, {}) if self._recorders is None else self._recorders.cursor()
        oldest = self._next if self._recorders is None else min(self._next, self._recorders.oldest_s or self._next)
        return Cursor(
            self._seed,
            self._scenario,
            self._first_start,
            self._boot,
            self._next,
            seq,
            state,
            {flight.bus.name: dict(flight.held) for flight in self._flights if flight.held},
            tuple(self._mishaps.given(oldest)),
            record=record,
            since=since,
        )

    async def _sleep(self) -> None:
        """Until the next frame is due or `close` is called."""
        due_ns = self._grid_ns + (self._next - self._boot) / self._rate * NS_PER_S
        seconds = max(SHORTEST_SLEEP_S if not self.live else 0.001, (due_ns - self._clock.now_ns()) / NS_PER_S)
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({sleep, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            closed.cancel()


def _by_bus(mission: Mission) -> dict[str, list[str]]:
    """Bus -> its satellites, in the order of the mission."""
    found: dict[str, list[str]] = {}
    for satellite in mission.satellites:
        found.setdefault(satellite.bus, []).append(satellite.name)
    return found


def _arrive(flight: Flight, boot: int, orbits: float) -> Iterator[None]:
    """Fly up to `boot`, with pauses for others to work in."""
    if len(flight.satellites) < HISTORIES:
        yield from flight.arrive(history_start(flight, boot, orbits), boot)
    else:
        yield from flight.settling(boot)


def _nothing(flight: Flight) -> FrameBatch:
    """No frames: for a cursor alone."""
    layout = flight.packets[0].layout
    none: Int64s = np.zeros(0, dtype=np.int64)
    return FrameBatch(layout, flight.satellites, none, none, none, none, none, none, np.zeros((0, len(layout))))
