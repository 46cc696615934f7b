"""Packets on their way: lost, doubled, overtaken, late, stamped by a wrong clock.

Nothing here looks at values. Packets that are held back are released by time, in the order they were due.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.draws import drawn
from telemetry.clock import NS_PER_S

if TYPE_CHECKING:
    from sim.catalogue import Fault
    from telemetry.frame import FrameBatch, Int64s

Bools = npt.NDArray[np.bool_]
OVERTAKEN_BY_S: Final = 2
"""A packet that is overtaken arrives so much later."""
DELAYS: Final = ("late", "reorder")
"""Kinds that hold packets back."""


class _Kept(NamedTuple):
    """What arrives in the second `due_s`, made in `made_s`."""

    due_s: int
    made_s: int
    batch: FrameBatch


class Transport:
    """Transport faults of some satellites."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.faults: list[Fault] = []
        self._kept: list[_Kept] = []

    def add(self, fault: Fault) -> None:
        """Let one more fault act."""
        self.faults.append(fault)

    @property
    def holding_since_s(self) -> int | None:
        """Second in which the oldest packet that is held back was made; None: nothing is held."""
        return min((kept.made_s for kept in self._kept), default=None)

    def carry(self, batches: list[FrameBatch], t0_s: int, t1_s: int) -> list[FrameBatch]:
        """What arrives in t0_s <= t < t1_s of the packets made then, and of those held back before."""
        active = [fault for fault in self.faults if fault.active(t0_s, t1_s)]
        if active:
            # The clock on board stamps a packet before anything else happens to it.
            active.sort(key=lambda fault: fault.kind != "clock_jump")
            batches = [arrived for batch in batches for arrived in self._through(batch, active)]
        if not self._kept:
            return batches
        due = sorted((kept for kept in self._kept if kept.due_s < t1_s), key=lambda kept: kept.due_s)
        self._kept = [kept for kept in self._kept if kept.due_s >= t1_s]
        return batches + [kept.batch for kept in due]

    def _through(self, batch: FrameBatch, active: list[Fault]) -> list[FrameBatch]:
        """One batch past every active fault: what arrives of it now."""
        twice: list[FrameBatch] = []
        seconds = batch.t_ns // NS_PER_S
        for fault in active:
            hit = self._hit(batch, seconds, fault)
            if not hit.any():
                continue
            if fault.kind == "clock_jump":
                jump = round(fault.size * NS_PER_S)
                batch = replace(batch, t_ns=np.where(hit, batch.t_ns + jump, batch.t_ns))
            elif fault.kind == "duplicate":
                twice.append(batch.take(hit))
            else:
                if fault.kind in DELAYS:
                    lag = round(fault.size) if fault.kind == "late" else OVERTAKEN_BY_S
                    self._keep(batch.take(hit), seconds[hit], max(1, lag))
                batch, seconds = batch.take(~hit), seconds[~hit]
        return [one for one in (batch, *twice) if len(one)]

    def _keep(self, batch: FrameBatch, seconds: Int64s, lag_s: int) -> None:
        for second in np.unique(seconds).tolist():
            held = batch.take(seconds == second)
            later = held.received_ns + lag_s * NS_PER_S
            self._kept.append(_Kept(second + lag_s, second, replace(held, received_ns=later)))

    def _hit(self, batch: FrameBatch, seconds: Int64s, fault: Fault) -> Bools:
        """Which packets of `batch`, made in `seconds`, the fault takes hold of."""
        mine = np.zeros(len(batch), dtype=np.bool_)
        if fault.satellite not in batch.satellites or fault.target not in ("all", "clock", batch.layout.packet):
            return mine
        mine = batch.satellite == batch.satellites.index(fault.satellite)
        mine = mine & (seconds >= fault.start_s) & (seconds < fault.end_s)
        if fault.kind in ("duplicate", "reorder"):
            mine = mine & (drawn(self._seed, f"{fault.id}/{batch.layout.packet}", seconds) < fault.size)
        return mine
