"""The two satellites of the simulator as numbers: a 3U with wheels and a 1U that tumbles slowly.

Faces are always in the order of FACES. Body axes of a pointing satellite: Z down, Y against the orbit normal, X
ahead.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Final

ZERO_C: Final = 273.15
FACES: Final = ("px", "mx", "py", "my", "pz", "mz")
Six = tuple[float, float, float, float, float, float]
Three = tuple[float, float, float]
Curve = tuple[float, tuple[tuple[float, float], ...]]


def curve(*points: tuple[float, float], factor: float = 1.0) -> Curve:
    """Straight lines through (x, y) as a sum that needs no branch: value at x = 0 and (knee, change of slope).

    The first point lies at x = 0; the function is y0 + sum(change * max(0, x - knee)), times `factor`.
    """
    bends: list[tuple[float, float]] = []
    before = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        slope = (y1 - y0) / (x1 - x0)
        bends.append((x0, factor * (slope - before)))
        before = slope
    return factor * points[0][1], tuple(bends)


LITHIUM_ION: Final = curve(
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
    factor=2.0,
)
"""Two lithium-ion cells in series."""

NICKEL: Final = curve((0.0, 3.20), (0.05, 3.50), (0.2, 3.66), (0.5, 3.76), (0.85, 3.85), (0.93, 3.89), (1.0, 4.20))
"""Three nickel-metal hydride cells in series; the upper end follows BIRDS-3 flight data (docs/simulator.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Craft:
    """Everything that differs from one bus to another; SI units, temperatures in kelvin."""

    name: str

    inertia: Three
    """Principal moments, kg m2."""
    residual: Three
    """Magnetic moment nobody commanded, A m2."""
    dipole_max: float
    """Largest moment of each magnetorquer, A m2."""
    rod_w: float
    """W per (A m2)^2 of a magnetorquer."""
    detumble_gain: float
    """B-dot gain, A m2 s / T."""
    kept_rate: float
    """Rate that B-dot settles at, rad/s: 0 stops the tumble, more keeps a satellite without wheels rolling."""
    wheels: bool
    wheel_inertia: float
    wheel_torque: float
    wheel_speed: float
    """Limits of each wheel, N m and rad/s."""
    wheel_coulomb: float
    wheel_viscous: float
    """Friction, N m and N m s."""
    wheel_uncompensated: float
    """Share of friction beyond the healthy one that the wheel's own controller does not take up."""
    motor_constant: float
    """N m / A."""
    desaturation: float
    """Rate at which magnetorquers unload the wheels, 1/s."""
    kp: float
    kd: float
    """Pointing gains, 1/s2 and 1/s."""
    slew: float
    """Rate at which it turns back from a large pointing error, rad/s."""
    attitude_sigma: float
    rate_sigma: float
    """White errors of the attitude determination (rad) and of the gyros (rad/s), per second."""
    bias_sigma: float
    bias_time_s: float
    """Gyro bias: size (rad/s) and memory of its walk."""
    spinning: float
    calm: float
    """Rates (rad/s) above which the satellite detumbles and below which it points (wheels) or just goes on."""

    area: Six
    """m2."""
    cells: Six
    """Solar cells on each face."""
    panel_heat: Six
    """Heat capacity, J/K."""
    panel_leak: Six
    """Conductance from each panel to the inside, W/K."""
    inside_heat: float
    battery_heat: float
    amplifier_heat: float
    to_battery: float
    to_amplifier: float
    absorptivity: float
    emissivity: float
    heater_on: float
    heater_off: float
    """Thermostat of the battery, K."""

    series: int
    """Solar cells in series in one string."""
    capacity_ah: float
    resistance: float
    """Of the whole pack at 25 degC and above, ohm."""
    charge_limit_a: float
    charge_limit_v: float
    taper_a: float
    """Charging current below which the battery counts as full, A."""
    open_circuit: Curve
    """Pack voltage over state of charge, see `curve`."""
    dark_v: float
    """What the voltage sensor of a dark tracker shows."""
    unloaded_v: float
    """How far a string's voltage rises from maximum power when nothing is drawn."""

    computer_w: float
    power_board_w: float
    receiver_w: float
    attitude_w: float
    """Attitude sensors and computer, without the wheels."""
    transmitter_w: float
    radiated_w: float
    """What of it leaves the antenna."""
    amplifier_share: float
    """What of it heats the amplifier."""
    payload_w: float
    heater_w: float

    safe_below: float
    safe_until: float
    """States of charge (0 to 1) at which SAFE begins and ends."""
    payload_above: float
    payload_until: float
    """States of charge that let the payload start and make it stop."""
    safe_below_v: float
    safe_until_v: float


_DEG: Final = math.pi / 180.0

THREE_U: Final = Craft(
    name="3u",
    inertia=(0.036, 0.036, 0.008),
    residual=(0.004, -0.003, 0.006),
    dipole_max=0.2,
    rod_w=5.0,
    detumble_gain=5e4,
    kept_rate=0.0,
    wheels=True,
    wheel_inertia=1.5e-6,
    wheel_torque=2e-3,
    wheel_speed=6000.0 * math.pi / 30.0,
    wheel_coulomb=2e-5,
    wheel_viscous=3e-8,
    wheel_uncompensated=0.06,
    motor_constant=2.5e-3,
    desaturation=2e-3,
    kp=0.05,
    kd=0.33,
    slew=0.4 * _DEG,
    attitude_sigma=0.30 * _DEG,
    rate_sigma=0.002 * _DEG,
    bias_sigma=3.0 * _DEG / 3600.0,
    bias_time_s=3600.0,
    spinning=1.5 * _DEG,
    calm=0.3 * _DEG,
    area=(0.034, 0.034, 0.034, 0.034, 0.010, 0.010),
    cells=(8.0, 8.0, 8.0, 8.0, 2.0, 0.0),
    panel_heat=(170.0, 170.0, 170.0, 170.0, 60.0, 60.0),
    panel_leak=(0.30, 0.30, 0.30, 0.30, 0.16, 0.16),
    inside_heat=1900.0,
    battery_heat=330.0,
    amplifier_heat=25.0,
    to_battery=0.10,
    to_amplifier=0.35,
    absorptivity=0.82,
    emissivity=0.80,
    heater_on=ZERO_C + 3.5,
    heater_off=ZERO_C + 6.0,
    series=2,
    capacity_ah=2.6,
    resistance=0.13,
    charge_limit_a=1.3,
    charge_limit_v=8.30,
    taper_a=0.1,
    open_circuit=LITHIUM_ION,
    dark_v=0.1,
    unloaded_v=0.0,
    computer_w=0.6,
    power_board_w=0.2,
    receiver_w=0.35,
    attitude_w=1.1,
    transmitter_w=3.6,
    radiated_w=1.0,
    amplifier_share=0.65,
    payload_w=3.0,
    heater_w=1.2,
    safe_below=0.45,
    safe_until=0.65,
    payload_above=0.60,
    payload_until=0.55,
    safe_below_v=7.2,
    safe_until_v=7.4,
)

ONE_U: Final = Craft(
    name="1u",
    inertia=(0.0022, 0.0022, 0.0022),
    residual=(0.0, 0.0, 0.0),
    dipole_max=0.05,
    rod_w=30.0,
    detumble_gain=3e3,
    kept_rate=0.3 * _DEG,
    wheels=False,
    wheel_inertia=1.5e-6,
    wheel_torque=0.0,
    wheel_speed=0.0,
    wheel_coulomb=0.0,
    wheel_viscous=0.0,
    wheel_uncompensated=0.0,
    motor_constant=1.0,
    desaturation=0.0,
    kp=0.0,
    kd=0.0,
    slew=0.0,
    attitude_sigma=0.5 * _DEG,
    rate_sigma=0.01 * _DEG,
    bias_sigma=6.0 * _DEG / 3600.0,
    bias_time_s=3600.0,
    spinning=1.5 * _DEG,
    calm=0.6 * _DEG,
    area=(0.010, 0.010, 0.010, 0.010, 0.010, 0.010),
    cells=(2.0, 2.0, 2.0, 2.0, 1.0, 2.0),
    panel_heat=(40.0, 40.0, 40.0, 40.0, 40.0, 40.0),
    panel_leak=(0.07, 0.07, 0.07, 0.07, 0.07, 0.07),
    inside_heat=600.0,
    battery_heat=190.0,
    amplifier_heat=12.0,
    to_battery=0.05,
    to_amplifier=0.20,
    absorptivity=0.78,
    emissivity=0.80,
    heater_on=ZERO_C + 1.0,
    heater_off=ZERO_C + 4.0,
    series=2,
    capacity_ah=2.7,
    resistance=0.11,
    charge_limit_a=0.60,
    charge_limit_v=4.20,
    taper_a=0.05,
    open_circuit=NICKEL,
    dark_v=1.3,
    unloaded_v=0.25,
    computer_w=0.35,
    power_board_w=0.10,
    receiver_w=0.25,
    attitude_w=0.20,
    transmitter_w=1.6,
    radiated_w=0.5,
    amplifier_share=0.60,
    payload_w=0.4,
    heater_w=0.6,
    safe_below=0.45,
    safe_until=0.65,
    payload_above=0.60,
    payload_until=0.55,
    safe_below_v=3.60,
    safe_until_v=3.75,
)

CRAFTS: Final = {craft.name: craft for craft in (THREE_U, ONE_U)}
"""By the name of the bus."""
