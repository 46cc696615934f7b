"""Six orbits of recorded telemetry that end where a new demo mission begins to live.

Two real, small excursions lie in them: a processor check that takes too long, and a dip of the 5 V rail under a
surge. Both were over and handled before anyone looked, and Events says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.catalogue import Fault
from sim.channels import COLUMN, TABLE
from sim.computer import TASK_S as TASK_PERIOD_S
from sim.fault_plan import FaultPlan
from sim.flight import HISTORY_ORBITS, Flight, history_start
from sim.noise import BLOCK_S
from sim.scenario import scenario
from sim.sensors import Measured
from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Quality
from telemetry.limits import LimitMonitor

BATCH_BLOCKS = 16
ACTOR = "sim"
ACKNOWLEDGED_AFTER_S = 14
MARGIN_S = 20
TASK_S = round(TASK_PERIOD_S)


class Past:
    """The `orbits` orbits before `t_end_ns` (UTC ns, a whole second) of one satellite, flown once.

    With the boot of a fresh `SimSource` as `t_end_ns` the live values continue these. `seed` defaults to the
    mission's. The boot of the history is its first second. A satellite that was only just released has none.
    """

    def __init__(
        self,
        mission: Mission,
        satellite: str,
        t_end_ns: int,
        orbits: float = HISTORY_ORBITS,
        seed: int | None = None,
    ) -> None:
        self._mission = mission
        self._satellite = satellite
        self._t_end_ns = t_end_ns
        self._orbits = orbits
        self._seed = mission.source.seed if seed is None else seed
        self.events: list[Event] = []
        """Journal rows of the two handled alarms, once all frames were taken: raised, acknowledged by "sim",
        returned, cleared. They come from the mission's own limit check over the measured values; a mission whose
        limits those values do not cross gets no event."""

    def frames(self) -> Iterator[FrameBatch]:
        """The frames, oldest first, marked STORED and SIMULATED; once.

        Raises:
            ValueError: the mission cannot be simulated; see `sim.flight.Flight`.
        """
        if _only_released(self._mission):
            return
        flight = Flight(self._mission, (self._satellite,), self._seed)
        end = self._t_end_ns // NS_PER_S
        start = history_start(flight, end, self._orbits)
        flight.settle(start)
        faults = excursions(flight, start, end)
        plan = _plan(flight, faults)
        windows = sorted({(fault.start_s - MARGIN_S, fault.end_s + MARGIN_S) for fault in faults})
        seen: dict[tuple[int, int], list[Measured]] = {window: [] for window in windows}
        seq = np.zeros(1, dtype=np.int64)
        pieces: list[Measured] = []
        for flown in flight.coast(start, end):
            measured = flight.measure(flown, plan)
            pieces.append(measured)
            stop = flown.t0_s + len(flown.truth)
            for window in windows:
                if flown.t0_s < window[1] and stop > window[0]:
                    seen[window].append(measured)
            if stop % (BATCH_BLOCKS * BLOCK_S) == 0 or stop == end:
                batches, seq = flight.packed(
                    pieces,
                    boot=start,
                    seq=seq,
                    received_ns=self._t_end_ns,
                    quality=Quality.STORED | Quality.SIMULATED,
                )
                yield from batches
                pieces = []
        desk = AlarmDesk()
        self.events += [
            event for window in windows for event in _handled(flight, desk, faults, window, seen[window])
        ]


def history(
    mission: Mission, satellite: str, t_end_ns: int, orbits: float = HISTORY_ORBITS, seed: int | None = None
) -> Iterator[FrameBatch]:
    """The frames of a `Past`."""
    return Past(mission, satellite, t_end_ns, orbits, seed).frames()


def excursions(flight: Flight, start_s: int, end_s: int) -> tuple[Fault, ...]:
    """The two excursions of a history; none in one shorter than an hour.

    Each waits for a quiet moment, payload and transmitter off, so that soft limits are crossed and hard ones not.
    """
    if end_s - start_s < 3600:
        return ()
    check = _quiet(flight, start_s, (end_s - start_s) * 31 // 100)
    surge = _quiet(flight, start_s, (end_s - start_s) * 78 // 100)
    [satellite] = flight.satellites
    return tuple(
        Fault(f"history/{channel}", "bias", satellite, channel, begin, begin + lasts, size / _step(channel))
        for channel, begin, lasts, size in (
            ("obc.cpu", check, 45, 68.0),
            ("eps.bus5v_v", surge, 30, -0.16),
            ("eps.bus5v_i", surge, 30, 0.21),
        )
    )


def _step(name: str) -> float:
    """What the size of a sensor fault counts, in the channel's unit."""
    channel = TABLE[COLUMN[name]]
    return max(channel.sigma, channel.resolution)


def _plan(flight: Flight, faults: tuple[Fault, ...]) -> FaultPlan:
    return FaultPlan(faults, flight.satellites, flight.table, flight.seed)


def _only_released(mission: Mission) -> bool:
    return scenario(mission.source.scenario, mission.directory).begin == "detumble"


def _quiet(flight: Flight, start_s: int, after_s: int) -> int:
    """A second with payload and transmitter off then and a minute later, and no task of the computer under way.

    The first in the history from `after_s` on; tasks come every `TASK_S` from its start.
    """
    first = start_s + after_s // TASK_S * TASK_S + 2 * MARGIN_S
    for t in range(first, first + 3600, TASK_S):
        busy = 0.0
        for s in (t, t + 60):
            around = flight.surroundings.block(s // BLOCK_S)
            row = s - around.start_s
            busy += around.forcing.payload[row, 0] + around.forcing.transmit[row, 0]
        if not busy:
            return t
    return first


def _handled(
    flight: Flight, desk: AlarmDesk, faults: tuple[Fault, ...], window: tuple[int, int], pieces: list[Measured]
) -> list[Event]:
    """Watch the channels of one excursion through its window, acknowledging what is raised."""
    bus = flight.bus
    names = {fault.target for fault in faults if fault.start_s == window[0] + MARGIN_S} | set(bus.context)
    names &= bus.by_name.keys()
    monitor = LimitMonitor(bus)
    events: list[Event] = []
    due_ns = 0
    for piece in pieces:
        for i, row in enumerate(piece.values[:, 0]):
            t = piece.t0_s + i
            if not window[0] <= t < window[1]:
                continue
            now_ns = t * NS_PER_S
            changes = monitor.step({name: float(row[COLUMN[name]]) for name in names})
            events += desk.limits(flight.satellites[0], changes, now_ns)
            if any(change.entered for change in changes):
                due_ns = now_ns + ACKNOWLEDGED_AFTER_S * NS_PER_S
            for key in [key for key, alarm in desk.alarms.items() if alarm.needs_acknowledgement]:
                done = desk.acknowledge(key, ACTOR, now_ns) if now_ns >= due_ns else ""
                events += done if isinstance(done, list) else []
    return events
