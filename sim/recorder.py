"""The recorders on board: what the ground does not hear live comes down in a pass, once, oldest first.

Nothing is kept but where to begin: a second flight of the same satellite lags behind the live one and makes the
same packets again, without those that were heard, because which are heard is a function of seed and time. So a
recorder is a state and a number, however long the silence, and a restart loses and doubles nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.cursor import Stretch, packed, unpacked
from sim.flight import Flight
from sim.noise import BLOCK_S
from telemetry.frame import FrameBatch, Quality

if TYPE_CHECKING:
    from sim.fault_plan import FaultPlan
    from sim.flight import Bools
    from sim.mishaps import Mishaps
    from telemetry.dictionary import Mission

DUMP_PACKETS_S: Final = 500.0
"""Packets a ground station takes down in a second of a good link, from one satellite or several in turns: a day's
record of a 3U, 200,000 packets, in seven minutes, one good pass. At a hundred bytes each that is 400 kbit/s, which
S-band transmitters of CubeSats reach; the beacon that is heard live stays at its 9.6."""
RENEWED_S: Final = 1_800
"""What was lost in a contact comes with the next, or after this time where the satellite does not set."""
STRETCHES: Final = 16
"""Boots that a recorder keeps apart; of more the oldest are overwritten."""


class Recorders:
    """One recorder for each satellite of a mission.

    Args:
        mission: whose satellites record.
        mishaps: what goes wrong on them; it happens to the record as it happened live.
        record: what waits on board.
        since: UTC second in which the present contact began, of those in contact.
    """

    def __init__(
        self, mission: Mission, mishaps: Mishaps, record: Mapping[str, list[Stretch]], since: Mapping[str, int]
    ) -> None:
        self._mission = mission
        self._mishaps = mishaps
        self._record = {name: list(stretches) for name, stretches in record.items()}
        self._since = dict(since)
        self._aloft: dict[str, tuple[Flight, FaultPlan]] = {}

    def begin(self, flight: Flight, boot: int, next_s: int, seq: list[int]) -> None:
        """The satellites of `flight` record from the second `next_s` of this boot on; `seq`: their next numbers."""
        for name, state, number in zip(flight.satellites, flight.states, seq, strict=True):
            stretches = self._record.setdefault(name, [])
            stretches.append(Stretch(boot, next_s, number, packed(state), dict(flight.held)))
            del stretches[:-STRETCHES]

    def end(self, stop_s: int) -> None:
        """No satellite records from the second `stop_s` on: its boot is over."""
        self._since.clear()
        for name, stretches in self._record.items():
            self._land(name)
            for stretch in stretches:
                stretch.until = stop_s if stretch.until is None else stretch.until

    def replan(self) -> None:
        """What goes wrong by hand has changed: records that are being sent down are made with it from here on."""
        for name in list(self._aloft):
            self._land(name)

    @property
    def recording(self) -> bool:
        """Whether every satellite has a recorder that runs."""
        return bool(self._record) and all(found and found[-1].until is None for found in self._record.values())

    @property
    def oldest_s(self) -> int | None:
        """The oldest second that waits on board anywhere."""
        return min((stretches[0].next for stretches in self._record.values() if stretches), default=None)

    def cursor(self) -> tuple[dict[str, list[Stretch]], dict[str, int]]:
        """`record` and `since` as they are now."""
        for name, (flight, _) in self._aloft.items():
            stretch = self._record[name][0]
            stretch.state, stretch.held = packed(flight.states[0]), dict(flight.held)
        return self._record, self._since

    def passes(self, flight: Flight, t0_s: int, contact: Bools, heard: Bools) -> dict[str, int]:
        """Follow contacts through seconds from `t0_s`; satellite -> packets it may send down in them.

        `contact` (n, satellites) and `heard` (n, packets, satellites) are those of `flight`.
        """
        beacons = [i for i, packet in enumerate(flight.packets) if not packet.contact_only]
        link = heard[:, beacons[0]] if beacons else np.zeros_like(contact)
        open_s: dict[str, int] = {}
        for i in np.flatnonzero(contact.any(axis=0)).tolist():
            name, here = flight.satellites[i], contact[:, i]
            self._since.setdefault(name, t0_s + int(np.argmax(here)))
            good = int(link[:, i].sum())
            if good:
                open_s[name] = good
        for i in np.flatnonzero(~contact[-1]).tolist():
            if flight.satellites[i] not in open_s:
                self._since.pop(flight.satellites[i], None)
        return {name: round(good * DUMP_PACKETS_S / len(open_s)) for name, good in open_s.items()}

    def dump(self, name: str, now_s: int, packets: int, received_ns: int) -> Iterator[list[FrameBatch]]:
        """Send down what waits on board of satellite `name`, about so many packets of it; block by block.

        What was recorded before the present contact comes, up to the second `now_s`.
        """
        stretches, since = self._record[name], self._since.get(name, now_s)
        upto = since + (now_s - since) // RENEWED_S * RENEWED_S
        seconds: float | None = None
        while stretches:
            stretch = stretches[0]
            end = upto if stretch.until is None else min(upto, stretch.until)
            if stretch.next >= end:
                self._land(name)
                if stretch.until is None or stretch.next < stretch.until:
                    return
                stretches.pop(0)
                continue
            flight, plan = self._aloft.get(name) or self._take_off(name, stretch)
            if seconds is None:
                seconds = packets / sum(1.0 / one.period_s for one in flight.packets if not one.contact_only)
            if seconds < 1.0:
                return
            stop = min(end, stretch.next + int(seconds), (stretch.next // BLOCK_S + 1) * BLOCK_S)
            seconds -= stop - stretch.next
            self._mishaps.extend(plan, flight, stretch.next, stop, recorded=True)
            pieces = list(flight.measured(stretch.next, stop, plan))
            missed = ~flight.heard(pieces)
            missed[:, [packet.contact_only for packet in flight.packets]] = False
            batches, after = flight.packed(
                pieces,
                boot=stretch.boot,
                seq=np.array([stretch.seq], dtype=np.int64),
                received_ns=received_ns,
                quality=Quality.STORED | Quality.SIMULATED,
                keep=missed,
            )
            batches = plan.transport(batches, stretch.next, stop)
            stretch.next, stretch.seq = stop, int(after[0])
            yield batches

    def _take_off(self, name: str, stretch: Stretch) -> tuple[Flight, FaultPlan]:
        flight = Flight(self._mission, (name,), self._mission.source.seed)
        flight.states, flight.held = [unpacked(stretch.state)], dict(stretch.held)
        self._aloft[name] = flight, self._mishaps.plan_from(flight, stretch.next, recorded=True)
        return self._aloft[name]

    def _land(self, name: str) -> None:
        """Let go of the flight that made the record; its state is kept."""
        if name in self._aloft:
            flight, _ = self._aloft.pop(name)
            stretch = self._record[name][0]
            stretch.state, stretch.held = packed(flight.states[0]), dict(flight.held)
