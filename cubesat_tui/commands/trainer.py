"""`cubesat-tui trainer`: the trainer of a mission in the foreground."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cubesat_tui.commands.linking import check_firebase, refuse_in_replica
from cubesat_tui.commands.options import (
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    operator_of,
    operator_option,
    refuse,
)
from telemetry.link_config import FIREBASE


@click.command()
@mission_option
@click.option("--once", is_flag=True, help="Consider one retrain, log it, end.")
@click.option("--period", type=click.FloatRange(min=1.0), metavar="SECONDS", help="Seconds between retrains.")
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
    attach: str | None,
    take_over: bool,
    operator: str | None,
) -> None:
    """Fit, judge and record models for a mission; JSON lines on stdout.

    Ends at end-of-file on stdin, so that it cannot outlive what started it, unless --once is given. With
    --attach firebase: as `cubesat-tui run --source firebase`.
    """
    from cubesat_tui.children import child_argv, child_environment

    directory = open_directory(mission_path_of(context, mission_path))
    if check_firebase("--attach", attach):
        if once or period is not None:
            refuse("--once and --period are for a trainer without a station; leave out --attach, or them")
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
    argv = child_argv("trainer", *arguments)
    os.execve(argv[0], argv, child_environment())
