"""How a satellite that does as it should turns, second by second without stepping through the seconds.

The pointing loop answers the errors of its sensors linearly: its impulse response, asked of `sim.attitude`'s own
controller, folded with the same counter-based noise gives attitude and rates of every second. The wheels' momentum
has a memory of minutes and goes in steps. A satellite without wheels rolls on evenly.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Final, NamedTuple, cast

import numpy as np

from sim import attitude
from sim.craft import Craft
from sim.elementwise import ARRAYS, FLOATS, Floats, Num
from sim.noise import BLOCK_S
from sim.state import HEALTHY, Forcing, State

MEMORY_S: Final = BLOCK_S
"""Length of the impulse response; less than 1e-4 of it is left by then."""
MOMENTUM_S: Final = 8
"""Step of the wheels' momentum."""

Three = tuple[Floats, Floats, Floats]
Momentum = tuple[float, float, float]


class Response(NamedTuple):
    """The pointing loop's answer to one radian of attitude error in one second, about each axis."""

    tilt: Floats
    """Rotation away from the nadir frame 1, 2 ... seconds later, rad, shape (3, MEMORY_S)."""
    rate: Floats
    """Its rate, rad/s, same shape."""
    gyro: Floats
    """Attitude error that works like one rad/s of error of the rate, shape (3,)."""
    push: Floats
    """Attitude error that works like a disturbance of one rad/s2 through the second, shape (3,)."""


class Motion(NamedTuple):
    """The fast states at the beginning of each second, as in `State`, shape (n,) each."""

    q1: Floats
    q2: Floats
    q3: Floats
    q4: Floats
    wx: Floats
    wy: Floats
    wz: Floats
    hx: Floats
    hy: Floats
    hz: Floats
    gx: Floats
    gy: Floats
    gz: Floats


@cache
def response(craft: Craft) -> Response:
    """Ask the controller: disturb it for one second, in a frame at rest, without field and gravity gradient."""
    still = replace(craft, desaturation=0.0, residual=(0.0, 0.0, 0.0), bias_sigma=0.0)
    small = 1e-6
    calm = Forcing(**(dict.fromkeys(Forcing._fields, 0.0) | {"uz": -1.0, "ny": -1.0, "sx": 1.0, "bx": 3e-5}))
    answers: list[Floats] = []
    for names in (("e1", "e2", "e3"), ("g1", "g2", "g3")):
        s: State[float] = State()
        f = calm._replace(**dict.fromkeys(names, small))
        rows: list[tuple[float, ...]] = []
        for _ in range(MEMORY_S):
            seen = attitude.look(s, f)
            held = attitude.control(still, FLOATS, s, f, HEALTHY, seen, 1.0)
            attitude.turn(still, FLOATS, s, f, seen, held, 1.0)
            rows.append((2.0 * s.q1, 2.0 * s.q2, 2.0 * s.q3, s.wx, s.wy, s.wz))
            f = calm
        answers.append(np.array(rows, dtype=np.float64).T / small)
    attitude_error, rate_error = answers
    first = attitude_error[3:, 0]
    return Response(attitude_error[:3], attitude_error[3:], rate_error[3:, 0] / first, 1.0 / first)


def nadir(here: Forcing[Floats]) -> tuple[tuple[Floats, Floats, Floats, Floats], Three]:
    """Quaternion of the nadir frame, and the field in it (T)."""
    q1, q2, q3, q4 = attitude.nadir_quaternion(ARRAYS, here.ux, here.uy, here.uz, here.nx, here.ny, here.nz)
    seen = attitude.look(State(q1, q2, q3, q4), here)
    return (q1, q2, q3, q4), (seen.bx, seen.by, seen.bz)


def point(craft: Craft, s: State[float], f: Forcing[Floats], now: int) -> Motion:
    """Motion of a satellite with wheels from row `now` on; the rows before are what the loop still remembers.

    What turns the satellite away from the nadir frame: errors of attitude and rate, the biases of the gyros, and
    the torques of field, unloading and of the momentum it carries around the orbit.
    """
    answer = response(craft)
    here = Forcing(*(column[now:] for column in f))
    quaternion, field = nadir(here)
    rate = here.orbit_rate
    jx, jy, jz = craft.inertia

    seen = attitude.look(s, second(f, now))
    tilt = (
        0.5 * (seen.nz - seen.uy),
        0.5 * (seen.nx * seen.uy - seen.ny * seen.ux + seen.ux),
        0.5 * (seen.nx * seen.uz - seen.nz * seen.ux - seen.nx),
    )
    whole = (s.hx + jx * s.wx, s.hy + jy * s.wy, s.hz + jz * s.wz)
    turned = _cross(*tilt, *whole)
    begin = (whole[0] + turned[0], whole[1] + turned[1], whole[2] + turned[2])
    (lx, ly, lz), _ = carried(craft, begin, field, rate, now)

    bias = _biases(craft, s, here)
    torques = torque(craft, (lx, ly, lz), field, rate)
    tilts: list[Floats] = []
    rates: list[Floats] = []
    for axis, (e, g) in enumerate(((f.e1, f.g1), (f.e2, f.g2), (f.e3, f.g3))):
        slow = answer.gyro[axis] * bias[axis] + answer.push[axis] / craft.inertia[axis] * torques[axis]
        told = e[now - MEMORY_S :] + answer.gyro[axis] * g[now - MEMORY_S :]
        told[MEMORY_S:] += slow
        told[:MEMORY_S] += slow[0]
        tilts.append(_folded(told, answer.tilt[axis]))
        rates.append(_folded(told, answer.rate[axis]))

    px, py, pz = tilts
    wx, wy, wz = rates[0] - rate * pz, rates[1] - rate, rates[2] + rate * px
    tx, ty, tz = _cross(px, py, pz, lx, ly, lz)
    c = np.sqrt(1.0 - 0.25 * (px * px + py * py + pz * pz))
    q1, q2, q3, q4 = _steady(s, _turned(*quaternion, 0.5 * px, 0.5 * py, 0.5 * pz, c))
    hx, hy, hz = lx - tx - jx * wx, ly - ty - jy * wy, lz - tz - jz * wz
    return Motion(q1, q2, q3, q4, wx, wy, wz, hx, hy, hz, *bias)


def _folded(told: Floats, answer: Floats) -> Floats:
    """What is left of each row's past."""
    return cast(Floats, np.convolve(told[:-1], answer, "valid"))


def roll(craft: Craft, s: State[float], f: Forcing[Floats], now: int) -> Motion:
    """Motion of a satellite that goes on turning about an axis fixed in body and space."""
    here = Forcing(*(column[now:] for column in f))
    n = here.ux.size
    size = math.sqrt(s.wx * s.wx + s.wy * s.wy + s.wz * s.wz)
    half = (0.5 * size) * np.arange(n, dtype=np.float64)
    sine = np.sin(half) / size
    q1, q2, q3, q4 = (np.full(n, q) for q in (s.q1, s.q2, s.q3, s.q4))
    turned = _turned(q1, q2, q3, q4, sine * s.wx, sine * s.wy, sine * s.wz, np.cos(half))
    wx, wy, wz, hx, hy, hz = (np.full(n, value) for value in (s.wx, s.wy, s.wz, s.hx, s.hy, s.hz))
    return Motion(*turned, wx, wy, wz, hx, hy, hz, *_biases(craft, s, here))


def _turned(
    q1: Floats, q2: Floats, q3: Floats, q4: Floats, x: Floats, y: Floats, z: Floats, c: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """An attitude turned on about body axes; (x, y, z, c) is the quaternion of the turn."""
    return (
        c * q1 + (z * q2 - y * q3 + x * q4),
        c * q2 + (x * q3 - z * q1 + y * q4),
        c * q3 + (y * q1 - x * q2 + z * q4),
        c * q4 - (x * q1 + y * q2 + z * q3),
    )


def _steady(s: State[float], q: tuple[Floats, Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats, Floats]:
    """The same attitudes without jumps between q and -q, beginning on the side of `s`."""
    before = (s.q1, s.q2, s.q3, s.q4)
    along = sum(later(first, column) * column for first, column in zip(before, q, strict=True))
    sign = np.cumprod(np.where(along < 0.0, -1.0, 1.0))
    return sign * q[0], sign * q[1], sign * q[2], sign * q[3]


def _biases(craft: Craft, s: State[float], here: Forcing[Floats]) -> Three:
    """Gyro biases at the beginning of every second: the walk of `sim.attitude.turn` in closed form."""
    fade = 1.0 - 1.0 / craft.bias_time_s
    walk = craft.bias_sigma * math.sqrt(2.0 / craft.bias_time_s) / craft.attitude_sigma
    powers = fade ** np.arange(here.ux.size, dtype=np.float64)

    def walked(first: float, error: Floats) -> Floats:
        return powers * (first + later(0.0, np.cumsum(walk / fade * error / powers)))

    return walked(s.gx, here.e2), walked(s.gy, here.e3), walked(s.gz, here.e1)


def _cross(ax: Num, ay: Num, az: Num, bx: Num, by: Num, bz: Num) -> tuple[Num, Num, Num]:
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def later(first: float, column: Floats) -> Floats:
    """`column` one row later, beginning with `first`."""
    return np.concatenate(((first,), column[:-1]))


def second(f: Forcing[Floats], row: int) -> Forcing[float]:
    """One row of `f` as floats."""
    return Forcing(*(float(column[row]) for column in f))


def torque(craft: Craft, momentum: Three, field: Three, rate: Floats) -> Three:
    """What turns a pointing satellite that carries `momentum` (wheels and body) around the orbit, N m.

    Residual moment and unloading in the `field`, m = c (h x B) / |B|^2, so that m x B = -c times what of h lies
    across the field; and -w x momentum in a frame that turns with the orbit.
    """
    lx, ly, lz = momentum
    bx, by, bz = field
    rx, ry, rz = craft.residual
    c = craft.desaturation
    hy = ly + craft.inertia[1] * rate
    along = c * (lx * bx + hy * by + lz * bz) / (bx * bx + by * by + bz * bz)
    return (
        ry * bz - rz * by + along * bx - c * lx + rate * lz,
        rz * bx - rx * bz + along * by - c * hy,
        rx * by - ry * bx + along * bz - c * lz - rate * lx,
    )


def carried(craft: Craft, begin: Momentum, field: Three, rate: Floats, now: int) -> tuple[Three, Momentum]:
    """Momentum of wheels and body in the nadir frame at the beginning of every second, and after the last.

    Midpoint rule; steps end at whole multiples of MOMENTUM_S of a clock that shows `now` at the first row.
    """
    n = rate.size
    ends = np.append(np.arange(MOMENTUM_S - now % MOMENTUM_S, n, MOMENTUM_S), n)
    begins = np.append(0, ends[:-1])
    middle = (begins + ends) // 2
    bx, by, bz, w = (column[middle] for column in (*field, rate))
    rx, ry, rz = craft.residual
    c = craft.desaturation / (bx * bx + by * by + bz * bz)
    own = craft.inertia[1] * w
    # momentum' = A momentum + r, row by row: residual and unloading in the field, and the turning frame
    xx, xy, xz = c * bx * bx - craft.desaturation, c * bx * by, c * bx * bz
    yy, yz, zz = c * by * by - craft.desaturation, c * by * bz, c * bz * bz - craft.desaturation
    r0 = ry * bz - rz * by + xy * own
    r1 = rz * bx - rx * bz + yy * own
    r2 = rx * by - ry * bx + yz * own
    x, y, z = begin
    kept = [begin]
    steps = np.stack((ends - begins, xx, xy, xz + w, yy, yz, xz - w, zz, r0, r1, r2), axis=1)
    for dt, axx, axy, axz, ayy, ayz, azx, azz, p, q, r in steps.tolist():
        half = 0.5 * dt
        u = x + half * (axx * x + axy * y + axz * z + p)
        v = y + half * (axy * x + ayy * y + ayz * z + q)
        o = z + half * (azx * x + ayz * y + azz * z + r)
        x, y, z = (
            x + dt * (axx * u + axy * v + axz * o + p),
            y + dt * (axy * u + ayy * v + ayz * o + q),
            z + dt * (azx * u + ayz * v + azz * o + r),
        )
        kept.append((x, y, z))
    when = np.append(0, ends)
    seconds = np.arange(n, dtype=np.float64)
    table = np.array(kept, dtype=np.float64).T
    lx, ly, lz = (cast(Floats, np.interp(seconds, when, row)) for row in table)
    return (lx, ly, lz), (x, y, z)
