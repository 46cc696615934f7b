"""Commands that only look: `status`, `alarms`, `events`."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
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
    from telemetry.alarms import Event
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader

PAGE = 1000
"""Journal rows read at a time."""
DEAD_S = 15.0
"""A station beats every second; one that has not for so long hangs."""


@click.command()
@click.option("--alive", is_flag=True, help="Exit 3 where no station runs, or one that does not beat any more.")
@mission_option
@json_option
@click.pass_context
def status(context: click.Context, alive: bool, mission_path: Path | None, as_json: bool) -> None:
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
    else:
        _say_status(found)
    beat = found["station"]["beat_age_s"]
    if alive and not (found["station"]["running"] and beat is not None and beat <= DEAD_S):
        raise SystemExit(3)


def _say_status(found: dict[str, Any]) -> None:
    age = found["freshness"]["age_s"]
    say(f"{found['satellite']}{' SIM' if found['simulated'] else ''}  {found['mission']}")
    if len(found["satellites"]) > 1:
        states = Counter(one["state"] for one in found["satellites"])
        say(f"fleet   {len(found['satellites'])} satellites: {_counts(states)}")
    say(f"link    {found['link']} {found['link_detail']}")
    say(f"data    {'nothing received' if age is None else f'{age:.1f} s old'}, {found['frames']:,} frames")
    say(f"refused {_counts(found['refused'])}")
    say(f"model   {_model(found)}")
    if found["moved"]:
        say(f"drift   a new mode? much of the last orbit is unlike any before in {', '.join(found['moved'])}")
    mirror = found["trainer"].get("mlflow")
    if mirror:
        say(f"audit   {mirror['words']}{f' ({detail})' if (detail := mirror['detail']) else ''}")
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
        say(f"{one['word']:9} {one['severity']:9} {one['raised']}  {one['satellite']}  {one['text']}{_more(one)}")
    if not objects:
        click.echo("no alarm open")


def _more(one: dict[str, Any]) -> str:
    """What an alarm's own sentence does not say: who did what with it."""
    told: list[str] = []
    if one["shelved_until"]:
        told.append(f"shelved until {one['shelved_until']} by {one['shelved_by']}: {one['shelf_reason']}")
    elif one["acknowledged_by"]:
        told.append(f"acknowledged by {one['acknowledged_by']}")
    if one["inhibited_by"]:
        told.append(f"muted, {one['inhibited_by']}")
    if one["notes"]:
        told.append(f"{len(one['notes'])} note{'s' if len(one['notes']) > 1 else ''}")
    return f" ({'; '.join(told)})" if told else ""


@click.command()
@mission_option
@json_option
@click.option("-n", "--limit", type=click.IntRange(1, 100_000), help="How many (default: 50, with --since 10000).")
@click.option("--since", metavar="TIME", help="Only since then, UTC: 8h, 22:00 or 2026-11-22T22:00Z.")
@click.option(
    "--from",
    "least",
    type=click.Choice(("WATCH", "WARNING", "DISTRESS", "CRITICAL", "SEVERE"), case_sensitive=False),
    help="Only of this severity or above.",
)
@click.option("--search", default="", metavar="TEXT", help="Only with this in sentence, kind, subject or name.")
@click.option("--kind", default="", metavar="PREFIX", help="Only kinds that begin with this, for example alarm.")
@click.pass_context
def events(
    context: click.Context,
    mission_path: Path | None,
    as_json: bool,
    limit: int | None,
    since: str | None,
    least: str | None,
    search: str,
    kind: str,
) -> None:
    """List the newest events of the journal, newest first.

    The numbers an open alarm counts on with are left out, unless --kind or --json asks for them.
    """
    from cubesat_tui.commands.moment import mission_now_ns, since_ns
    from cubesat_tui.status import event_object
    from telemetry.alarms import UPDATED
    from telemetry.clock import SystemClock
    from telemetry.limits import Level

    directory = _directory(context, mission_path)
    begin_ns = -(2**63)
    if since is not None:
        begin_ns = since_ns(
            "--since", since, mission_now_ns(directory, load_mission(directory.path), SystemClock())
        )
    most = limit or (50 if since is None else 10_000)
    without = "" if kind or as_json else UPDATED
    reader = _reader(directory)
    try:
        wanted = search.casefold()
        pages = _pages(reader, -1 if least is None else int(Level[least.upper()]), kind, without)
        fitting = (one for one in pages if one.at_ns >= begin_ns and wanted in _words(one))
        found = [event_object(event) for event in itertools.islice(fitting, most)]
    finally:
        reader.close()
    if as_json:
        print_json({"events": found})
        return
    for one in found:
        who = f" ({one['actor']})" if one["actor"] else ""
        say(f"{one['at']}  {one['kind']:20} {one['subject']}: {one['text']}{who}")


def _pages(reader: StoreReader, least: int, kind: str, without: str) -> Iterator[Event]:
    """Newest first, to the beginning: a history is journaled after younger events."""
    before: int | None = None
    while page := reader.journal_page(before, least, PAGE, kind, without=without):
        yield from page
        before = page[-1].id


def _words(event: Event) -> str:
    return f"{event.kind}\n{event.satellite}\n{event.subject}\n{event.actor}\n{event.text}".casefold()


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
