"""A mission to start with: the one that is there, or a new demo mission."""

from __future__ import annotations

from pathlib import Path

import click

from cubesat_tui.commands.options import load_mission, refuse


def ensure_mission(context: click.Context, path: Path) -> bool:
    """Make the demo mission at `path` when nothing is there; True when it was made now.

    `--scenario` and `--seed` of the program shape a new mission and must not contradict an existing one.

    Raises:
        Refusal: they contradict it, or the mission cannot be made.
    """
    from cubesat_tui.demo import DEFAULT_SCENARIO, DEFAULT_SEED, create_demo
    from telemetry.clock import SystemClock
    from telemetry.store.errors import StoreError

    outer = context.find_root().params
    scenario, seed = outer.get("scenario"), outer.get("seed")
    if path.exists() and not path.is_dir():
        refuse(f"{path}: a mission is a directory")
    if path.is_dir() and any(path.iterdir()):
        if scenario is not None or seed is not None:
            _agree(path, scenario, seed)
        return False
    try:
        create_demo(path, SystemClock(), scenario or DEFAULT_SCENARIO, DEFAULT_SEED if seed is None else seed)
    except ValueError as error:
        refuse(str(error))
    except (OSError, StoreError) as error:
        refuse(f"{path}: the demo mission cannot be made: {error}", exit_code=1)
    return True


def _agree(path: Path, scenario: str | None, seed: int | None) -> None:
    from cubesat_tui.demo import scenario_file

    source = load_mission(path).source
    if source.kind != "sim":
        refuse(f"{path}: --scenario and --seed are for simulated missions; this one has source {source.kind}")
    if scenario is not None and scenario.endswith(".toml"):
        # It was copied when the mission was made.
        scenario = scenario_file(Path(scenario))
    for option, wanted, found in (("--scenario", scenario, source.scenario), ("--seed", seed, source.seed)):
        if wanted is not None and wanted != found:
            refuse(
                f"{option}: {wanted}: the mission in {path} was made with {found};"
                " make another one with --mission DIR, or leave the option out"
            )
