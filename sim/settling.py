"""A fleet's warm-up: temperatures and batteries brought to where they repeat every orbit, all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sim import motion
from sim.craft import Craft
from sim.elementwise import ARRAYS, Floats
from sim.noise import BLOCK_S, PLANT, normals
from sim.plant import step
from sim.state import HEALTHY, Forcing, State, age
from sim.surroundings import Surroundings

COARSE_S: Final = 16
ORBITS: Final = 3
LIVE_S: Final = BLOCK_S
"""Flown second by second at the end, so that attitudes have the unrest of pointing satellites."""


def settled_fleet(craft: Craft, surroundings: Surroundings, until_s: int) -> Iterator[State[Floats] | None]:
    """Fly the orbit before `until_s` some times in coarse steps; what comes last is the state at `until_s`.

    None comes before it after every few steps, for the caller to give way to others.

    Raises:
        ValueError: an orbit does not reach these times.
    """
    end = until_s - LIVE_S
    start = end - round(surroundings.period_s) // COARSE_S * COARSE_S
    satellites = len(surroundings)
    zero = np.zeros(satellites)
    s: State[Floats] = State(*(zero + value for value in State().as_list()))
    uptime, reboots = age(surroundings.seed)
    s.uptime, s.reboots = s.uptime + uptime, s.reboots + reboots
    s.in_mode_s += 60.0
    draws = normals(surroundings.seed, PLANT, -1, surroundings.numbers, 6)[:, 0].astype(np.float64).T
    axis = draws[:3] / np.sqrt(np.sum(draws[:3] ** 2, axis=0))
    if not craft.wheels:
        s.q1, s.q2, s.q3, s.q4 = _unit(np.concatenate((draws[3:], draws[:1])))
    orbit: list[Forcing[Floats]] = []
    for t in range(start, end, COARSE_S):
        around = surroundings.block(t // BLOCK_S)
        orbit.append(Forcing(*(column.copy() for column in around.table[:, t - around.start_s])))
        if len(orbit) % 4 == 0:
            yield None
    for _ in range(ORBITS):
        for number, f in enumerate(orbit):
            _aim(craft, s, f, axis)
            step(craft, ARRAYS, s, f, HEALTHY, float(COARSE_S))
            if number % 4 == 0:
                yield None
    _aim(craft, s, orbit[-1], axis)
    for t in range(end, until_s):
        around = surroundings.block(t // BLOCK_S)
        f = Forcing(*around.table[:, t - around.start_s])
        if t == end:
            _aim(craft, s, f, axis)
        step(craft, ARRAYS, s, f, HEALTHY)
    yield s


def _aim(craft: Craft, s: State[Floats], f: Forcing[Floats], axis: Floats) -> None:
    """A step of many seconds would upset the controller: begin each as the satellite flies when all is well."""
    if craft.wheels:
        s.q1, s.q2, s.q3, s.q4 = motion.nadir(f)[0]
        s.wx, s.wy, s.wz = 0.0 * f.ux, -f.orbit_rate, 0.0 * f.ux
        s.hx, s.hy, s.hz = 0.0 * f.ux, 0.0 * f.ux, 0.0 * f.ux
    else:
        s.wx, s.wy, s.wz = craft.kept_rate * axis


def _unit(four: Floats) -> Floats:
    return four / np.sqrt(np.sum(four * four, axis=0))
