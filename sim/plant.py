"""One second of a satellite, or of a fleet: attitude, computer, light, power, heat, in this order."""

from __future__ import annotations

from typing import Final

from sim import attitude, computer, irradiance, payload, power, thermal
from sim.craft import ZERO_C, Craft
from sim.elementwise import Num, Ops
from sim.state import ADCS_DETUMBLE, ADCS_IDLE, Forcing, Knobs, State

BUS_V: Final = 5.0
"""The wheels' rail."""
CURRENT_FIELD_UT: Final = (0.35, -0.2, 0.15)
"""What one ampere of array current adds to each axis of the magnetometer, uT."""
TESLA: Final = 1e6


def step(
    craft: Craft, ops: Ops[Num], s: State[Num], f: Forcing[Num], k: Knobs[Num], dt: float = 1.0
) -> tuple[Num, ...]:
    """Fly `s` through the second that `f` describes and `k` disturbs; returns TRUTH.

    `s` is changed: its fields are replaced, arrays are never written into. Arrays of some thousand satellites are
    quickest; `sim.flight.FLOCK` is the size of the pieces a larger fleet is flown in.
    """
    s.wx = wx = s.wx + k.kick_x
    s.wy = wy = s.wy + k.kick_y
    s.wz = wz = s.wz + k.kick_z
    seen = attitude.look(s, f)
    computer.decide(craft, ops, s, f, k, wx * wx + wy * wy + wz * wz, dt)
    imaging, sending = computer.switches(ops, s.mode, f, k)
    held = attitude.control(craft, ops, s, f, k, seen, dt)
    degrees = attitude.DEGREES
    rates = degrees * (wx + s.gx), degrees * (wy + s.gy), degrees * (wz + s.gz)
    pointing = s.q1, s.q2, s.q3, s.q4
    spun = attitude.RPM / craft.wheel_inertia
    wheels = spun * s.hx, spun * s.hy, spun * s.hz
    off_nadir = attitude.pointing_error(ops, seen)
    away = attitude.nadir_angle(ops, seen)
    attitude.turn(craft, ops, s, f, seen, held, dt)

    ux, uy, uz, _, _, _, sx, sy, sz, bx, by, bz = seen
    e0, e1, e2, e3, e4, e5, f0, f1, f2, f3, f4, f5 = irradiance.faces(
        ops, sx, sy, sz, ux, uy, uz, f.k, f.flux, f.reflected
    )
    light = (e0, e1, e2, e3, e4, e5)
    heat = thermal.absorbed(craft, light, (f0, f1, f2, f3, f4, f5))
    kelvin = (s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz)
    available = power.array_power(power.potential(craft, ops, light, k), kelvin)
    a0, a1, a2, a3, a4, a5 = available
    array = a0 + a1 + a2 + a3 + a4 + a5
    heater = s.heater
    awake = ops.where(s.adcs > ADCS_IDLE, 1.0, 0.0)
    rods = craft.rod_w * (held.mx * held.mx + held.my * held.my + held.mz * held.mz)
    drawn = power.loads(craft, ops, k, heater, imaging, sending, awake, BUS_V * held.wheels_a + rods)
    bus = power.solve_bus(craft, ops, k, s.charge, s.polarisation, s.t_battery, array, drawn.drawn)
    power.charge(craft, ops, s, k, bus, dt)
    thermal.advance(craft, ops, s, k, heat, available, array, drawn, bus, dt)
    s.tx_count = s.tx_count + dt * sending

    warm = (s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz)
    pv_v_x, pv_v_y, pv_v_z, i0, i1, i2, i3, i4, i5 = power.readings(craft, ops, available, warm, bus.used)
    amperes = i0 + i1 + i2 + i3 + i4 + i5
    cx, cy, cz = CURRENT_FIELD_UT
    v_3v3, i_3v3, v_5v, i_5v = power.rails(drawn, s.t_inside)
    celsius = tuple(t - ZERO_C for t in warm)
    return (
        bus.voltage,
        bus.current,
        100.0 * s.counted,
        s.t_battery - ZERO_C,
        s.heater,
        pv_v_x,
        pv_v_y,
        pv_v_z,
        i0,
        i1,
        i2,
        i3,
        i4,
        i5,
        v_3v3,
        i_3v3 + 0.0 * heater,
        v_5v,
        i_5v,
        *celsius,
        s.t_inside - ZERO_C,
        s.t_amplifier - ZERO_C,
        computer.load(ops, s.mode, sending, s.uptime),
        100.0 * computer.filled(ops, s.uptime, s.memory),
        s.uptime,
        s.reboots,
        *rates,
        TESLA * bx + cx * amperes,
        TESLA * by + cy * amperes,
        TESLA * bz + cz * amperes,
        degrees * off_nadir,
        *pointing,
        *wheels,
        held.wheels_a,
        s.adcs if craft.wheels else ops.minimum(s.adcs, ADCS_DETUMBLE),
        s.mode,
        *payload.distances(celsius[0], celsius[1], celsius[2], celsius[3], *rates),
        away,
        sending,
        s.tx_count,
    )
