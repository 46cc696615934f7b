"""`cubesat-tui doctor`: what this machine and this mission look like, offline; with --firebase its link too."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cubesat_tui.commands.options import json_option, mission_option, mission_path_of, open_directory, print_json
from telemetry.plain_text import plain_text


@click.command()
@mission_option
@click.option("--firebase", is_flag=True, help="Ask the database of [link]: key, reach, access, clock, rules.")
@json_option
@click.pass_context
def doctor(context: click.Context, mission_path: Path | None, firebase: bool, as_json: bool) -> None:
    """Check terminal, glyphs, clock, SQLite, disk, locks, store and model; a line each, exit 1 when one fails.

    With --firebase the link of the mission instead, and exit 3 when its database cannot be reached.
    """
    from cubesat_tui.doctor import examine
    from telemetry.clock import SystemClock
    from telemetry.store.directory import MissionDirectory

    clock = SystemClock()
    if firebase:
        from cubesat_tui.doctor_firebase import examine_link

        checks, code = examine_link(open_directory(mission_path_of(context, mission_path)), clock)
    else:
        checks = examine(MissionDirectory(mission_path_of(context, mission_path)), clock)
        code = int(any(check.state == "fail" for check in checks))
    if as_json:
        print_json({"ok": not code, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            click.echo(f"{check.state:5} {check.name:9} {plain_text(check.text, 400)}")
            if check.hint:
                click.echo(f"{'':15} {plain_text(check.hint, 400)}")
    if code:
        raise SystemExit(code)
