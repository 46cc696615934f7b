"""The same satellites flown twice: as their plan of faults has it, and as they would be without its faults.

Seed, noise and routines are the same in both, so that what differs is what the faults did. As long as no fault has
reached the plant both are one flight, flown once and measured twice. A fault that has been gone for an orbit is
history: what is left of it (the phase of a thermostat, the speed of a wheel, a counter) is how the satellite is
now, and the twin begins anew from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.catalogue import ORBIT_S
from sim.elementwise import Floats
from sim.fault_plan import FaultPlan
from sim.flight import Flight
from sim.noise import BLOCK_S
from sim.plan import NO_FAULTS, Plan
from sim.sensors import Flown
from sim.state import State

ECHO_S: Final = ORBIT_S
"""So long after its end a fault is still told from the satellite it was done to."""


class Pair(NamedTuple):
    """Some seconds of both; first axes (n, satellites)."""

    t0_s: int
    faulty: Floats
    """Columns as `Flight.table`."""
    twin: Floats
    contact: npt.NDArray[np.bool_]


class Twins:
    """`flight` and its twin without faults, which begins in the state the flight is in now."""

    def __init__(self, flight: Flight) -> None:
        self.flight = flight
        self._well: list[State[float]] | None = None
        """States of the twin; None while it is no other."""
        self._ill_until: dict[int, int] = {}
        """Satellite -> the second in which faults last acted on its plant."""

    @property
    def parted(self) -> bool:
        """Whether a fault has reached the plant, so that two flights are flown."""
        return self._well is not None

    def fly(self, t0_s: int, t1_s: int, plan: FaultPlan) -> Iterator[Pair]:
        """Both through the seconds t0_s <= t < t1_s, in pieces; the next call goes on where this one ends."""
        t = t0_s
        while t < t1_s:
            stop = min(t1_s, (t // BLOCK_S + 1) * BLOCK_S)
            yield from self._block(t, stop, plan)
            t = stop

    def _block(self, t0_s: int, t1_s: int, plan: FaultPlan) -> Iterator[Pair]:
        flight = self.flight
        self._part(t0_s, t1_s, plan)
        healthy: Plan = NO_FAULTS
        routines = [fault for fault in plan.faults if fault.layer == "routine"]
        if routines:
            healthy = FaultPlan(routines, flight.satellites, flight.table, flight.seed)
        ill = list(flight.fly(t0_s, t1_s, plan))
        well = ill if self._well is None else self._other(t0_s, t1_s, healthy, self._well)
        for one, other in zip(ill, well, strict=True):
            faulty = flight.measure(one, plan)
            twin = flight.measure(other, healthy) if plan.senses(t0_s, t1_s) or one is not other else faulty
            yield Pair(faulty.t0_s, faulty.values, twin.values, faulty.contact)

    def _part(self, t0_s: int, t1_s: int, plan: FaultPlan) -> None:
        """Give the flight a twin when a fault is about to reach the plant; let go of it when all is history.

        Looked at where a block of the absolute grid begins, so that the chunks of a run do not matter.
        """
        flight = self.flight
        if self._well is not None and t0_s % BLOCK_S == 0:
            old = [i for i, until_s in self._ill_until.items() if until_s + ECHO_S <= t0_s]
            states = flight.states if old else []
            for i in old:
                self._well[i] = replace(states[i])
                del self._ill_until[i]
            if not self._ill_until:
                self._well = None
        # A bus that hung until the second before restarts the computer in this one.
        acting = [fault for fault in plan.faults if fault.layer == "plant" and fault.active(t0_s - 1, t1_s)]
        if acting and self._well is None:
            self._well = [replace(state) for state in flight.states]
        for fault in acting:
            i = flight.satellites.index(fault.satellite)
            self._ill_until[i] = max(self._ill_until.get(i, 0), min(fault.end_s, t1_s))

    def _other(self, t0_s: int, t1_s: int, plan: Plan, well: list[State[float]]) -> list[Flown]:
        flight = self.flight
        ill = flight.states
        flight.states = well
        flown = list(flight.fly(t0_s, t1_s, plan))
        self._well = flight.states
        flight.states = ill
        return flown
