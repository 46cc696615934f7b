"""`cubesat-tui shelve`: put an alarm aside for a while, with a reason, or take it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cubesat_tui.commands.acting import Acting, begin, outcome, say_outcome
from cubesat_tui.commands.moment import mission_now_ns, shelf_end_ns, span_ns
from cubesat_tui.commands.options import json_option, mission_option, operator_option, print_json, refuse


@click.command()
@click.argument("subject")
@click.option("--for", "length", metavar="TIME", help="How long: 15m, 1h; at most 24 h.")
@click.option("--until", metavar="TIME", help="Until when, UTC: 08:00, or 2026-11-22T08:00Z.")
@click.option("--reason", default="", metavar="TEXT", help="Why; at least three letters. Needed to shelve.")
@click.option("--end", "ends", is_flag=True, help="End the shelf now; the alarm is acknowledged with it.")
@click.option("--satellite", metavar="NAME", help="Whose alarm (default: the first satellite of the mission).")
@mission_option
@operator_option
@json_option
@click.pass_context
def shelve(
    context: click.Context,
    subject: str,
    length: str | None,
    until: str | None,
    reason: str,
    ends: bool,
    satellite: str | None,
    mission_path: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Shelve an alarm by its subject (see cubesat-tui alarms) for a time, with a reason.

    It stays listed, is not counted as new and comes back by itself, at once where it becomes more severe.
    """
    from cubesat_tui.shelf_time import LEAST_REASON, is_reason

    given = sum(one is not None for one in (length, until))
    if ends and given:
        refuse("shelve: --end needs no time")
    if not ends and given != 1:
        refuse("shelve: give --for 15m or --until 08:00 (UTC): a shelf always ends")
    if not is_reason(reason) and (reason or not ends):
        refuse(f"shelve: --reason: at least {LEAST_REASON} letters are needed: it is what the next shift reads")
    acting = begin(context, mission_path, operator)
    wanted: dict[str, Any] = {"satellite": acting.satellite(satellite), "subject": subject, "reason": reason}
    if ends:
        if not reason:
            del wanted["reason"]
        done = outcome(acting.ask("unshelve", wanted, "no shelf was ended")[0])
    else:
        done = _shelved(acting, wanted, length, until)
    if as_json:
        print_json(done)
    else:
        say_outcome(done)
    if not done["done"]:
        raise SystemExit(1)


def _shelved(acting: Acting, wanted: dict[str, Any], length: str | None, until: str | None) -> dict[str, Any]:
    from telemetry.clock import SystemClock, iso

    now_ns = mission_now_ns(acting.directory, acting.mission, SystemClock())
    until_ns = shelf_end_ns(until or "", now_ns) if length is None else now_ns + span_ns("--for", length)
    event = acting.ask("shelve", {**wanted, "until_ns": until_ns}, "nothing was shelved")[0]
    return outcome(event) | {"until": iso(until_ns), "reason": wanted["reason"], "by": acting.actor}
