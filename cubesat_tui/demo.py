"""The demo mission: made once, on first start, with a pass a minute away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.clock import Clock
from telemetry.dictionary import SCENARIOS

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory

DEFAULT_SCENARIO = "hello"
DEFAULT_SEED = 1


def create_demo(
    path: Path, clock: Clock, scenario: str = DEFAULT_SCENARIO, seed: int = DEFAULT_SEED
) -> MissionDirectory:
    """Make a mission directory at `path` around a simulated satellite.

    The directory appears with its `mission.toml` complete, or not at all. `scenario` is the name of a ready one or
    a .toml file, which is copied: a mission is one directory.

    Raises:
        ValueError: `scenario` is unknown, or its file is wrong.
        OSError: the place cannot be written.
        telemetry.store.directory.DirectoryRefused: a place a mission cannot live in.
    """
    from sim.preset import demo_mission_toml

    file = Path(scenario) if scenario.endswith(".toml") else None
    if file is not None and not file.is_file():
        raise ValueError(
            f"--scenario: {scenario!r}: no such file; allowed: {', '.join(SCENARIOS)}, or a .toml file"
        )
    if file is None and scenario not in SCENARIOS:
        raise ValueError(f"--scenario: {scenario!r}: allowed: {', '.join(SCENARIOS)}, or a .toml file")
    text = demo_mission_toml(clock.now_ns(), seed, scenario)
    if file is not None:
        text = text.replace(
            f"scenario = {json.dumps(scenario)}", f"scenario = {json.dumps(scenario_file(file))}", 1
        )
    return create_mission(path, text, file)


def create_mission(path: Path, text: str, story: Path | None = None) -> MissionDirectory:
    """Make a mission directory at `path` with `text` as its `mission.toml`, whole or not at all.

    `story` is a scenario's file that `text` names as `scenario_file` says, and is copied.

    Raises:
        OSError: the place cannot be written.
        telemetry.store.errors.StoreError: a place a mission cannot live in.
    """
    from telemetry.store.directory import MissionDirectory

    directory = MissionDirectory(path)
    told = story.read_bytes() if story is not None else None
    directory.create()
    if story is not None and told is not None:
        (path / scenario_file(story)).write_bytes(told)
    draft = directory.toml.with_suffix(".toml.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(directory.toml)
    return directory


def scenario_file(file: Path) -> str:
    """What a copied scenario is called beside its mission.toml."""
    return "scenario.toml" if file.name == "mission.toml" else file.name
