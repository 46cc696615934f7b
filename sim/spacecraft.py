"""The parts that remember: nine temperatures, the battery, the on-board computer. One second per step, on floats.

Panels, pack and loads are those of a 3U with eight triple-junction cells on each long side in four strings of two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

SIGMA: Final = 5.670374419e-8
EARTH_INFRARED: Final = 237.0
ABSORPTIVITY: Final = 0.88
EMISSIVITY: Final = 0.80
ZERO_C: Final = 273.15

AREA: Final = (0.034, 0.034, 0.034, 0.034, 0.010, 0.010)
CELLS: Final = (8, 8, 8, 8, 2, 0)
HEAT: Final = (170.0, 170.0, 170.0, 170.0, 60.0, 60.0)
TO_INSIDE: Final = (0.30, 0.30, 0.30, 0.30, 0.16, 0.16)
INSIDE_HEAT: Final = 1900.0
BATTERY_HEAT: Final = 330.0
AMPLIFIER_HEAT: Final = 25.0
TO_BATTERY: Final = 0.10
TO_AMPLIFIER: Final = 0.35

CELL_AREA: Final = 30.18e-4
CELL_EFFICIENCY: Final = 0.295 * 0.95
CELL_SLOPE: Final = -0.0022
BOOST: Final = 0.90
REGULATOR: Final = 0.90

CAPACITY_AS: Final = 2.6 * 3600.0
CHARGE_EFFICIENCY: Final = 0.99
CHARGE_LIMIT_A: Final = 1.3
CHARGE_LIMIT_V: Final = 8.30
CURRENT_BIAS_A: Final = 0.003
OPEN_CIRCUIT: Final = (
    (0.0, 3.00),
    (0.05, 3.30),
    (0.1, 3.45),
    (0.2, 3.55),
    (0.3, 3.60),
    (0.4, 3.64),
    (0.5, 3.69),
    (0.6, 3.78),
    (0.7, 3.88),
    (0.8, 3.98),
    (0.9, 4.08),
    (1.0, 4.18),
)

COMPUTER_W: Final = 0.6
POWER_BOARD_W: Final = 0.2
RECEIVER_W: Final = 0.35
ATTITUDE_W: Final = 1.3
TRANSMITTER_W: Final = 3.6
PAYLOAD_W: Final = 3.0
HEATER_W: Final = 1.2
AMPLIFIER_SHARE: Final = 0.65
RADIATED_W: Final = 1.0

MEMORY_PERIOD_S: Final = 1800.0


@dataclass(slots=True)
class State:
    """Everything a satellite carries from one second to the next; temperatures in kelvin."""

    t_px: float = 283.0
    t_mx: float = 283.0
    t_py: float = 275.0
    t_my: float = 275.0
    t_pz: float = 275.0
    t_mz: float = 280.0
    t_inside: float = 277.0
    t_battery: float = 277.5
    t_amplifier: float = 277.0
    charge: float = 0.90
    """True state of charge, 0 to 1."""
    polarisation: float = 0.0
    """Slow part of the battery's internal voltage, V."""
    counted: float = 0.90
    """State of charge as the coulomb counter on board believes it."""
    heater: float = 0.0
    uptime: float = 0.0
    reboots: float = 0.0

    def as_list(self) -> list[float]:
        """The fields in order, for a cursor."""
        return [getattr(self, field.name) for field in fields(self)]

    @staticmethod
    def from_list(values: Sequence[float]) -> State:
        """Read `as_list` back.

        Raises:
            ValueError: wrong number of values.
        """
        if len(values) != len(fields(State)):
            raise ValueError(f"a state has {len(fields(State))} values, not {len(values)}")
        return State(*(float(v) for v in values))


OUTPUTS: Final = (
    "bat_v",
    "bat_i",
    "bat_soc",
    "bat_t",
    "heater_on",
    "pv_v_x",
    "pv_v_y",
    "pv_v_z",
    "pv_i_px",
    "pv_i_mx",
    "pv_i_py",
    "pv_i_my",
    "pv_i_pz",
    "bus3v3_v",
    "bus3v3_i",
    "bus5v_v",
    "bus5v_i",
    "t_px",
    "t_mx",
    "t_py",
    "t_my",
    "t_pz",
    "t_mz",
    "t_int",
    "pa_t",
    "cpu",
    "mem",
    "uptime",
    "reboots",
)
"""What `step` returns, in order: volts, amperes, degC, percent, seconds."""


def open_circuit_cell(charge: float) -> float:
    """Open-circuit voltage of one lithium-ion cell at a state of charge of 0 to 1."""
    if charge <= 0.0:
        return OPEN_CIRCUIT[0][1]
    if charge >= 1.0:
        return OPEN_CIRCUIT[-1][1]
    low = 0 if charge < 0.05 else 1 if charge < 0.1 else int(charge * 10.0) + 1
    x0, y0 = OPEN_CIRCUIT[low]
    x1, y1 = OPEN_CIRCUIT[low + 1]
    return y0 + (y1 - y0) * (charge - x0) / (x1 - x0)


def step(
    s: State,
    irradiance: Sequence[float],
    view: Sequence[float],
    payload: float,
    transmitter: float,
    strings: Sequence[float],
    dt: float = 1.0,
) -> tuple[float, ...]:
    """Advance `s` by `dt` seconds (one, except to warm up) and return the truth behind OUTPUTS at its end.

    `irradiance` (W/m2) and `view` per face, switches 0 or 1, `strings` the working fraction of each face's array.
    The bus is solved exactly: V I = P_net with V = V0 + I R0 is a quadratic in I; array power that neither loads nor
    battery can take stays in the panels as heat.
    """
    t = (s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz)
    available = [
        e * cells * f * (CELL_AREA * CELL_EFFICIENCY) * (1.0 + CELL_SLOPE * (k - 301.0))
        for e, cells, f, k in zip(irradiance, CELLS, strings, t, strict=True)
    ]
    array = sum(available)

    steady = COMPUTER_W + POWER_BOARD_W + RECEIVER_W + ATTITUDE_W
    heater_w = HEATER_W * s.heater
    load = steady + TRANSMITTER_W * transmitter + PAYLOAD_W * payload + heater_w
    drawn = load / REGULATOR

    resistance = 0.13 * math.exp(0.03 * max(0.0, 25.0 - (s.t_battery - ZERO_C)))
    source = 2.0 * open_circuit_cell(s.charge) - s.polarisation
    net = BOOST * array - drawn
    current = (math.sqrt(source * source + 4.0 * resistance * net) - source) / (2.0 * resistance)
    used = 1.0
    if current > 0.0:
        ceiling = min(CHARGE_LIMIT_A, max(0.0, (CHARGE_LIMIT_V - source) / resistance))
        if current > ceiling:
            current = ceiling
            used = (drawn + current * (source + current * resistance)) / (BOOST * array)
    voltage = source + current * resistance

    s.polarisation -= dt * (s.polarisation + 0.4 * resistance * current) / 60.0
    efficiency = CHARGE_EFFICIENCY if current > 0.0 else 1.0
    s.charge = min(1.0, max(0.0, s.charge + dt * efficiency * current / CAPACITY_AS))
    s.counted = min(1.0, max(0.0, s.counted + dt * efficiency * (current + CURRENT_BIAS_A) / CAPACITY_AS))
    if used < 1.0 and current < 0.1:
        s.counted += dt * (s.charge - s.counted) / 120.0

    inside = s.t_inside
    flow = 0.0
    new: list[float] = []
    for i in range(6):
        k = t[i]
        leak = TO_INSIDE[i] * (inside - k)
        flow += leak
        area = AREA[i]
        heat = (
            ABSORPTIVITY * area * irradiance[i]
            - used * available[i]
            + EMISSIVITY * area * (EARTH_INFRARED * view[i] - SIGMA * k * k * k * k)
            + leak
        )
        new.append(k + dt * heat / HEAT[i])
    to_battery = TO_BATTERY * (inside - s.t_battery)
    to_amplifier = TO_AMPLIFIER * (inside - s.t_amplifier)
    amplifier_w = AMPLIFIER_SHARE * TRANSMITTER_W * transmitter
    outside_w = RADIATED_W * transmitter + heater_w
    inside_w = drawn - amplifier_w - outside_w + (1.0 - BOOST) * used * array
    s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz = new
    s.t_inside = inside + dt * (inside_w - flow - to_battery - to_amplifier) / INSIDE_HEAT
    s.t_battery += dt * (current * current * resistance + heater_w + to_battery) / BATTERY_HEAT
    s.t_amplifier += dt * (amplifier_w + to_amplifier) / AMPLIFIER_HEAT
    if s.t_battery < ZERO_C + 2.0:
        s.heater = 1.0
    elif s.t_battery > ZERO_C + 5.0:
        s.heater = 0.0
    s.uptime += dt

    i_3v3 = (COMPUTER_W + POWER_BOARD_W + RECEIVER_W) / 3.3
    i_5v = (ATTITUDE_W + PAYLOAD_W * payload) / 5.0
    warm = 0.002 * (s.t_inside - ZERO_C - 20.0)
    volts = [2.0 * (2.41 - 0.0067 * (k - 301.0)) for k in new]
    lit = [e > 20.0 for e in irradiance]
    amps = [used * p / v if on else 0.0 for p, v, on in zip(available, volts, lit, strict=True)]
    leaked = (s.uptime % MEMORY_PERIOD_S) / MEMORY_PERIOD_S
    filled = leaked / 0.85 if leaked < 0.85 else (1.0 - leaked) / 0.15
    return (
        voltage,
        current,
        100.0 * s.counted,
        s.t_battery - ZERO_C,
        s.heater,
        _pair_voltage(lit[0], lit[1], irradiance[0] >= irradiance[1], volts[0], volts[1]),
        _pair_voltage(lit[2], lit[3], irradiance[2] >= irradiance[3], volts[2], volts[3]),
        volts[4] if lit[4] else 0.1,
        amps[0],
        amps[1],
        amps[2],
        amps[3],
        amps[4],
        3.3 - 0.04 * i_3v3 + warm,
        i_3v3,
        5.0 - 0.04 * i_5v + warm,
        i_5v,
        s.t_px - ZERO_C,
        s.t_mx - ZERO_C,
        s.t_py - ZERO_C,
        s.t_my - ZERO_C,
        s.t_pz - ZERO_C,
        s.t_mz - ZERO_C,
        s.t_inside - ZERO_C,
        s.t_amplifier - ZERO_C,
        22.0 + 16.0 * payload + 6.0 * transmitter,
        44.0 + 6.0 * filled,
        s.uptime,
        s.reboots,
    )


def _pair_voltage(first_lit: bool, second_lit: bool, first_leads: bool, first: float, second: float) -> float:
    """A tracker serves two opposite faces and works at the voltage of the brighter one."""
    if first_leads:
        return first if first_lit else 0.1
    return second if second_lit else 0.1
