"""From the `[source]` table of a mission to something that yields frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from telemetry.dictionary import SCENARIOS
from telemetry.link_config import FIREBASE
from telemetry.links.source import Source

if TYPE_CHECKING:
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission

SourceFactory = Callable[[str | None], Source]
"""Makes the source anew, to continue exactly after this cursor (None: from the beginning)."""


class NoSource(Exception):
    """The mission names no source that can be started by itself; one sentence says what to do."""


def source_of(mission: Mission, clock: Clock) -> tuple[str, SourceFactory]:
    """Name of the mission's own source (the key of its cursor) and how to make it.

    Raises:
        NoSource: it needs a file or a pipe from the command line, or its scenario cannot be used.
    """
    kind = mission.source.kind
    check_scenario(mission)
    if kind == "sim":
        return "sim", lambda cursor: _simulator(mission, cursor, clock)
    if kind == "csv":
        raise NoSource("this mission is fed from a file: cubesat-tui replay FILE --map MAP.toml")
    if kind == FIREBASE:
        raise NoSource("this mission is fed over its link: cubesat-tui run --source firebase")
    raise NoSource("this mission is fed from outside: cubesat-tui run --source - reads frames as JSON lines")


def check_scenario(mission: Mission) -> None:
    """See that the scenario of a simulated mission is there and fits it; the ready ones do.

    Raises:
        NoSource: file, key, value and what is allowed.
    """
    if not mission.flown_here or mission.source.scenario in SCENARIOS:
        return
    from sim.scenario import ScenarioRefused, fitting, scenario

    try:
        channels = {channel.name for bus in mission.buses.values() for channel in bus.channels}
        fitting(scenario(mission.source.scenario, mission.directory), channels)
    except ScenarioRefused as error:
        raise NoSource(f"source.scenario: {error}") from None


def _simulator(mission: Mission, cursor: str | None, clock: Clock) -> Source:
    # Imported where it flies: a console is on screen before its satellite is.
    from sim.source import SimSource

    return SimSource(mission, cursor, clock, mission.source.rate)
