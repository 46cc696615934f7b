"""Packets on their way: lost, doubled, overtaken, late, stamped by a wrong clock.

Nothing here looks at values. Packets that are held back are released by time, in the order they were due.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from sim.draws import drawn
from telemetry.clock import NS_PER_S

if TYPE_CHECKING:
    from sim.catalogue import Fault
    from telemetry.frame import FrameBatch

Bools = npt.NDArray[np.bool_]
OVERTAKEN_BY_S: Final = 2
"""A packet that is overtaken arrives so much later."""


class Transport:
    """Transport faults of some satellites."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.faults: list[Fault] = []
        self._kept: list[tuple[int, FrameBatch]] = []
        """Second of release and what is released then."""

    def add(self, fault: Fault) -> None:
        """Let one more fault act."""
        self.faults.append(fault)

    def carry(self, batches: list[FrameBatch], t0_s: int, t1_s: int) -> list[FrameBatch]:
        """What arrives in t0_s <= t < t1_s of the packets made then, and of those held back before."""
        active = [fault for fault in self.faults if fault.active(t0_s, t1_s)]
        arrived = [batch for due, batch in self._kept if due < t1_s]
        if not active:
            if arrived:
                self._kept = [(due, batch) for due, batch in self._kept if due >= t1_s]
            return batches + arrived if arrived else batches
        self._kept = [(due, batch) for due, batch in self._kept if due >= t1_s]
        for batch in batches:
            arrived += self._through(batch, active)
        return arrived

    def _through(self, batch: FrameBatch, active: list[Fault]) -> list[FrameBatch]:
        """One batch past every active fault: what arrives of it now."""
        twice: list[FrameBatch] = []
        for fault in active:
            hit = self._hit(batch, fault)
            if not hit.any():
                continue
            if fault.kind == "clock_jump":
                jump = round(fault.size * NS_PER_S)
                batch = replace(batch, t_ns=np.where(hit, batch.t_ns + jump, batch.t_ns))
            elif fault.kind == "duplicate":
                twice.append(batch.take(hit))
            else:
                if fault.kind in ("late", "reorder"):
                    lag = round(fault.size) if fault.kind == "late" else OVERTAKEN_BY_S
                    self._keep(batch.take(hit), max(1, lag))
                batch = batch.take(~hit)
        return [one for one in (batch, *twice) if len(one)]

    def _keep(self, batch: FrameBatch, lag_s: int) -> None:
        seconds = batch.t_ns // NS_PER_S
        for second in np.unique(seconds).tolist():
            held = batch.take(seconds == second)
            later = held.received_ns + lag_s * NS_PER_S
            self._kept.append((second + lag_s, replace(held, received_ns=later)))

    def _hit(self, batch: FrameBatch, fault: Fault) -> Bools:
        """Which packets of `batch` the fault takes hold of."""
        mine = np.zeros(len(batch), dtype=np.bool_)
        if fault.satellite not in batch.satellites or fault.target not in ("all", "clock", batch.layout.packet):
            return mine
        seconds = batch.t_ns // NS_PER_S
        mine = batch.satellite == batch.satellites.index(fault.satellite)
        mine = mine & (seconds >= fault.start_s) & (seconds < fault.end_s)
        if fault.kind in ("duplicate", "reorder"):
            mine = mine & (drawn(self._seed, f"{fault.id}/{batch.layout.packet}", seconds) < fault.size)
        return mine
