"""Commands that ask a station for something: `ack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.asking import PATIENCE_S, ask
from cubesat_tui.commands.options import (
    json_option,
    load_mission,
    mission_option,
    mission_path_of,
    open_directory,
    operator_of,
    operator_option,
    print_json,
    refuse,
)
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.alarms import Alarm, Event
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory, MissionLock


@click.command()
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]...")
@click.option("--all", "every", is_flag=True, help="Every open alarm that waits for it.")
@click.option("--satellite", metavar="NAME", help="Whose alarms (default: the first satellite of the mission).")
@mission_option
@operator_option
@json_option
@click.pass_context
def ack(
    context: click.Context,
    subjects: tuple[str, ...],
    every: bool,
    satellite: str | None,
    mission_path: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Acknowledge alarms by their subject (a channel, or anomaly:CHANNEL; see cubesat-tui alarms).

    A running station does it within a second; without one this command takes the mission's lock and does it itself.
    """
    if bool(subjects) == every:
        refuse("ack: name the alarms, or give --all; cubesat-tui alarms lists them")
    directory = open_directory(mission_path_of(context, mission_path))
    mission = load_mission(directory.path)
    name = satellite or mission.satellites[0].name
    if name not in mission.by_name:
        refuse(f"--satellite: {name!r}: allowed: {', '.join(mission.by_name)}")
    if not directory.telemetry.exists():
        refuse(f"{directory.path}: no station has run here yet, so there is no alarm", exit_code=3)
    keys = [(name, subject) for subject in subjects] if subjects else _waiting(directory)
    outcomes = ask_and_wait(directory, mission, keys, operator_of(context, operator)) if keys else []
    if as_json:
        print_json({"acknowledged": [one["subject"] for one in outcomes if one["done"]], "outcomes": outcomes})
    else:
        for one in outcomes:
            click.echo(plain_text(f"{one['subject']}: {one['text']}", 400), err=not one["done"])
        if not outcomes:
            click.echo("no alarm waits for an acknowledgement")
    if any(not one["done"] for one in outcomes):
        raise SystemExit(1)


def _waiting(directory: MissionDirectory) -> list[tuple[str, str]]:
    return [alarm.key for alarm in open_alarms(directory) if alarm.needs_acknowledgement]


def open_alarms(directory: MissionDirectory) -> list[Alarm]:
    from cubesat_tui.journal import whole_journal
    from telemetry.alarms import fold_all
    from telemetry.store.reader import StoreReader

    reader = StoreReader(directory.telemetry)
    try:
        return list(fold_all(whole_journal(reader)).values())
    finally:
        reader.close()


def ask_and_wait(
    directory: MissionDirectory, mission: Mission, keys: list[tuple[str, str]], actor: str
) -> list[dict[str, Any]]:
    """Ask for acknowledgements and say what became of each, as the journal tells it.

    Raises:
        Refusal: a station holds the mission but does not answer (exit 3).
    """

    def answered(_: str, events: list[Event]) -> list[dict[str, Any]] | None:
        told = {
            (event.satellite, event.subject): event
            for event in events
            if event.actor == actor and event.kind in {"alarm.acknowledged", "alarm.cleared", "act.refused"}
        }
        return [_outcome(key, told[key]) for key in keys] if all(key in told for key in keys) else None

    return ask(
        directory,
        "ack_all",
        {"subjects": [list(key) for key in keys]},
        actor,
        answered,
        silence="the station does not answer; nothing was acknowledged",
        patience_s=PATIENCE_S,
        alone=lambda lock: apply_without_station(directory, mission, lock),
    )


def _outcome(key: tuple[str, str], event: Event) -> dict[str, Any]:
    done = event.kind != "act.refused"
    return {"satellite": key[0], "subject": key[1], "done": done, "text": event.text}


def apply_without_station(directory: MissionDirectory, mission: Mission, lock: MissionLock) -> None:
    """No station runs: hold the mission for a moment and do what a station would do with the inbox."""
    from cubesat_tui.alone import apply_alone

    apply_alone(directory, mission, lock)
