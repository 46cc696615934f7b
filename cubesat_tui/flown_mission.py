"""A station that flies a simulated mission for a while, faster than real time, and ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from cubesat_tui.commands.options import refuse
from cubesat_tui.faults_by_hand import INJECTED
from cubesat_tui.progress_line import ProgressLine
from cubesat_tui.station import MissionHeld, Station
from sim.bounded import BoundedSource
from sim.injection import as_body, sentence
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, iso
from telemetry.limits import Level
from telemetry.store.errors import StoreError

if TYPE_CHECKING:
    from sim.catalogue import Fault
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory

LOOK_EVERY_S = 0.2


def fly_into(
    directory: MissionDirectory,
    mission: Mission,
    clock: Clock,
    operator: str,
    lasts_s: int,
    rate: float,
    start_s: int | None,
    faults: Callable[[int], list[Fault]],
) -> None:
    """Run a station on `directory` for `lasts_s` seconds of generation time, or until TERM, HUP or ctrl+c.

    Args:
        directory: the mission directory, existing.
        mission: its definition, simulated.
        clock: wall and monotonic time.
        operator: whose name stands beside what is logged.
        lasts_s: how long.
        rate: generation seconds per wall second.
        start_s: UTC second a new mission begins at; None: now, or where it stopped.
        faults: what is to go wrong in a run whose first frame is that of the second given.

    Raises:
        Refusal: another station holds the mission or its store cannot be used (exit 1), a fault cannot happen (2).
    """
    # Refused before anything is made.
    faults(clock.now_ns() // NS_PER_S if start_s is None else start_s)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    flown: list[BoundedSource] = []

    def make(cursor: str | None) -> BoundedSource:
        left_s = lasts_s
        if flown:
            # It died and is made anew; its faults are in the cursor. It may fly a little longer than was asked.
            left_s = max(1, lasts_s - (flown[-1].next_s - flown[0].first_s))
        source = BoundedSource(mission, cursor, clock, rate, left_s, None if cursor is not None else start_s)
        if not flown:
            asked = faults(source.next_s)
            for fault in asked:
                source.inject(fault)
            station.ingest.note([_injected(fault, operator, clock.now_ns()) for fault in asked])
        flown.append(source)
        return source

    station = Station(
        directory,
        mission,
        "sim",
        make,
        clock=clock,
        operator=operator,
        trainer=False,
        end_with_source=True,
    )

    async def until_over() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, station.stop)
        watching = asyncio.create_task(_watch(flown, lasts_s, len(mission.satellites)))
        try:
            await station.run()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    try:
        asyncio.run(until_over())
    except MissionHeld as error:
        refuse(f"{error}; look at it with: cubesat-tui --attach {directory.path}", exit_code=1)
    except StoreError as error:
        refuse(str(error), exit_code=1)
    if flown:
        _say(directory, flown, clock)


async def _watch(flown: list[BoundedSource], lasts_s: int, satellites: int) -> None:
    line = ProgressLine(sys.stderr, lasts_s, satellites)
    try:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if flown:
                line.update(flown[-1].next_s - flown[0].first_s)
    finally:
        line.close()


def _say(directory: MissionDirectory, flown: list[BoundedSource], clock: Clock) -> None:
    next_s = flown[-1].next_s
    ahead_s = next_s - clock.now_ns() // NS_PER_S
    click.echo(
        f"cubesat-tui: {directory.path}: {iso(flown[0].first_s * NS_PER_S)} to {iso(next_s * NS_PER_S)};"
        f" look at it with: cubesat-tui --mission {directory.path}",
        err=True,
    )
    if ahead_s > 60:
        click.echo(
            f"cubesat-tui: this mission is now {ahead_s:,} s ahead of the clock, and live it waits for that long",
            err=True,
        )


def _injected(fault: Fault, operator: str, now_ns: int) -> Event:
    return Event(
        at_ns=now_ns,
        satellite=fault.satellite,
        kind=INJECTED,
        severity=int(Level.IN_LIMITS if fault.layer == "routine" else Level.WATCH),
        subject=fault.target,
        actor=operator,
        body={"text": sentence(fault), "id": fault.id, "fault": as_body(fault)},
    )
