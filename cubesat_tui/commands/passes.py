"""`cubesat-tui passes`: when each ground station can hear each satellite next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.moment import mission_now_ns
from cubesat_tui.commands.options import (
    json_option,
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    print_json,
    refuse,
    say,
)

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.rows import ContactRow

NS_PER_HOUR = 3_600_000_000_000
MISSING_TLE = 'add the two lines of its element set to its [[satellite]]: tle = ["1 ...", "2 ..."]'
MISSING_STATION = "add a table [[ground_station]] with name, lat and lon"


@click.command()
@mission_option
@json_option
@click.option("--satellite", metavar="NAME", help="Only this satellite (default: all that have a TLE).")
@click.option("--station", metavar="NAME", help="Only this ground station (default: all).")
@click.option(
    "--hours",
    type=click.FloatRange(0, 720, min_open=True),
    default=24.0,
    show_default=True,
    metavar="H",
    help="How far ahead, at most 720.",
)
@click.pass_context
def passes(
    context: click.Context,
    mission_path: Path | None,
    as_json: bool,
    satellite: str | None,
    station: str | None,
    hours: float,
) -> None:
    """List the passes to come over every ground station, the present one included.

    Predicted here and now from the TLE in mission.toml, whether a station runs or not; a running station stores the
    same ones. In a replay, now is the newest generation time.
    """
    from cubesat_tui.contacts import OrbitEnded, contacts_between, orbit_note
    from telemetry.clock import SystemClock

    directory = open_directory(mission_path_of(context, mission_path))
    mission = load_mission(directory.path)
    names = _satellites(mission, satellite)
    stations = _stations(mission, station)
    now = mission_now_ns(directory, mission, SystemClock())
    until = now + round(hours * NS_PER_HOUR)
    found: list[ContactRow] = []
    for name in names:
        try:
            found += contacts_between(mission, name, now, until, stations)
        except OrbitEnded as error:
            if len(names) == 1:
                refuse(f"mission.toml: satellite {name}: tle: {error}; put a newer one there")
    found.sort(key=lambda row: row.acquisition_ns)
    notes = [note for name in names if (note := orbit_note(mission, name, now))]
    if as_json:
        print_json(_object(mission, names, found, notes, now, until))
    else:
        _table(found, notes, now, hours, several=len(names) > 1)


def _satellites(mission: Mission, wanted: str | None) -> list[str]:
    known = [one.name for one in mission.satellites]
    if wanted is not None and wanted not in known:
        refuse(f"--satellite {wanted}: allowed: {', '.join(known)}")
    asked = [wanted] if wanted is not None else known
    able = [name for name in asked if mission.satellite(name).tle is not None]
    if not able:
        refuse(f"mission.toml: no orbit is known of {', '.join(asked)}: {MISSING_TLE}")
    return able


def _stations(mission: Mission, wanted: str | None) -> tuple[str, ...]:
    known = [one.name for one in mission.ground_stations]
    if not known:
        refuse(f"mission.toml: no ground station: {MISSING_STATION}")
    if wanted is not None and wanted not in known:
        refuse(f"--station {wanted}: allowed: {', '.join(known)}")
    return (wanted,) if wanted is not None else ()


def _object(
    mission: Mission, names: list[str], found: list[ContactRow], notes: list[str], now: int, until: int
) -> dict[str, Any]:
    from cubesat_tui.contacts import DAY_NS, elements_epoch_ns
    from telemetry.clock import iso

    epochs = {name: elements_epoch_ns(mission.satellite(name).tle or ("", "")) for name in names}
    return {
        "from": iso(now),
        "until": iso(until),
        "satellites": [
            {"name": name, "tle_epoch": iso(epoch), "tle_age_days": round((now - epoch) / DAY_NS, 3)}
            for name, epoch in epochs.items()
        ],
        "notes": notes,
        "passes": [
            {
                "satellite": row.satellite,
                "station": row.station,
                "acquisition": iso(row.acquisition_ns),
                "loss": iso(row.loss_ns),
                "length_s": (row.loss_ns - row.acquisition_ns) / 1e9,
                "max_elevation_deg": round(row.max_el_deg, 3),
                "in_s": round((row.acquisition_ns - now) / 1e9, 3),
            }
            for row in found
        ],
    }


def _table(found: list[ContactRow], notes: list[str], now: int, hours: float, *, several: bool) -> None:
    from cubesat_tui.drawing.numbers import countdown, date_clock_text

    heads = ["station", "acquisition", "loss", "length", "max el", "in"]
    lines = [
        [
            row.station,
            date_clock_text(row.acquisition_ns),
            date_clock_text(row.loss_ns)[11:],
            countdown((row.loss_ns - row.acquisition_ns) / 1e9),
            f"{row.max_el_deg:.1f} deg",
            countdown((row.acquisition_ns - now) / 1e9) if row.acquisition_ns > now else "now",
        ]
        for row in found
    ]
    if several:
        heads.insert(0, "satellite")
        for line, row in zip(lines, found, strict=True):
            line.insert(0, row.satellite)
    if lines:
        widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
        for line in [heads, *lines]:
            say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    else:
        say(f"no pass in the next {hours:g} hours")
    for note in notes:
        say(f"note: {note}")
