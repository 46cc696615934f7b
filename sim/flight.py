"""One satellite in flight: seconds in, packets out. Live ticks, catching up and the history all go this way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.environment import FACES, Surroundings
from sim.faults import Fault
from sim.noise import BLOCK
from sim.orbit import Floats
from sim.sensors import COLUMN, Sensors, known_channels
from sim.spacecraft import WHOLE, State, step
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Layout, Quality

Bools = npt.NDArray[np.bool_]

WARM_UP_PASSES = 5
WARM_UP_STEP_S = 16
HISTORY_ORBITS = 6.0


@dataclass(frozen=True, slots=True)
class Packet:
    """A layout with the columns of `sim.channels.CHANNELS` it takes and when it is made."""

    layout: Layout
    columns: npt.NDArray[np.intp]
    period_s: int
    contact_only: bool


class Flight:
    """The simulation of one satellite of a mission.

    Raises:
        ValueError: the satellite has no element set, or its bus names a channel the simulator does not know.
    """

    def __init__(self, mission: Mission, satellite: str, seed: int) -> None:
        tle = mission.satellite(satellite).tle
        if tle is None:
            raise ValueError(f"mission.toml: satellite {satellite}: tle: missing: the simulator needs one")
        bus = mission.bus_of(satellite)
        unknown = [channel.name for channel in bus.channels if channel.name not in known_channels()]
        if unknown:
            raise ValueError(
                f"mission.toml: bus.{bus.name}: channel {unknown[0]}: allowed with the simulator: its own channels"
            )
        self.satellite = satellite
        self.seed = seed
        self.surroundings = Surroundings(tle, mission.ground_stations, seed, satellite)
        self.state = State()
        self._sensors = Sensors(seed, satellite, self.surroundings)
        self.packets = tuple(
            Packet(
                layout,
                np.array([COLUMN[name] for name in layout.names], dtype=np.intp),
                max(1, round(min(bus.channel(name).period_s for name in layout.names))),
                all(bus.channel(name).contact_only for name in layout.names),
            )
            for layout in bus.layouts.values()
        )

    def warm_up(self, until_s: int) -> None:
        """Bring temperatures and battery, coarsely, to where they repeat every orbit; `state` is then `until_s`."""
        self.state = State(uptime=float(86_400 * 5 + 3_600 * (self.seed % 20)), reboots=float(2 + self.seed % 3))
        rows: list[tuple[list[float], list[float], float, float]] = []
        for t in range(until_s - round(self.surroundings.orbit.period_s), until_s, WARM_UP_STEP_S):
            forcing = self.surroundings.forcing(t // BLOCK)
            i = t % BLOCK
            rows.append(
                (
                    forcing.absorbed[i].tolist(),
                    forcing.potential[i].tolist(),
                    float(forcing.payload_on[i]),
                    float(forcing.transmitter_on[i]),
                )
            )
        for _ in range(WARM_UP_PASSES):
            for absorbed, potential, payload, transmitter in rows:
                step(self.state, absorbed, potential, payload, transmitter, dt=float(WARM_UP_STEP_S))

    def advance(self, t0_s: int, t1_s: int, faults: Sequence[Fault] = ()) -> Iterator[Floats]:
        """Fly the seconds t0_s <= t < t1_s from `state`, block by block; yields plant outputs (n, outputs)."""
        losses = [fault for fault in faults if fault.kind == "panel_loss"]
        t = t0_s
        while t < t1_s:
            first = t % BLOCK
            last = min(BLOCK, first + t1_s - t)
            forcing = self.surroundings.forcing(t // BLOCK)
            absorbed = forcing.absorbed[first:last].tolist()
            potential = forcing.potential[first:last].tolist()
            payload = forcing.payload_on[first:last].tolist()
            transmitter = forcing.transmitter_on[first:last].tolist()
            outputs: list[tuple[float, ...]] = []
            for i in range(last - first):
                strings = _strings(losses, t + i) if losses else WHOLE
                outputs.append(
                    step(self.state, absorbed[i], potential[i], payload[i], transmitter[i], strings=strings)
                )
            yield np.array(outputs)
            t += last - first

    def values(self, t0_s: int, t1_s: int, faults: Sequence[Fault] = ()) -> Iterator[tuple[int, Floats, Bools]]:
        """Fly like `advance`; yields block by block.

        Each piece is its first second, the measured values (n, channels) and whether a station was in view (n,).
        """
        t = t0_s
        for plant in self.advance(t0_s, t1_s, faults):
            n = plant.shape[0]
            rows = slice(t % BLOCK, t % BLOCK + n)
            block = t // BLOCK
            biases = [
                (slice(max(fault.start_s - t, 0), max(fault.end_s - t, 0)), fault.target, fault.size)
                for fault in faults
                if fault.kind == "bias"
            ]
            contact = self.surroundings.forcing(block).contact[rows] > 0.5
            yield t, self._sensors.measure(block, rows, plant, biases), contact
            t += n

    def batches(
        self,
        t0_s: int,
        t1_s: int,
        *,
        boot: int,
        seq: int,
        received_ns: int,
        quality: Quality,
        faults: Sequence[Fault] = (),
    ) -> tuple[list[FrameBatch], int]:
        """The packets of t0_s <= t < t1_s, one batch per kind, and the sequence number after them.

        A packet is due at whole multiples of its period since `boot`; in one second packets are numbered in the
        order of the bus.
        """
        pieces = list(self.values(t0_s, t1_s, faults))
        values = np.concatenate([piece for _, piece, _ in pieces]) if len(pieces) > 1 else pieces[0][1]
        contact = np.concatenate([seen for _, _, seen in pieces])
        t = np.arange(t0_s, t1_s, dtype=np.int64)
        due = np.empty((t.size, len(self.packets)), dtype=np.bool_)
        for i, packet in enumerate(self.packets):
            due[:, i] = (t - boot) % packet.period_s == 0
            if packet.contact_only:
                due[:, i] &= contact
        numbers = seq - 1 + np.cumsum(due, dtype=np.int64).reshape(due.shape)
        found: list[FrameBatch] = []
        for i, packet in enumerate(self.packets):
            rows = due[:, i].nonzero()[0]
            n = rows.size
            if n:
                same = np.empty((3, n), dtype=np.int64)
                same[0], same[1], same[2] = boot, received_ns, int(quality)
                found.append(
                    FrameBatch(
                        packet.layout,
                        (self.satellite,),
                        np.zeros(n, dtype=np.int64),
                        same[0],
                        numbers[rows, i],
                        t[rows] * NS_PER_S,
                        same[1],
                        same[2],
                        values[rows[:, None], packet.columns],
                    )
                )
        return found, seq + int(np.count_nonzero(due))


def _strings(losses: Sequence[Fault], t: int) -> tuple[float, ...]:
    working = list(WHOLE)
    for fault in losses:
        if fault.start_s <= t < fault.end_s:
            working[FACES.index(fault.target)] *= 1.0 - fault.size
    return tuple(working)


def history_start(flight: Flight, t_end_s: int, orbits: float = HISTORY_ORBITS) -> int:
    """UTC second at which a history of `orbits` orbits that ends at `t_end_s` begins."""
    return t_end_s - round(orbits * flight.surroundings.orbit.period_s)
