"""`cubesat-tui sim`: the simulator alone, into a pipe, a mission directory or a file with labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.mission_start import ensure_mission
from cubesat_tui.commands.options import (
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    operator_of,
    refuse,
)
from cubesat_tui.commands.sim_mission import (
    Wanted,
    faults_of,
    mission_in,
    passing_mission,
    scenario_of,
    start_of,
)
from telemetry.link_config import FIREBASE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sim.bounded import BoundedSource
    from telemetry.dictionary import Mission
    from telemetry.frame import FrameBatch

PRESETS = ("3u", "3u-extended", "1u")
USUAL_S = 86_400
"""How long a run into a directory or a file is where nothing else is said."""


class Time(click.ParamType):
    """`90s`, `45m`, `6h`, `3d`, or seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Whole seconds, 1 or more."""
        from sim.catalogue import FOR_EVER_S, FaultRefused
        from sim.injection import seconds_of

        try:
            seconds = seconds_of(str(value))
        except FaultRefused:
            seconds = 0
        if not 0 < seconds < FOR_EVER_S:
            self.fail(f"{value!r}: allowed: such as 90s, 45m, 6h or 3d", param, ctx)
        return seconds


@click.command()
@mission_option
@click.option("--to", "to", metavar="DIR|firebase|-", help="Where to: a mission directory, made if it is not there;"
              " firebase: the link of --mission DIR; - writes JSON lines to stdout (default).")  # fmt: skip
@click.option("--take-over", is_flag=True, help="With --to firebase: take the place of whoever publishes now.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), metavar="FILE",
              help="Write FILE, a row a second, and FILE.labels/ with what was wrong when.")  # fmt: skip
@click.option("--schema", type=click.Choice(("wide", "original")),
              help="Rows of --csv: all channels in one (wide), or the original system's, one a face.")  # fmt: skip
@click.option("--duration", type=Time(), metavar="TIME",
              help="End after 90s, 45m, 6h, 3d of generation time (DIR and FILE: 1d).")  # fmt: skip
@click.option("--seconds", type=click.IntRange(min=1), metavar="N", help="The same in seconds.")
@click.option("--rate", type=click.FloatRange(min=0.01), metavar="X",
              help="Generation seconds per wall second (DIR: as fast as it goes).")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0, max=2**31), metavar="S", help="Seed of a new mission (1).")
@click.option("--scenario", metavar="NAME|FILE.toml", help="What goes wrong in a new mission (hello).")
@click.option("--satellites", type=click.IntRange(min=1, max=10_000), metavar="N",
              help="Satellites of a new mission (1).")  # fmt: skip
@click.option("--preset", type=click.Choice(PRESETS), help="What a new mission flies (3u).")
@click.option("--start", metavar="TIME", help="First second of a new mission, as 2026-11-22T07:14:00Z.")
@click.option("--realistic-link/--no-contact-gaps", default=None,
              help="A new mission is heard in passes only, or always (default).")  # fmt: skip
@click.option("--fault", "faults", multiple=True, metavar="KIND:TARGET:SIZE:START:LASTS",
              help="Break something START after the first frame, such as string_loss:px:0.5:10min:1h; what is left"
              " empty is as usual; KIND@SATELLITE for another than the first; may be given again.")  # fmt: skip
@click.pass_context
def sim(
    context: click.Context,
    mission_path: Path | None,
    to: str | None,
    take_over: bool,
    csv_path: Path | None,
    schema: str | None,
    duration: int | None,
    seconds: int | None,
    rate: float | None,
    seed: int | None,
    scenario: str | None,
    satellites: int | None,
    preset: str | None,
    start: str | None,
    realistic_link: bool | None,
    faults: tuple[str, ...],
) -> None:
    """Simulate satellites: JSON lines on stdout, frames in a mission directory, or a table with labels.

    \b
    cubesat-tui sim --mission DIR | cubesat-tui run --mission DIR --source -
    cubesat-tui sim --to DIR --duration 3d --scenario bad-day
    cubesat-tui sim --csv day.csv --scenario campaign --seed 7
    cubesat-tui sim --to firebase --mission DIR
    """
    if duration is not None and seconds is not None:
        refuse("--duration and --seconds say the same: give one of them")
    lasts_s = seconds if duration is None else duration
    if schema is not None and csv_path is None:
        refuse("--schema belongs to --csv")
    outer = context.find_root().params
    wanted = Wanted(
        scenario if scenario is not None else outer.get("scenario"),
        seed if seed is not None else outer.get("seed"),
        satellites,
        preset,
        start,
        realistic_link,
    )
    if take_over and to != FIREBASE:
        refuse("--take-over belongs to --to firebase")
    if csv_path is not None:
        if to is not None or rate is not None or realistic_link is not None:
            refuse(
                "--csv writes what is measured on board, at once: --to, --rate and --realistic-link mean nothing"
            )
        _to_file(context, mission_path, wanted, csv_path, schema or "wide", lasts_s or USUAL_S, faults)
    elif to == FIREBASE:
        if rate is not None or lasts_s is not None or faults:
            refuse(
                "--to firebase flies at the pace of mission.toml until it is ended: --duration, --seconds, --rate"
                " and --fault mean nothing (cubesat-tui inject breaks it while it flies)"
            )
        _to_link(context, mission_path_of(context, mission_path), wanted, take_over)
    elif to is not None and to != "-":
        if mission_path is not None:
            refuse("--to DIR names the mission directory: leave --mission out")
        _to_directory(context, Path(to).expanduser().absolute(), wanted, lasts_s or USUAL_S, rate, faults)
    else:
        shaped = wanted._replace(scenario=scenario, seed=seed)
        _to_stdout(
            context, mission_path, wanted if any(one is not None for one in shaped) else None, lasts_s, rate, faults
        )


def _existing(context: click.Context, mission_path: Path | None) -> Mission:
    path = mission_path_of(context, mission_path)
    ensure_mission(context, path)
    mission = load_mission(open_directory(path).path)
    if not mission.flown_here:
        refuse(f"{path}: source.kind is {mission.source.kind}; only a simulated mission can be simulated")
    return mission


def _to_stdout(
    context: click.Context,
    mission_path: Path | None,
    wanted: Wanted | None,
    lasts_s: int | None,
    rate: float | None,
    faults: tuple[str, ...],
) -> None:
    """JSON lines until the end, or until nobody reads them."""
    import asyncio
    import os
    import sys

    from sim.bounded import BoundedSource
    from telemetry.clock import SystemClock

    clock = SystemClock()
    start_s = None
    if wanted is None:
        mission = _existing(context, mission_path)
    elif mission_path is not None:
        refuse("--scenario, --seed, --satellites, --preset, --start and --realistic-link shape a new mission:"
               " leave --mission out")  # fmt: skip
    else:
        if wanted.start is not None and rate in (None, 1.0):
            refuse("--start: a mission at the pace of the clock begins now; give a --rate")
        start_s = None if wanted.start is None else start_of(wanted, clock, 0)
        mission = passing_mission(wanted, start_of(wanted, clock, 0))
    source = BoundedSource(mission, None, clock, rate or mission.source.rate, lasts_s, start_s)
    for fault in faults_of(faults, mission, source.next_s):
        source.inject(fault)
    try:
        asyncio.run(_write(source))
    except BrokenPipeError:
        # The reader has gone; the stream must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass


async def _write(source: BoundedSource) -> None:
    batches: AsyncIterator[FrameBatch] = aiter(source)
    async for batch in batches:
        if len(batch):
            click.echo("\n".join(lines_of(batch)))


def _to_directory(
    context: click.Context, path: Path, wanted: Wanted, lasts_s: int, rate: float | None, faults: tuple[str, ...]
) -> None:
    from cubesat_tui.flown_mission import fly_into
    from sim.bounded import FASTEST
    from telemetry.clock import SystemClock

    clock = SystemClock()
    directory, start_s = mission_in(path, wanted, clock, 0 if rate == 1.0 else lasts_s)
    mission = load_mission(directory.path)
    fly_into(
        directory,
        mission,
        clock,
        operator_of(context, None),
        lasts_s,
        FASTEST if rate is None else rate,
        start_s,
        lambda first_s: faults_of(faults, mission, first_s),
    )


def _to_link(context: click.Context, path: Path, wanted: Wanted, take_over: bool) -> None:
    """A station that judges nothing for others: it flies, keeps what it sends, sends it until it has arrived."""
    from cubesat_tui.commands.linking import checked, refuse_in_replica
    from cubesat_tui.commands.run import run_station
    from cubesat_tui.sources import NoSource, source_of
    from cubesat_tui.station import Station
    from cubesat_tui.station_links import FRAMES, LinkRole, StationLinks
    from telemetry.clock import SystemClock

    clock = SystemClock()
    directory, _ = mission_in(path, wanted, clock, 0)
    mission = load_mission(directory.path)
    refuse_in_replica(directory)
    links = checked(StationLinks(mission, LinkRole(FRAMES, take_over)))
    try:
        name, make_source = source_of(mission, clock)
    except NoSource as error:
        refuse(str(error))
    operator = operator_of(context, None)
    run_station(
        Station(directory, mission, name, make_source, clock=clock, operator=operator, trainer=False, links=links)
    )


def _to_file(
    context: click.Context,
    mission_path: Path | None,
    wanted: Wanted,
    path: Path,
    schema: str,
    lasts_s: int,
    faults: tuple[str, ...],
) -> None:
    import sys

    from cubesat_tui.progress_line import ProgressLine
    from sim.labelled_file import labels_folder, write_run
    from sim.labelled_run import LabelledRun
    from telemetry.clock import SystemClock

    clock = SystemClock()
    if mission_path is not None:
        if any(one is not None for one in wanted._replace(start=None)):
            refuse("--scenario, --seed, --satellites and --preset shape a new mission: leave --mission out")
        mission = _existing(context, mission_path)
        start_s = start_of(wanted, clock, 0)
    else:
        start_s = start_of(wanted, None, 0)
        mission = passing_mission(wanted, start_s)
    try:
        run = LabelledRun(
            mission,
            scenario_of(mission.source.scenario, mission.directory),
            start_s,
            lasts_s,
            faults_of(faults, mission, start_s),
        )
    except ValueError as error:
        refuse(str(error))
    line = ProgressLine(sys.stderr, lasts_s, len(run.satellites))
    try:
        write_run(
            run,
            path,
            "original" if schema == "original" else "wide",
            lambda: line.update(run.flown_s - run.start_s),
        )
    except OSError as error:
        line.close()
        refuse(f"--csv {error.filename or path}: {error.strerror}", exit_code=2 if error.errno == 17 else 1)
    except KeyboardInterrupt:
        line.close()
        refuse("ended early; nothing was written", exit_code=1)
    line.close()
    told = run.told()
    seen = sum(bool(one.channels) for one in told)
    click.echo(
        f"cubesat-tui: {path}: {lasts_s:,} s of {len(run.satellites)} satellites; {labels_folder(path).name}:"
        f" {len(run.labels())} labels of {seen} faults, {len(told) - seen} events without a label",
        err=True,
    )


def lines_of(batch: FrameBatch) -> list[str]:
    """The batch as `run --source -` reads it: one JSON object a frame; NaN (sent and INVALID) becomes null."""
    import json
    import math

    from telemetry.clock import iso
    from telemetry.frame import Quality

    lines: list[str] = []
    for frame in batch:
        line: dict[str, Any] = {
            "satellite": frame.satellite,
            "packet": frame.layout.packet,
            "boot": frame.boot,
            "seq": frame.seq,
            "t": iso(frame.t_ns),
            "values": [None if math.isnan(value) else value for value in frame.values.tolist()],
        }
        if frame.quality & Quality.STORED:
            line["stored"] = True
        lines.append(json.dumps(line))
    return lines
