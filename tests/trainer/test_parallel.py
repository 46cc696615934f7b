"""Satellites fitted side by side in processes: the same models, in the same order, and no process left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from telemetry.clock import NS_PER_S, ManualClock, SystemClock
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import FrameBatch
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import RunRow, ScoredBatch
from telemetry.store.writer import StoreWriter
from trainer.challenger import MissionFit
from trainer.loop import Trainer
from trainer.parallel import MOST_JOBS, Workers, WorkersLost

ROOT = Path(__file__).resolve().parents[2]
START_NS = 1_795_000_000 * NS_PER_S
FLEET = ("ALPHA", "BRAVO", "CHARLIE")
TOML = """
schema = 1
[bus.b]
context = []
[bus.b.packets]
hk = ["a.*"]
[[bus.b.channel]]
name = "a.x"
label = "Wheel X"
unit = "rpm"
[[bus.b.channel]]
name = "a.y"
label = "Wheel Y"
unit = "rpm"
[source]
kind = "stream"
[detector]
kind = "isolation_forest"
[trainer]
period_s = 1
""" + "".join(f'[[satellite]]\nname = "{name}"\nbus = "b"\n' for name in FLEET)


@pytest.fixture
def directory(tmp_path: Path) -> MissionDirectory:
    return mission_in(tmp_path / "mission")


def mission_in(path: Path) -> MissionDirectory:
    made = MissionDirectory(path)
    made.create()
    made.toml.write_text(TOML, encoding="utf-8")
    return made


def fly(
    directory: MissionDirectory, mission: Mission, start: int, rows: int, names: tuple[str, ...] = FLEET
) -> None:
    """Each satellite differs from the others in level and noise."""
    layout = mission.bus_of(FLEET[0]).layouts["hk"]
    seq = np.arange(start, start + rows, dtype=np.int64)
    zero = np.zeros(rows, dtype=np.int64)
    writer = StoreWriter(directory.telemetry, SystemClock())
    for name in names:
        number = FLEET.index(name)
        noise = np.random.default_rng([start, number]).standard_normal((rows, 2))
        t_ns = START_NS + seq * NS_PER_S
        batch = FrameBatch(layout, (name,), zero, zero + 1, seq, t_ns, t_ns, zero, 50.0 + number + 0.5 * noise)
        writer.append([ScoredBatch(batch)], [], {})
    writer.close()


def told(run: RunRow) -> RunRow:
    """What does not depend on how fast it was computed."""
    body = {key: value for key, value in run.body.items() if not key.endswith("cpu_s")}
    return msgspec.structs.replace(run, fit_s=None, body=body)


def flown(directory: MissionDirectory, jobs: int) -> tuple[list[RunRow], list[dict[str, Any]]]:
    """Runs and messages of three cycles: one satellite learns for longer, another has nothing new in the last."""
    mission = read_mission(directory.path)
    clock = ManualClock(START_NS)
    said: list[dict[str, Any]] = []
    fly(directory, mission, 0, 1200, FLEET[:2])
    fly(directory, mission, 0, 600, FLEET[2:])
    trainer = Trainer(directory, mission, clock, said.append, jobs=jobs)
    runs = trainer.cycle().runs
    clock.advance(30.0)
    fly(directory, mission, 1200, 700)
    runs += trainer.cycle().runs
    clock.advance(30.0)
    fly(directory, mission, 1900, 600, FLEET[::2])
    runs += trainer.cycle().runs
    trainer.close()
    return runs, said


def files(directory: MissionDirectory) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory.models)): path.read_bytes() for path in sorted(directory.models.glob("v*/*"))
    }


def test_two_jobs_make_the_models_that_one_makes(tmp_path: Path) -> None:
    alone, together = mission_in(tmp_path / "one"), mission_in(tmp_path / "two")
    runs, said = flown(alone, 1)
    other_runs, other_said = flown(together, 2)
    assert [run.version for run in runs] == [1, 2, 3, 4, 5, None, None, 6]
    assert [run.decision for run in runs[5:]] == ["rejected", "kept", "promoted"]
    assert [told(run) for run in other_runs] == [told(run) for run in runs]
    assert files(together) == files(alone)
    order = [one["retrain"] for one in said if one["state"] != "fitting"]
    assert [one["retrain"] for one in other_said if one["state"] != "fitting"] == order


def test_no_more_windows_than_are_fitted_soon_are_kept_in_memory(directory: MissionDirectory) -> None:
    assert (Workers(1).at_hand, Workers(4).at_hand) == (1, 32)
    fly(directory, read_mission(directory.path), 0, 10)
    with pytest.raises(ValueError, match=f"jobs 0: allowed: 1 to {MOST_JOBS}"):
        Trainer(directory, read_mission(directory.path), SystemClock(), lambda _: None, jobs=0)


def test_a_fitting_process_that_is_killed_is_told_and_the_next_round_fits_again(
    directory: MissionDirectory,
) -> None:
    here = os.getpid()

    def killed(*_: Any) -> None:
        assert os.getpid() != here
        os.kill(os.getpid(), signal.SIGKILL)

    class Killed(MissionFit):
        channels = killed

    mission = read_mission(directory.path)
    fly(directory, mission, 0, 1200)
    trainer = Trainer(directory, mission, SystemClock(), lambda _: None, fit=Killed.of(mission), jobs=2)
    with pytest.raises(WorkersLost, match="one of 2 fitting processes ended"):
        trainer.cycle()
    trainer.close()
    trainer = Trainer(directory, mission, SystemClock(), lambda _: None, jobs=2)
    assert [run.decision for run in trainer.cycle().runs] == ["promoted"] * 3
    trainer.close()


@pytest.mark.e2e
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are looked up in /proc")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_fitting_process_outlives_the_trainer(directory: MissionDirectory, how: signal.Signals) -> None:
    fly(directory, read_mission(directory.path), 0, 1200)
    trainer = subprocess.Popen(
        [sys.executable, "-P", "-m", "trainer", "--mission", str(directory.path), "--jobs", "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert trainer.stdout is not None
    assert trainer.stdin is not None
    while json.loads(trainer.stdout.readline())["state"] != "published":
        pass
    started = [pid for pid in children(trainer.pid) if b"loky" in command_line(pid)]
    assert len(started) >= 2
    trainer.send_signal(how)
    trainer.wait(20)
    deadline = time.monotonic() + 30
    while any(command_line(pid) for pid in started):
        assert time.monotonic() < deadline, "a fitting process lives on"
        time.sleep(0.1)
    trainer.stdin.close()
    trainer.stdout.close()


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> bytes:
    """Empty when it is gone, or dead and not yet waited for."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
