"""What a satellite carries from one second to the next, what drives it, what faults turn, what comes out.

Every field is a float (one satellite) or an array (N,) (a fleet), as in `sim.elementwise`. `sim.plant.step` takes
the state at second t and the forcing of t and leaves the state at t + 1. In the truth it returns, attitude, rates
and field are those at t; temperatures, voltages and currents those at the end of the second that begins at t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, NamedTuple

import numpy as np

from sim.elementwise import Floats, Num

BOOT: Final = 0.0
SAFE: Final = 1.0
DETUMBLE: Final = 2.0
NOMINAL: Final = 3.0
PAYLOAD: Final = 4.0
"""Modes of the on-board computer, the codes of channel obc.mode."""

ADCS_IDLE: Final = 0.0
ADCS_DETUMBLE: Final = 1.0
ADCS_NADIR: Final = 2.0
"""Modes of the attitude control, the codes of channel adcs.mode."""

_ZERO: Any = 0.0
_ONE: Any = 1.0
_FREE: Any = -1.0
_SUNNY_K: Any = 283.0
_SHADY_K: Any = 275.0
_HIND_K: Any = 280.0
_INSIDE_K: Any = 277.0
_BATTERY_K: Any = 277.5
_CHARGED: Any = 0.90
_PACK_V: Any = 8.0
_NOMINAL: Any = NOMINAL
_NADIR: Any = ADCS_NADIR


@dataclass(slots=True)
class State(Generic[Num]):
    """One satellite, or N of them; the defaults are a healthy one in orbit, at rest in inertial space."""

    q1: Num = _ZERO
    q2: Num = _ZERO
    q3: Num = _ZERO
    q4: Num = _ONE
    """Attitude quaternion, body from inertial (TEME), scalar last."""
    wx: Num = _ZERO
    wy: Num = _ZERO
    wz: Num = _ZERO
    """Inertial rate in body axes, rad/s."""
    hx: Num = _ZERO
    hy: Num = _ZERO
    hz: Num = _ZERO
    """Momentum of the wheels, N m s."""
    bx: Num = _ZERO
    by: Num = _ZERO
    bz: Num = _ZERO
    """Field in body axes at the last (sub-)step, T; all zero before the first."""
    gx: Num = _ZERO
    gy: Num = _ZERO
    gz: Num = _ZERO
    """Bias of the gyros, rad/s."""
    t_px: Num = _SUNNY_K
    t_mx: Num = _SUNNY_K
    t_py: Num = _SHADY_K
    t_my: Num = _SHADY_K
    t_pz: Num = _SHADY_K
    t_mz: Num = _HIND_K
    t_inside: Num = _INSIDE_K
    t_battery: Num = _BATTERY_K
    t_amplifier: Num = _INSIDE_K
    """Temperatures of the nine nodes, K."""
    charge: Num = _CHARGED
    """True state of charge, 0 to 1."""
    polarisation: Num = _ZERO
    """Slow part of the battery's internal voltage, V."""
    counted: Num = _CHARGED
    """State of charge as the coulomb counter on board believes it."""
    heater: Num = _ZERO
    voltage: Num = _PACK_V
    """Battery voltage of the second before, V: what the computer decides by."""
    mode: Num = _NOMINAL
    in_mode_s: Num = _ZERO
    """Seconds since `mode` last changed."""
    adcs: Num = _NADIR
    uptime: Num = _ZERO
    reboots: Num = _ZERO
    memory: Num = _ZERO
    """Leaked fraction of memory, on top of the ordinary sawtooth."""
    tx_count: Num = _ZERO
    """Packets sent since the computer last started."""

    def as_list(self) -> list[Num]:
        """The fields in order; for floats, what a cursor keeps."""
        return [getattr(self, name) for name in STATE_FIELDS]

    @staticmethod
    def from_list(values: Sequence[float]) -> State[float]:
        """Read `as_list` back.

        Raises:
            ValueError: wrong number of values.
        """
        if len(values) != len(STATE_FIELDS):
            raise ValueError(f"a state has {len(STATE_FIELDS)} values, not {len(values)}")
        return State(*(float(v) for v in values))


STATE_FIELDS: Final = tuple(field.name for field in fields(State))


def age(seed: int) -> tuple[float, float]:
    """Uptime (s) and restarts of a simulated satellite when it is first heard."""
    return 86_400.0 * 5 + 3_600.0 * (seed % 20), 2.0 + seed % 3


def stack(states: Sequence[State[float]]) -> State[Floats]:
    """N states of one satellite each as one state of arrays (N,)."""
    columns = np.array([state.as_list() for state in states], dtype=np.float64).T
    return State(*(column.copy() for column in columns))


def unstack(states: State[Floats]) -> list[State[float]]:
    """The reverse of `stack`."""
    columns = np.array(states.as_list())
    return [State(*row) for row in columns.T.tolist()]


class Forcing(NamedTuple, Generic[Num]):
    """What one second brings: from orbit, Sun, field, schedule and the random numbers of the attitude sensors."""

    ux: Num
    uy: Num
    uz: Num
    """Unit vector from the Earth's centre to the satellite, inertial (TEME)."""
    nx: Num
    ny: Num
    nz: Num
    """Unit normal of the orbit, inertial."""
    orbit_rate: Num
    """rad/s."""
    k: Num
    """Earth radius over distance from the Earth's centre."""
    sx: Num
    sy: Num
    sz: Num
    """Unit vector to the Sun, inertial."""
    flux: Num
    """Direct sunlight, W/m2: S0 / R^2 times the visible fraction of the disc."""
    reflected: Num
    """0.30 S0 / R^2 max(0, up . sun), W/m2; times a face's view factor it is the albedo on that face."""
    bx: Num
    by: Num
    bz: Num
    """Magnetic field, T, inertial."""
    payload: Num
    transmit: Num
    """Schedule, 0 or 1."""
    contact: Num
    """1 while above a station's mask, else 0."""
    e1: Num
    e2: Num
    e3: Num
    """Error of the measured attitude about the body axes, rad: white, sigma `Craft.attitude_sigma`."""
    g1: Num
    g2: Num
    g3: Num
    """Error of the measured rate, rad/s: white, sigma `Craft.rate_sigma`."""


@dataclass(frozen=True, slots=True)
class Knobs(Generic[Num]):
    """What faults and operators turn in one second; the defaults turn nothing."""

    s_px: Num = _ONE
    s_mx: Num = _ONE
    s_py: Num = _ONE
    s_my: Num = _ONE
    s_pz: Num = _ONE
    s_mz: Num = _ONE
    """Working fraction of the strings of each face."""
    resistance: Num = _ONE
    capacity: Num = _ONE
    """Factors on the battery's."""
    heater: Num = _FREE
    """-1 free, 0 off, 1 on whatever the thermostat says."""
    friction: Num = _ONE
    """Factor on the wheels' friction."""
    kick_x: Num = _ZERO
    kick_y: Num = _ZERO
    kick_z: Num = _ZERO
    """Added to the body rates this second, rad/s."""
    adcs_off: Num = _ZERO
    pa_db: Num = _ZERO
    """Added to the transmitted power, dB."""
    noise_db: Num = _ZERO
    """Added to the noise on the ground, dB."""
    hang_a: Num = _ZERO
    """Extra current of a hung bus on the 3.3 V rail, A."""
    latch_3v3_a: Num = _ZERO
    latch_5v_a: Num = _ZERO
    leak: Num = _ONE
    """Factor on the memory leak."""
    reset: Num = _ZERO
    """1: the computer restarts this second."""
    command: Num = _FREE
    """Commanded mode of the computer, -1 for none; commanded BOOT is a restart."""
    no_payload: Num = _ZERO
    no_transmit: Num = _ZERO


HEALTHY: Final[Knobs[Any]] = Knobs()

TRUTH: Final = (
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
    "pv_i_mz",
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
    "rate_x",
    "rate_y",
    "rate_z",
    "mag_x",
    "mag_y",
    "mag_z",
    "att_err",
    "q_1",
    "q_2",
    "q_3",
    "q_4",
    "rw_speed_x",
    "rw_speed_y",
    "rw_speed_z",
    "rw_i",
    "adcs_mode",
    "obc_mode",
    "dist_n",
    "dist_e",
    "dist_s",
    "dist_w",
    "nadir_angle",
    "tx_on",
    "tx_count",
)
"""What `sim.plant.step` returns, in order: V, A, percent, degC, s, deg/s, uT, deg, rpm, cm; nadir_angle (between
body +Z and nadir) in rad."""
