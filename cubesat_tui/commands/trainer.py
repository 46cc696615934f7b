"""`cubesat-tui trainer`: the trainer of a mission in the foreground."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cubesat_tui.commands.options import load_mission, mission_option, mission_path_of, open_directory


@click.command()
@mission_option
@click.option("--once", is_flag=True, help="Consider one retrain, log it, end.")
@click.option("--period", type=click.FloatRange(min=1.0), metavar="SECONDS", help="Seconds between retrains.")
@click.pass_context
def trainer(context: click.Context, mission_path: Path | None, once: bool, period: float | None) -> None:
    """Fit, judge and record models for a mission; JSON lines on stdout.

    Ends at end-of-file on stdin, so that it cannot outlive what started it, unless --once is given.
    """
    from cubesat_tui.children import child_argv, child_environment

    directory = open_directory(mission_path_of(context, mission_path))
    load_mission(directory.path)
    arguments = ["--mission", str(directory.path)]
    if once:
        arguments.append("--once")
    if period is not None:
        arguments += ["--period", str(period)]
    argv = child_argv("trainer", *arguments)
    os.execve(argv[0], argv, child_environment())
