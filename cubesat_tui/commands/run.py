"""`cubesat-tui run`: a station without a console."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cubesat_tui.commands.options import (
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    operator_of,
    operator_option,
    refuse,
)

if TYPE_CHECKING:
    from cubesat_tui.sources import SourceFactory
    from cubesat_tui.station import Station
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission


@click.command()
@mission_option
@operator_option
@click.option("--source", metavar="-", help="`-` reads frames as JSON lines on stdin and confirms them on stdout.")
@click.option("--satellite", metavar="NAME", help="Whose frames they are where a line does not say so.")
@click.option("--no-trainer", is_flag=True, help="Do not fit models; one that was promoted still scores.")
@click.option("--wait", type=click.FloatRange(min=0.0), default=0.3, hidden=True)
@click.pass_context
def run(
    context: click.Context,
    mission_path: Path | None,
    operator: str | None,
    source: str | None,
    satellite: str | None,
    no_trainer: bool,
    wait: float,
) -> None:
    """Run a station without a console; consoles attach to it, TERM or ctrl+c ends it with nothing lost."""
    from cubesat_tui.commands.mission_start import ensure_mission
    from cubesat_tui.sources import NoSource, source_of
    from cubesat_tui.station import Station
    from telemetry.clock import SystemClock

    if source not in {None, "-"}:
        refuse(
            f"--source: {source!r}: allowed: - (frames as JSON lines on stdin); files are for cubesat-tui replay"
        )
    if satellite is not None and source is None:
        refuse("--satellite belongs to --source -")
    path = mission_path_of(context, mission_path)
    if source is None:
        ensure_mission(context, path)
    directory = open_directory(path)
    mission = load_mission(directory.path)
    clock = SystemClock()
    try:
        name, make_source = _stream(mission, satellite, clock) if source == "-" else source_of(mission, clock)
    except NoSource as error:
        refuse(str(error))
    run_station(
        Station(
            directory,
            mission,
            name,
            make_source,
            clock=clock,
            operator=operator_of(context, operator),
            trainer=not no_trainer,
            history=source is None,
            end_with_source=source == "-",
            wait_for_lock_s=wait,
        )
    )


def _stream(mission: Mission, satellite: str | None, clock: Clock) -> tuple[str, SourceFactory]:
    import sys

    from telemetry.links.stream import StreamSource

    if satellite is not None and satellite not in mission.by_name:
        refuse(f"--satellite: {satellite!r}: allowed: {', '.join(mission.by_name)}")

    def make(cursor: str | None) -> StreamSource:
        return StreamSource(sys.stdin.buffer, sys.stdout.buffer, mission, satellite, cursor=cursor, clock=clock)

    return "stream", make


def run_station(station: Station) -> None:
    """Run `station` in this thread until TERM, HUP or ctrl+c.

    Raises:
        Refusal: another station holds the mission, or its store cannot be used (exit 1).
    """
    import asyncio
    import logging
    import os
    import signal

    from telemetry.store.directory import MissionHeld
    from telemetry.store.errors import StoreError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")

    async def until_signalled() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, station.stop)
        await station.run(
            ready=lambda: click.echo(
                f"cubesat-tui: station on {station.directory.path}, process {os.getpid()}; ctrl+c ends it", err=True
            )
        )

    try:
        asyncio.run(until_signalled())
    except MissionHeld as error:
        refuse(f"{error}; look at it with: cubesat-tui --attach {station.directory.path}", exit_code=1)
    except StoreError as error:
        refuse(str(error), exit_code=1)
