"""Six orbits of recorded telemetry that end where a new demo mission begins to live.

Two real, small excursions lie in them: a processor check that takes too long, and a dip of the 5 V rail under a
surge. Both were over and handled before anyone looked, and Events says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.faults import Fault
from sim.flight import HISTORY_ORBITS, Flight, history_start
from sim.noise import BLOCK
from sim.sensors import COLUMN
from telemetry.alarm_desk import AlarmDesk
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Quality
from telemetry.limits import LimitMonitor

CHUNK_S = 4 * BLOCK
ACTOR = "sim"
ACKNOWLEDGED_AFTER_S = 14
MARGIN_S = 20


def history(
    mission: Mission, satellite: str, t_end_ns: int, orbits: float = HISTORY_ORBITS, seed: int | None = None
) -> Iterator[FrameBatch]:
    """Frames of the `orbits` orbits before `t_end_ns` (UTC ns, a whole second), marked STORED and SIMULATED.

    With the boot of a fresh `SimSource` as `t_end_ns` the live values continue these. `seed` defaults to the
    mission's. The boot of the history is its first second.

    Raises:
        ValueError: the mission cannot be simulated; see `sim.flight.Flight`.
    """
    flight = Flight(mission, satellite, mission.source.seed if seed is None else seed)
    end = t_end_ns // NS_PER_S
    start = history_start(flight, end, orbits)
    flight.warm_up(start)
    faults = excursions(flight, start, end)
    seq = 0
    t = start
    while t < end:
        stop = min(end, (t // CHUNK_S + 1) * CHUNK_S)
        batches, seq = flight.batches(
            t,
            stop,
            boot=start,
            seq=seq,
            received_ns=t_end_ns,
            quality=Quality.STORED | Quality.SIMULATED,
            faults=faults,
        )
        yield from batches
        t = stop


def excursions(flight: Flight, start_s: int, end_s: int) -> tuple[Fault, ...]:
    """The two excursions of a history; none in one shorter than an hour.

    Each waits for a quiet moment, payload and transmitter off, so that soft limits are crossed and hard ones not.
    """
    if end_s - start_s < 3600:
        return ()
    check = _quiet(flight, start_s + (end_s - start_s) * 31 // 100)
    surge = _quiet(flight, start_s + (end_s - start_s) * 78 // 100)
    return (
        Fault("bias", check, check + 45, "obc.cpu", 65.0),
        Fault("bias", surge, surge + 30, "eps.bus5v_v", -0.16),
        Fault("bias", surge, surge + 30, "eps.bus5v_i", 0.21),
    )


def _quiet(flight: Flight, t: int) -> int:
    """The first whole minute from `t` on with payload and transmitter off now and a minute later."""
    for later in range(0, 3600, 60):
        busy = 0.0
        for s in (t + later, t + later + 60):
            forcing = flight.surroundings.forcing(s // BLOCK)
            busy += forcing.payload_on[s % BLOCK] + forcing.transmitter_on[s % BLOCK]
        if not busy:
            return t + later
    return t


def history_events(
    mission: Mission, satellite: str, t_end_ns: int, orbits: float = HISTORY_ORBITS, seed: int | None = None
) -> list[Event]:
    """Journal rows of the two handled alarms: raised, acknowledged by "sim", returned, cleared.

    They come from the mission's own limit check over the measured values that `history` yields with the same
    arguments; a mission whose limits those values do not cross gets no event.

    Raises:
        ValueError: the mission cannot be simulated; see `sim.flight.Flight`.
    """
    flight = Flight(mission, satellite, mission.source.seed if seed is None else seed)
    bus = mission.bus_of(satellite)
    end = t_end_ns // NS_PER_S
    t = history_start(flight, end, orbits)
    faults = excursions(flight, t, end)
    flight.warm_up(t)
    desk = AlarmDesk()
    events: list[Event] = []
    for start, stop in sorted({(fault.start_s, fault.end_s) for fault in faults}):
        for _ in flight.advance(t, start - MARGIN_S):
            pass
        t = stop + MARGIN_S
        names = {fault.target for fault in faults if fault.start_s == start} | set(bus.context)
        names &= bus.by_name.keys()
        monitor = LimitMonitor(bus)
        due_ns = 0
        for first, values, _ in flight.values(start - MARGIN_S, t, faults):
            for i, row in enumerate(values):
                now_ns = (first + i) * NS_PER_S
                changes = monitor.step({name: float(row[COLUMN[name]]) for name in names})
                raised = desk.limits(satellite, changes, now_ns)
                events += raised
                if any(change.entered for change in changes):
                    due_ns = now_ns + ACKNOWLEDGED_AFTER_S * NS_PER_S
                for key in [key for key, alarm in desk.alarms.items() if alarm.needs_acknowledgement]:
                    done = desk.acknowledge(key, ACTOR, now_ns) if now_ns >= due_ns else ""
                    events += done if isinstance(done, list) else []
    return events
