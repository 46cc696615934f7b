"""`cubesat-tui check`: is this mission definition usable?"""

from __future__ import annotations

from pathlib import Path

import click

from cubesat_tui.commands.options import load_mission, mission_option, mission_path_of, refuse, say


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@mission_option
@click.pass_context
def check(context: click.Context, path: Path | None, mission_path: Path | None) -> None:
    """Validate a mission definition (a mission.toml, or a directory with one): a line per error, exit 2."""
    from cubesat_tui.sources import NoSource, check_scenario

    mission = load_mission(path or mission_path_of(context, mission_path))
    try:
        check_scenario(mission)
    except NoSource as error:
        refuse(f"mission.toml: {error}")
    for satellite in mission.satellites:
        bus = mission.bus_of(satellite.name)
        limits = sum(1 for channel in bus.channels if channel.limits)
        say(f"{satellite.name}: {len(bus.channels)} channels, {limits} with limits, ok")
