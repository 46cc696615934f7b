"""Simulated missions as mission.toml: KESTREL-1, a 3U that does not exist, overhead within two minutes.

The same for the other presets of `sim.channels`, and for a fleet of them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from sim.allowances import allowances
from sim.channels import PRESETS, Range, SimChannel, packets_of
from sim.orbit import Orbit, sidereal_angle
from sim.passes import Contact, contacts
from sim.scenario import scenario as scenario_of
from sim.sun import sun, sunlit_fraction
from sim.tle import GRBALPHA, Tle, moved

SATELLITE = "KESTREL-1"


@dataclass(frozen=True, slots=True)
class Station:
    """A ground station of the demo; altitude in metres, mask in degrees."""

    name: str
    lat: float
    lon: float
    alt_m: float
    mask_deg: float = 5.0


STATIONS = (
    Station("Munich", 48.1, 11.3, 580.0),
    Station("Ankara", 39.9, 32.8, 940.0),
    Station("Samara", 53.2, 50.1, 110.0),
    Station("Almaty", 43.2, 76.9, 790.0),
    Station("Ulaanbaatar", 47.9, 106.9, 1350.0),
    Station("Seoul", 37.6, 127.0, 40.0),
    Station("Sydney", -33.9, 151.2, 20.0),
    Station("Auckland", -36.9, 174.8, 20.0),
    Station("Kodiak", 57.8, -152.4, 20.0),
    Station("Vancouver", 49.3, -123.1, 40.0),
    Station("Boulder", 40.0, -105.3, 1650.0),
    Station("Montreal", 45.5, -73.6, 40.0),
    Station("St John's", 47.6, -52.7, 40.0),
    Station("Azores", 37.7, -25.7, 60.0),
)

DAYLIGHT_S = 880.0
"""A demo starts with a quarter of an hour of sunlight: the faults of its first minutes need it."""

LARGE_FLEET = 8
"""Satellites from which on a mission's detector is the cheaper forest: a fusion for each would take a core."""

CANDIDATES = 4
"""Stations tried, the one with the fittest local time first: in winter a northern pass may end in the shadow."""

SOLAR_H: Final = {"morning": 10.5, "noon": 12.0, "dusk": 18.0}
"""Local solar time of the first pass, by the scenario's orbit.

Mid-morning: the plane is close to GRBAlpha's own, so power and temperatures are those the limits were set for, and
the satellite is in sunlight for a quarter of an hour after acquisition. Noon: the Sun lies in the plane, and no
eclipses are longer. Dusk: the plane follows the terminator; in the northern summer, when such an orbit would dip
into the shadow, the pass is at dawn instead.
"""
DAWN_H: Final = 6.0


def demo_mission_toml(
    created_ns: int,
    seed: int = 1,
    scenario: str = "hello",
    bus: str = "3u",
    satellites: int = 1,
    visible: bool = True,
) -> str:
    """The text of a demo mission's mission.toml.

    Among the stations the one is chosen where it is mid-morning at `created_ns` (UTC ns); the embedded element set
    is moved to that moment so that a pass of at least 40 deg begins there 80 to 100 s later. `bus` is a preset of
    `sim.channels`; several satellites share orbits as `telemetry.fleet` phases them. A scenario may ask for another
    time of day. Unless `visible`, nothing arrives outside passes but what was recorded and comes down in the next.

    Raises:
        ValueError: there is no such preset or scenario.
    """
    if bus not in PRESETS:
        raise ValueError(f"bus: {bus!r}: allowed: {', '.join(PRESETS)}")
    station, tle, _ = first_pass(created_ns, seed, scenario_of(scenario).orbit)
    head = f"""\
# A satellite that does not exist. Orbit: shape of GRBAlpha's public element set, moved so that a pass begins soon.
schema = 1

[[satellite]]
name = {json.dumps(SATELLITE)}
bus = {json.dumps(bus)}
{f"count = {satellites}{chr(10)}" if satellites > 1 else ""}tle = [
    "{tle[0]}",
    "{tle[1]}",
]

[[ground_station]]
name = {json.dumps(station.name)}
lat = {station.lat}
lon = {station.lon}
alt_m = {station.alt_m}
mask_deg = {station.mask_deg}

[source]
kind = "sim"
scenario = {json.dumps(scenario)}
seed = {seed}
rate = 1.0
{"" if visible else f"visible = false{chr(10)}"}
[detector]
kind = "{"isolation_forest" if satellites >= LARGE_FLEET else "fusion"}"
false_alarms_per_day = 0.2

[trainer]
period_s = 30.0

[bus.{bus}]
context = ["obc.mode", "orb.eclipse"]

[bus.{bus}.packets]
"""
    packets = "".join(f"{name} = {json.dumps(list(patterns))}\n" for name, patterns in packets_of(bus).items())
    return head + packets + "".join(_channel(bus, channel) for channel in PRESETS[bus])


def first_pass(created_ns: int, seed: int, orbit: str = "morning") -> tuple[Station, Tle, Contact]:
    """Station, element set and pass of a demo mission created at `created_ns`; `orbit` is one of `SOLAR_H`."""
    now = np.array([created_ns / 1e9])
    towards_sun, _ = sun(now)
    right_ascension = math.degrees(math.atan2(towards_sun[0, 1], towards_sun[0, 0]))
    angle = math.degrees(float(sidereal_angle(now)[0]))
    solar_h = DAWN_H if orbit == "dusk" and towards_sun[0, 2] > 0.0 else SOLAR_H[orbit]

    def hours_off(station: Station) -> float:
        solar = 12.0 + (angle + station.lon - right_ascension) / 15.0
        return abs((solar - solar_h + 12.0) % 24.0 - 12.0)

    draw = np.random.Generator(np.random.Philox(key=[seed, 0x9A55]))
    begins_ns = created_ns + round((80.0 + 20.0 * draw.random()) * 1e9)
    sideways = 3.4 - 0.9 * draw.random()
    arranged: list[tuple[float, Station, Tle, Contact]] = []
    for station in sorted(STATIONS, key=hours_off)[:CANDIDATES]:
        tle, contact = _overhead(station, created_ns, begins_ns, sideways)
        arranged.append((_sunlit_share(tle, created_ns), station, tle, contact))
        if arranged[-1][0] == 1.0:
            break
    _, station, tle, contact = max(arranged, key=lambda one: one[0])
    return station, tle, contact


def _sunlit_share(tle: Tle, created_ns: int) -> float:
    """How much of the first `DAYLIGHT_S` the satellite spends in full sunlight, 0..1."""
    t_s = created_ns / 1e9 + np.arange(0.0, DAYLIGHT_S, 10.0)
    position, _ = Orbit(tle).state(t_s)
    direction, distance_au = sun(t_s)
    lit = np.count_nonzero(sunlit_fraction(position, direction, distance_au) == 1.0)
    return lit / len(t_s)


def _overhead(station: Station, epoch_ns: int, begins_ns: int, sideways_deg: float) -> tuple[Tle, Contact]:
    """GRBAlpha's orbit turned so that a northbound pass begins over `station` at `begins_ns`.

    The ground track runs `sideways_deg` (of Earth central angle) west of the station: 3 deg is 55 deg of elevation.
    """
    inclination = Orbit(GRBALPHA).inclination
    perigee = float(GRBALPHA[1][34:42])
    motion_deg_s = 360.0 * float(GRBALPHA[1][52:63]) / 86_400.0
    lat = math.radians(station.lat)
    top_s = begins_ns / 1e9 + 310.0
    overhead_ra = math.degrees(float(sidereal_angle(np.array([top_s]))[0])) + station.lon
    node = (
        overhead_ra - math.degrees(math.asin(math.tan(lat) / math.tan(inclination))) - sideways_deg / math.cos(lat)
    )
    along = math.degrees(math.asin(math.sin(lat) / math.sin(inclination)))
    anomaly = along - perigee - motion_deg_s * (top_s - epoch_ns / 1e9)
    for _ in range(6):
        tle = moved(GRBALPHA, epoch_ns, node, anomaly)
        near = contacts(tle, station, begins_ns - 300_000_000_000, begins_ns + 600_000_000_000)
        if not near:
            break
        contact = min(near, key=lambda c: abs(c.acquisition_ns - begins_ns))
        late_s = (contact.acquisition_ns - begins_ns) / 1e9
        if abs(late_s) < 0.5:
            return tle, contact
        anomaly += motion_deg_s * late_s
    raise ValueError(f"no pass over {station.name} could be arranged at {begins_ns}")


def _channel(bus: str, channel: SimChannel) -> str:
    lines = [
        "",
        f"[[bus.{bus}.channel]]",
        f"name = {json.dumps(channel.name)}",
        f"label = {json.dumps(channel.label)}",
        f"unit = {json.dumps(channel.unit)}",
        f"period_s = {float(channel.period_s)}",
        f"decimals = {channel.decimals}",
    ]
    if channel.valid:
        lines.append(f"valid = {_pair(channel.valid)}")
    if channel.enum:
        lines.append("enum = {" + ", ".join(f'{code} = "{label}"' for code, label in channel.enum) + "}")
    if channel.contact_only:
        lines.append("contact_only = true")
    if channel.action:
        lines.append(f"action = {json.dumps(channel.action)}")
    lines += [f"{key} = {json.dumps(value)}" for key, value in allowances(bus, channel.name).items()]
    for mode, warning, critical in channel.modes:
        lines += _limits(bus, warning, critical, f"obc.mode = {mode}")
    if channel.warning or channel.critical:
        lines += _limits(bus, channel.warning, channel.critical, None)
    return "\n".join(lines) + "\n"


def _limits(bus: str, warning: Range | None, critical: Range | None, when: str | None) -> list[str]:
    lines = [f"[[bus.{bus}.channel.limits]]"]
    if when:
        lines.append(f"when = {json.dumps(when)}")
    if warning:
        lines.append(f"warning = {_pair(warning)}")
    if critical:
        lines.append(f"critical = {_pair(critical)}")
    return lines


def _pair(values: Range) -> str:
    return f"[{float(values[0])}, {float(values[1])}]"
