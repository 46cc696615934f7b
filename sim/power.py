"""Solar arrays, battery, regulators: who gives and who takes in one second, and the current that closes the bus.

Every function is element-wise (`sim.elementwise`) and, but for `charge`, free of side effects, so that the same
lines serve one satellite second by second, a fleet at once and many recorded seconds at once. Faces are in the
order +X -X +Y -Y +Z -Z, power is in watts, temperatures are in kelvin.
"""

from __future__ import annotations

from typing import Final, Generic, NamedTuple

from sim.craft import ZERO_C, Craft
from sim.elementwise import Num, Ops
from sim.state import Knobs, State

CELL_AREA: Final = 30.18e-4
"""m2 of one triple-junction cell."""
CELL_EFFICIENCY: Final = 0.295 * 0.95
"""At CELL_REFERENCE_K, tracking and packing included."""
CELL_SLOPE: Final = -0.0022
"""Relative change of the efficiency per kelvin."""
CELL_REFERENCE_K: Final = 301.15
"""Temperature the cells' efficiency and voltage are quoted at, 28 degC."""
COLD_GAIN: Final = 1.0 - CELL_SLOPE * CELL_REFERENCE_K
BEST: Final = CELL_AREA * CELL_EFFICIENCY
CELL_V: Final = 2.41
CELL_V_PER_K: Final = -0.0067
"""Voltage of one cell at maximum power, and its change."""
BOOST: Final = 0.90
REGULATOR: Final = 0.90
"""Efficiency from the arrays to the bus, and from the bus to the loads."""
CHARGE_EFFICIENCY: Final = 0.99
CURRENT_BIAS_A: Final = 0.003
"""Error of the current the on-board coulomb counter adds up."""
DARK: Final = 20.0
"""W/m2 below which a tracker stops and its panel gives nothing."""
BATTERY_WARM_K: Final = ZERO_C + 25.0
COLD_PER_K: Final = 0.03
"""Growth of the battery's resistance per kelvin below 25 degC."""
SLOW_SHARE: Final = 0.4
SLOW_S: Final = 60.0
"""The slow part of the battery's voltage: its share of the resistance and its time constant."""
COUNTER_RESET_S: Final = 120.0
QUIESCENT: Final = 0.4
"""Share of the transmitter's power that does not depend on the amplitude it sends (the rest does: class B)."""
DB: Final = 0.1151292546497023
"""ln(10) / 20: amplitude per decibel."""
ROOM_K: Final = ZERO_C + 20.0
RAIL_OHM: Final = 0.04
RAIL_PER_K: Final = 0.002

Six = tuple[Num, Num, Num, Num, Num, Num]


class Loads(NamedTuple, Generic[Num]):
    """What the satellite consumes."""

    drawn: Num
    """W taken from the battery's bus, regulators included."""
    i_3v3: Num
    i_5v: Num
    """A on the two rails."""
    heater_w: Num
    amplifier_w: Num
    """W that become heat in the battery and in the amplifier."""
    radiated_w: Num
    """W that leave as radio waves."""


class Bus(NamedTuple, Generic[Num]):
    """The solved bus."""

    voltage: Num
    current: Num
    """A into the battery, positive when charging."""
    resistance: Num
    """Ohm, of the battery at its temperature."""
    used: Num
    """Fraction of the available array power that is taken; the rest stays in the panels as heat."""


def potential(craft: Craft, ops: Ops[Num], irradiance: Six[Num], k: Knobs[Num]) -> Six[Num]:
    """W the working cells of each face would give at CELL_REFERENCE_K, for `irradiance` in W/m2."""
    n0, n1, n2, n3, n4, n5 = craft.cells
    e0, e1, e2, e3, e4, e5 = irradiance
    where = ops.where
    return (
        where(e0 > DARK, e0 * (BEST * n0 * k.s_px), 0.0),
        where(e1 > DARK, e1 * (BEST * n1 * k.s_mx), 0.0),
        where(e2 > DARK, e2 * (BEST * n2 * k.s_py), 0.0),
        where(e3 > DARK, e3 * (BEST * n3 * k.s_my), 0.0),
        where(e4 > DARK, e4 * (BEST * n4 * k.s_pz), 0.0),
        where(e5 > DARK, e5 * (BEST * n5 * k.s_mz), 0.0),
    )


def array_power(cool: Six[Num], kelvin: Six[Num]) -> Six[Num]:
    """W each face can give: `potential`, less when warm."""
    p0, p1, p2, p3, p4, p5 = cool
    t0, t1, t2, t3, t4, t5 = kelvin
    return (
        p0 * (COLD_GAIN + CELL_SLOPE * t0),
        p1 * (COLD_GAIN + CELL_SLOPE * t1),
        p2 * (COLD_GAIN + CELL_SLOPE * t2),
        p3 * (COLD_GAIN + CELL_SLOPE * t3),
        p4 * (COLD_GAIN + CELL_SLOPE * t4),
        p5 * (COLD_GAIN + CELL_SLOPE * t5),
    )


def loads(
    craft: Craft,
    ops: Ops[Num],
    k: Knobs[Num],
    heater: Num,
    payload: Num,
    transmit: Num,
    attitude: Num | float,
    actuators_w: Num | float,
) -> Loads[Num]:
    """Consumption with heater, payload, transmitter and attitude control switched 0 to 1, plus wheels and rods (W).

    A weak amplifier (`pa_db` below 0) sends less and draws less, by amplitude. Extra currents of a hung or latched
    bus load their rail.
    """
    amplitude = ops.exp(DB * k.pa_db)
    sending = craft.transmitter_w * transmit * (QUIESCENT + (1.0 - QUIESCENT) * amplitude)
    radiated = craft.radiated_w * transmit * amplitude * amplitude
    lost = (1.0 - craft.amplifier_share - craft.radiated_w / craft.transmitter_w) * sending
    heater_w = craft.heater_w * heater
    w_3v3 = craft.computer_w + craft.power_board_w + craft.receiver_w + 3.3 * (k.hang_a + k.latch_3v3_a)
    w_5v = craft.attitude_w * attitude + actuators_w + craft.payload_w * payload + 5.0 * k.latch_5v_a
    return Loads(
        (w_3v3 + w_5v + sending + heater_w) / REGULATOR,
        w_3v3 / 3.3,
        w_5v / 5.0,
        heater_w,
        sending - radiated - lost,
        radiated,
    )


def open_circuit(craft: Craft, ops: Ops[Num], charge: Num) -> Num:
    """Open-circuit voltage of the pack at a state of charge of 0 to 1: straight lines, without a branch."""
    base, hinges = craft.open_circuit
    volts = base + 0.0 * charge
    for knee, bend in hinges:
        volts = volts + bend * ops.maximum(charge - knee, 0.0)
    return volts


def solve_bus(
    craft: Craft,
    ops: Ops[Num],
    k: Knobs[Num],
    charge: Num,
    polarisation: Num,
    kelvin: Num,
    array: Num,
    drawn: Num,
) -> Bus[Num]:
    """Battery voltage and current for `array` W available and `drawn` W taken.

    V I = P_net with V = V0 + I R is a quadratic in I; charging is then held to the charger's limits of current and
    voltage, and what neither loads nor battery take is not drawn from the arrays. A battery too old or too cold for
    the loads gives the most it can, at half its voltage, and the bus breaks down.
    """
    resistance = craft.resistance * k.resistance * ops.exp(COLD_PER_K * ops.maximum(BATTERY_WARM_K - kelvin, 0.0))
    source = open_circuit(craft, ops, charge) - polarisation
    net = BOOST * array - drawn
    square = ops.maximum(source * source + 4.0 * resistance * net, 0.0 * source)
    free = (ops.sqrt(square) - source) / (2.0 * resistance)
    ceiling = ops.maximum(
        ops.minimum((craft.charge_limit_v - source) / resistance, craft.charge_limit_a + 0.0 * free), 0.0
    )
    limited = free > ceiling
    current = ops.where(limited, ceiling, free)
    voltage = source + current * resistance
    taken = (drawn + current * voltage) / (BOOST * ops.maximum(array, 1e-3))
    return Bus(voltage, current, resistance, ops.where(limited, taken, 1.0))


def charge(craft: Craft, ops: Ops[Num], s: State[Num], k: Knobs[Num], bus: Bus[Num], dt: float) -> None:
    """Move charge, voltage and the on-board coulomb counter of `s` on by `dt` seconds.

    The counter reads a current that is wrong by `CURRENT_BIAS_A` and is set right while the charger tapers.
    """
    current = bus.current
    s.voltage = bus.voltage
    s.polarisation = s.polarisation - dt * (s.polarisation + SLOW_SHARE * bus.resistance * current) / SLOW_S
    rate = dt * ops.where(current > 0.0, CHARGE_EFFICIENCY, 1.0) / (3600.0 * craft.capacity_ah * k.capacity)
    true = ops.minimum(ops.maximum(s.charge + rate * current, 0.0), 1.0)
    counted = s.counted + rate * (current + CURRENT_BIAS_A)
    tapering = (bus.used < 1.0) & (current < craft.taper_a)
    counted = ops.where(tapering, counted + dt * (true - counted) / COUNTER_RESET_S, counted)
    s.charge = true
    s.counted = ops.minimum(ops.maximum(counted, 0.0), 1.0)


class Readings(NamedTuple, Generic[Num]):
    """Voltage of the three trackers (brighter face of each pair) and current of the six panels."""

    pv_v_x: Num
    pv_v_y: Num
    pv_v_z: Num
    pv_i_px: Num
    pv_i_mx: Num
    pv_i_py: Num
    pv_i_my: Num
    pv_i_pz: Num
    pv_i_mz: Num


def readings(craft: Craft, ops: Ops[Num], available: Six[Num], kelvin: Six[Num], used: Num) -> Readings[Num]:
    """What the trackers show for `available` W per face (`array_power`) of which the fraction `used` is drawn.

    A dark tracker shows its sensor's offset. A tracker moves a panel that is drawn below its maximum towards open
    circuit: up to `craft.unloaded_v` more.
    """
    where = ops.where
    slope = craft.series * CELL_V_PER_K
    top = craft.series * CELL_V - slope * CELL_REFERENCE_K + craft.unloaded_v * (1.0 - used)
    a0, a1, a2, a3, a4, a5 = available
    t0, t1, t2, t3, t4, t5 = kelvin
    v0, v1, v2 = top + slope * t0, top + slope * t1, top + slope * t2
    v3, v4, v5 = top + slope * t3, top + slope * t4, top + slope * t5
    dark = craft.dark_v
    return Readings(
        where(a0 + a1 > 0.0, where(a0 >= a1, v0, v1), dark),
        where(a2 + a3 > 0.0, where(a2 >= a3, v2, v3), dark),
        where(a4 + a5 > 0.0, where(a4 >= a5, v4, v5), dark),
        used * a0 / v0,
        used * a1 / v1,
        used * a2 / v2,
        used * a3 / v3,
        used * a4 / v4,
        used * a5 / v5,
    )


def rails(found: Loads[Num], inside: Num) -> tuple[Num, Num, Num, Num]:
    """Volts and amperes of the 3.3 V rail, then of the 5 V rail, with the boards at `inside` K."""
    warm = RAIL_PER_K * (inside - ROOM_K)
    return 3.3 - RAIL_OHM * found.i_3v3 + warm, found.i_3v3, 5.0 - RAIL_OHM * found.i_5v + warm, found.i_5v
