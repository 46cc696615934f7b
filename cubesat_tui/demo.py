"""The demo mission: made once, on first start, with a pass a minute away."""

from __future__ import annotations

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

    The directory appears with its `mission.toml` complete, or not at all.

    Raises:
        ValueError: `scenario` is unknown.
        OSError: the place cannot be written.
        telemetry.store.directory.DirectoryRefused: a place a mission cannot live in.
    """
    from sim.preset import demo_mission_toml
    from telemetry.store.directory import MissionDirectory

    if scenario not in SCENARIOS:
        raise ValueError(f"--scenario: {scenario!r}: allowed: {', '.join(SCENARIOS)}")
    text = demo_mission_toml(clock.now_ns(), seed, scenario)
    directory = MissionDirectory(path)
    directory.create()
    draft = directory.toml.with_suffix(".toml.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(directory.toml)
    return directory
