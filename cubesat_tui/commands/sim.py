"""`cubesat-tui sim`: the simulator alone, as JSON lines that `cubesat-tui run --source -` reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cubesat_tui.commands.mission_start import ensure_mission
from cubesat_tui.commands.options import load_mission, mission_option, mission_path_of, open_directory, refuse

if TYPE_CHECKING:
    from telemetry.frame import FrameBatch
    from telemetry.links.source import Source


@click.command()
@mission_option
@click.option("--rate", type=click.FloatRange(min=0.01), help="Generation seconds per wall second.")
@click.option("--seconds", type=click.IntRange(min=1), metavar="N", help="End after N seconds of generation time.")
@click.pass_context
def sim(context: click.Context, mission_path: Path | None, rate: float | None, seconds: int | None) -> None:
    """Write simulated frames to stdout as JSON lines, one a packet, without storing anything.

    cubesat-tui sim --mission DIR | cubesat-tui run --mission DIR --source -
    """
    import asyncio
    import os
    import sys

    from sim.source import SimSource
    from telemetry.clock import SystemClock

    path = mission_path_of(context, mission_path)
    ensure_mission(context, path)
    mission = load_mission(open_directory(path).path)
    if not mission.simulated:
        refuse(f"{path}: source.kind is {mission.source.kind}; only a simulated mission can be simulated")
    source = SimSource(mission, None, SystemClock(), rate or mission.source.rate)
    try:
        asyncio.run(_write(source, seconds))
    except BrokenPipeError:
        # The reader has gone; the stream must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        pass


async def _write(source: Source, seconds: int | None) -> None:
    end_ns: int | None = None
    batches: AsyncIterator[FrameBatch] = aiter(source)
    async for batch in batches:
        if seconds is not None and end_ns is None:
            end_ns = int(batch.t_ns.min()) + seconds * 1_000_000_000
        wanted = batch if end_ns is None else batch.take(batch.t_ns < end_ns)
        if len(wanted):
            click.echo("\n".join(lines_of(wanted)))
        elif batch.cursor is not None:
            # A tick ends with its cursor: nothing of this one was wanted, so nothing of a later one is.
            return


def lines_of(batch: FrameBatch) -> list[str]:
    """The batch as `run --source -` reads it: one JSON object a frame; NaN (sent and INVALID) becomes null."""
    import json
    import math

    from telemetry.clock import iso
    from telemetry.frame import Quality

    lines: list[str] = []
    for frame in batch:
        line: dict[str, Any] = {
            "satellite": frame.satellite,
            "packet": frame.layout.packet,
            "boot": frame.boot,
            "seq": frame.seq,
            "t": iso(frame.t_ns),
            "values": [None if math.isnan(value) else value for value in frame.values.tolist()],
        }
        if frame.quality & Quality.STORED:
            line["stored"] = True
        lines.append(json.dumps(line))
    return lines
