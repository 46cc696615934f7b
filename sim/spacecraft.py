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
ABSORPTIVITY: Final = 0.82
EMISSIVITY: Final = 0.80
ZERO_C: Final = 273.15

AREA: Final = (0.034, 0.034, 0.034, 0.034, 0.010, 0.010)
"""Square metres, in the order of sim.environment.FACES: four long sides, two ends."""
CELLS: Final = (8, 8, 8, 8, 2, 0)
WHOLE: Final = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
SIDE_HEAT: Final = 170.0
END_HEAT: Final = 60.0
SIDE_LEAK: Final = 0.30
END_LEAK: Final = 0.16
INSIDE_HEAT: Final = 1900.0
BATTERY_HEAT: Final = 330.0
AMPLIFIER_HEAT: Final = 25.0
TO_BATTERY: Final = 0.10
TO_AMPLIFIER: Final = 0.35

CELL_AREA: Final = 30.18e-4
CELL_EFFICIENCY: Final = 0.295 * 0.95
CELL_SLOPE: Final = -0.0022
COLD_GAIN: Final = 1.0 - CELL_SLOPE * 301.0
STRING_SLOPE: Final = 2.0 * 0.0067
STRING_V: Final = 2.0 * 2.41 + STRING_SLOPE * 301.0
LEAK_V: Final = 0.1
DARK: Final = 20.0
"""W/m2 below which a tracker stops."""
SIDE_DARK_W: Final = DARK * 8 * CELL_AREA * CELL_EFFICIENCY
END_DARK_W: Final = DARK * 2 * CELL_AREA * CELL_EFFICIENCY
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

STEADY_W: Final = COMPUTER_W + POWER_BOARD_W + RECEIVER_W + ATTITUDE_W
HEATER_ON_K: Final = ZERO_C + 3.5
HEATER_OFF_K: Final = ZERO_C + 6.0
ROOM_K: Final = ZERO_C + 20.0
RAIL_OHM: Final = 0.04
I_3V3: Final = (COMPUTER_W + POWER_BOARD_W + RECEIVER_W) / 3.3
V_3V3: Final = 3.3 - RAIL_OHM * I_3V3
SIDE_GLOW: Final = EMISSIVITY * 0.034 * SIGMA
END_GLOW: Final = EMISSIVITY * 0.010 * SIGMA

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
    absorbed: Sequence[float],
    potential: Sequence[float],
    payload: float,
    transmitter: float,
    *,
    strings: Sequence[float] = WHOLE,
    dt: float = 1.0,
) -> tuple[float, ...]:
    """Advance `s` by `dt` seconds (one, except to warm up) and return the truth behind OUTPUTS at its end.

    `absorbed` is the heat each face takes from Sun and Earth (W), `potential` what its cells would give at 28 degC
    (W), both in the order of FACES; payload and transmitter are 0 or 1; `strings` is the working fraction of each
    array. The bus is solved exactly: V I = P_net with V = V0 + I R0 is a quadratic in I. Array power that neither
    loads nor battery can take stays in the panels as heat. The faces are written out because this runs 34,000 times
    before a new mission's first frame.
    """
    k0, k1, k2, k3, k4, k5 = s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz
    p0, p1, p2, p3, p4, _ = potential
    if strings is not WHOLE:
        p0, p1, p2, p3, p4 = p0 * strings[0], p1 * strings[1], p2 * strings[2], p3 * strings[3], p4 * strings[4]
    a0 = p0 * (COLD_GAIN + CELL_SLOPE * k0)
    a1 = p1 * (COLD_GAIN + CELL_SLOPE * k1)
    a2 = p2 * (COLD_GAIN + CELL_SLOPE * k2)
    a3 = p3 * (COLD_GAIN + CELL_SLOPE * k3)
    a4 = p4 * (COLD_GAIN + CELL_SLOPE * k4)
    array = a0 + a1 + a2 + a3 + a4

    heater_w = HEATER_W * s.heater
    drawn = (STEADY_W + TRANSMITTER_W * transmitter + PAYLOAD_W * payload + heater_w) / REGULATOR
    battery = s.t_battery
    cold = 25.0 + ZERO_C - battery
    resistance = 0.13 * math.exp(0.03 * cold) if cold > 0.0 else 0.13
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
    rate = dt * (CHARGE_EFFICIENCY if current > 0.0 else 1.0) / CAPACITY_AS
    s.charge = min(1.0, max(0.0, s.charge + rate * current))
    counted = s.counted + rate * (current + CURRENT_BIAS_A)
    if used < 1.0 and current < 0.1:
        counted += dt * (s.charge - counted) / 120.0
    s.counted = counted = min(1.0, max(0.0, counted))

    inside = s.t_inside
    h0, h1, h2, h3 = (
        SIDE_LEAK * (inside - k0),
        SIDE_LEAK * (inside - k1),
        SIDE_LEAK * (inside - k2),
        SIDE_LEAK * (inside - k3),
    )
    h4, h5 = END_LEAK * (inside - k4), END_LEAK * (inside - k5)
    q0, q1, q2, q3, q4, q5 = absorbed
    side, end = dt / SIDE_HEAT, dt / END_HEAT
    s.t_px = n0 = k0 + side * (q0 - used * a0 - SIDE_GLOW * k0 * k0 * k0 * k0 + h0)
    s.t_mx = n1 = k1 + side * (q1 - used * a1 - SIDE_GLOW * k1 * k1 * k1 * k1 + h1)
    s.t_py = n2 = k2 + side * (q2 - used * a2 - SIDE_GLOW * k2 * k2 * k2 * k2 + h2)
    s.t_my = n3 = k3 + side * (q3 - used * a3 - SIDE_GLOW * k3 * k3 * k3 * k3 + h3)
    s.t_pz = n4 = k4 + end * (q4 - used * a4 - END_GLOW * k4 * k4 * k4 * k4 + h4)
    s.t_mz = n5 = k5 + end * (q5 - END_GLOW * k5 * k5 * k5 * k5 + h5)
    to_battery = TO_BATTERY * (inside - battery)
    to_amplifier = TO_AMPLIFIER * (inside - s.t_amplifier)
    amplifier_w = AMPLIFIER_SHARE * TRANSMITTER_W * transmitter
    inside_w = drawn - amplifier_w - RADIATED_W * transmitter - heater_w + (1.0 - BOOST) * used * array
    leaving = h0 + h1 + h2 + h3 + h4 + h5 + to_battery + to_amplifier
    s.t_inside = inside = inside + dt * (inside_w - leaving) / INSIDE_HEAT
    s.t_battery = battery = battery + dt * (current * current * resistance + heater_w + to_battery) / BATTERY_HEAT
    s.t_amplifier += dt * (amplifier_w + to_amplifier) / AMPLIFIER_HEAT
    if battery < HEATER_ON_K:
        s.heater = 1.0
    elif battery > HEATER_OFF_K:
        s.heater = 0.0
    s.uptime = uptime = s.uptime + dt

    i_5v = (ATTITUDE_W + PAYLOAD_W * payload) / 5.0
    warm = 0.002 * (inside - ROOM_K)
    v0, v1, v2 = STRING_V - STRING_SLOPE * n0, STRING_V - STRING_SLOPE * n1, STRING_V - STRING_SLOPE * n2
    v3, v4 = STRING_V - STRING_SLOPE * n3, STRING_V - STRING_SLOPE * n4
    leaked = (uptime % MEMORY_PERIOD_S) / MEMORY_PERIOD_S
    filled = leaked / 0.85 if leaked < 0.85 else (1.0 - leaked) / 0.15
    return (
        voltage,
        current,
        100.0 * counted,
        battery - ZERO_C,
        s.heater,
        (v0 if p0 >= p1 else v1) if p0 > SIDE_DARK_W or p1 > SIDE_DARK_W else LEAK_V,
        (v2 if p2 >= p3 else v3) if p2 > SIDE_DARK_W or p3 > SIDE_DARK_W else LEAK_V,
        v4 if p4 > END_DARK_W else LEAK_V,
        used * a0 / v0 if p0 > SIDE_DARK_W else 0.0,
        used * a1 / v1 if p1 > SIDE_DARK_W else 0.0,
        used * a2 / v2 if p2 > SIDE_DARK_W else 0.0,
        used * a3 / v3 if p3 > SIDE_DARK_W else 0.0,
        used * a4 / v4 if p4 > END_DARK_W else 0.0,
        V_3V3 + warm,
        I_3V3,
        5.0 - RAIL_OHM * i_5v + warm,
        i_5v,
        n0 - ZERO_C,
        n1 - ZERO_C,
        n2 - ZERO_C,
        n3 - ZERO_C,
        n4 - ZERO_C,
        n5 - ZERO_C,
        inside - ZERO_C,
        s.t_amplifier - ZERO_C,
        22.0 + 16.0 * payload + 6.0 * transmitter,
        44.0 + 6.0 * filled,
        uptime,
        s.reboots,
    )
