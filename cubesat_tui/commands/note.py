"""`cubesat-tui note` and `undo`: write something down; take back what was done a moment ago."""

from __future__ import annotations

from pathlib import Path

import click

from cubesat_tui.commands.acting import begin, outcome, say_outcome
from cubesat_tui.commands.options import json_option, mission_option, operator_option, print_json, refuse


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[SUBJECT] TEXT")
@click.option("--satellite", metavar="NAME", help="Whose alarm (default: the first satellite of the mission).")
@mission_option
@operator_option
@json_option
@click.pass_context
def note(
    context: click.Context,
    words: tuple[str, ...],
    satellite: str | None,
    mission_path: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Write TEXT to an open alarm, or without a SUBJECT for the shift: the handover shows it.

    TEXT is one argument: put it in quotes.
    """
    from cubesat_tui.shelf_time import LEAST_REASON, is_reason

    given = list(words)
    if len(given) > 2:
        refuse("note: TEXT is one argument, in quotes: cubesat-tui note eps.bat_v 'test was planned for 08:00'")
    subject, text = given[0] if len(given) > 1 else "", given[-1]
    if not is_reason(text):
        refuse(f"note: TEXT: at least {LEAST_REASON} letters are needed")
    acting = begin(context, mission_path, operator)
    name = acting.satellite(satellite) if subject or satellite else ""
    event = acting.ask("note", {"satellite": name, "subject": subject, "text": text}, "nothing was written")[0]
    done = outcome(event)
    if as_json:
        print_json(done | {"by": acting.actor})
    else:
        say_outcome(done if not done["done"] else done | {"text": f"noted: {event.text}"})
    if not done["done"]:
        raise SystemExit(1)


@click.command()
@click.argument("subject", required=False, default="")
@click.option("--satellite", default="", metavar="NAME", help="Only on an alarm of this satellite.")
@mission_option
@operator_option
@json_option
@click.pass_context
def undo(
    context: click.Context,
    subject: str,
    satellite: str,
    mission_path: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Take back what you did last within 30 s: an acknowledgement or a shelf, as a further event."""
    acting = begin(context, mission_path, operator)
    if satellite:
        acting.satellite(satellite)
    events = acting.ask("undo", {"satellite": satellite, "subject": subject}, "nothing was undone")
    outcomes = [outcome(event) for event in events]
    if as_json:
        print_json({"undone": [one["subject"] for one in outcomes if one["done"]], "outcomes": outcomes})
    else:
        for one in outcomes:
            say_outcome(one)
    if any(not one["done"] for one in outcomes):
        raise SystemExit(1)
