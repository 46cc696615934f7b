"""Commands that only look: `status`, `alarms`, `events`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.options import (
    json_option,
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    print_json,
    refuse,
    say,
)

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader


@click.command()
@mission_option
@json_option
@click.pass_context
def status(context: click.Context, mission_path: Path | None, as_json: bool) -> None:
    """Say how a mission stands, whether a station runs there or not."""
    from cubesat_tui.status import read_status
    from telemetry.clock import SystemClock
    from telemetry.store.errors import StoreError

    directory = _directory(context, mission_path)
    try:
        found = read_status(directory, SystemClock())
    except StoreError as error:
        refuse(str(error), exit_code=1)
    if as_json:
        print_json(found)
        return
    age = found["freshness"]["age_s"]
    say(f"{found['satellite']}{' SIM' if found['simulated'] else ''}  {found['mission']}")
    if len(found["satellites"]) > 1:
        states = Counter(one["state"] for one in found["satellites"])
        say(f"fleet   {len(found['satellites'])} satellites: {_counts(states)}")
    say(f"link    {found['link']} {found['link_detail']}")
    say(f"data    {'nothing received' if age is None else f'{age:.1f} s old'}, {found['frames']:,} frames")
    say(f"refused {_counts(found['refused'])}")
    say(f"model   {_model(found)}")
    say(f"alarms  {_counts(found['alarms'])}")
    say(f"store   {found['store_bytes'] / (1 << 20):.1f} MiB")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _model(found: dict[str, Any]) -> str:
    if found["model_version"] is None:
        learning = found["learning"]
        far = "" if learning is None else f" {learning['have']} of {learning['need']}"
        return f"{found['detector']}, learning{far}"
    seconds, kind = found["next_retrain_s"], found["model_kind"] or found["detector"]
    if kind != found["detector"]:
        # Until the next promotion the model of before mission.toml was changed goes on.
        kind += f" (mission.toml: {found['detector']})"
    return f"v{found['model_version']} {kind}, " + (
        "no retrain planned" if seconds is None else f"next retrain in {seconds:.0f} s"
    )


@click.command()
@mission_option
@json_option
@click.pass_context
def alarms(context: click.Context, mission_path: Path | None, as_json: bool) -> None:
    """List the open alarms, most urgent first."""
    from cubesat_tui.status import alarm_object
    from telemetry.alarms import urgency

    reader = _reader(_directory(context, mission_path))
    try:
        from cubesat_tui.journal import whole_journal
        from telemetry.alarms import fold_all

        found = sorted(fold_all(whole_journal(reader)).values(), key=urgency)
    finally:
        reader.close()
    objects = [alarm_object(alarm) for alarm in found]
    if as_json:
        print_json({"alarms": objects})
        return
    for one in objects:
        say(f"{one['word']:9} {one['severity']:9} {one['raised']}  {one['satellite']}  {one['text']}")
    if not objects:
        click.echo("no alarm open")


@click.command()
@mission_option
@json_option
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@click.option("--kind", default="", metavar="PREFIX", help="Only kinds that begin with this, for example alarm.")
@click.pass_context
def events(context: click.Context, mission_path: Path | None, as_json: bool, limit: int, kind: str) -> None:
    """List the newest events of the journal, newest first.

    The numbers an open alarm counts on with are left out, unless --kind or --json asks for them.
    """
    from cubesat_tui.status import event_object
    from telemetry.alarms import UPDATED

    reader = _reader(_directory(context, mission_path))
    try:
        page = reader.journal_page(None, -1, limit, kind, without="" if kind or as_json else UPDATED)
        found = [event_object(event) for event in page]
    finally:
        reader.close()
    if as_json:
        print_json({"events": found})
        return
    for one in found:
        who = f" ({one['actor']})" if one["actor"] else ""
        say(f"{one['at']}  {one['kind']:20} {one['subject']}: {one['text']}{who}")


def _directory(context: click.Context, mission_path: Path | None) -> MissionDirectory:
    directory = open_directory(mission_path_of(context, mission_path))
    load_mission(directory.path)
    if not directory.telemetry.exists():
        refuse(
            f"{directory.path}: no station has run here yet; start one: cubesat-tui run --mission {directory.path}",
            exit_code=3,
        )
    return directory


def _reader(directory: MissionDirectory) -> StoreReader:
    from telemetry.store.errors import StoreError
    from telemetry.store.reader import StoreReader

    try:
        return StoreReader(directory.telemetry)
    except StoreError as error:
        refuse(str(error), exit_code=1)
