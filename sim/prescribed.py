"""History by the hour: attitude prescribed, slow states in coarse steps, everything else all seconds at once.

Attitude and rates come from `sim.motion`; temperatures and battery go in steps of four seconds. With the state at
the start of every second known, `sim.plant.step` runs once on arrays over time: what comes out is the live plant's
by construction, and its last second is a state the live plant flies on from. Whatever a healthy satellite on
schedule does not do (a spin, SAFE) is flown second by second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from sim import attitude, irradiance, plant, power, thermal
from sim.craft import Craft
from sim.elementwise import ARRAYS, FLOATS, Floats
from sim.motion import Motion, carried, later, nadir, point, roll, second
from sim.noise import BLOCK_S
from sim.state import ADCS_NADIR, HEALTHY, NOMINAL, PAYLOAD, STATE_FIELDS, Forcing, State, age
from sim.surroundings import Around, Surroundings

CHUNK: Final = 32
"""Blocks worked out at once."""
SLOW_S: Final = 4
"""Step of temperatures and battery."""
NEAR: Final = math.radians(3.0)
"""Pointing error below which the loop is linear."""
ROLLING: Final = 0.02
"""Relative departure from the kept rate that still counts as a steady roll."""
WARM_UP_ORBITS: Final = 6
WARM_UP_STEP_S: Final = 16


class Light(NamedTuple):
    """What the slow states are driven by, one row a second; W."""

    cool: power.Six[Floats]
    heat: power.Six[Floats]
    drawn: power.Loads[Floats]
    """With the heater off."""


def able(craft: Craft, s: State[float], f: Forcing[float]) -> bool:
    """Whether a satellite in state `s` does what can be prescribed: points to the Earth, or rolls evenly."""
    if s.adcs != ADCS_NADIR or s.mode not in {NOMINAL, PAYLOAD}:
        return False
    rate = math.sqrt(s.wx * s.wx + s.wy * s.wy + s.wz * s.wz)
    if craft.wheels:
        return attitude.pointing_error(FLOATS, attitude.look(s, f)) < NEAR and rate < craft.calm
    round_body = max(craft.inertia) == min(craft.inertia) and not any(craft.residual)
    return round_body and abs(rate - craft.kept_rate) < ROLLING * craft.kept_rate


def coast(
    craft: Craft, surroundings: Surroundings, s: State[float], t0_s: int, t1_s: int, satellite: int = 0
) -> Iterator[tuple[int, Floats, Around]]:
    """Fly the healthy satellite through t0_s <= t < t1_s from `s`, which is moved on.

    Yields piece by piece: first second, truth (n, len(TRUTH)), and the surroundings, in which the first of these
    seconds has row `first - around.start_s`.

    Raises:
        ValueError: the orbit does not reach these times.
    """
    t = t0_s
    while t < t1_s:
        first = t // BLOCK_S
        stop = min(t1_s, (first // CHUNK + 1) * CHUNK * BLOCK_S)
        around = surroundings.block(first - 1, (stop - 1) // BLOCK_S - first + 2)
        f, now = _column(around, satellite, stop), t - around.start_s
        truth = _stretch(craft, s, f, now) if able(craft, s, second(f, now)) else None
        yield t, _second_by_second(craft, s, f, now) if truth is None else truth, around
        t = stop


def settled(
    craft: Craft, surroundings: Surroundings, until_s: int, satellite: int = 0, orbits: int = WARM_UP_ORBITS
) -> State[float]:
    """A state for the second `until_s` whose temperatures, battery and wheels repeat from orbit to orbit.

    The orbit before is flown `orbits` times, all but the last in coarse steps.

    Raises:
        ValueError: the orbit does not reach these times.
    """
    start = until_s - round(surroundings.period_s)
    first = start // BLOCK_S - 1
    around = surroundings.block(first, until_s // BLOCK_S - first + 1)
    f, now = _column(around, satellite, until_s + 1), start - around.start_s
    orbit = Forcing(*(column[now:-1] for column in f))
    uptime, reboots = age(surroundings.seed)
    s: State[float] = State(uptime=uptime, reboots=reboots, in_mode_s=60.0)
    share = craft.bias_sigma / craft.attitude_sigma
    s.gx, s.gy, s.gz = (share * float(e[now]) for e in (f.e2, f.e3, f.e1))
    s.tx_count = float(np.sum(orbit.transmit))
    s.mode = PAYLOAD if orbit.payload[-1] > 0.5 else NOMINAL
    if craft.wheels:
        pointed, field = nadir(orbit)
        momentum = (0.0, -craft.inertia[1] * float(orbit.orbit_rate[0]), 0.0)
        for _ in range(orbits):
            momentum = carried(craft, momentum, field, orbit.orbit_rate, now)[1]
        zero = np.zeros_like(orbit.ux)
        motion = Motion(*pointed, zero, -orbit.orbit_rate, zero, *(zero for _ in range(6)))
    else:
        spin = [float(e[now + 1]) for e in (f.e1, f.e2, f.e3, f.g1, f.g2, f.g3)]
        size = craft.kept_rate / math.sqrt(spin[0] ** 2 + spin[1] ** 2 + spin[2] ** 2)
        s.wx, s.wy, s.wz = size * spin[0], size * spin[1], size * spin[2]
        s.q1, s.q2, s.q3, s.q4 = _unit(spin[3], spin[4], spin[5], craft.rate_sigma)
        momentum = (0.0, 0.0, 0.0)
        motion = roll(craft, s, f, now)
        motion = Motion(*(column[:-1] for column in motion))
    light = _light(craft, _over(s, motion, orbit), orbit)
    for _ in range(orbits - 1):
        _slow(craft, s, light, 0, WARM_UP_STEP_S)
    _slow(craft, s, light, 0, SLOW_S)
    if craft.wheels:
        quaternion, _ = nadir(Forcing(*(column[-1:] for column in f)))
        s.q1, s.q2, s.q3, s.q4 = (float(q[0]) for q in quaternion)
        s.wx, s.wy, s.wz = 0.0, -float(f.orbit_rate[-1]), 0.0
        jy = craft.inertia[1]
        s.hx, s.hy, s.hz = momentum[0], momentum[1] - jy * s.wy, momentum[2]
        motion = point(craft, s, f, f.ux.size - 1)
    else:
        motion = Motion(*(column[-1:] for column in roll(craft, s, f, now)))
    for name, column in zip(Motion._fields, motion, strict=True):
        setattr(s, name, float(column[0]))
    return s


def _unit(a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
    size = math.sqrt(a * a + b * b + c * c + d * d)
    return a / size, b / size, c / size, d / size


def _column(around: Around, satellite: int, stop: int) -> Forcing[Floats]:
    """The forcing of one satellite up to second `stop`."""
    rows = stop - around.start_s
    return Forcing(*(np.ascontiguousarray(column[:rows, satellite]) for column in around.forcing))


def _second_by_second(craft: Craft, s: State[float], f: Forcing[Floats], now: int) -> Floats:
    rows: list[list[float]] = np.stack(f, axis=1)[now:].tolist()
    return np.array([plant.step(craft, FLOATS, s, Forcing[float](*row), HEALTHY) for row in rows])


def _stretch(craft: Craft, s: State[float], f: Forcing[Floats], now: int) -> Floats | None:
    """Truth of the rows from `now` on, and `s` moved on.

    None, and `s` as it was, where the computer decides otherwise than by schedule.
    """
    here = Forcing(*(column[now:] for column in f))
    motion = point(craft, s, f, now) if craft.wheels else roll(craft, s, f, now)
    over = _over(s, motion, here)
    light = _light(craft, over, here)
    slow = replace(s)
    for name, column in _slow(craft, slow, light, now, SLOW_S).items():
        setattr(over, name, column)
    over.heater = thermal.thermostat(craft, ARRAYS, over.t_battery, over.heater)
    scheduled = over.mode
    truth = plant.step(craft, ARRAYS, over, here, HEALTHY)
    if not np.array_equal(over.mode[:-1], scheduled[1:]) or not np.all(over.adcs == ADCS_NADIR):
        return None
    for name in STATE_FIELDS:
        setattr(s, name, float(getattr(over, name)[-1]))
    return np.stack(np.broadcast_arrays(*truth), axis=1)


def _over(s: State[float], motion: Motion, here: Forcing[Floats]) -> State[Floats]:
    """The state at the beginning of each second, but for temperatures and battery: those of `s`."""
    n = here.ux.size
    seconds = np.arange(n, dtype=np.float64)
    over: State[Floats] = State(*(np.full(n, value) for value in s.as_list()))
    for name, column in zip(Motion._fields, motion, strict=True):
        setattr(over, name, column)
    seen = attitude.look(over, here)
    over.bx, over.by, over.bz = later(s.bx, seen.bx), later(s.by, seen.by), later(s.bz, seen.bz)
    mode = np.where(here.payload > 0.5, PAYLOAD, NOMINAL)
    over.mode = later(s.mode, mode)
    changed = np.where(over.mode != mode, seconds, -1.0 - s.in_mode_s)
    over.in_mode_s = later(s.in_mode_s, seconds - np.maximum.accumulate(changed))
    over.uptime = s.uptime + seconds
    over.tx_count = s.tx_count + later(0.0, np.cumsum(here.transmit))
    return over


def _light(craft: Craft, over: State[Floats], here: Forcing[Floats]) -> Light:
    """What light and loads do to the slow states, for attitudes and momenta known at every second."""
    seen = attitude.look(over, here)
    held = attitude.control(craft, ARRAYS, over, here, HEALTHY, seen, 1.0)
    e0, e1, e2, e3, e4, e5, f0, f1, f2, f3, f4, f5 = irradiance.faces(
        ARRAYS, seen.sx, seen.sy, seen.sz, seen.ux, seen.uy, seen.uz, here.k, here.flux, here.reflected
    )
    light = (e0, e1, e2, e3, e4, e5)
    rods = craft.rod_w * (held.mx * held.mx + held.my * held.my + held.mz * held.mz)
    off = np.zeros_like(here.payload)
    return Light(
        power.potential(craft, ARRAYS, light, HEALTHY),
        thermal.absorbed(craft, light, (f0, f1, f2, f3, f4, f5)),
        power.loads(
            craft, ARRAYS, HEALTHY, off, here.payload, here.transmit, 1.0, plant.BUS_V * held.wheels_a + rods
        ),
    )


_SLOW: Final = (
    "t_px",
    "t_mx",
    "t_py",
    "t_my",
    "t_pz",
    "t_mz",
    "t_inside",
    "t_battery",
    "t_amplifier",
    "charge",
    "polarisation",
    "counted",
    "voltage",
    "heater",
)


def _slow(craft: Craft, s: State[float], light: Light, now: int, step_s: int) -> dict[str, Floats]:
    """Move temperatures and battery of `s` on through all rows, and return them at the beginning of every row.

    Steps end at whole multiples of `step_s` of a clock that shows `now` at the first row.
    """
    n = light.cool[0].size
    starts = np.arange(-(now % step_s), n, step_s).clip(0)
    sizes = np.diff(np.append(starts, n)).astype(np.float64)
    drawn = light.drawn
    columns = (*light.cool, *light.heat, drawn.drawn, drawn.amplifier_w, drawn.radiated_w)
    means = np.add.reduceat(np.stack([np.broadcast_to(c, n) for c in columns]), starts, axis=1) / sizes
    heater_w, drawn_w = craft.heater_w, craft.heater_w / power.REGULATOR
    found: Callable[..., power.Loads[float]] = power.Loads
    array_power, solve_bus = power.array_power, power.solve_bus
    kept: list[tuple[float, ...]] = []
    for row, dt in zip(means.T.tolist(), sizes.tolist(), strict=True):
        c0, c1, c2, c3, c4, c5, h0, h1, h2, h3, h4, h5, load, amplifier, radiated = row
        heater = s.heater
        kelvin = (s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz)
        rest = (s.t_inside, s.t_battery, s.t_amplifier, s.charge, s.polarisation, s.counted, s.voltage, heater)
        kept.append(kelvin + rest)
        available = array_power((c0, c1, c2, c3, c4, c5), kelvin)
        a0, a1, a2, a3, a4, a5 = available
        array = a0 + a1 + a2 + a3 + a4 + a5
        load += drawn_w * heater
        bus = solve_bus(craft, FLOATS, HEALTHY, s.charge, s.polarisation, s.t_battery, array, load)
        power.charge(craft, FLOATS, s, HEALTHY, bus, dt)
        taken = found(load, 0.0, 0.0, heater_w * heater, amplifier, radiated)
        heat = (h0, h1, h2, h3, h4, h5)
        thermal.advance(craft, FLOATS, s, HEALTHY, heat, available, array, taken, bus, dt)
    kept.append(tuple(getattr(s, name) for name in _SLOW))
    table = np.array(kept).T
    step = np.repeat(np.arange(starts.size), sizes.astype(np.intp))
    part = (np.arange(n) - starts[step]) / sizes[step]
    within = table[:, step] + part * (table[:, 1:] - table[:, :-1])[:, step]
    within[-1] = table[-1, step]
    return dict(zip(_SLOW, within, strict=True))
