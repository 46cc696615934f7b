"""`cubesat-tui doctor`: what this machine and this mission look like, offline."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from cubesat_tui.commands.options import json_option, mission_option, mission_path_of, print_json
from telemetry.plain_text import plain_text


@click.command()
@mission_option
@json_option
@click.pass_context
def doctor(context: click.Context, mission_path: Path | None, as_json: bool) -> None:
    """Check terminal, glyphs, clock, SQLite, disk, locks, store and model; a line each, exit 1 when one fails."""
    from cubesat_tui.doctor import examine
    from telemetry.clock import SystemClock
    from telemetry.store.directory import MissionDirectory

    checks = examine(MissionDirectory(mission_path_of(context, mission_path)), SystemClock())
    failed = any(check.state == "fail" for check in checks)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            click.echo(f"{check.state:5} {check.name:9} {plain_text(check.text, 400)}")
            if check.hint:
                click.echo(f"{'':15} {plain_text(check.hint, 400)}")
    if failed:
        raise SystemExit(1)
