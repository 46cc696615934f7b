"""The simulated 1U beside the flight record it was fitted to: `python -m bench.calibration DIR`.

DIR holds the EPS recordings of BIRDS-3 (Kyutech, Data in Brief 45 (2022) 108697, in GitHub's
BIRDSOpenSource/EPS_dataset) as CSV. The healthy satellite in it is NEPALISAT: one orbit a file, a row every 5 s.
For every file the simulator flies four 1U of different seeds once around an orbit like that of the International
Space Station on the same day, in a plane in which the shadow lasts as long as recorded. Compared are the spans from
the 10th to the 90th percentile, by their common part over their union.
"""

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.craft import ONE_U, Craft
from sim.orbit import Orbit
from sim.prescribed import coast, settled
from sim.state import TRUTH
from sim.sun import sun, sunlit_fraction
from sim.surroundings import Surroundings
from sim.tle import Tle, checksum

Floats = npt.NDArray[np.float64]

PERIOD_S = 5_560
ROW_S = 5
SEEDS = range(4)
DARK_A = 0.03
"""Sum of the panel currents below which the recorded satellite is in shadow."""

PAIRS = (
    ("Tpx", "t_px", 1.0),
    ("Tmx", "t_mx", 1.0),
    ("Tpy", "t_py", 1.0),
    ("Tpz", "t_pz", 1.0),
    ("Tmz", "t_mz", 1.0),
    ("Vpx", "pv_v_x", 1e-3),
    ("Vmx", "pv_v_x", 1e-3),
    ("Vpy", "pv_v_y", 1e-3),
    ("Vpz", "pv_v_z", 1e-3),
    ("Vmz", "pv_v_z", 1e-3),
    ("Ipx", "pv_i_px", 1e-3),
    ("Imx", "pv_i_mx", 1e-3),
    ("Ipy", "pv_i_py", 1e-3),
    ("Ipz", "pv_i_pz", 1e-3),
    ("Imz", "pv_i_mz", 1e-3),
    ("Vbat", "bat_v", 1.0),
    ("Ibatt", "bat_i", -1e-3),
    ("Tbatt", "bat_t", 1.0),
)
"""Recorded column, simulated output, factor to the simulator's unit and sign. The simulator has one tracker for a
pair of panels, BIRDS-3 one for each panel."""
UNITS = {"T": "degC", "V": "V", "I": "A"}


class Recording(NamedTuple):
    """One orbit of one satellite, its day (UTC), and the fraction of it in shadow."""

    day: dt.datetime
    columns: dict[str, Floats]

    @property
    def shadow(self) -> float:
        lit = sum(np.maximum(self.columns[name], 0.0) for name in ("Ipx", "Imx", "Ipy", "Ipz", "Imz"))
        return float(np.sum(lit < 1e3 * DARK_A)) * ROW_S / PERIOD_S


@dataclass(frozen=True)
class Row:
    """One channel, spans as (10th percentile, median, 90th percentile)."""

    recorded: str
    simulated: str
    real: tuple[float, float, float]
    ours: tuple[float, float, float]

    @property
    def common(self) -> float:
        """Common part of the two spans over their union, 0 to 1."""
        (a, _, b), (c, _, d) = self.real, self.ours
        return max(0.0, min(b, d) - max(a, c)) / (max(b, d) - min(a, c))


class _Station:
    name, lat, lon, alt_m, mask_deg = "Kitakyushu", 33.89, 130.84, 50.0, 5.0


def recordings(folder: Path, satellite: str = "nepalisat") -> list[Recording]:
    """The files of a satellite in `folder`, by day.

    Raises:
        FileNotFoundError: there is none.
    """
    found = sorted(folder.glob(f"{satellite}_*.csv"))
    if not found:
        raise FileNotFoundError(f"{folder}: no {satellite}_YYYY-MM-DD.csv: see BIRDSOpenSource/EPS_dataset")
    made: list[Recording] = []
    for path in found:
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        day = dt.datetime.strptime(path.stem.split("_")[1], "%Y-%m-%d").replace(tzinfo=dt.UTC)
        made.append(Recording(day, {k: np.array([float(row[k]) for row in rows]) for k in rows[0]}))
    return made


def tle(day: dt.datetime, node_deg: float) -> Tle:
    """Elements of a round orbit like that of the International Space Station."""
    one = f"1 99990U 98067RJ  {day:%y%j}.00000000  .00000000  00000-0  00000-0 0  999"
    two = f"2 99990  51.6400 {node_deg:8.4f} 0003000   0.0000   0.0000 15.54000000    1"
    return one[:68] + str(checksum(one[:68])), two[:68] + str(checksum(two[:68]))


def plane(day: dt.datetime, shadow: float) -> Tle:
    """The orbit of that day, of 72 planes, whose fraction in shadow is nearest to `shadow`."""
    t = day.timestamp() + np.arange(0.0, PERIOD_S, 20.0)
    towards, distance = sun(t)

    def miss(node_deg: float) -> float:
        r, _ = Orbit(tle(day, node_deg)).state(t)
        return abs(1.0 - float(sunlit_fraction(r, towards, distance).mean()) - shadow)

    return tle(day, min(np.arange(0.0, 360.0, 5.0).tolist(), key=miss))


def simulated(real: Iterable[Recording], craft: Craft = ONE_U, seeds: Iterable[int] = SEEDS) -> Floats:
    """Truth of `craft` on the days of `real`, a row every 5 s, shape (n, len(TRUTH))."""
    seeds = tuple(seeds)
    pieces: list[Floats] = []
    for recording in real:
        elements = plane(recording.day, recording.shadow)
        noon = int(recording.day.timestamp()) + 43_200
        for seed in seeds:
            surroundings = Surroundings(craft, [elements], [_Station()], seed)
            state = settled(craft, surroundings, noon)
            flown = [truth for _, truth, _ in coast(craft, surroundings, state, noon, noon + PERIOD_S)]
            pieces.append(np.concatenate(flown)[::ROW_S])
    return np.concatenate(pieces)


def compare(real: Sequence[Recording], ours: Floats) -> list[Row]:
    """Spans of the channels of PAIRS, all recordings together."""
    rows: list[Row] = []
    for recorded, output, factor in PAIRS:
        there = factor * np.concatenate([recording.columns[recorded] for recording in real])
        here = ours[:, TRUTH.index(output)]
        a, b, c = (float(v) for v in np.percentile(there, (10, 50, 90)))
        d, e, f = (float(v) for v in np.percentile(here, (10, 50, 90)))
        rows.append(Row(recorded, output, (a, b, c), (d, e, f)))
    return rows


def table(rows: Iterable[Row]) -> str:
    """As Markdown."""
    lines = [
        "| recorded | simulated | unit | real 10 % / median / 90 % | simulated 10 % / median / 90 % | common | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        spans = (" / ".join(f"{v:.2f}" for v in span) for span in (row.real, row.ours))
        verdict = "" if row.common >= 0.5 else "not calibrated"
        lines.append(
            f"| {row.recorded} | {row.simulated} | {UNITS[row.recorded[0]]} | {' | '.join(spans)} "
            f"| {row.common:.2f} | {verdict} |"
        )
    return "\n".join(lines)


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: python -m bench.calibration DIR [SATELLITE]", file=sys.stderr)
        return 2
    try:
        real = recordings(Path(sys.argv[1]), *sys.argv[2:3])
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    rows = compare(real, simulated(real))
    print(table(rows))
    print(f"\n{sum(row.common >= 0.5 for row in rows)} of {len(rows)} channels share at least half of their span")
    return 0


if __name__ == "__main__":
    sys.exit(main())
