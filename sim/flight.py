"""Satellites of one bus in flight: seconds in, packets out. Live ticks, catching up and history all go this way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sim import prescribed
from sim.channels import COLUMN, TABLE
from sim.craft import CRAFTS, THREE_U, Craft
from sim.elementwise import ARRAYS, FLOATS, Floats
from sim.noise import BLOCK_S
from sim.plan import NO_FAULTS, Held, Plan
from sim.plant import step
from sim.sensors import Flown, Measured, Sensors
from sim.settling import settled_fleet
from sim.state import HEALTHY, TRUTH, Forcing, Knobs, State, stack, unstack
from sim.surroundings import Around, Surroundings
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Int64s, Layout, Quality

Bools = npt.NDArray[np.bool_]
HISTORY_ORBITS: Final = 6.0
ARRAYS_FROM: Final = 16
"""From so many satellites on, a step on arrays is quicker than one on floats for each."""
FLOCK: Final = 5_000
"""Satellites stepped together; more fall out of the processor's cache."""
PIECE_VALUES: Final = 4_000_000
"""Numbers of truth in one piece of a flight."""
GOLDEN: Final = 0.6180339887498949
"""Turns the die of a second for each of its packets."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A layout with the columns of `sim.channels.TABLE` it takes and when it is made."""

    layout: Layout
    columns: npt.NDArray[np.intp]
    period_s: int
    contact_only: bool


def craft_of(bus: str) -> Craft:
    """The craft a bus is flown as, by the beginning of its name: `1u...` is a 1U, all else a 3U."""
    return CRAFTS.get(bus[:2].lower(), THREE_U)


class Flight:
    """The simulation of satellites of a mission, all of one bus.

    `held` is what a plan of faults remembers; it belongs to the state.

    Raises:
        ValueError: a satellite has no element set, or its bus names a channel the simulator does not know, or the
            satellites are of several buses.
    """

    def __init__(self, mission: Mission, satellites: Sequence[str], seed: int) -> None:
        self.satellites = tuple(satellites)
        self.bus = mission.bus_of(satellites[0])
        known = [satellite.name for satellite in mission.satellites]
        tles: list[tuple[str, str]] = []
        for name in satellites:
            satellite = mission.satellite(name)
            if satellite.tle is None:
                raise ValueError(f"mission.toml: satellite {name}: tle: missing: the simulator needs one")
            if satellite.bus != self.bus.name:
                raise ValueError(f"satellites {satellites[0]} and {name} fly on different buses")
            tles.append(satellite.tle)
        unknown = [channel.name for channel in self.bus.channels if channel.name not in COLUMN]
        if unknown:
            raise ValueError(
                f"mission.toml: bus.{self.bus.name}: channel {unknown[0]}: "
                "allowed with the simulator: its own channels"
            )
        self.seed = seed
        self.craft = craft_of(self.bus.name)
        numbers = [known.index(name) for name in satellites] if len(satellites) < len(known) else None
        self.surroundings = Surroundings(self.craft, tles, mission.ground_stations, seed, numbers)
        self.table = TABLE
        self.held: Held = {}
        self._everyone = np.arange(len(satellites), dtype=np.int64)
        self._sensors = Sensors(self.surroundings)
        self._singles: list[State[float]] = []
        self._flocks: list[State[Floats]] = []
        self.states = [State() for _ in satellites]
        self.packets = tuple(
            Packet(
                layout,
                np.array([COLUMN[name] for name in layout.names], dtype=np.intp),
                max(1, round(min(self.bus.channel(name).period_s for name in layout.names))),
                all(self.bus.channel(name).contact_only for name in layout.names),
            )
            for layout in self.bus.layouts.values()
        )
        self._contact_only = frozenset(one.layout.packet for one in self.packets if one.contact_only)

    @property
    def states(self) -> list[State[float]]:
        """One state for each satellite, as it is now; a fleet's are copies, so set the whole list to change one."""
        if self._flocks:
            return [state for flock in self._flocks for state in unstack(flock)]
        return self._singles

    @states.setter
    def states(self, states: Sequence[State[float]]) -> None:
        if len(states) < ARRAYS_FROM:
            self._singles, self._flocks = list(states), []
        else:
            self._singles = []
            self._flocks = [stack(states[i : i + FLOCK]) for i in range(0, len(states), FLOCK)]

    def settle(self, until_s: int) -> None:
        """Bring temperatures, battery and wheels to where they repeat every orbit; `states` are then `until_s`."""
        for _ in self.settling(until_s):
            pass

    def settling(self, until_s: int) -> Iterator[None]:
        """`settle` with pauses for others to work in."""
        if len(self.satellites) < ARRAYS_FROM:
            for i in range(len(self.satellites)):
                self._singles[i] = prescribed.settled(self.craft, self.surroundings, until_s, i)
                yield
        else:
            for fleet in settled_fleet(self.craft, self.surroundings, until_s):
                if fleet is not None:
                    self.states = unstack(fleet)
                yield

    def arrive(self, t0_s: int, t1_s: int) -> Iterator[None]:
        """Settle each satellite at `t0_s` and bring it to `t1_s` as its history does; pauses as in `settling`."""
        for i in range(len(self._singles)):
            state = self._singles[i] = prescribed.settled(self.craft, self.surroundings, t0_s, i)
            yield
            for _ in prescribed.coast(self.craft, self.surroundings, state, t0_s, t1_s, i):
                yield

    def coast(self, t0_s: int, t1_s: int) -> Iterator[Flown]:
        """Fly a single healthy satellite through t0_s <= t < t1_s, many seconds at once; block by block."""
        [state] = self._singles
        for first, truth, around in prescribed.coast(self.craft, self.surroundings, state, t0_s, t1_s):
            padded = np.concatenate((truth, np.zeros((len(truth), 1))), axis=1)[:, None]
            t, end = first, first + len(truth)
            while t < end:
                stop = min(end, (t // BLOCK_S + 1) * BLOCK_S)
                yield Flown(t, padded[t - first : stop - first], around)
                t = stop

    def fly(self, t0_s: int, t1_s: int, plan: Plan = NO_FAULTS) -> Iterator[Flown]:
        """Fly the seconds t0_s <= t < t1_s second by second from `states`, in pieces that end with their block."""
        satellites = len(self.satellites)
        most = max(1, PIECE_VALUES // (satellites * len(TRUTH)))
        t = t0_s
        while t < t1_s:
            around = self.surroundings.block(t // BLOCK_S)
            stop = min(t1_s, around.start_s + BLOCK_S, t + most)
            touched = plan.touched(t, stop)
            truth = np.zeros((stop - t, len(TRUTH) + 1, satellites))
            path = np.zeros((2, stop - t, satellites)) if touched else None
            for i in range(stop - t):
                knobs = _asked(plan, touched, t + i)
                if path is not None:
                    for satellite, turned in knobs.items():
                        path[:, i, satellite] = turned.pa_db, turned.noise_db
                self._second(around, t + i, knobs, truth[i])
            made = truth.transpose(0, 2, 1)
            yield Flown(t, made, around) if path is None else Flown(t, made, around, path[0], path[1])
            t = stop

    def measured(self, t0_s: int, t1_s: int, plan: Plan = NO_FAULTS) -> Iterator[Measured]:
        """Fly like `fly` and measure."""
        for flown in self.fly(t0_s, t1_s, plan):
            yield self.measure(flown, plan)

    def measure(self, flown: Flown, plan: Plan = NO_FAULTS) -> Measured:
        """What the instruments make of a piece of this flight."""
        return self._sensors.measure(flown, plan, self.held)

    def batches(
        self,
        t0_s: int,
        t1_s: int,
        *,
        boot: int,
        seq: Int64s,
        received_ns: int,
        quality: Quality,
        plan: Plan = NO_FAULTS,
    ) -> tuple[list[FrameBatch], Int64s]:
        """The packets of t0_s <= t < t1_s, one batch per kind, and each satellite's sequence number after them.

        `seq` (satellites,) holds the numbers of their next packets.
        """
        pieces = list(self.measured(t0_s, t1_s, plan))
        batches, after = self.packed(pieces, boot=boot, seq=seq, received_ns=received_ns, quality=quality)
        return plan.transport(batches, t0_s, t1_s), after

    def heard(self, pieces: Sequence[Measured]) -> Bools:
        """Whether the ground receives a packet sent in a second of neighbouring pieces: (n, packets, satellites).

        A pure function of seed, time and the link's quality. What the ground measures itself it has in every
        second of contact.
        """
        found = np.empty(
            (sum(len(piece.contact) for piece in pieces), len(self.packets), len(self.satellites)), bool
        )
        row = 0
        for piece in pieces:
            first, n = piece.t0_s % BLOCK_S, len(piece.contact)
            # A piece lies in one block, which the surroundings still have.
            dice = self.surroundings.block(piece.t0_s // BLOCK_S).dice[first : first + n]
            for i, packet in enumerate(self.packets):
                arrives = (dice + i * GOLDEN) % 1.0 >= piece.loss
                found[row : row + n, i] = piece.contact & (packet.contact_only | arrives)
            row += n
        return found

    def packed(
        self,
        pieces: Sequence[Measured],
        *,
        boot: int,
        seq: Int64s,
        received_ns: int,
        quality: Quality,
        keep: Bools | None = None,
    ) -> tuple[list[FrameBatch], Int64s]:
        """Neighbouring pieces as packets; with `keep` (n, packets, satellites) those of them that are wanted.

        A packet is due at whole multiples of its period since `boot`; in one second a satellite's packets are
        numbered in the order of the bus, whether wanted or not. Of several seconds what is sent in contact only
        comes first: whoever reads them at once must know which seconds of the other packets were in contact.
        """
        if keep is None and len(pieces) == 1 and len(pieces[0].values) == 1:
            return self._packed_second(pieces[0], boot, seq, received_ns, quality)
        values = np.concatenate([piece.values for piece in pieces])
        contact = np.concatenate([piece.contact for piece in pieces])
        n, satellites = contact.shape
        t = np.arange(pieces[0].t0_s, pieces[0].t0_s + n, dtype=np.int64)
        due = np.empty((n, len(self.packets), satellites), dtype=np.bool_)
        for i, packet in enumerate(self.packets):
            due[:, i] = ((t - boot) % packet.period_s == 0)[:, None]
            if packet.contact_only:
                due[:, i] &= contact
        numbers = due.reshape(-1, satellites).cumsum(axis=0, dtype=np.int64)
        after = seq + numbers[-1]
        numbers += seq - 1
        numbers = numbers.reshape(due.shape)
        if keep is not None:
            due &= keep
        found: list[FrameBatch] = []
        for i, packet in enumerate(self.packets):
            rows, who = due[:, i].nonzero()
            if rows.size:
                same = np.empty((3, rows.size), dtype=np.int64)
                same[0], same[1], same[2] = boot, received_ns, int(quality)
                found.append(
                    FrameBatch(
                        packet.layout,
                        self.satellites,
                        who,
                        same[0],
                        numbers[rows, i, who],
                        t[rows] * NS_PER_S,
                        same[1],
                        same[2],
                        values[rows[:, None], who[:, None], packet.columns],
                    )
                )
        if n > 1:
            found.sort(key=lambda batch: batch.layout.packet not in self._contact_only)
        return found, after

    def _packed_second(
        self, piece: Measured, boot: int, seq: Int64s, received_ns: int, quality: Quality
    ) -> tuple[list[FrameBatch], Int64s]:
        """`packed` for a single second, as live: the same, without what only many seconds need."""
        t = piece.t0_s
        values, contact = piece.values[0], piece.contact[0]
        whole = self._everyone
        same = np.empty((4, whole.size), dtype=np.int64)
        same[0], same[1], same[2], same[3] = boot, t * NS_PER_S, received_ns, int(quality)
        found: list[FrameBatch] = []
        for packet in self.packets:
            if (t - boot) % packet.period_s:
                continue
            who, rows, numbers, columns = whole, values, seq, same
            if packet.contact_only:
                who = contact.nonzero()[0]
                if not who.size:
                    continue
                rows, numbers, columns = values[who], seq[who], same[:, who]
                seq = seq + contact
            else:
                seq = seq + 1
            found.append(
                FrameBatch(
                    packet.layout,
                    self.satellites,
                    who,
                    columns[0],
                    numbers,
                    columns[1],
                    columns[2],
                    columns[3],
                    rows.take(packet.columns, axis=1),
                )
            )
        return found, seq

    def _second(self, around: Around, t: int, knobs: dict[int, Knobs[float]], truth: Floats) -> None:
        """Move every satellite on by the second `t`; its truth goes into `truth` (outputs, satellites)."""
        row = t - around.start_s
        craft = self.craft
        if self._singles:
            forcing = around.rows[row]
            for i, state in enumerate(self._singles):
                truth[:-1, i] = step(craft, FLOATS, state, forcing[i], knobs.get(i, HEALTHY))
            return
        begin = 0
        for flock in self._flocks:
            cut = slice(begin, begin + len(flock.q1))
            begin = cut.stop
            here = {i - cut.start: turned for i, turned in knobs.items() if cut.start <= i < cut.stop}
            turned = _spread(here, len(flock.q1)) if here else HEALTHY
            outputs = step(craft, ARRAYS, flock, Forcing(*around.table[:, row, cut]), turned)
            for output, column in zip(truth, outputs, strict=False):
                output[cut] = column


def _asked(plan: Plan, touched: Sequence[int], t_s: int) -> dict[int, Knobs[float]]:
    """What is turned in a second, for the satellites where something is."""
    found: dict[int, Knobs[float]] = {}
    for satellite in touched:
        turned = plan.knobs(satellite, t_s)
        if turned is not None:
            found[satellite] = turned
    return found


def _spread(knobs: dict[int, Knobs[float]], satellites: int) -> Knobs[Any]:
    """Arrays for the knobs that are turned on some satellite, plain defaults for the others."""
    turned: dict[str, Floats] = {}
    for satellite, own in knobs.items():
        for field in fields(own):
            name, default = field.name, getattr(HEALTHY, field.name)
            value = getattr(own, name)
            if value != default:
                turned.setdefault(name, np.full(satellites, default))[satellite] = value
    changed: dict[str, Any] = turned
    return Knobs(**changed)


def history_start(flight: Flight, t_end_s: int, orbits: float = HISTORY_ORBITS) -> int:
    """UTC second at which a history of `orbits` orbits that ends at `t_end_s` begins."""
    return t_end_s - round(orbits * flight.surroundings.period_s)
