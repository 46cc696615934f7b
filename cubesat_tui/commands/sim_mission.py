"""The mission that `cubesat-tui sim` flies: one that is there, or a new one shaped by options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cubesat_tui.commands.options import load_mission, refuse

if TYPE_CHECKING:
    from sim.catalogue import Fault
    from sim.scenario import Scenario
    from telemetry.clock import Clock
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory

FIRST_S = 1_621_193_082
"""2021-05-16T19:24:42Z, the epoch of the orbit that is flown: a run that names no time is the same on any day."""
FAULT_FIELDS = 5
"""KIND:TARGET:SIZE:START:LASTS"""


class Wanted(NamedTuple):
    """What the command line says about a new mission; None: nothing."""

    scenario: str | None = None
    seed: int | None = None
    satellites: int | None = None
    preset: str | None = None
    start: str | None = None
    realistic_link: bool | None = None


def scenario_of(name: str, beside: Path | None = None) -> Scenario:
    """The scenario called `name`, or in that file, which may lie in the folder `beside`.

    Raises:
        Refusal: there is none, or it cannot be read.
    """
    from sim.scenario import ScenarioRefused, scenario

    try:
        return scenario(name, beside)
    except ScenarioRefused as error:
        refuse(f"--scenario: {error}")


def start_of(wanted: Wanted, clock: Clock | None, before_s: int) -> int:
    """UTC second a mission begins at: `--start`, else `before_s` before now, else (no clock) `FIRST_S`.

    Raises:
        Refusal: `--start` is no time.
    """
    from telemetry.clock import NS_PER_S, parse_iso

    if wanted.start is None:
        return FIRST_S if clock is None else clock.now_ns() // NS_PER_S - before_s
    try:
        return parse_iso(wanted.start) // NS_PER_S
    except ValueError as error:
        refuse(f"--start: {error}")


def passing_mission(wanted: Wanted, start_s: int) -> Mission:
    """A new mission that is nowhere on disk once it is read.

    Raises:
        Refusal: the scenario cannot be used.
    """
    import tempfile

    text = _text(wanted, start_s)
    with tempfile.TemporaryDirectory(prefix="cubesat-sim-") as folder:
        file = Path(folder, "mission.toml")
        file.write_text(text, encoding="utf-8")
        return load_mission(file)


def mission_in(path: Path, wanted: Wanted, clock: Clock, before_s: int) -> tuple[MissionDirectory, int | None]:
    """The mission directory at `path`, and the second it begins at where it was made now (else None).

    A new one begins `before_s` before now, so that a run of as many seconds ends where a console goes on.

    Raises:
        Refusal: what is there is no simulated mission, or another than the options say, or it cannot be made.
    """
    from cubesat_tui.demo import create_mission, scenario_file
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.errors import StoreError

    directory = MissionDirectory(path)
    if directory.toml.is_file():
        _agree(path, load_mission(path), wanted)
        return directory, None
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        refuse(f"{path}: not empty and no mission; choose another --to DIR")
    start_s = start_of(wanted, clock, before_s)
    text, story = _text(wanted, start_s), _story(wanted)
    if story is not None:
        # It is copied, and named as it lies beside the mission.toml.
        text = text.replace(
            f"scenario = {json.dumps(str(story))}", f"scenario = {json.dumps(scenario_file(story))}"
        )
    try:
        return create_mission(path, text, story), start_s
    except (OSError, StoreError) as error:
        refuse(f"{path}: the mission cannot be made: {error}", exit_code=1)


def faults_of(texts: Sequence[str], mission: Mission, first_s: int) -> list[Fault]:
    """What `--fault` asks for, in a run whose first frame is that of the UTC second `first_s`.

    Raises:
        Refusal: one cannot be read, or cannot happen to this mission.
    """
    from sim.catalogue import FaultRefused
    from sim.injection import Wish, fault_of, seconds_of

    found: list[Fault] = []
    for number, text in enumerate(texts, 1):
        fields = text.split(":")
        if len(fields) > FAULT_FIELDS:
            refuse(f"--fault {text}: allowed: KIND:TARGET:SIZE:START:LASTS")
        kind, target, size, start, lasts = (*fields, *[""] * (FAULT_FIELDS - len(fields)))
        kind, _, satellite = kind.partition("@")
        satellite = satellite or mission.satellites[0].name
        channels = tuple(mission.bus_of(satellite).by_name) if satellite in mission.by_name else ()
        try:
            wish = Wish(
                kind, satellite, target, float(size) if size else None, seconds_of(lasts) if lasts else None
            )
            begins_s = first_s + (seconds_of(start) if start else 0)
            found.append(fault_of(wish, f"start-{first_s}-{number}", begins_s, channels, tuple(mission.by_name)))
        except FaultRefused as error:
            refuse(f"--fault {text}: {error}")
        except ValueError:
            refuse(f"--fault {text}: size: {size}: allowed: a number")
    return found


def _story(wanted: Wanted) -> Path | None:
    """The scenario's file, where it is none of the ready ones."""
    name = wanted.scenario
    return Path(name).expanduser().absolute() if name is not None and name.endswith(".toml") else None


def _text(wanted: Wanted, start_s: int) -> str:
    from sim.preset import demo_mission_toml
    from telemetry.clock import NS_PER_S

    name = str(_story(wanted) or wanted.scenario or "hello")
    scenario_of(name)
    return demo_mission_toml(
        start_s * NS_PER_S,
        1 if wanted.seed is None else wanted.seed,
        name,
        wanted.preset or "3u",
        wanted.satellites or 1,
        not wanted.realistic_link,
    )


def _agree(path: Path, mission: Mission, wanted: Wanted) -> None:
    source = mission.source
    if not mission.flown_here:
        refuse(f"{path}: source.kind is {source.kind}; the simulator writes into simulated missions only")
    if wanted.start is not None:
        refuse(f"--start: the mission in {path} began already; it goes on where it stopped")
    link = None if wanted.realistic_link is None else not wanted.realistic_link
    from cubesat_tui.demo import scenario_file

    story = _story(wanted)
    for option, asked, found in (
        ("--scenario", wanted.scenario if story is None else scenario_file(story), source.scenario),
        ("--seed", wanted.seed, source.seed),
        ("--satellites", wanted.satellites, len(mission.satellites)),
        ("--preset", wanted.preset, mission.satellites[0].bus),
        ("--no-contact-gaps", link, source.visible),
    ):
        if asked is not None and asked != found:
            refuse(f"{option}: {asked}: the mission in {path} was made with {found}; choose another --to DIR")
