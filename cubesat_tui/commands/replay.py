"""`cubesat-tui replay`: a recorded file as the source of a mission of its own."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cubesat_tui.commands.options import (
    demo_path,
    load_mission,
    mission_option,
    operator_of,
    operator_option,
    refuse,
)

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory


class Speed(click.ParamType):
    """`max`, or generation seconds per wall second."""

    name = "speed"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, `inf` for max."""
        if value == "max":
            return math.inf
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not (speed > 0 and math.isfinite(speed)):
            self.fail(f"{value!r}: allowed: max, or a number above 0", param, ctx)
        return speed


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "map_path", required=True, type=click.Path(path_type=Path), metavar="MAP.toml",
              help="What the columns mean, in the format of mission.toml.")  # fmt: skip
@click.option("--speed", type=Speed(), default="1", metavar="N|max", show_default=True, help="Times real time.")
@click.option("--headless", is_flag=True, help="No console; end with the file.")
@click.option("--no-trainer", is_flag=True, help="Do not fit models.")
@mission_option
@operator_option
@click.pass_context
def replay(
    context: click.Context,
    file: Path,
    map_path: Path,
    speed: float,
    headless: bool,
    no_trainer: bool,
    mission_path: Path | None,
    operator: str | None,
) -> None:
    """Play a recorded CSV file into a mission directory of its own (default: named after the file).

    With a terminal the console opens on it; without one, and with --headless, it ends with the file.
    """
    from telemetry.clock import SystemClock
    from telemetry.links.replay import ReplayRefused, ReplaySource
    from telemetry.links.source import Source

    if not file.is_file():
        refuse(f"{file}: no such file")
    wanted = load_mission(map_path)
    if wanted.source.kind != "csv":
        refuse(f"{map_path}: source.kind: {wanted.source.kind!r}: allowed for a replay: 'csv'")
    try:
        # Made once for its refusals, before anything is written.
        ReplaySource(file, wanted, speed=speed)
    except ReplayRefused as refused:
        refuse(str(refused))
    path = mission_path or context.find_root().params.get("mission_path") or demo_path().parent / file.stem
    directory = replay_directory(path.expanduser().absolute(), map_path)
    mission = load_mission(directory.path)
    clock = SystemClock()
    name = operator_of(context, operator)
    recording = file.absolute()

    def make(cursor: str | None) -> Source:
        return ReplaySource(recording, mission, speed=speed, cursor=cursor, clock=clock)

    if headless or not (sys.stdin.isatty() and sys.stdout.isatty()):
        from cubesat_tui.commands.run import run_station
        from cubesat_tui.station import Station

        run_station(
            Station(
                directory,
                mission,
                "replay",
                make,
                clock=clock,
                operator=name,
                trainer=not no_trainer,
                history=False,
                end_with_source=True,
            )
        )
        return
    from cubesat_tui.commands.console import start_and_show

    start_and_show(directory, mission, "replay", make, clock, name, can_hand_over=False)


def replay_directory(path: Path, map_path: Path) -> MissionDirectory:
    """The mission directory to play into, made with the map as its mission.toml when it is not there.

    Raises:
        Refusal: it holds live data, or was made with another map.
    """
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.errors import StoreError

    directory = MissionDirectory(path)
    text = map_path.read_bytes() if map_path.is_file() else (map_path / "mission.toml").read_bytes()
    if directory.toml.exists():
        mission = load_mission(path)
        if mission.source.kind != "csv" or holds_live_data(directory):
            refuse(
                f"{path}: this mission holds live data, a replay does not enter it; choose another --mission DIR"
            )
        if directory.toml.read_bytes() != text:
            refuse(f"{path}: this mission was made with another map; choose another --mission DIR")
        return directory
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        refuse(f"{path}: not empty and no mission; choose another --mission DIR")
    try:
        directory.create()
        draft = directory.toml.with_suffix(".toml.new")
        draft.write_bytes(text)
        draft.replace(directory.toml)
    except (OSError, StoreError) as error:
        refuse(f"{path}: the mission cannot be made: {error}", exit_code=1)
    return directory


def holds_live_data(directory: MissionDirectory) -> bool:
    """Whether any frame in the store came from something else than a recorded file."""
    from telemetry.frame import Quality
    from telemetry.store.errors import StoreError
    from telemetry.store.reader import StoreReader

    if not directory.telemetry.exists():
        return False
    try:
        reader = StoreReader(directory.telemetry)
    except StoreError as error:
        refuse(str(error), exit_code=1)
    try:
        newest = [frame for name in reader.satellites() for frame in reader.newest_any(name).values()]
    finally:
        reader.close()
    return any(not frame.quality & Quality.REPLAYED for frame in newest)
