"""`cubesat-tui export`: a selection of the ledger to a file, written by the exporter child."""

from __future__ import annotations

from pathlib import Path

import click

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
@mission_option
@click.option("--filter", "query", default="", metavar="TEXT", help="Which rows, as in the ledger's filter line.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option("--to", type=click.Path(path_type=Path), metavar="FILE", help="Default: the mission's exports/.")
@click.option("--satellite", metavar="NAME", help="Only this satellite.")
@json_option
@click.pass_context
def export(
    context: click.Context,
    mission_path: Path | None,
    query: str,
    form: str,
    to: Path | None,
    satellite: str | None,
    as_json: bool,
) -> None:
    """Write every row of a filter to a CSV or Parquet file, with a manifest beside it."""
    import asyncio
    import sys

    from cubesat_tui.export_run import Cancelled, Done, ExportRun, Failed, Progress
    from exports.request import ExportRequest
    from telemetry.query import QueryError, parse

    directory = open_directory(mission_path_of(context, mission_path))
    mission = load_mission(directory.path)
    if satellite is not None and satellite not in mission.by_name:
        refuse(f"--satellite: {satellite!r}: allowed: {', '.join(mission.by_name)}")
    try:
        parse(query, mission)
    except QueryError as error:
        refuse(f"--filter: {error}")
    if not directory.telemetry.exists():
        refuse(f"{directory.path}: no station has run here yet, so there is nothing to export", exit_code=3)
    request = ExportRequest(
        mission=str(directory.path),
        query=query,
        path=None if to is None else str(to.expanduser().absolute()),
        format="parquet" if form == "parquet" else "csv",
        satellite=satellite,
    )
    show_progress = sys.stderr.isatty() and not as_json

    async def run() -> Done | Failed | Cancelled:
        import signal

        export_run = ExportRun(request, directory.log / "exports.log")
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: asyncio.ensure_future(export_run.cancel()))
        outcome: Done | Failed | Cancelled = Failed("the exporter said nothing")
        async for step in export_run.steps():
            if not isinstance(step, Progress):
                outcome = step
            elif show_progress:
                click.echo(f"\r{step.rows:,} rows, {step.rows_per_s:,.0f} rows/s ", nl=False, err=True)
        if show_progress:
            click.echo("\r\x1b[K", nl=False, err=True)
        return outcome

    match asyncio.run(run()):
        case Done(path, manifest):
            if as_json:
                print_json({"path": path, **manifest})
            else:
                click.echo(f"{path}: {manifest['rows']:,} rows, {manifest['bytes']:,} bytes, manifest beside it")
        case Failed(reason):
            refuse(reason, exit_code=1)
        case Cancelled():
            refuse("cancelled; nothing is left behind", exit_code=1)
