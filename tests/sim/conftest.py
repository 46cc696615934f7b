"""A demo mission of a fixed moment, shared by the simulator's tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.preset import demo_mission_toml
from telemetry.dictionary import Mission, read_mission

CREATED_S = int(dt.datetime(2026, 11, 22, 13, 50, tzinfo=dt.UTC).timestamp())

MissionMaker = Callable[..., Mission]


@pytest.fixture
def make_mission(tmp_path: Path) -> MissionMaker:
    """make_mission(seed=1, scenario="hello", created_s=CREATED_S)"""

    def make(seed: int = 1, scenario: str = "hello", created_s: int = CREATED_S) -> Mission:
        (tmp_path / "mission.toml").write_text(
            demo_mission_toml(created_s * 10**9, seed, scenario), encoding="utf-8"
        )
        return read_mission(tmp_path)

    return make


@pytest.fixture
def mission(make_mission: MissionMaker) -> Mission:
    return make_mission()


@pytest.fixture
def created_s() -> int:
    return CREATED_S
