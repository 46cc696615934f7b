"""A simulated mission that is flown piece by piece into packets, with its truth beside it: for judging a detector.

What is sent is the flight with faults; its twin of the same seed without them is flown beside it while they act, so
that the labels are those of this very run. Nothing of the truth is in the packets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sim.catalogue import Fault
from sim.channels import BY_NAME, COLUMN
from sim.flight import Flight, history_start
from sim.labels import Labeller, Told, told
from sim.mishaps import Mishaps
from sim.scenario import scenario
from sim.sensors import Measured
from sim.twins import Twins
from telemetry.clock import NS_PER_S
from telemetry.frame import FrameBatch, Quality

if TYPE_CHECKING:
    from telemetry.dictionary import Mission

CALM = "quiet"
"""Scenario of what happens by itself: nothing."""


class ObservedFlight:
    """The only satellite of a mission from the UTC second `start_s` on; nothing goes wrong but what is given.

    Raises:
        ValueError: the mission cannot be simulated.
    """

    def __init__(self, mission: Mission, start_s: int, after_history: bool = False) -> None:
        """`after_history`: it arrives as in a mission whose history was written, else as one that is settled."""
        self.start_s = start_s
        self.next_s = start_s
        """UTC second of the next frame."""
        self._mission = mission
        self._flight = Flight(mission, [mission.satellites[0].name], mission.source.seed)
        if after_history:
            for _ in self._flight.arrive(history_start(self._flight, start_s), start_s):
                pass
        else:
            self._flight.settle(start_s)
        self._twins = Twins(self._flight)
        self._mishaps = Mishaps(mission, scenario(CALM), start_s, [self._flight])
        self._seq = np.zeros(1, dtype=np.int64)
        self._faults: list[Fault] = []
        channels = tuple(BY_NAME[channel.name] for channel in self._flight.bus.channels)
        self._columns = np.array([COLUMN[channel.name] for channel in channels], dtype=np.intp)
        self._labeller = Labeller(1, channels, start_s)

    def give(self, faults: Iterable[Fault]) -> None:
        """Let these happen; each begins with the next frame at the earliest.

        Raises:
            sim.catalogue.FaultRefused: one cannot happen to this satellite.
        """
        for fault in faults:
            self._mishaps.inject(fault)
            self._faults.append(fault)

    def story(self, name: str, first_s: int) -> list[Fault]:
        """The faults of the ready scenario `name` in a mission whose first frame were that of `first_s`."""
        mishaps = Mishaps(self._mission, scenario(name), first_s, [self._flight])
        mishaps.follow(first_s + 1)
        [plan] = mishaps.plans
        return [replace(fault, id=f"{fault.id}@{first_s}") for fault in plan.faults]

    def fly(self, stop_s: int) -> list[FrameBatch]:
        """The packets of the seconds up to before `stop_s`, one batch a packet, as the ground receives them."""
        since, flight = self.next_s, self._flight
        self._mishaps.follow(stop_s)
        [plan] = self._mishaps.plans
        pieces: list[Measured] = []
        for pair in self._twins.fly(since, stop_s, plan):
            pieces.append(Measured(pair.t0_s, pair.faulty, pair.contact, np.zeros(pair.contact.shape)))
            if pair.faulty is pair.twin:
                self._labeller.agree()
                continue
            columns = self._columns
            self._labeller.add(pair.t0_s, pair.faulty[:, :, columns], pair.twin[:, :, columns], pair.contact)
        batches, self._seq = flight.packed(
            pieces,
            boot=self.start_s,
            seq=self._seq,
            received_ns=stop_s * NS_PER_S,
            quality=Quality.SIMULATED,
        )
        self.next_s = stop_s
        return plan.transport(batches, since, stop_s)

    def told(self) -> list[Told]:
        """What was given, routines included, each with what it has left so far, in order of onset."""
        names = [self._mission.satellites[0].name]
        labels = self._labeller.labels(names, self._faults)
        return told(self._faults, sorted(labels, key=lambda one: (one.start_s, one.channel)))
