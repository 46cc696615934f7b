"""What goes wrong in a running mission: the scenario's faults as their periods begin, and those given by hand.

They are handed to the plans of the flights they happen on. A plan can be made for any second of the past as well,
and then holds what was wrong in it: that is how recorded telemetry is made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sim.catalogue import Fault, FaultRefused, checked
from sim.fault_plan import FaultPlan
from sim.schedule import Schedule
from sim.sky import Sky
from sim.transport import DELAYS

if TYPE_CHECKING:
    from sim.flight import Flight
    from sim.scenario import Scenario
    from telemetry.dictionary import Mission


class Mishaps:
    """Faults of the satellites of a mission; each flight has the plan of its own satellites.

    Args:
        mission: whose satellites fly.
        scenario: what goes wrong by itself.
        first_start_s: UTC second of the mission's first frame.
        flights: all of its satellites.
        given: faults given by hand before a restart.
    """

    def __init__(
        self,
        mission: Mission,
        scenario: Scenario,
        first_start_s: int,
        flights: Sequence[Flight],
        given: Iterable[Fault] = (),
    ) -> None:
        self._seed = mission.source.seed
        satellites = [name for flight in flights for name in flight.satellites]
        buses = {flight.bus.name: flight.bus for flight in flights}.values()
        first, *others = buses
        shared = [name for name in first.by_name if all(name in bus.by_name for bus in others)]
        measured = tuple(name for name in shared if not first.by_name[name].enum)
        tles = [tle for name in satellites if (tle := mission.satellite(name).tle) is not None]
        sky = Sky(satellites, tles, mission.ground_stations)
        self._channels = {name: tuple(flight.bus.by_name) for flight in flights for name in flight.satellites}
        self._schedule = Schedule(scenario, self._seed, first_start_s, satellites, measured, sky)
        self._flights = tuple(flights)
        self._by_hand = {fault.id: fault for fault in given}
        self._known_s = 0
        self.plans: list[FaultPlan] = []
        self.begin(first_start_s)

    def begin(self, t_s: int) -> None:
        """Plan anew from the second `t_s` on, for each flight; `plans` are then others."""
        self._known_s = t_s
        self.plans = [self.plan_from(flight, t_s) for flight in self._flights]

    def plan_from(self, flight: Flight, t_s: int, *, recorded: bool = False) -> FaultPlan:
        """What is wrong on the satellites of `flight` in the second `t_s` and, by hand, later.

        `recorded`: without what only delays packets on their way, which those recorded on board do not feel.
        """
        faults = [*self._schedule.before(t_s), *self._by_hand.values()]
        mine = [
            one
            for one in faults
            if one.satellite in flight.satellites and one.end_s >= t_s and not (recorded and one.kind in DELAYS)
        ]
        return FaultPlan(mine, flight.satellites, flight.table, self._seed)

    def follow(self, stop_s: int) -> None:
        """Let the periods begin that do so before `stop_s`, and forget what is over."""
        for flight, plan in zip(self._flights, self.plans, strict=True):
            self.extend(plan, flight, self._known_s, stop_s)
        self._known_s = stop_s

    def extend(self, plan: FaultPlan, flight: Flight, t0_s: int, t1_s: int, *, recorded: bool = False) -> None:
        """Add to a plan of `flight` what begins in periods of t0_s <= t < t1_s; drop what was over before."""
        plan.forget(t0_s, flight.held)
        for fault in self._schedule.starting(t0_s, t1_s):
            if fault.satellite in flight.satellites and not (recorded and fault.kind in DELAYS):
                plan.add(fault)

    def inject(self, fault: Fault) -> list[FaultPlan]:
        """Let a fault happen that somebody gave; the plans it was added to.

        One of an id that is known is not added again; where it ends earlier now, it ends earlier.

        Raises:
            FaultRefused: these satellites cannot have it.
        """
        names = tuple(self._channels)
        checked(fault, self._channels.get(fault.satellite, ()), names)
        known = self._by_hand.get(fault.id)
        if known is not None:
            if fault.end_s < known.end_s:
                self.end(fault.id, fault.end_s)
            return []
        self._by_hand[fault.id] = fault
        for flight, plan in zip(self._flights, self.plans, strict=True):
            if fault.satellite in flight.satellites:
                plan.add(fault)
                return [plan]
        raise FaultRefused(f"satellite: {fault.satellite}: allowed: {', '.join(names[:20])}")

    def end(self, fault_id: str | None, t_s: int) -> list[str]:
        """Let the fault that was given under this id, or all that were given, act before `t_s` only; their ids."""
        ended = [one for one in self._by_hand if fault_id in (None, one)]
        for one in ended:
            known = self._by_hand[one]
            if known.start_s >= t_s:
                del self._by_hand[one]
            else:
                self._by_hand[one] = replace(known, end_s=min(known.end_s, t_s))
            for plan in self.plans:
                plan.end(one, t_s)
        return ended

    def given(self, since_s: int) -> list[Fault]:
        """What was given by hand and was not over at `since_s`; what was is forgotten."""
        self._by_hand = {one: fault for one, fault in self._by_hand.items() if fault.end_s >= since_s}
        return list(self._by_hand.values())

    def between(self, t0_s: int, t1_s: int) -> list[Fault]:
        """Faults that act at some second of t0_s <= t < t1_s, by their beginning: the truth."""
        found = [*self._schedule.before(t0_s), *self._schedule.starting(t0_s, t1_s), *self._by_hand.values()]
        return sorted((one for one in found if one.active(t0_s, t1_s)), key=lambda one: one.start_s)
