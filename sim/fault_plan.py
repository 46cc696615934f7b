"""A list of faults as a plan: what each does to the plant and to the sensors, second by second.

Everything is a pure function of the fault and the time, but for the value a stuck sensor stands at, which is kept
in `held`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim.catalogue import Fault
from sim.draws import drawn
from sim.elementwise import Floats
from sim.plan import Held
from sim.state import BOOT, HEALTHY, SAFE, Knobs
from sim.transport import DELAYS, Transport
from telemetry.frame import Int64s

if TYPE_CHECKING:
    from sim.channels import SimChannel
    from telemetry.frame import FrameBatch

FILL: Final = -9999.0
BITS: Final = 12
"""Bits of the converter whose output a flipped bit changes."""
AXES: Final = {"x": "kick_x", "y": "kick_y", "z": "kick_z"}
CAPACITY_PER_RESISTANCE: Final = 0.25
"""A battery whose resistance has doubled has lost a quarter of its capacity."""


class FaultPlan:
    """`sim.plan.Plan` of a list of faults; more can be added while it flies.

    Args:
        faults: checked by `sim.catalogue.checked`.
        satellites: of the flight, in its order.
        channels: of the flight's table, in its order.
        seed: of the mission; the draws of a fault come from it and from the fault's id.
    """

    def __init__(
        self, faults: Sequence[Fault], satellites: Sequence[str], channels: Sequence[SimChannel], seed: int
    ) -> None:
        self._satellite = {name: i for i, name in enumerate(satellites)}
        self._column = {channel.name: i for i, channel in enumerate(channels)}
        self._channels = tuple(channels)
        self._step = np.array([max(channel.sigma, channel.resolution) for channel in channels])
        self._resolution = np.array([channel.resolution for channel in channels])
        self._seed = seed
        self._faults: list[Fault] = []
        self._plant: list[Fault] = []
        self._sensor: list[Fault] = []
        self._transport = Transport(seed)
        for fault in faults:
            self.add(fault)

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(self._faults)

    def add(self, fault: Fault) -> None:
        """Let one more fault happen; from its start, or from now where that is over."""
        self._faults.append(fault)
        if fault.layer in ("plant", "routine"):
            self._plant.append(fault)
        if fault.layer == "sensor" or fault.kind == "i2c_hang":
            self._sensor.append(fault)
        if fault.layer == "transport":
            self._transport.add(fault)

    def end(self, fault_id: str, t_s: int) -> None:
        """Let the fault of this id act before the second `t_s` only; one that would begin later never happens."""
        for faults in (self._faults, self._plant, self._sensor, self._transport.faults):
            faults[:] = [
                replace(one, end_s=min(one.end_s, t_s)) if one.id == fault_id else one
                for one in faults
                if one.id != fault_id or one.start_s < t_s
            ]

    def forget(self, t_s: int, held: Held) -> None:
        """Drop what was over before `t_s`, and what is remembered of it; the seconds before are not flown again."""
        over = [fault for fault in self._faults if fault.end_s < t_s]
        if not over:
            return
        gone = {fault.id for fault in over}
        for faults in (self._faults, self._plant, self._sensor, self._transport.faults):
            faults[:] = [fault for fault in faults if fault.id not in gone]
        for key in [key for key in held if key.rpartition("/")[0] in gone]:
            del held[key]

    @property
    def holding_since_s(self) -> int | None:
        """Second in which the oldest packet that is still on its way was made; None: nothing is."""
        return self._transport.holding_since_s

    @property
    def delays(self) -> bool:
        """Whether one of the faults holds packets back."""
        return any(fault.kind in DELAYS for fault in self._transport.faults)

    def touched(self, t0_s: int, t1_s: int) -> Sequence[int]:
        """The second after a hung bus counts: the watchdog restarts the computer in it."""
        return sorted({self._satellite[f.satellite] for f in self._plant if f.active(t0_s - 1, t1_s)})

    def knobs(self, satellite: int, t_s: int) -> Knobs[float] | None:
        turned: dict[str, float] = {}
        for fault in self._plant:
            if self._satellite[fault.satellite] != satellite:
                continue
            if fault.kind == "i2c_hang" and t_s == fault.end_s:
                turned["reset"] = 1.0
            if fault.active(t_s, t_s + 1):
                _turn(fault, t_s, turned)
        if not turned:
            return None
        changed: dict[str, Any] = turned
        return replace(HEALTHY, **changed)

    def senses(self, t0_s: int, t1_s: int) -> bool:
        return any(fault.active(t0_s, t1_s) for fault in self._sensor)

    def sense(self, values: Floats, noise: Floats, t0_s: int, held: Held) -> None:
        del held
        for fault, satellite, rows in self._acting(t0_s, len(values)):
            column = self._column.get(fault.target)
            if column is None:
                continue
            step = float(self._step[column])
            here = values[rows, satellite, column]
            seconds = _seconds(t0_s, rows)
            if fault.kind in ("spike", "bias"):
                here = here + fault.size * step
            elif fault.kind == "drift":
                here = here + fault.size * step * np.array([fault.grown(t) for t in seconds.tolist()])
            elif fault.kind == "noise_up":
                here = here + self._restless(fault, noise[rows, satellite, column], column, seconds)
            elif fault.kind == "gain":
                restless = noise[rows, satellite, column]
                here = (here - restless) * fault.size + restless
            values[rows, satellite, column] = here

    def corrupt(self, values: Floats, t0_s: int, held: Held) -> None:
        acting = self._acting(t0_s, len(values))
        # A sensor stands at what it measured, not at what its read-out made of it: a NaN cannot be kept.
        for fault, satellite, rows in acting:
            if fault.kind in ("stuck", "i2c_hang"):
                for column in self._standing(fault):
                    self._hold(values, fault, satellite, column, rows, held)
        for fault, satellite, rows in acting:
            if fault.kind == "corrupt":
                self._spoil(values, fault, satellite, rows, t0_s)
        for fault in self._sensor:
            if t0_s + len(values) >= fault.end_s:
                for key in [key for key in held if key.startswith(f"{fault.id}/")]:
                    del held[key]

    def transport(self, batches: list[FrameBatch], t0_s: int, t1_s: int) -> list[FrameBatch]:
        return self._transport.carry(batches, t0_s, t1_s)

    def _acting(self, t0_s: int, seconds: int) -> list[tuple[Fault, int, slice]]:
        """Sensor faults that act in these seconds, each with its satellite and the rows it acts on."""
        return [
            (
                fault,
                self._satellite[fault.satellite],
                slice(max(0, fault.start_s - t0_s), min(seconds, fault.end_s - t0_s)),
            )
            for fault in self._sensor
            if fault.active(t0_s, t0_s + seconds)
        ]

    def _restless(self, fault: Fault, noise: Floats, column: int, seconds: Int64s) -> Floats:
        """What more noise adds, counted in steps; a sensor without any scatters by steps of its resolution."""
        if noise.any():
            sigma = self._channels[column].sigma
            return (fault.size - 1.0) * noise * (self._step[column] / sigma if sigma > 0.0 else 1.0)
        scatter = 2.0 * drawn(self._seed, fault.id, seconds) - 1.0
        return fault.size * self._resolution[column] * scatter

    def _standing(self, fault: Fault) -> list[int]:
        if fault.kind == "stuck":
            return [self._column[fault.target]]
        return [i for name, i in self._column.items() if name.startswith(f"{fault.target}.")]

    def _hold(self, values: Floats, fault: Fault, satellite: int, column: int, rows: slice, held: Held) -> None:
        key = f"{fault.id}/{column}"
        if key not in held:
            valid = self._channels[column].valid
            rail = fault.how == "rail" and valid is not None
            held[key] = valid[1] if rail and valid is not None else float(values[rows.start, satellite, column])
        values[rows, satellite, column] = held[key]

    def _spoil(self, values: Floats, fault: Fault, satellite: int, rows: slice, t0_s: int) -> None:
        column = self._column[fault.target]
        seconds = _seconds(t0_s, rows)
        draw = drawn(self._seed, fault.id, seconds)
        hit = (draw < fault.size) | (seconds == fault.start_s)
        here = values[rows, satellite, column]
        if fault.how == "nan":
            spoilt = np.full(len(here), math.nan)
        elif fault.how == "bit":
            resolution = self._resolution[column] or 1.0
            # Bits below the sensor's noise flip as well, but nobody would ever know.
            lowest = int(np.ceil(np.log2(4.0 * self._step[column] / resolution)))
            among = max(1, BITS - lowest)
            bit = lowest + (drawn(self._seed, f"{fault.id}/bit", seconds) * among).astype(np.int64)
            whole = np.rint(np.nan_to_num(here) / resolution).astype(np.int64)
            spoilt = (whole ^ (np.int64(1) << bit)) * resolution
        else:
            spoilt = np.full(len(here), FILL)
        values[rows, satellite, column] = np.where(hit, spoilt, here)


def _seconds(t0_s: int, rows: slice) -> Int64s:
    """UTC seconds of the rows of a chunk that begins at `t0_s`."""
    return np.arange(t0_s + int(rows.start), t0_s + int(rows.stop), dtype=np.int64)


def _turn(fault: Fault, t_s: int, turned: dict[str, float]) -> None:
    """What `fault` turns in the plant at `t_s`, on top of what others do."""
    size, grown = fault.size, fault.grown(t_s)
    if fault.kind == "string_loss":
        key = f"s_{fault.target}"
        turned[key] = turned.get(key, 1.0) * (1.0 - size)
    elif fault.kind == "cell_degrade":
        worse = 1.0 + (size - 1.0) * grown
        turned["resistance"] = turned.get("resistance", 1.0) * worse
        turned["capacity"] = turned.get("capacity", 1.0) * max(0.2, 1.0 - CAPACITY_PER_RESISTANCE * (worse - 1.0))
    elif fault.kind in ("heater_stuck_on", "heater_stuck_off"):
        turned["heater"] = 1.0 if fault.kind == "heater_stuck_on" else 0.0
    elif fault.kind == "wheel_friction":
        turned["friction"] = 1.0 + (size - 1.0) * grown
    elif fault.kind == "tumble":
        turned["adcs_off"] = 1.0
        if t_s == fault.start_s:
            turned[AXES[fault.target]] = math.radians(size)
    elif fault.kind == "rf_degrade":
        turned["pa_db"] = turned.get("pa_db", 0.0) - size
    elif fault.kind == "rf_noise":
        turned["noise_db"] = turned.get("noise_db", 0.0) + size
    elif fault.kind == "i2c_hang":
        turned["hang_a"] = turned.get("hang_a", 0.0) + size
    elif fault.kind == "latchup":
        key = f"latch_{fault.target}_a"
        turned[key] = turned.get(key, 0.0) + size
    elif fault.kind == "mem_leak":
        turned["leak"] = turned.get("leak", 1.0) * size
    elif fault.kind == "seu_reboot":
        turned["reset"] = 1.0
    elif fault.kind == "restart":
        turned["command"] = BOOT
    elif fault.kind == "safe_exercise":
        turned["command"] = SAFE
    elif fault.kind == "payload_off":
        turned["no_payload"] = 1.0
    elif fault.kind == "quiet_radio":
        turned["no_transmit"] = 1.0
