"""A stretch of a simulated mission as rows, one a second and satellite, each with what is wrong in it.

The second is the one on board: what becomes of packets on their way changes neither rows nor labels, but for lost
packets, whose values are missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.catalogue import Fault
from sim.channels import BY_NAME, COLUMN
from sim.elementwise import Floats
from sim.flight import Flight
from sim.labels import CLOSED_S, Label, Labeller, Span, Told, sent, silences, told
from sim.mishaps import Mishaps
from sim.noise import BLOCK_S
from sim.release import released
from sim.scenario import Scenario
from sim.twins import Twins
from telemetry.dictionary import Mission

Bools = npt.NDArray[np.bool_]
CHUNK_S: Final = 10 * BLOCK_S


class Rows(NamedTuple):
    """Some seconds from `t0_s`; arrays of shape (n, satellites, channels)."""

    t0_s: int
    values: Floats
    """NaN: sent, and invalid."""
    sent: Bools
    labelled: Bools


class LabelledRun:
    """`seconds` of a mission whose satellites are of one bus, from the UTC second `start_s` on.

    Args:
        mission: whose seed counts.
        scenario: what goes wrong by itself, as in a mission whose first frame is that of `start_s`.
        given: faults besides.

    Raises:
        ValueError: the mission cannot be simulated, or its satellites are of several buses.
        sim.catalogue.FaultRefused: a given fault cannot happen to it.
    """

    def __init__(
        self, mission: Mission, scenario: Scenario, start_s: int, seconds: int, given: Iterable[Fault] = ()
    ) -> None:
        self.satellites = tuple(satellite.name for satellite in mission.satellites)
        self.start_s, self.end_s = start_s, start_s + seconds
        self.seed = mission.source.seed
        self.flown_s = start_s
        """How far it has come."""
        self._flight = Flight(mission, self.satellites, self.seed)
        self._scenario = scenario
        self._mishaps = Mishaps(mission, scenario, start_s, [self._flight])
        for fault in given:
            self._mishaps.inject(fault)
        self.channels = tuple(BY_NAME[channel.name] for channel in self._flight.bus.channels)
        self._columns = np.array([COLUMN[channel.name] for channel in self.channels], dtype=np.intp)
        self._labeller = Labeller(len(self.satellites), self.channels, start_s)
        self._faults: dict[str, Fault] = {}

    def rows(self) -> Iterator[Rows]:
        """Fly it, once; a row comes when nothing later can label it any more."""
        flight = self._flight
        flight.settle(self.start_s)
        if self._scenario.begin == "detumble":
            flight.states = [
                released(state, self._scenario.begin_deg_s, self.seed, number)
                for state, number in zip(flight.states, flight.surroundings.numbers, strict=True)
            ]
        twins = Twins(flight)
        waiting: deque[Rows] = deque()
        while self.flown_s < self.end_s:
            stop = min(self.end_s, (self.flown_s // CHUNK_S + 1) * CHUNK_S)
            self._mishaps.follow(stop)
            [plan] = self._mishaps.plans
            self._faults |= {fault.id: fault for fault in plan.faults}
            for pair in twins.fly(self.flown_s, stop, plan):
                values = pair.faulty[:, :, self._columns]
                visible = sent(self.channels, self.start_s, pair.t0_s, pair.contact)
                self._silence(pair.t0_s, visible)
                waiting.append(Rows(pair.t0_s, values, visible, np.zeros(values.shape, dtype=np.bool_)))
                if pair.faulty is pair.twin:
                    self._labeller.agree()
                    continue
                for span in self._labeller.add(pair.t0_s, values, pair.twin[:, :, self._columns], pair.contact):
                    _mark(waiting, span)
            self.flown_s = stop
            while waiting and waiting[0].t0_s + len(waiting[0].values) + CLOSED_S <= stop:
                yield waiting.popleft()
        yield from waiting

    @property
    def faults(self) -> list[Fault]:
        """What began before the end, routines included, in order of onset."""
        return sorted((f for f in self._faults.values() if f.start_s < self.end_s), key=lambda f: f.start_s)

    def labels(self) -> list[Label]:
        """All labels, lost packets included, in order of time; nothing goes beyond the end."""
        made = self._labeller.labels(self.satellites, self.faults)
        lost = [
            Label(one.fault, one.satellite, one.channel, one.start_s, min(one.end_s, self.end_s))
            for one in silences(self.faults, self.channels)
        ]
        return sorted((*made, *lost), key=lambda one: (one.start_s, one.satellite, one.channel))

    def told(self) -> list[Told]:
        """Each fault and routine with what it left."""
        return told(self.faults, self.labels())

    def _silence(self, t0_s: int, visible: Bools) -> None:
        for fault in self._faults.values():
            if fault.kind == "gap" and fault.active(t0_s, t0_s + len(visible)):
                rows = slice(max(0, fault.start_s - t0_s), max(0, fault.end_s - t0_s))
                lost = [fault.target in ("all", channel.packet) for channel in self.channels]
                visible[rows, self.satellites.index(fault.satellite), lost] = False


def _mark(waiting: Iterable[Rows], span: Span) -> None:
    for rows in waiting:
        begin, end = span.start_s - rows.t0_s, span.end_s - rows.t0_s
        if end > 0 and begin < len(rows.values):
            rows.labelled[max(0, begin) : end, span.satellite, span.channel] = True
