"""The on-board computer: which mode it is in and why, what is switched on, its load, memory and restarts."""

from __future__ import annotations

from typing import Final

from sim.craft import ZERO_C, Craft
from sim.elementwise import Num, Ops
from sim.state import (
    ADCS_DETUMBLE,
    ADCS_IDLE,
    ADCS_NADIR,
    BOOT,
    DETUMBLE,
    NOMINAL,
    PAYLOAD,
    SAFE,
    Forcing,
    Knobs,
    State,
)

BOOT_S: Final = 20.0
BOOT_SPREAD_S: Final = 40.0
"""A start takes 20 to 60 s; which, depends on how many there were."""
_GOLDEN: Final = 0.6180339887498949
SETTLED_S: Final = 10.0
"""Shortest time in DETUMBLE: the rates are looked at first."""
SAFE_S: Final = 60.0
"""Shortest time in SAFE."""
BATTERY_K: Final = (ZERO_C - 5.0, ZERO_C + 50.0)
BATTERY_WELL_K: Final = (ZERO_C - 3.0, ZERO_C + 47.0)
"""Battery temperatures that lead to SAFE outside the first pair and allow to leave it inside the second."""

BASE_PERCENT: Final = 22.0
PAYLOAD_PERCENT: Final = 16.0
TRANSMIT_PERCENT: Final = 6.0
BOOT_PERCENT: Final = 55.0
SAFE_PERCENT: Final = 16.0
DETUMBLE_PERCENT: Final = 28.0
TASK_S: Final = 300.0
TASK_LENGTH_S: Final = 10.0
TASK_PERCENT: Final = 5.0
"""A housekeeping task: every five minutes of uptime, ten seconds."""

MEMORY_S: Final = 1800.0
"""One sawtooth: memory fills through 85 % of it, then garbage is collected."""
MEMORY_FILLING: Final = 0.85
MEMORY_BASE: Final = 0.44
MEMORY_SWING: Final = 0.06
FULL: Final = 1.0 - MEMORY_BASE - 0.5 * MEMORY_SWING
"""Leaked fraction at which no memory is left."""
LEAK_PER_S: Final = MEMORY_SWING / (MEMORY_FILLING * MEMORY_S)
"""Fraction of memory that fills in a second; what leaks faster than this is not collected."""


def decide(
    craft: Craft, ops: Ops[Num], s: State[Num], f: Forcing[Num], k: Knobs[Num], rate2: Num, dt: float
) -> None:
    """Move `mode`, `adcs` and the counters of `s` on by `dt` seconds; `rate2` is the squared body rate, rad2/s2.

    BOOT for 20-60 s, then DETUMBLE until the satellite is calm, then NOMINAL, PAYLOAD by schedule while the battery
    allows. It detumbles again when it spins. A low battery (charge or voltage), one too cold or too hot, or a
    command lead to SAFE; out of it when all is well again for a minute. A full memory restarts the computer.
    """
    where = ops.where
    mode, since = s.mode, s.in_mode_s
    full = s.memory >= FULL
    restart = (k.reset > 0.5) | ((k.command == BOOT) & (mode != BOOT)) | full
    reboots = s.reboots + where(restart, 1.0, 0.0)
    turns = reboots * _GOLDEN
    booting = restart | ((mode == BOOT) & (since < BOOT_S + BOOT_SPREAD_S * (turns - ops.floor(turns))))

    off = k.adcs_off > 0.5
    fast = rate2 > craft.spinning * craft.spinning
    restless = (rate2 >= craft.calm * craft.calm) | (since < SETTLED_S) | (mode == BOOT)
    unsteady = fast | ((s.adcs < ADCS_NADIR) & restless) | (k.command == DETUMBLE)
    adcs = where(booting | off, ADCS_IDLE, where(unsteady, ADCS_DETUMBLE, ADCS_NADIR))
    spinning = where(off, fast | ((mode == DETUMBLE) & restless), unsteady) > 0.5

    battery, charge, voltage = s.t_battery, s.counted, s.voltage
    troubled = (charge < craft.safe_below) | (voltage < craft.safe_below_v)
    troubled = troubled | (battery < BATTERY_K[0]) | (battery > BATTERY_K[1])
    unwell = (charge <= craft.safe_until) | (voltage <= craft.safe_until_v) | (since < SAFE_S)
    unwell = unwell | (battery <= BATTERY_WELL_K[0]) | (battery >= BATTERY_WELL_K[1])
    safe = troubled | (k.command == SAFE) | ((mode == SAFE) & unwell & (k.command < DETUMBLE))

    enough = where(mode == PAYLOAD, craft.payload_until, craft.payload_above)
    wanted = ((f.payload > 0.5) & (k.command != NOMINAL)) | (k.command == PAYLOAD)
    working = wanted & (k.no_payload < 0.5) & (charge > enough)
    new = where(booting, BOOT, where(safe, SAFE, where(spinning, DETUMBLE, where(working, PAYLOAD, NOMINAL))))
    s.in_mode_s = where(restart | (new != mode), 0.0, since + dt)
    s.mode, s.adcs, s.reboots = new, adcs, reboots
    s.uptime = where(restart, 0.0, s.uptime + dt)
    s.memory = where(restart, 0.0, s.memory + (LEAK_PER_S * dt) * (k.leak - 1.0))
    s.tx_count = where(restart, 0.0, s.tx_count)


def switches(ops: Ops[Num], mode: Num, f: Forcing[Num], k: Knobs[Num]) -> tuple[Num, Num]:
    """Payload and transmitter, each 0 or 1: in SAFE the transmitter serves contacts only, in BOOT nothing is on."""
    where = ops.where
    sending = where(mode == SAFE, f.contact, where(mode == BOOT, 0.0, f.transmit))
    return where(mode == PAYLOAD, 1.0, 0.0), where(k.no_transmit > 0.5, 0.0, sending)


def load(ops: Ops[Num], mode: Num, transmit: Num, uptime: Num) -> Num:
    """Processor load, percent."""
    where = ops.where
    base = where(
        mode >= NOMINAL,
        BASE_PERCENT + PAYLOAD_PERCENT * (mode - NOMINAL),
        where(mode == DETUMBLE, DETUMBLE_PERCENT, where(mode == SAFE, SAFE_PERCENT, BOOT_PERCENT)),
    )
    return (
        base
        + TRANSMIT_PERCENT * transmit
        + where(uptime - TASK_S * ops.floor(uptime / TASK_S) < TASK_LENGTH_S, TASK_PERCENT, 0.0)
    )


def filled(ops: Ops[Num], uptime: Num, leaked: Num) -> Num:
    """Memory in use, 0 to 1: the sawtooth of uptime on top of what has leaked."""
    turns = uptime / MEMORY_S
    phase = turns - ops.floor(turns)
    swing = ops.minimum(phase / MEMORY_FILLING, (1.0 - phase) / (1.0 - MEMORY_FILLING))
    return ops.minimum(1.0, MEMORY_BASE + MEMORY_SWING * swing + leaked)
