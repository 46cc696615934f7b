"""`cubesat-tui runs`: training runs, filtered and ordered as on Models, and which models score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.options import (
    json_option,
    mission_option,
    open_stored,
    print_json,
    reading,
    refuse,
    satellite_of,
    say,
)

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow
    from trainer.serving import Serving


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1, 100_000), default=50, help="How many (default: 50).")
@click.option("--satellite", metavar="NAME", help="Only those of one satellite.")
@click.option(
    "--filter",
    "wanted",
    metavar="TEXT",
    default="",
    help="Words that all hold: promoted, rejected, kept, fitted, held, v17, '#170-#180', 'drift>0.25', part of the"
    " reason; -kept is all but these.",
)
@click.option(
    "--sort",
    metavar="ORDER",
    default="newest",
    help="newest (default), oldest, or the largest first of: drift, fa, threshold, fit, rows.",
)
@mission_option
@json_option
@click.pass_context
def runs(
    context: click.Context,
    limit: int,
    satellite: str | None,
    wanted: str,
    sort: str,
    mission_path: Path | None,
    as_json: bool,
) -> None:
    """List training runs, newest first, and what serves now.

    Every considered fit is one: promoted, kept or rejected, with its figures and the reason.
    """
    from telemetry.clock import SystemClock
    from telemetry.query_syntax import QueryError
    from telemetry.run_query import SORTS, parse_runs
    from trainer.serving import Serving, serving_of

    if sort not in SORTS:
        refuse(f"--sort: {sort!r}: allowed: {', '.join(SORTS)}")
    try:
        query = parse_runs(wanted, sort)
    except QueryError as error:
        refuse(f"--filter: {error}")

    directory, mission = open_stored(context, mission_path, "there is no run")
    names = list(mission.by_name) if satellite is None else [satellite_of(mission, satellite)]
    with reading(directory) as reader:
        found = reader.considered.page(query, satellite, limit=limit)
        serving = {name: serving_of(reader.cursor, name) or Serving() for name in names}
    now_ns = SystemClock().now_ns()
    if as_json:
        told = {name: _serving_object(one, now_ns) for name, one in serving.items()}
        print_json({"serving": told, "runs": [run_object(run) for run in found]})
        return
    for run in found:
        say(_line(run))
    if not found:
        click.echo("no run is like that" if wanted.strip() else "no run yet")
    for name, one in serving.items():
        hold = one.held(now_ns)
        if one.version is not None:
            before = "" if one.before is None else f", before it v{one.before}"
            say(f"{name}: v{one.version} scores{before}" + ("" if hold is None else f"; {hold.sentence}"))


def run_object(run: RunRow) -> dict[str, Any]:
    """A run for `--json`: times are ISO-8601, durations in seconds."""
    from cubesat_tui.status import time_or_none
    from telemetry.clock import iso

    return {
        "retrain": run.retrain,
        "at": iso(run.at_ns),
        "satellite": run.satellite,
        "decision": run.decision,
        "version": run.version,
        "parent": run.parent,
        "reason": run.reason,
        "fit_s": run.fit_s,
        "rows": run.rows,
        "excluded": run.excluded,
        "threshold": run.threshold,
        "false_alarms_per_day": run.false_alarms_per_day,
        "anomaly_rate": run.anomaly_rate,
        "drift": run.drift,
        "window_from": time_or_none(run.window_from),
        "window_to": time_or_none(run.window_to),
        "window_hash": run.window_hash,
        "model_sha256": run.model_sha256,
        "mlflow_run": run.mlflow_run,
        "figures": run.body,
    }


def _serving_object(serving: Serving, now_ns: int) -> dict[str, Any]:
    from telemetry.clock import iso

    hold = serving.held(now_ns)
    return {
        "version": serving.version,
        "before": serving.before,
        "hold": None
        if hold is None
        else {"by": hold.actor, "since": iso(hold.since_ns), "until": iso(hold.until_ns), "reason": hold.reason},
    }


def _line(run: RunRow) -> str:
    from telemetry.clock import iso

    version = "" if run.version is None else f"v{run.version}"
    fit = "" if run.fit_s is None else f"{run.fit_s:.2f} s, {run.rows or 0:,} rows: "
    return (
        f"#{run.retrain:<6} {iso(run.at_ns)}  {run.satellite or ''}  {run.decision:8} {version:5} {fit}{run.reason}"
    )
