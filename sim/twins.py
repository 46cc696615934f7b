"""The same satellites flown twice: as their plan of faults has it, and as they would be without its faults.

Seed, noise and routines are the same in both, so that what differs is what the faults did. As long as no fault has
reached the plant both are one flight, flown once and measured twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.elementwise import Floats
from sim.fault_plan import FaultPlan
from sim.flight import Flight
from sim.noise import BLOCK_S
from sim.plan import NO_FAULTS, Plan
from sim.sensors import Flown
from sim.state import State


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
        # A bus that hung until the second before restarts the computer in this one.
        if self._well is None and any(f.layer == "plant" and f.active(t0_s - 1, t1_s) for f in plan.faults):
            self._well = [replace(state) for state in flight.states]
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

    def _other(self, t0_s: int, t1_s: int, plan: Plan, well: list[State[float]]) -> list[Flown]:
        flight = self.flight
        ill = flight.states
        flight.states = well
        flown = list(flight.fly(t0_s, t1_s, plan))
        self._well = flight.states
        flight.states = ill
        return flown
