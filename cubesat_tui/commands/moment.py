"""Times as they are typed on the command line: lengths, and moments in UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.commands.options import refuse
from cubesat_tui.shelf_time import LENGTH, length_ns

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory


def span_ns(option: str, text: str) -> int:
    """Nanoseconds of `90s`, `15m`, `8h`, `1h30m` or `2d`.

    Raises:
        Refusal: it is no length of time, or none at all (exit 2).
    """
    try:
        return length_ns(text)
    except ValueError as error:
        refuse(f"{option}: {error}")


def since_ns(option: str, text: str, now_ns: int) -> int:
    """The moment of `8h` (before now), `22:00` (the last one) or `2026-11-22T22:00Z`.

    Raises:
        Refusal: it is none, or has not been yet (exit 2).
    """
    from cubesat_tui.conductor import NoMoment, moment_of

    if LENGTH.fullmatch(text.strip()) is not None:
        return now_ns - span_ns(option, text)
    try:
        return moment_of(text, now_ns)
    except NoMoment as error:
        refuse(f"{option}: {error}")


def shelf_end_ns(text: str, now_ns: int) -> int:
    """The next `08:00`, or the moment itself of `2026-11-22T08:00Z`.

    Raises:
        Refusal: it is no time (exit 2).
    """
    from cubesat_tui.shelf_time import until_clock
    from telemetry.clock import parse_iso

    try:
        return parse_iso(text) if "-" in text else until_clock(text, now_ns)
    except ValueError as error:
        refuse(f"--until: {error}")


def mission_now_ns(directory: MissionDirectory, mission: Mission, clock: Clock) -> int:
    """The mission's time: the wall clock, or where a replay stands."""
    from telemetry.store.errors import StoreError
    from telemetry.store.reader import StoreReader

    if not directory.telemetry.exists():
        return clock.now_ns()
    try:
        reader = StoreReader(directory.telemetry)
    except StoreError as error:
        refuse(str(error), exit_code=1)
    try:
        health = reader.health()
        if health is None or health.body.get("live", True):
            return clock.now_ns()
        times = [frame.t_ns for one in mission.satellites for frame in reader.newest(one.name).values()]
    finally:
        reader.close()
    return max(times, default=clock.now_ns())
