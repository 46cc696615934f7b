"""Passes over ground stations: acquisition and loss of signal, and the highest elevation.

SGP4 runs once for every minute of a satellite's day, whatever the number of stations. In between, the Earth-fixed
position is the cubic through two positions and velocities: 0.4 m from SGP4 at 550 km, some 50 us of flight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.orbit import Floats, Orbit, Site, earth_fixed_state, look, sidereal_angle, site_axes
from sim.tle import Tle

STEP_S = 60.0
LONGEST_PASS_S = 1_800.0
"""Longer than any pass of a satellite below 2,000 km."""
LOW_ORBIT_S = 8_000.0
"""Period of a circular orbit some 2,000 km up; above it a pass may last for hours."""
HALF_DAY_S = 43_200.0
HALVINGS = 22
"""Of a minute: 14 us."""

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Contact:
    """One pass: elevation above the station's mask from `acquisition_ns` to `loss_ns` (UTC ns, whole ms)."""

    station: str
    acquisition_ns: int
    loss_ns: int
    max_el_deg: float


def elevation(orbit: Orbit, site: Site, t_s: Floats) -> Floats:
    """Elevation (deg) of the satellite above `site` at UTC seconds `t_s`."""
    r, v = orbit.state(t_s)
    return look(site, r, v, sidereal_angle(t_s)).elevation_deg


def contacts(tle: Tle, station: Site, t0_ns: int, t1_ns: int) -> list[Contact]:
    """`contacts_over` of one station."""
    return contacts_over(tle, (station,), t0_ns, t1_ns)


def contacts_over(tle: Tle, stations: Sequence[Site], t0_ns: int, t1_ns: int) -> list[Contact]:
    """Passes that are up at any moment between the two times, by acquisition, over all `stations`.

    They are complete even where they began before or end after (of a satellite above 2,000 km: by up to half a day;
    one that never sets is up from the first to the last moment looked at). The same pass is told the same,
    whatever the two times are.

    Raises:
        ValueError: the element set is malformed or does not reach these times.
    """
    if not stations:
        return []
    orbit = Orbit(tle)
    margin = LONGEST_PASS_S if orbit.period_s < LOW_ORBIT_S else HALF_DAY_S
    track = _Track.of(orbit, t0_ns / 1e9 - margin, t1_ns / 1e9 + margin)
    sky = _Sky(track, stations)
    found = [contact for i in range(len(stations)) for contact in sky.passes(i, stations[i].name)]
    found = [one for one in found if one.loss_ns > t0_ns and one.acquisition_ns < t1_ns]
    return sorted(found, key=lambda one: one.acquisition_ns)


@dataclass(frozen=True, slots=True)
class _Track:
    """Earth-fixed flight from `start_s` in steps of STEP_S; a grid of absolute time, so two calls see one track."""

    start_s: float
    position: Floats
    velocity: Floats

    @classmethod
    def of(cls, orbit: Orbit, from_s: float, to_s: float) -> _Track:
        first, last = math.floor(from_s / STEP_S), math.ceil(to_s / STEP_S)
        t_s = np.arange(first, last + 1, dtype=np.float64) * STEP_S
        r, v = orbit.state(t_s)
        return cls(float(t_s[0]), *earth_fixed_state(r, v, sidereal_angle(t_s)))

    def cubics(self, step: Ints) -> tuple[Floats, Floats, Floats, Floats]:
        """Coefficients (k, 3) of the position in u = 0..1 within each step, constant term first."""
        a, b = self.position[step], self.position[step + 1]
        da, db = self.velocity[step] * STEP_S, self.velocity[step + 1] * STEP_S
        return a, da, 3.0 * (b - a) - 2.0 * da - db, 2.0 * (a - b) + da + db


class _Sky:
    """The track seen from several places: sines of elevation at the steps, the peaks and the mask crossings.

    Elevation has one maximum a revolution, so a step holds at most one: where it rises at the step's beginning and
    falls at its end. A pass too short to show at the steps is found by it.
    """

    def __init__(self, track: _Track, stations: Sequence[Site]) -> None:
        self._track = track
        axes = [site_axes(site) for site in stations]
        self._places, self._ups = (np.array(part) for part in zip(*axes, strict=True))
        masks = np.sin(np.radians([site.mask_deg for site in stations]))
        self._sine, slope = _seen(track.position, track.velocity, self._places[:, None], self._ups[:, None])
        up = self._sine >= masks[:, None]
        self._up_at_first = up[:, 0]

        turns = (slope[:, :-1] > 0) & (slope[:, 1:] <= 0)
        site, step = np.nonzero(turns)
        cubics = track.cubics(step)
        ends = np.zeros(len(site)), np.ones(len(site))
        peak = _halve(*ends, lambda u: self._at(site, cubics, u)[1] > 0)
        self._peak_site, self._peak_s = site, track.start_s + (step + peak) * STEP_S
        self._peak_sine = self._at(site, cubics, peak)[0]

        # Each step without a peak is one stretch that may hold a crossing, each step with one is two.
        high = self._peak_sine >= masks[site]
        plain_site, plain_step = np.nonzero((up[:, :-1] != up[:, 1:]) & ~turns)
        left, right = up[site, step] != high, high != up[site, step + 1]
        site = np.concatenate((plain_site, site[left], site[right]))
        from_u = np.concatenate((np.zeros(len(plain_site) + np.count_nonzero(left)), peak[right]))
        to_u = np.concatenate((np.ones(len(plain_site)), peak[left], np.ones(np.count_nonzero(right))))
        rises = np.concatenate((up[plain_site, plain_step + 1], high[left], ~high[right]))
        step = np.concatenate((plain_step, step[left], step[right]))
        cubics = track.cubics(step)
        edge = _halve(from_u, to_u, lambda u: (self._at(site, cubics, u)[0] < masks[site]) == rises)
        self._edge_site, self._edge_s, self._edge_rises = site, track.start_s + (step + edge) * STEP_S, rises

    def _at(self, site: Ints, cubics: tuple[Floats, Floats, Floats, Floats], u: Floats) -> tuple[Floats, Floats]:
        a, b, c, d = cubics
        w = u[:, None]
        position, velocity = a + w * (b + w * (c + w * d)), b + w * (2.0 * c + w * 3.0 * d)
        return _seen(position, velocity, self._places[site], self._ups[site])

    def passes(self, station: int, name: str) -> list[Contact]:
        """What lies between a rise and a fall over the station with this index; the track's ends count as such."""
        edges = np.flatnonzero(self._edge_site == station)
        edges = edges[np.argsort(self._edge_s[edges])]
        at_s, rises = self._edge_s[edges], self._edge_rises[edges]
        begins, ends = at_s[rises].tolist(), at_s[~rises].tolist()
        sine = self._sine[station]
        if self._up_at_first[station]:
            begins.insert(0, self._track.start_s)
        if len(ends) < len(begins):
            ends.append(self._track.start_s + (len(sine) - 1) * STEP_S)
        peaks = np.flatnonzero(self._peak_site == station)
        peak_s, peak_sine = self._peak_s[peaks], self._peak_sine[peaks]
        found: list[Contact] = []
        for begin, end in zip(begins, ends, strict=True):
            first = int(np.ceil((begin - self._track.start_s) / STEP_S))
            last = int((end - self._track.start_s) // STEP_S)
            tops = np.concatenate((sine[first : last + 1], peak_sine[(peak_s >= begin) & (peak_s <= end)]))
            highest = float(np.degrees(np.arcsin(min(float(tops.max()), 1.0))))
            found.append(Contact(name, _whole_ms(begin), _whole_ms(end), highest))
        return found


def _seen(position: Floats, velocity: Floats, place: Floats, up: Floats) -> tuple[Floats, Floats]:
    """Sine of the elevation of `position` above `place`, and a number with the sign of its change."""
    offset = position - place
    squared = np.einsum("...i,...i->...", offset, offset)
    height = np.einsum("...i,...i->...", offset, up)
    along = np.einsum("...i,...i->...", offset, velocity)
    return height / np.sqrt(squared), np.einsum("...i,...i->...", velocity, up) * squared - height * along


def _halve(low: Floats, high: Floats, beyond: Callable[[Floats], Bools]) -> Floats:
    """Close in on where `beyond` turns false, between `low` (true there) and `high`; shape (k,)."""
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        further = beyond(middle)
        low, high = np.where(further, middle, low), np.where(further, high, middle)
    return 0.5 * (low + high)


def _whole_ms(t_s: float) -> int:
    return round(t_s * 1e3) * 1_000_000
