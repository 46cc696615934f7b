"""A scenario: what goes wrong in a mission, and how a mission that shows it must begin. Read from a TOML file.

The ready ones lie in `sim/scenarios`; a file of one's own has the same form. Numbers that are given as a pair are
drawn between the two, lists of targets are drawn from, both by the mission's seed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from sim.catalogue import FACES, KINDS

READY: Final = Path(__file__).parent / "scenarios"
Pair = msgspec.Meta(min_length=2, max_length=2)
Number = float | Annotated[tuple[float, ...], Pair]
Seconds = Annotated[int, msgspec.Meta(ge=0)] | Annotated[tuple[int, ...], Pair]
BRIGHTEST: Final = "brightest"
"""Target: the face that earns most then."""
Moment = Literal["pass", "sunlight"]


class Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the seed 1 gets in place of a draw, so that the demo is the same for everybody."""

    target: str | None = None
    at_s: int | None = None


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[fault]]` of a scenario file."""

    kind: str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """One, or several to draw from: a campaign."""
    target: str | tuple[str, ...] = ""
    """One, or several to draw from; empty: any the kind allows. "brightest": the face that earns most then."""
    at_s: Seconds = 0
    """After the mission's first frame; with `every_s`, after the beginning of each period."""
    at: Moment | None = None
    """Put off until the next pass, or until the face has sunlight for the whole time."""
    lasts_s: Seconds | None = None
    at_most_s: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Cuts off what would usually last longer."""
    size: Number | None = None
    how: str = ""
    every_s: Annotated[int, msgspec.Meta(ge=60)] | None = None
    """Comes again in every such period."""
    every_from: Annotated[int, msgspec.Meta(ge=0)] = 0
    """First period it comes in."""
    every_nth: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Comes in every nth period only."""
    seed_1: Fixed | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        return (self.kind,) if isinstance(self.kind, str) else self.kind


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario file."""

    about: str
    """One sentence: what a new user will see."""
    fault: tuple[Planned, ...] = ()
    orbit: Literal["morning", "noon", "dusk"] = "morning"
    """Local time of a new mission's orbit: a mid-morning pass; the longest eclipses; hardly any."""
    begin: Literal["nominal", "detumble"] = "nominal"
    """How a new mission's satellite is found: at work, or turning at `begin_deg_s` after its release."""
    begin_deg_s: float = 6.0
    name: str = ""


class ScenarioRefused(ValueError):
    """A scenario that does not exist or cannot be read; the message is one line."""


@cache
def ready() -> tuple[str, ...]:
    """Names of the scenarios that come with the simulator; `hello`, the default, first."""
    names = sorted(path.stem for path in READY.glob("*.toml"))
    return ("hello", *(name for name in names if name != "hello"))


def scenario(name: str, beside: Path | None = None) -> Scenario:
    """A ready scenario by name, or the one in the file of that path, which counts from the directory `beside`.

    Raises:
        ScenarioRefused: there is none, or the file is wrong; names file, key, value and what is allowed.
    """
    path = READY / f"{name}.toml"
    if name not in ready():
        path = Path(name) if beside is None else beside / name
        if path.suffix != ".toml" or not path.is_file():
            raise ScenarioRefused(f"scenario: {name!r}: allowed: {', '.join(ready())}, or a .toml file")
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        found = msgspec.convert(body, Scenario)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioRefused(f"{path.name}: cannot be read: {error}") from None
    except msgspec.ValidationError as error:
        raise ScenarioRefused(f"{path.name}: {str(error).replace('`', '').replace('$.', '')}") from None
    for i, planned in enumerate(found.fault):
        for kind in planned.kinds:
            if kind not in KINDS:
                raise ScenarioRefused(f"{path.name}: fault[{i}].kind: {kind}: allowed: {', '.join(KINDS)}")
    return msgspec.structs.replace(found, name=name)


def fitting(story: Scenario, channels: Collection[str]) -> Scenario:
    """`story` if all it names as targets exists in a mission with these channels.

    Raises:
        ScenarioRefused: it names a target that none of its kinds has; names the key, the value and what is allowed.
    """
    for i, planned in enumerate(story.fault):
        kinds = [KINDS[name] for name in planned.kinds]
        known = {target for kind in kinds for target in kind.targets if target != "channel"}
        known |= {"", BRIGHTEST} if any(kind.targets == FACES for kind in kinds) else {""}
        if any(kind.targets == ("channel",) for kind in kinds):
            known |= set(channels)
        for target in (planned.target,) if isinstance(planned.target, str) else planned.target:
            if target not in known:
                allowed = ", ".join(sorted(known - {""}))
                raise ScenarioRefused(f"{Path(story.name).name}: fault[{i}].target: {target}: allowed: {allowed}")
    return story
