"""`cubesat-tui check`: is this mission definition usable, and is the mission where MLflow believes it to be?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.options import (
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    refuse,
    say,
)
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--relocate", is_flag=True, help="After the mission directory was moved or copied: let MLflow's paths"
              " of files lead to where it is now.")  # fmt: skip
@mission_option
@click.pass_context
def check(context: click.Context, path: Path | None, relocate: bool, mission_path: Path | None) -> None:
    """Validate a mission definition (a mission.toml, or a directory with one): a line per error, exit 2."""
    from cubesat_tui.sources import NoSource, check_scenario
    from telemetry.store.directory import MissionDirectory
    from trainer.tracking.place import moved_from, sentence

    place = path or mission_path_of(context, mission_path)
    mission = load_mission(place)
    try:
        check_scenario(mission)
    except NoSource as error:
        refuse(f"mission.toml: {error}")
    for satellite in mission.satellites:
        bus = mission.bus_of(satellite.name)
        limits = sum(1 for channel in bus.channels if channel.limits)
        say(f"{satellite.name}: {len(bus.channels)} channels, {limits} with limits, ok")
    if relocate:
        if context.find_root().params.get("read_only"):
            refuse("--read-only: check --relocate changes the mission; nothing was done")
        _relocate(open_directory(place if place.is_dir() else place.parent))
        return
    before = moved_from(MissionDirectory(place)) if place.is_dir() else None
    if before is not None:
        say(f"{place}: {sentence(before)}")


def _relocate(directory: MissionDirectory) -> None:
    """In a child, because the store is MLflow's."""
    import json
    import subprocess

    from cubesat_tui.children import child_argv, child_environment

    if not directory.mlflow.exists():
        say(f"{directory.path}: MLflow has nothing here yet, so there is nothing to mend")
        return
    argv = child_argv("trainer.tracking.relocate", "--mission", str(directory.path.absolute()))
    done = subprocess.run(argv, env=child_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["the trainer says nothing"]
        refuse(plain_text(said[-1], 400), exit_code=1)
    told: dict[str, Any] = json.loads(done.stdout)
    if not told["places"]:
        say(f"{directory.path}: MLflow's paths lead here already")
        return
    rows = ", ".join(_counted(count, table.replace("_", " ")) for table, count in told["rows"].items())
    say(f"{directory.path}: MLflow's paths led to {', '.join(told['places'])} and lead here now: {rows}")
    for name, new in told["renamed"].items():
        say(f"{name} is called {new} now")


def _counted(count: int, things: str) -> str:
    return f"{count:,} {things.removesuffix('s') if count == 1 else things}"
