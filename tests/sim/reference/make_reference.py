"""Reference values for the physics tests, made by packages that share no code with `sim`.

Run in an environment of its own, then commit what it writes beside this file:

    python -m venv /tmp/reference
    /tmp/reference/bin/pip install skyfield==1.55 astropy==8.0.2 ppigrf==2.1.0
    /tmp/reference/bin/python tests/sim/reference/make_reference.py

No network is needed apart from the installation: astropy uses its builtin ephemeris and the Earth orientation data
it ships, skyfield its builtin leap seconds and delta T, ppigrf the IGRF-14 coefficients it ships. skyfield too
propagates with the `sgp4` package (SGP4 itself is checked against the vectors it ships), but goes its way from TEME
over GCRS to the Earth-fixed frame, with nutation, UT1 and its own WGS-84.
"""

from __future__ import annotations

import datetime as dt
import json
from importlib.metadata import version
from pathlib import Path

import astropy.units as u
import numpy as np
import ppigrf
from astropy.coordinates import GCRS, TEME, get_sun, solar_system_ephemeris
from astropy.time import Time
from astropy.utils import iers
from skyfield.api import EarthSatellite, load, wgs84
from skyfield.toposlib import GeographicPosition

HERE = Path(__file__).parent
UTC = dt.UTC

ORBITS = {
    "GRBALPHA": (
        "1 47959U 21022AD  21136.80882950  .00001202  00000-0  87027-4 0  9997",
        "2 47959  97.5614  39.6019 0023282  60.8418 299.5182 15.05651497  7118",
    ),
    "ISS": (
        "1 25544U 98067A   08264.51782528 -.00002182  00000-0 -11606-4 0  2927",
        "2 25544  51.6416 247.4627 0006703 130.5360 325.0288 15.72125391563537",
    ),
    "SSO-700": (
        "1 99700U          26100.00000000  .00000100  00000-0  27000-4 0    12",
        "2 99700  98.1880 170.0000 0012000  90.0000 270.2000 14.57100000    11",
    ),
}
STATIONS = {
    "Munich": (48.1, 11.3, 580.0, 5.0),
    "Svalbard": (78.23, 15.41, 450.0, 5.0),
    "Punta Arenas": (-53.16, -70.91, 30.0, 10.0),
}
DAY_S = 86_400
SAMPLES = 7


def main() -> None:
    """Write the four files."""
    iers.conf.auto_download = False
    iers.conf.auto_max_age = None
    iers.conf.iers_degraded_accuracy = "warn"
    write("sun.json", sun(), "astropy", "pyerfa", "numpy")
    write("field.json", field(), "ppigrf", "numpy")
    write("ground_track.json", ground_track(), "skyfield", "sgp4", "numpy")
    write("passes.json", passes(), "skyfield", "sgp4", "numpy")


def write(name: str, body: dict[str, object], *packages: str) -> None:
    """One JSON file with the versions it was made with, a row a line."""
    versions = {package: version(package) for package in packages}
    lines = [f'"made_by": {json.dumps({"script": Path(__file__).name, **versions})}']
    for key, value in body.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")


def sun() -> dict[str, object]:
    """Apparent direction of the Sun in TEME and its distance, 2000 to 2036, every 73.3 days."""
    start = dt.datetime(2000, 1, 1, 6, tzinfo=UTC).timestamp()
    end = dt.datetime(2037, 1, 1, tzinfo=UTC).timestamp()
    t_s = np.floor(np.arange(start, end, 73.3 * DAY_S))
    times = Time(t_s, format="unix", scale="utc")
    with solar_system_ephemeris.set("builtin"):
        apparent = get_sun(times)
    xyz = apparent.transform_to(GCRS(obstime=times)).transform_to(TEME(obstime=times)).cartesian.xyz.to_value(u.au)
    distance = np.linalg.norm(xyz, axis=0)
    rows = [
        [int(t), *(round(float(c), 8) for c in xyz[:, i] / distance[i]), round(float(distance[i]), 7)]
        for i, t in enumerate(t_s)
    ]
    return {"columns": ["unix_s", "x", "y", "z", "distance_au"], "rows": rows}


def field() -> dict[str, object]:
    """IGRF at 550 km above WGS-84 (full degree 13), spread over the globe and over 2020 to 2029."""
    rows: list[list[float]] = []
    golden = np.pi * (3.0 - np.sqrt(5.0))
    for i in range(40):
        lat = round(float(np.degrees(np.arcsin(1.0 - 2.0 * (i + 0.5) / 40))), 3)
        lon = round(float(np.degrees(i * golden) % 360.0 - 180.0), 3)
        when = dt.datetime(2020, 3, 1, tzinfo=UTC).replace(tzinfo=None) + dt.timedelta(days=87 * i)
        east, north, up = (float(np.squeeze(b)) for b in ppigrf.igrf(lon, lat, 550.0, when))
        at = int(when.replace(tzinfo=UTC).timestamp())
        rows.append([at, lat, lon, round(north, 2), round(east, 2), round(-up, 2)])
    return {"columns": ["unix_s", "lat_deg", "lon_deg", "north_nt", "east_nt", "down_nt"], "rows": rows}


def epoch_s(satellite: EarthSatellite) -> int:
    """The first whole minute after the epoch of the elements, Unix seconds."""
    return int(satellite.epoch.utc_datetime().timestamp() // 60 + 1) * 60


def ground_track() -> dict[str, object]:
    """Geodetic latitude, longitude and altitude of each orbit over six hours."""
    scale = load.timescale(builtin=True)
    rows: list[list[object]] = []
    for name, tle in ORBITS.items():
        satellite = EarthSatellite(*tle, name, scale)
        t_s = epoch_s(satellite) + np.arange(0, 6 * 3600, 1080)
        at = wgs84.geographic_position_of(satellite.at(scale.from_datetimes(datetimes(t_s))))
        for t, lat, lon, alt in zip(t_s, at.latitude.degrees, at.longitude.degrees, at.elevation.km, strict=True):
            rows.append([name, int(t), round(float(lat), 5), round(float(lon), 5), round(float(alt), 4)])
    return {
        "orbits": {name: list(tle) for name, tle in ORBITS.items()},
        "columns": ["orbit", "unix_s", "lat_deg", "lon_deg", "alt_km"],
        "rows": rows,
    }


def datetimes(t_s: np.ndarray) -> list[dt.datetime]:
    """Unix seconds as UTC datetimes."""
    return [dt.datetime.fromtimestamp(float(t), UTC) for t in np.atleast_1d(t_s)]


def passes() -> dict[str, object]:
    """Every pass over a day that begins and ends within it: edges to a millisecond, culmination, elevations."""
    scale = load.timescale(builtin=True)
    rows: list[dict[str, object]] = []
    windows: dict[str, list[int]] = {}
    for name, tle in ORBITS.items():
        satellite = EarthSatellite(*tle, name, scale)
        start = epoch_s(satellite)
        windows[name] = [start, start + DAY_S]
        for station, (lat, lon, alt_m, mask) in STATIONS.items():
            seen = Seen(scale, satellite, wgs84.latlon(lat, lon, alt_m))
            t_s = start + np.arange(0.0, DAY_S + 1.0, 10.0)
            up = seen.elevation(t_s) > mask
            edges = np.flatnonzero(up[1:] != up[:-1])
            rises = [seen.crossing(t_s[i], t_s[i + 1], mask) for i in edges if not up[i]]
            falls = [seen.crossing(t_s[i], t_s[i + 1], mask) for i in edges if up[i]]
            if up[0]:
                falls = falls[1:]
            for rise, fall in zip(rises, falls, strict=False):
                inside = np.linspace(rise, fall, SAMPLES + 2)[1:-1]
                top_s, top = seen.highest(rise, fall)
                elevation, distance = seen.elevation(inside), seen.distance(inside)
                samples = [
                    [round(float(t), 3), round(float(e), 4), round(float(d), 3)]
                    for t, e, d in zip(inside, elevation, distance, strict=True)
                ]
                rows.append(
                    {
                        "orbit": name,
                        "station": station,
                        "acquisition_s": round(rise, 3),
                        "loss_s": round(fall, 3),
                        "culmination_s": round(top_s, 2),
                        "max_el_deg": round(top, 4),
                        "samples": samples,
                    }
                )
    return {
        "orbits": {name: list(tle) for name, tle in ORBITS.items()},
        "stations": {name: list(place) for name, place in STATIONS.items()},
        "windows": windows,
        "sample_columns": ["unix_s", "elevation_deg", "range_km"],
        "passes": rows,
    }


class Seen:
    """One satellite from one place, without refraction."""

    def __init__(self, scale: object, satellite: EarthSatellite, place: GeographicPosition) -> None:
        self.scale = scale
        self.view = satellite - place

    def elevation(self, t_s: np.ndarray) -> np.ndarray:
        """Degrees."""
        altitude, _, _ = self.view.at(self.scale.from_datetimes(datetimes(t_s))).altaz()
        return altitude.degrees

    def distance(self, t_s: np.ndarray) -> np.ndarray:
        """Kilometres."""
        return self.view.at(self.scale.from_datetimes(datetimes(t_s))).distance().km

    def crossing(self, a: float, b: float, mask: float) -> float:
        """When the elevation passes `mask`, narrowed ten times by a grid of 10 down to less than a millisecond."""
        rising = float(self.elevation(np.array([a]))[0]) < mask
        for _ in range(5):
            t_s = np.linspace(a, b, 11)
            beyond = (self.elevation(t_s) > mask) == rising
            i = int(np.argmax(beyond))
            a, b = float(t_s[i - 1]), float(t_s[i])
        return 0.5 * (a + b)

    def highest(self, a: float, b: float) -> tuple[float, float]:
        """Time and value of the highest elevation."""
        for _ in range(4):
            t_s = np.linspace(a, b, 41)
            elevation = self.elevation(t_s)
            i = int(np.clip(np.argmax(elevation), 1, 39))
            a, b = float(t_s[i - 1]), float(t_s[i + 1])
        return 0.5 * (a + b), float(elevation.max())


if __name__ == "__main__":
    main()
