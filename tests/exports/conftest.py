"""A small mission with everything in it that an export must get right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from telemetry.clock import ManualClock
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import FrameBatch, Layout, Quality
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import HealthRow, ScoreColumns, ScoredBatch
from telemetry.store.writer import StoreWriter

T0 = 1_795_331_600_000_000_000  # 2026-11-22T07:13:20Z
TOML = """
schema = 1

[[satellite]]
name = "KESTREL-1"
bus = "3u"

[[satellite]]
name = "=cmd|A1"
bus = "3u"

[[bus.3u.channel]]
name = "eps.bat_v"
label = "Battery voltage"
unit = "V"
valid = [0, 10]
sentinels = [-9999]

[[bus.3u.channel]]
name = "eps.bat_t"
label = "Battery temperature"
unit = "degC"

[[bus.3u.channel]]
name = "obc.mode"
label = "Mode"
enum = {0 = "BOOT", 1 = "SAFE", 3 = "NOMINAL"}

[[bus.3u.channel]]
name = "thm.t_px"
label = "Panel +X"
unit = "degC"
period_s = 5

[bus.3u]
packets = {thm = ["thm.*"]}

[source]
kind = "stream"
"""


class SmallMission:
    """A mission directory in `path` with a writer; `frames(...)` adds rows."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "mission.toml").write_text(TOML, encoding="utf-8")
        self.directory = MissionDirectory(path)
        self.directory.create()
        self.mission: Mission = read_mission(path)
        self.writer = StoreWriter(self.directory.telemetry, ManualClock(T0))

    @property
    def layouts(self) -> dict[str, Layout]:
        return self.mission.buses["3u"].layouts

    def frames(
        self,
        packet: str,
        seconds: list[float],
        values: list[list[float]],
        *,
        satellite: str = "KESTREL-1",
        first_seq: int = 0,
        quality: int = Quality.SIMULATED,
        states: list[int] | None = None,
    ) -> None:
        """Frames of one packet at `seconds` after T0, received 0.25 s later; judged where a state is >= 0."""
        n = len(seconds)
        t_ns = T0 + np.array([round(s * 1e9) for s in seconds], dtype=np.int64)
        batch = FrameBatch(
            self.layouts[packet],
            (satellite,),
            np.zeros(n, np.int64),
            np.full(n, 1_795_331_600, np.int64),
            np.arange(first_seq, first_seq + n, dtype=np.int64),
            t_ns,
            t_ns + 250_000_000,
            np.full(n, int(quality), np.int64),
            np.array(values, dtype=np.float64).reshape(n, len(self.layouts[packet])),
        )
        score = None
        if states is not None:
            judged = np.array([7 if state >= 0 else 0 for state in states], dtype=np.int64)
            score = ScoreColumns(
                judged,
                np.linspace(0.1, 0.9, n),
                np.linspace(0.9, 0.001, n),
                np.array([max(state, 0) for state in states], dtype=np.int64),
                np.zeros((n, 3), np.float32),
            )
        self.writer.append([ScoredBatch(batch, score)], [], {})

    def refused(self, counts: dict[str, int]) -> None:
        self.writer.beat(HealthRow(station="here", beat_ns=T0, body={"refused": counts}))

    def close(self) -> None:
        self.writer.close()


@pytest.fixture
def small(tmp_path: Path):
    mission = SmallMission(tmp_path / "mission")
    yield mission
    mission.close()


@pytest.fixture
def filled(small: SmallMission) -> SmallMission:
    """Ten seconds of `hk`, `thm` at 0 and 5 s, and one frame of a satellite with a name spreadsheets would run."""
    nan = float("nan")
    rows = [[8.0 + i / 10, 20.1 + i, 3.0] for i in range(10)]
    rows[3] = [nan, 20.1, 1.0]
    rows[4] = [-9999.0, 0.1 + 0.2, 7.0]
    rows[5] = [12.5, -40.125, 0.0]
    small.frames("hk", [float(s) for s in range(10)], rows, states=[-1, -1, 0, 0, 0, 1, 2, 2, 0, 0])
    small.frames("thm", [0.5, 5.5], [[1e22], [5e-324]], first_seq=100, quality=Quality.STORED | Quality.SIMULATED)
    small.frames("hk", [2.5], [[7.7, 1.0, 3.0]], satellite="=cmd|A1")
    small.refused({"unknown channel": 4, "wrong length": 1})
    return small
