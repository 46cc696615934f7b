"""`cubesat-tui handover`: what happened on a shift, for the next one."""

from __future__ import annotations

from pathlib import Path

import click

from cubesat_tui.commands.moment import mission_now_ns, since_ns
from cubesat_tui.commands.options import (
    json_option,
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    print_json,
    refuse,
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
    from telemetry.store.errors import StoreError
    from telemetry.store.reader import StoreReader

    directory = open_directory(mission_path_of(context, mission_path))
    mission = load_mission(directory.path)
    if not directory.telemetry.exists():
        refuse(f"{directory.path}: no station has run here yet, so nothing happened", exit_code=3)
    now_ns = mission_now_ns(directory, mission, SystemClock())
    begin_ns = since_ns("--since", since, now_ns)
    try:
        reader = StoreReader(directory.telemetry)
    except StoreError as error:
        refuse(str(error), exit_code=1)
    try:
        shift = read_shift(reader, mission, begin_ns, now_ns)
    finally:
        reader.close()
    if as_json:
        print_json(shift_object(shift))
    else:
        click.echo("\n".join(shift_lines(shift)))
