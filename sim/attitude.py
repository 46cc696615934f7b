"""How the satellite turns: rigid body, wheels, magnetorquers, and the controller that keeps +Z to the Earth.

    J w' = tau + m x B + 3 mu / r^3 u x (J u) - w x (J w + h),   h' = -tau,   q' = 1/2 Omega(w) q

in body axes, with tau the wheels' torque on the body, h their momentum, m the magnetic moment, u the unit vector
from the Earth (Wertz, Spacecraft Attitude Determination and Control, 1978, ch. 16 and 18). The rate moves by the
midpoint rule, the attitude by the exact rotation of the mean rate. The controller runs once a second and holds its
torques; the body turns in two half steps while it spins fast. All arithmetic but one arccosine is + - * / and
square roots, so that floats and arrays give the same bits.
"""

from __future__ import annotations

import math
from typing import Final, Generic, NamedTuple

from sim.craft import Craft
from sim.elementwise import Num, Ops
from sim.state import ADCS_DETUMBLE, ADCS_IDLE, ADCS_NADIR, Forcing, Knobs, State

EARTH_RATE2: Final = 3.986004418e14 / 6_378_137.0**3
"""mu / Re^3, 1/s2."""
FAST: Final = math.radians(3.0) ** 2
"""Square of the rate above which a second is flown in two half steps."""
SMOOTH: Final = 5.0
"""rad/s over which a wheel's dry friction changes sign."""
DEGREES: Final = 180.0 / math.pi
RPM: Final = 30.0 / math.pi
TINY: Final = 1e-30


class Seen(NamedTuple, Generic[Num]):
    """Directions in body axes: away from the Earth, orbit normal, Sun (unit vectors), and the field (T)."""

    ux: Num
    uy: Num
    uz: Num
    nx: Num
    ny: Num
    nz: Num
    sx: Num
    sy: Num
    sz: Num
    bx: Num
    by: Num
    bz: Num


class Torques(NamedTuple, Generic[Num]):
    """What the controller asks for and holds for a second: wheels' torque on the body, magnetic moment."""

    tx: Num
    ty: Num
    tz: Num
    mx: Num
    my: Num
    mz: Num
    wheels_a: Num
    """Current of the wheels, A."""


def look(s: State[Num], f: Forcing[Num]) -> Seen[Num]:
    """The surroundings as seen from the body of `s`."""
    q1, q2, q3, q4 = s.q1, s.q2, s.q3, s.q4
    a, b, c = q1 + q1, q2 + q2, q3 + q3
    a1, a2, a3, a4 = a * q1, a * q2, a * q3, a * q4
    b2, b3, b4 = b * q2, b * q3, b * q4
    c3, c4 = c * q3, c * q4
    xx, xy, xz = 1.0 - (b2 + c3), a2 + c4, a3 - b4
    yx, yy, yz = a2 - c4, 1.0 - (a1 + c3), b3 + a4
    zx, zy, zz = a3 + b4, b3 - a4, 1.0 - (a1 + b2)
    u, v, w = f.ux, f.uy, f.uz
    n, o, p = f.nx, f.ny, f.nz
    d, e, g = f.sx, f.sy, f.sz
    i, j, k = f.bx, f.by, f.bz
    return Seen(
        xx * u + xy * v + xz * w,
        yx * u + yy * v + yz * w,
        zx * u + zy * v + zz * w,
        xx * n + xy * o + xz * p,
        yx * n + yy * o + yz * p,
        zx * n + zy * o + zz * p,
        xx * d + xy * e + xz * g,
        yx * d + yy * e + yz * g,
        zx * d + zy * e + zz * g,
        xx * i + xy * j + xz * k,
        yx * i + yy * j + yz * k,
        zx * i + zy * j + zz * k,
    )


def nadir_quaternion(
    ops: Ops[Num], ux: Num, uy: Num, uz: Num, nx: Num, ny: Num, nz: Num
) -> tuple[Num, Num, Num, Num]:
    """The attitude (q1..q4) that points +Z to the Earth and -Y along the orbit normal; inertial unit vectors.

    Shepperd's method: the largest of the four components divides the others.
    """
    xx, xy, xz = ny * uz - nz * uy, nz * ux - nx * uz, nx * uy - ny * ux
    trace = xx - ny - uz
    d1, d2, d3 = 1.0 + xx + ny + uz, 1.0 - xx - ny + uz, 1.0 - xx + ny - uz
    d4 = 1.0 + trace
    p12, p13, p23 = xy - nx, xz - ux, -nz - uy
    p14, p24, p34 = -nz + uy, -ux - xz, xy + nx
    where = ops.where
    first = d1 >= ops.maximum(ops.maximum(d2, d3), d4)
    second = d2 >= ops.maximum(d3, d4)
    third = d3 >= d4
    q1 = where(first, d1, where(second, p12, where(third, p13, p14)))
    q2 = where(first, p12, where(second, d2, where(third, p23, p24)))
    q3 = where(first, p13, where(second, p23, where(third, d3, p34)))
    q4 = where(first, p14, where(second, p24, where(third, p34, d4)))
    size = ops.sqrt(q1 * q1 + q2 * q2 + q3 * q3 + q4 * q4)
    return q1 / size, q2 / size, q3 / size, q4 / size


def pointing_error(ops: Ops[Num], seen: Seen[Num]) -> Num:
    """Angle of the rotation between the body and the nadir frame, rad."""
    trace = (seen.ny * seen.uz - seen.nz * seen.uy) - seen.ny - seen.uz
    return ops.arccos(ops.maximum(-1.0, ops.minimum(1.0, 0.5 * (trace - 1.0))))


def nadir_angle(ops: Ops[Num], seen: Seen[Num]) -> Num:
    """Angle between body +Z and nadir, rad."""
    return ops.arccos(ops.maximum(-1.0, ops.minimum(1.0, -seen.uz)))


def control(
    craft: Craft, ops: Ops[Num], s: State[Num], f: Forcing[Num], k: Knobs[Num], seen: Seen[Num], dt: float
) -> Torques[Num]:
    """Torques for this second in the attitude mode of `s`, and the wheels' current.

    Nadir: tau = J (kp e - kd (w - w_ref)) on measured attitude and rate, with e, half the sum of the axes' cross
    products, held to what `slew` allows; magnetorquers unload the wheels by m = c (h x B) / |B|^2. Detumble:
    m = -g dB/dt, times 1 - (kept / |w|)^2 for a satellite that shall go on rolling.
    """
    ux, uy, uz, nx, ny, nz, _, _, _, bx, by, bz = seen
    minimum, maximum, where = ops.minimum, ops.maximum, ops.where
    dipole = craft.dipole_max
    wx, wy, wz = s.wx, s.wy, s.wz
    mx = my = mz = tx = ty = tz = amperes = 0.0 * wx

    magnetic = (s.adcs == ADCS_DETUMBLE) if craft.wheels else (s.adcs > ADCS_IDLE)
    if ops.any(magnetic):
        known = s.bx * s.bx + s.by * s.by + s.bz * s.bz > TINY
        gain = where(magnetic & known, -craft.detumble_gain / dt, 0.0)
        if craft.kept_rate:
            w2 = maximum(wx * wx + wy * wy + wz * wz, TINY)
            gain = gain * maximum(-1.0, 1.0 - craft.kept_rate * craft.kept_rate / w2)
        mx, my, mz = gain * (bx - s.bx), gain * (by - s.by), gain * (bz - s.bz)

    nadir = s.adcs == ADCS_NADIR
    if craft.wheels and ops.any(nadir):
        on = where(nadir, 1.0, 0.0)
        hx, hy, hz = s.hx, s.hy, s.hz
        ex = 0.5 * (uy - nz) + f.e1
        ey = 0.5 * (ny * ux - nx * uy - ux) + f.e2
        ez = 0.5 * (nz * ux - nx * uz + nx) + f.e3
        most = craft.slew * craft.kd / craft.kp
        pull = craft.kp * minimum(1.0, most / ops.sqrt(ex * ex + ey * ey + ez * ez + TINY))
        rx = wx + s.gx + f.g1
        ry = wy + s.gy + f.g2 + f.orbit_rate
        rz = wz + s.gz + f.g3
        jx, jy, jz = craft.inertia
        kd, limit = craft.kd, craft.wheel_torque
        tx = on * minimum(limit, maximum(-limit, jx * (pull * ex - kd * rx)))
        ty = on * minimum(limit, maximum(-limit, jy * (pull * ey - kd * ry)))
        tz = on * minimum(limit, maximum(-limit, jz * (pull * ez - kd * rz)))
        unload = on * craft.desaturation / (bx * bx + by * by + bz * bz)
        mx = mx + unload * (hy * bz - hz * by)
        my = my + unload * (hz * bx - hx * bz)
        mz = mz + unload * (hx * by - hy * bx)

    mx = minimum(dipole, maximum(-dipole, mx))
    my = minimum(dipole, maximum(-dipole, my))
    mz = minimum(dipole, maximum(-dipole, mz))
    if craft.wheels:
        ox, oy, oz = s.hx / craft.wheel_inertia, s.hy / craft.wheel_inertia, s.hz / craft.wheel_inertia
        dry, wet = craft.wheel_coulomb, craft.wheel_viscous
        fx = ox * (dry / (abs(ox) + SMOOTH) + wet)
        fy = oy * (dry / (abs(oy) + SMOOTH) + wet)
        fz = oz * (dry / (abs(oz) + SMOOTH) + wet)
        driven = where(s.adcs > ADCS_IDLE, 1.0 / craft.motor_constant, 0.0)
        rubbed = k.friction
        amperes = driven * (abs(rubbed * fx - tx) + abs(rubbed * fy - ty) + abs(rubbed * fz - tz))
        if ops.any(k.friction != 1.0):
            slipping = craft.wheel_uncompensated * (k.friction - 1.0)
            tx, ty, tz = tx + slipping * fx, ty + slipping * fy, tz + slipping * fz
        most = craft.wheel_inertia * craft.wheel_speed
        tx = (s.hx - minimum(most, maximum(-most, s.hx - dt * tx))) / dt
        ty = (s.hy - minimum(most, maximum(-most, s.hy - dt * ty))) / dt
        tz = (s.hz - minimum(most, maximum(-most, s.hz - dt * tz))) / dt
    return Torques(tx, ty, tz, mx, my, mz, amperes)


Moved = tuple[Num, Num, Num, Num, Num, Num, Num, Num, Num, Num]


def _turn(
    craft: Craft, s: State[Num], f: Forcing[Num], seen: Seen[Num], held: Torques[Num], dt: Num | float
) -> Moved[Num]:
    """Rates, wheel momenta and attitude of `s` after `dt` seconds."""
    ux, uy, uz, _, _, _, _, _, _, bx, by, bz = seen
    tx, ty, tz, mx, my, mz, _ = held
    jx, jy, jz = craft.inertia
    rx, ry, rz = craft.residual
    wx, wy, wz = s.wx, s.wy, s.wz
    hx, hy, hz = s.hx, s.hy, s.hz
    mx, my, mz = mx + rx, my + ry, mz + rz
    gradient = (3.0 * EARTH_RATE2) * f.k * f.k * f.k
    ax = tx + my * bz - mz * by + (gradient * (jz - jy)) * uy * uz
    ay = ty + mz * bx - mx * bz + (gradient * (jx - jz)) * uz * ux
    az = tz + mx * by - my * bx + (gradient * (jy - jx)) * ux * uy

    half = 0.5 * dt
    lx, ly, lz = jx * wx + hx, jy * wy + hy, jz * wz + hz
    vx = wx + half / jx * (ax - (wy * lz - wz * ly))
    vy = wy + half / jy * (ay - (wz * lx - wx * lz))
    vz = wz + half / jz * (az - (wx * ly - wy * lx))
    lx, ly, lz = jx * vx + (hx - half * tx), jy * vy + (hy - half * ty), jz * vz + (hz - half * tz)
    wx = wx + dt / jx * (ax - (vy * lz - vz * ly))
    wy = wy + dt / jy * (ay - (vz * lx - vx * lz))
    wz = wz + dt / jz * (az - (vx * ly - vy * lx))

    # sin and cos of half the angle as series: right to 1e-13 at 20 deg/s, and the quaternion is made unit again
    x = half * vx
    y = half * vy
    z = half * vz
    a = x * x + y * y + z * z
    cosine = 1.0 - a * (0.5 - a * (1.0 / 24.0 - a * (1.0 / 720.0)))
    sine = 1.0 - a * (1.0 / 6.0 - a * (1.0 / 120.0 - a * (1.0 / 5040.0)))
    x, y, z = sine * x, sine * y, sine * z
    q1, q2, q3, q4 = s.q1, s.q2, s.q3, s.q4
    p1 = cosine * q1 + (z * q2 - y * q3 + x * q4)
    p2 = cosine * q2 + (x * q3 - z * q1 + y * q4)
    p3 = cosine * q3 + (y * q1 - x * q2 + z * q4)
    p4 = cosine * q4 - (x * q1 + y * q2 + z * q3)
    unit = 1.5 - 0.5 * (p1 * p1 + p2 * p2 + p3 * p3 + p4 * p4)
    return (
        wx,
        wy,
        wz,
        hx - dt * tx,
        hy - dt * ty,
        hz - dt * tz,
        unit * p1,
        unit * p2,
        unit * p3,
        unit * p4,
    )


def turn(
    craft: Craft,
    ops: Ops[Num],
    s: State[Num],
    f: Forcing[Num],
    seen: Seen[Num],
    held: Torques[Num],
    dt: float,
) -> None:
    """Move attitude, rates, wheels and gyro biases of `s` on by `dt` seconds under torques that are held.

    A gyro's bias walks in the errors of another axis of the attitude sensor: a random number is as good twice.
    """
    s.bx, s.by, s.bz = seen.bx, seen.by, seen.bz
    fast = s.wx * s.wx + s.wy * s.wy + s.wz * s.wz > FAST
    if ops.any(fast):
        first = ops.where(fast, 0.5 * dt, dt)
        _put(s, _turn(craft, s, f, seen, held, first))
        moved = _turn(craft, s, f, look(s, f), held, 0.5 * dt)
        before = (s.wx, s.wy, s.wz, s.hx, s.hy, s.hz, s.q1, s.q2, s.q3, s.q4)
        wx, wy, wz, hx, hy, hz, q1, q2, q3, q4 = (
            ops.where(fast, new, old) for new, old in zip(moved, before, strict=True)
        )
        _put(s, (wx, wy, wz, hx, hy, hz, q1, q2, q3, q4))
    else:
        _put(s, _turn(craft, s, f, seen, held, dt))
    fade = 1.0 - dt / craft.bias_time_s
    walk = craft.bias_sigma * math.sqrt(2.0 * dt / craft.bias_time_s) / craft.attitude_sigma
    s.gx, s.gy, s.gz = fade * s.gx + walk * f.e2, fade * s.gy + walk * f.e3, fade * s.gz + walk * f.e1


def _put(s: State[Num], moved: Moved[Num]) -> None:
    s.wx, s.wy, s.wz, s.hx, s.hy, s.hz, s.q1, s.q2, s.q3, s.q4 = moved
