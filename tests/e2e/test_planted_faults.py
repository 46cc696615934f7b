"""Faults planted in a running station by another process: they alarm in time, with the right channel first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.planted import HEAD, SEEDS, Station, plant_all, row_of, run_seed

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(
    not os.environ.get("CUBESAT_TUI_CAMPAIGN"), reason="three stations, minutes each: make campaign"
)
@pytest.mark.timeout(2_400)
def test_thirteen_of_fifteen_alarm_within_a_minute_with_the_right_channel_first() -> None:
    found = [one for seed in SEEDS for one in run_seed(seed) if one.onset_s is not None]
    told = "\n".join([HEAD, *map(row_of, found)])
    assert len(found) == 15, told
    assert sum(one.right for one in found) >= 13, told


@pytest.mark.skipif(
    not os.environ.get("CUBESAT_TUI_CAMPAIGN"), reason="minutes at the pace of the clock: make campaign"
)
@pytest.mark.timeout(600)
def test_at_the_pace_of_the_clock_an_attached_console_shows_the_channel_in_its_alarms(
    tmp_path: Path, terminal: Callable[..., Any]
) -> None:
    station = Station(tmp_path, 1, rate=1.0)
    with (tmp_path / "station.log").open("wb") as log:
        process = subprocess.Popen(station.command("run"), env=station.environment, stdout=log, stderr=log)
    try:
        station.until(station.directory.telemetry.exists, "a store")
        console = terminal("--attach", str(station.directory.path), columns=140, rows=42)
        console.wait_for(r"LINK LIVE", 60)
        console.keys("1")
        one = next(plant_all(station, 1, console.screen, settle_s=5, kinds=("bias",)))
        shown = console.screen()
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert one.shown is True, f"{row_of(one)}\n{shown}"
    assert one.right, row_of(one)
