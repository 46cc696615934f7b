"""`cubesat-tui run`: a station without a console."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cubesat_tui.commands.linking import (
    check_firebase,
    followed,
    follows_link,
    links_of,
    over_the_link,
    refuse_in_replica,
)
from cubesat_tui.commands.options import (
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    operator_of,
    operator_option,
    refuse,
)
from telemetry.link_config import FIREBASE, LinkRefused

if TYPE_CHECKING:
    from cubesat_tui.sources import SourceFactory
    from cubesat_tui.station import Station
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory


@click.command()
@mission_option
@operator_option
@click.option("--source", metavar="-|firebase", help="`-` reads frames as JSON lines on stdin and confirms them on"
              " stdout; firebase follows the link of mission.toml.")  # fmt: skip
@click.option("--publish", metavar="firebase", help="Send frames and what is judged over the link of mission.toml.")
@click.option("--take-over", is_flag=True, help="Take the place of the station that has the link now.")
@click.option("--satellite", metavar="NAME", help="Whose frames they are where a line does not say so.")
@click.option("--no-trainer", is_flag=True, help="Do not fit models; one that was promoted still scores.")
@click.option("--wait", type=click.FloatRange(min=0.0), default=0.3, hidden=True)
@click.pass_context
def run(
    context: click.Context,
    mission_path: Path | None,
    operator: str | None,
    source: str | None,
    publish: str | None,
    take_over: bool,
    satellite: str | None,
    no_trainer: bool,
    wait: float,
) -> None:
    """Run a station without a console; consoles attach to it, TERM or ctrl+c ends it with nothing lost.

    \b
    cubesat-tui run --publish firebase    this station's frames, scores, alarms and models for consoles elsewhere
    cubesat-tui run --source firebase     judge what a simulator or station elsewhere sends (trainer --attach)
    """
    from cubesat_tui.commands.mission_start import ensure_mission

    if source not in {None, "-", FIREBASE}:
        refuse(
            f"--source: {source!r}: allowed: - (frames as JSON lines on stdin) or {FIREBASE};"
            " files are for cubesat-tui replay"
        )
    if satellite is not None and source != "-":
        refuse("--satellite belongs to --source -")
    publishes = check_firebase("--publish", publish)
    path = mission_path_of(context, mission_path)
    if source is None:
        ensure_mission(context, path)
    run_in(
        open_directory(path),
        operator_of(context, operator),
        source,
        publish=publishes,
        take_over=take_over,
        satellite=satellite,
        trainer=not no_trainer,
        wait_for_lock_s=wait,
    )


def run_in(
    directory: MissionDirectory,
    operator: str,
    source: str | None,
    *,
    publish: bool = False,
    take_over: bool = False,
    satellite: str | None = None,
    trainer: bool = True,
    wait_for_lock_s: float = 0.3,
) -> None:
    """Run a station in a directory until it is ended; `source` as of the command.

    Raises:
        Refusal: it cannot run there, or not so.
    """
    from cubesat_tui.sources import NoSource, source_of
    from cubesat_tui.station import Station
    from telemetry.clock import SystemClock

    mission = load_mission(directory.path)
    if source == FIREBASE:
        mission = over_the_link(mission)
    refuse_in_replica(directory)
    follow = source != "-" and follows_link(mission)
    links = links_of(mission, follow=follow, publish=publish, take_over=take_over)
    clock = SystemClock()
    try:
        if source == "-":
            name, make_source = _stream(mission, satellite, clock)
        else:
            name, make_source = followed(links) if follow and links is not None else source_of(mission, clock)
    except NoSource as error:
        refuse(str(error))
    run_station(
        Station(
            directory,
            mission,
            name,
            make_source,
            clock=clock,
            operator=operator,
            trainer=trainer,
            history=source is None,
            end_with_source=source == "-",
            wait_for_lock_s=wait_for_lock_s,
            links=links,
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
    except LinkRefused as error:
        refuse(str(error))
