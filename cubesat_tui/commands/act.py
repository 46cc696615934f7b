"""`cubesat-tui ack`: acknowledge alarms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.acting import REFUSED, Acting, begin, open_alarms
from cubesat_tui.commands.options import json_option, mission_option, operator_option, print_json, refuse
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from telemetry.alarms import Event


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
    acting = begin(context, mission_path, operator)
    name = acting.satellite(satellite)
    # Of those that are not named, what is worse by the time it is acknowledged has not been seen.
    wanted: list[list[Any]] = [[name, subject] for subject in dict.fromkeys(subjects)] or _waiting(
        acting, satellite
    )
    outcomes = _acknowledged(acting, wanted) if wanted else []
    if as_json:
        print_json({"acknowledged": [one["subject"] for one in outcomes if one["done"]], "outcomes": outcomes})
    else:
        for one in outcomes:
            click.echo(plain_text(f"{one['subject']}: {one['text']}", 400), err=not one["done"])
        if not outcomes:
            click.echo("no alarm waits for an acknowledgement")
    if any(not one["done"] for one in outcomes):
        raise SystemExit(1)


def _waiting(acting: Acting, satellite: str | None) -> list[list[Any]]:
    return [
        [alarm.satellite, alarm.subject, alarm.severity, alarm.raised_ns]
        for alarm in open_alarms(acting.directory)
        if alarm.needs_acknowledgement and satellite in (None, alarm.satellite)
    ]


def _acknowledged(acting: Acting, wanted: list[list[Any]]) -> list[dict[str, Any]]:
    """What became of each alarm that was asked for."""
    events = acting.ask("ack_all", {"subjects": wanted}, "nothing was acknowledged")
    # The newest event of an alarm says what became of it: one that had returned is cleared at once.
    told = {(event.satellite, event.subject): event for event in events}
    return [_outcome(str(one[0]), str(one[1]), told.get((one[0], one[1]), events[0])) for one in wanted]


def _outcome(satellite: str, subject: str, event: Event) -> dict[str, Any]:
    return {"satellite": satellite, "subject": subject, "done": event.kind != REFUSED, "text": event.text}
