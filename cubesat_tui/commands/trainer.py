"""`cubesat-tui trainer`: the trainer of a mission in the foreground; `trainer refit`: a fitted forest once more."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import click

from cubesat_tui.commands.linking import check_firebase, refuse_in_replica
from cubesat_tui.commands.options import (
    json_option,
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    open_stored,
    operator_of,
    operator_option,
    refuse,
    satellite_of,
)
from telemetry.link_config import FIREBASE


@click.group(invoke_without_command=True)
@mission_option
@click.option("--once", is_flag=True, help="Consider one retrain, log it, end.")
@click.option("--period", type=click.FloatRange(min=1.0), metavar="SECONDS", help="Seconds between retrains.")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Satellites fitted at a time (default: 1).")
@click.option("--attach", metavar="firebase", help="Judge what comes over the link of mission.toml: a station"
              " without a console that follows, scores, retrains and publishes.")  # fmt: skip
@click.option("--take-over", is_flag=True, help="With --attach: take the place of the owner of the link.")
@operator_option
@click.pass_context
def trainer(
    context: click.Context,
    mission_path: Path | None,
    once: bool,
    period: float | None,
    jobs: int | None,
    attach: str | None,
    take_over: bool,
    operator: str | None,
) -> None:
    """Fit, judge and record models for a mission; JSON lines on stdout.

    Ends at end-of-file on stdin, so that it cannot outlive what started it, unless --once is given. With
    --attach firebase: as `cubesat-tui run --source firebase`.
    """
    if context.invoked_subcommand is not None:
        return
    directory = open_directory(mission_path_of(context, mission_path))
    if check_firebase("--attach", attach):
        if once or period is not None or jobs is not None:
            refuse("--once, --period and --jobs are for a trainer without a station; leave out --attach, or them")
        from cubesat_tui.commands.run import run_in

        run_in(directory, operator_of(context, operator), FIREBASE, take_over=take_over)
        return
    if take_over:
        refuse("--take-over belongs to --attach firebase")
    load_mission(directory.path)
    refuse_in_replica(directory)
    arguments = ["--mission", str(directory.path)]
    if once:
        arguments.append("--once")
    if period is not None:
        arguments += ["--period", str(period)]
    if jobs is not None:
        arguments += ["--jobs", str(jobs)]
    _become(*arguments)


@trainer.command()
@click.option("--run", "run", required=True, metavar="ID", help="The run: 17, its model v3, or its name in MLflow.")
@click.option("--satellite", metavar="NAME", help="Whose (default: of all satellites the newest such run).")
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="A new file (default: in exports/).")
@mission_option
@json_option
@click.pass_context
def refit(
    context: click.Context,
    run: str,
    satellite: str | None,
    to: Path | None,
    mission_path: Path | None,
    as_json: bool,
) -> None:
    """Grow the scikit-learn forest of a run again, from its rows and its seed, and write it with joblib.

    What serves is arrays, and nothing here ever loads such a file: this is for those who want the fitted object. It
    is refused where the rows are gone or differ, and where what grew is not what serves, to the last bit.
    """
    given = mission_path or (context.parent.params.get("mission_path") if context.parent is not None else None)
    directory, mission = open_stored(context, given, "there is no run")
    arguments = ["refit", "--mission", str(directory.path), "--run", run]
    if satellite is not None:
        arguments += ["--satellite", satellite_of(mission, satellite)]
    if to is not None:
        arguments += ["--to", str(to.expanduser().absolute())]
    if as_json:
        arguments.append("--json")
    _become(*arguments)


def _become(*arguments: str) -> NoReturn:
    """Go on as the trainer, which imports what nothing else does."""
    from cubesat_tui.children import child_argv, child_environment

    argv = child_argv("trainer", *arguments)
    os.execve(argv[0], argv, child_environment())
