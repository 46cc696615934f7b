"""Passes over a ground station: acquisition and loss of signal, and the highest elevation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.orbit import Floats, Orbit, Site, look, sidereal_angle
from sim.tle import Tle

COARSE_S = 20.0
LONGEST_PASS_S = 1_800.0


@dataclass(frozen=True, slots=True)
class Contact:
    """One pass: elevation above the station's mask from `acquisition_ns` to `loss_ns` (UTC ns, to 0.1 s)."""

    station: str
    acquisition_ns: int
    loss_ns: int
    max_el_deg: float


def elevation(orbit: Orbit, site: Site, t_s: Floats) -> Floats:
    """Elevation (deg) of the satellite above `site` at UTC seconds `t_s`."""
    r, v = orbit.state(t_s)
    return look(site, r, v, sidereal_angle(t_s)).elevation_deg


def contacts(tle: Tle, station: Site, t0_ns: int, t1_ns: int) -> list[Contact]:
    """Passes that are up at any moment between the two times, complete even where they began before or end after.

    The same pass is told the same to the nanosecond, whatever the two times are.
    A pass shorter than 20 s between two coarse samples is found through its peak.

    Raises:
        ValueError: the element set is malformed or does not reach these times.
    """
    orbit = Orbit(tle)
    mask = station.mask_deg
    first = np.floor((t0_ns / 1e9 - LONGEST_PASS_S) / COARSE_S) * COARSE_S
    t = np.arange(first, t1_ns / 1e9 + LONGEST_PASS_S, COARSE_S)
    el = elevation(orbit, station, t)
    peaks = np.flatnonzero((el[1:-1] >= el[:-2]) & (el[1:-1] > el[2:]) & (el[1:-1] > mask - 3.0)) + 1
    found: list[Contact] = []
    for peak in peaks:
        top_s, top = _highest(orbit, station, float(t[peak]))
        if top <= mask:
            continue
        below = np.flatnonzero(el[:peak] < mask)
        above = np.flatnonzero(el[peak:] < mask)
        low = float(t[below[-1]]) if below.size else float(t[0])
        high = float(t[peak + above[0]]) if above.size else float(t[-1])
        acquisition = _crossing(orbit, station, low, top_s)
        loss = _crossing(orbit, station, high, top_s)
        contact = Contact(station.name, round(acquisition * 1e9), round(loss * 1e9), top)
        overlaps = contact.loss_ns > t0_ns and contact.acquisition_ns < t1_ns
        if overlaps and not (found and found[-1].loss_ns >= contact.acquisition_ns):
            found.append(contact)
    return found


def _highest(orbit: Orbit, site: Site, near_s: float) -> tuple[float, float]:
    """Time and value of the largest elevation within one coarse step of `near_s`."""
    span = COARSE_S
    for _ in range(3):
        t = np.linspace(near_s - span, near_s + span, 21)
        el = elevation(orbit, site, t)
        best = int(np.argmax(el))
        near_s, span = float(t[best]), span / 10.0
    return near_s, float(elevation(orbit, site, np.array([near_s]))[0])


def _crossing(orbit: Orbit, site: Site, below_s: float, above_s: float) -> float:
    """Bisect the mask crossing between a time below and a time above it, to 0.05 s."""
    while abs(above_s - below_s) > 0.05:
        middle = 0.5 * (below_s + above_s)
        if float(elevation(orbit, site, np.array([middle]))[0]) < site.mask_deg:
            below_s = middle
        else:
            above_s = middle
    return above_s
