"""`cubesat-tui handover`: what happened on a shift, for the next one."""

from __future__ import annotations

from pathlib import Path

import click

from cubesat_tui.commands.moment import mission_now_ns, since_ns
from cubesat_tui.commands.options import (
    json_option,
    mission_option,
    open_stored,
    print_json,
    reading,
)


@click.command()
@click.option(
    "--since", default="8h", show_default=True, metavar="TIME", help="UTC: 8h, 22:00 or 2026-11-22T22:00Z."
)
@mission_option
@json_option
@click.pass_context
def handover(context: click.Context, since: str, mission_path: Path | None, as_json: bool) -> None:
    """Tell the next shift: open and shelved alarms, notes, acts, gaps, models, the next passes.

    At most 60 lines of plain text, to be pasted into a log.
    """
    from cubesat_tui.shift import read_shift, shift_object
    from cubesat_tui.shift_text import shift_lines
    from telemetry.clock import SystemClock

    directory, mission = open_stored(context, mission_path, "nothing happened")
    now_ns = mission_now_ns(directory, mission, SystemClock())
    begin_ns = since_ns("--since", since, now_ns)
    with reading(directory) as reader:
        shift = read_shift(reader, mission, begin_ns, now_ns)
    if as_json:
        print_json(shift_object(shift))
    else:
        click.echo("\n".join(shift_lines(shift)))
