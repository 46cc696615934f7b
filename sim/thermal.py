"""Nine temperatures: six panels, the boards inside, battery, radio amplifier. Explicit Euler, element-wise.

The fastest node has a time constant of more than a minute, so that steps of a second are 0.03 K from steps of a
tenth. Faces are in the order +X -X +Y -Y +Z -Z, heat is in watts, temperatures are in kelvin.
"""

from __future__ import annotations

from typing import Final

from sim.craft import Craft
from sim.elementwise import Num, Ops
from sim.irradiance import EARTH_INFRARED
from sim.power import BOOST, Bus, Loads, Six
from sim.state import Knobs, State

SIGMA: Final = 5.670374419e-8


def absorbed(craft: Craft, irradiance: Six[Num], view: Six[Num]) -> Six[Num]:
    """Heat each face takes from sunlight (`irradiance`, W/m2, albedo included) and, by `view` factor, the Earth."""
    light, glow = craft.absorptivity, craft.emissivity * EARTH_INFRARED
    a0, a1, a2, a3, a4, a5 = craft.area
    e0, e1, e2, e3, e4, e5 = irradiance
    f0, f1, f2, f3, f4, f5 = view
    return (
        a0 * (light * e0 + glow * f0),
        a1 * (light * e1 + glow * f1),
        a2 * (light * e2 + glow * f2),
        a3 * (light * e3 + glow * f3),
        a4 * (light * e4 + glow * f4),
        a5 * (light * e5 + glow * f5),
    )


def boards_heat(found: Loads[Num], bus: Bus[Num], array: Num) -> Num:
    """W that end in the boards: all that is drawn and does not go elsewhere, and the trackers' losses."""
    elsewhere = found.amplifier_w + found.radiated_w + found.heater_w
    return found.drawn - elsewhere + (1.0 - BOOST) * bus.used * array


def thermostat(craft: Craft, ops: Ops[Num], battery: Num, heater: Num) -> Num:
    """The heater, 0 or 1, at this temperature of the battery when it was `heater` before."""
    return ops.where(battery < craft.heater_on, 1.0, ops.where(battery > craft.heater_off, 0.0, heater))


def advance(
    craft: Craft,
    ops: Ops[Num],
    s: State[Num],
    k: Knobs[Num],
    heat: Six[Num],
    available: Six[Num],
    array: Num,
    found: Loads[Num],
    bus: Bus[Num],
    dt: float,
) -> None:
    """Move the temperatures of `s` on by `dt` seconds, and its thermostat.

    `heat` is what the faces absorb, `available` what their cells could give (`array` in sum): the fraction the bus
    takes leaves the panels as electricity.
    """
    k0, k1, k2, k3, k4, k5 = s.t_px, s.t_mx, s.t_py, s.t_my, s.t_pz, s.t_mz
    q0, q1, q2, q3, q4, q5 = heat
    p0, p1, p2, p3, p4, p5 = available
    l0, l1, l2, l3, l4, l5 = craft.panel_leak
    c0, c1, c2, c3, c4, c5 = craft.panel_heat
    a0, a1, a2, a3, a4, a5 = craft.area
    glow = craft.emissivity * SIGMA
    used, inside, battery, amplifier = bus.used, s.t_inside, s.t_battery, s.t_amplifier
    h0, h1, h2 = l0 * (inside - k0), l1 * (inside - k1), l2 * (inside - k2)
    h3, h4, h5 = l3 * (inside - k3), l4 * (inside - k4), l5 * (inside - k5)
    to_battery = craft.to_battery * (inside - battery)
    to_amplifier = craft.to_amplifier * (inside - amplifier)
    leaving = h0 + h1 + h2 + h3 + h4 + h5 + to_battery + to_amplifier
    boards = boards_heat(found, bus, array)
    warmed = bus.current * bus.current * bus.resistance + found.heater_w
    s.t_px = k0 + dt / c0 * (q0 - used * p0 - a0 * glow * (k0 * k0) * (k0 * k0) + h0)
    s.t_mx = k1 + dt / c1 * (q1 - used * p1 - a1 * glow * (k1 * k1) * (k1 * k1) + h1)
    s.t_py = k2 + dt / c2 * (q2 - used * p2 - a2 * glow * (k2 * k2) * (k2 * k2) + h2)
    s.t_my = k3 + dt / c3 * (q3 - used * p3 - a3 * glow * (k3 * k3) * (k3 * k3) + h3)
    s.t_pz = k4 + dt / c4 * (q4 - used * p4 - a4 * glow * (k4 * k4) * (k4 * k4) + h4)
    s.t_mz = k5 + dt / c5 * (q5 - used * p5 - a5 * glow * (k5 * k5) * (k5 * k5) + h5)
    s.t_inside = inside + dt / craft.inside_heat * (boards - leaving)
    s.t_battery = battery = battery + dt / craft.battery_heat * (warmed + to_battery)
    s.t_amplifier = amplifier + dt / craft.amplifier_heat * (found.amplifier_w + to_amplifier)
    s.heater = ops.where(k.heater < 0.0, thermostat(craft, ops, battery, s.heater), k.heater)
