"""Refits by channel over several cycles: the budget, the record of each cycle, a death in the middle."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from telemetry.clock import SystemClock
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch
from telemetry.store.directory import MissionDirectory
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter
from trainer.challenger import Challenger, MissionFit, Pace
from trainer.fit_channels import Piece
from trainer.loop import Trainer
from trainer.model import Fitted
from trainer.served import Scorer

Make = Callable[..., list[FrameBatch]]
SIX = 7200


class SlowFit:
    """The real fit; each channel that was due is noted, and takes half a second on the test's own CPU clock."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.asked: list[tuple[str, ...] | None] = []
        self._fit = MissionFit("fusion", 0.2)

    def channels(self, challenger: Challenger, due: tuple[str, ...] | None) -> Piece:
        self.asked.append(due)
        self.cpu_s += 2.0 if due is None else 0.5 * len(due)
        return self._fit.channels(challenger, due)

    def complete(self, challenger: Challenger, pieces: Sequence[Piece]) -> Fitted:
        return self._fit.complete(challenger, pieces)

    def cpu(self) -> float:
        return self.cpu_s


@pytest.fixture
def directory(tmp_path: Path) -> MissionDirectory:
    made = MissionDirectory(tmp_path / "mission")
    made.create()
    return made


def store(directory: MissionDirectory, batches: list[FrameBatch]) -> None:
    writer = StoreWriter(directory.telemetry, SystemClock())
    writer.append([ScoredBatch(batch, None) for batch in batches], [], {})
    writer.close()


def trainer_of(directory: MissionDirectory, mission: Mission, slow: SlowFit) -> Trainer:
    trainer = Trainer(directory, mission, SystemClock(), lambda _: None, fit=slow, cpu=slow.cpu)
    next(iter(trainer._learners)).pace = Pace(0.0, 0.5, 0.0)
    return trainer


def test_due_channels_are_fitted_over_several_cycles_each_recorded(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    slow = SlowFit()
    store(directory, make_packets(0, SIX))
    trainer = trainer_of(directory, mission, slow)
    assert trainer.cycle().runs[0].reason == "first model"
    champion = next(iter(trainer._learners)).champion
    judged = [name for packet in champion.packets.values() for name in packet.channels]
    store(directory, make_packets(SIX, 499))
    assert trainer.cycle().runs[0].reason == "499 newly accepted rows, a fit wants 500"
    store(directory, make_packets(SIX + 499, 10))
    runs = []
    while not runs or runs[-1].decision == "kept":
        runs += trainer.cycle().runs
    trainer.close()
    assert runs[0].reason == f"refitting {len(slow.asked[1])} of {len(judged)} channels"
    assert [name for due in slow.asked[1:] for name in due] == judged
    assert all(run.body["cycle_cpu_s"] <= 1.0 for run in runs[1:])
    last = runs[-1]
    assert (last.decision, last.parent, last.version) == ("promoted", 1, 2)
    assert last.reason == "509 newly accepted rows since v1"
    assert Scorer.load(directory.models / "v2", last.model_sha256).manifest.parent == 1


def test_a_death_in_the_middle_loses_the_work_only(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    slow = SlowFit()
    store(directory, make_packets(0, SIX))
    first = trainer_of(directory, mission, slow)
    first.cycle()
    store(directory, make_packets(SIX, 600))
    assert first.cycle().runs[0].reason.startswith("refitting")
    first.close()
    second = trainer_of(directory, mission, slow)
    runs = []
    while not runs or runs[-1].decision == "kept":
        runs += second.cycle().runs
    second.close()
    assert runs[0].retrain == 3
    assert (runs[-1].decision, runs[-1].version) == ("promoted", 2)
    assert sorted(path.name for path in directory.models.glob("v*")) == ["v1", "v2"]


def test_a_mode_nobody_knew_makes_everything_due_once(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    slow = SlowFit()
    store(directory, make_packets(0, SIX))
    trainer = trainer_of(directory, mission, slow)
    trainer.cycle()
    rows = make_packets(SIX, 100)
    store(directory, [_in_mode(batch, 9.0) for batch in rows])
    run = trainer.cycle().runs[0]
    assert run.reason.startswith("orb.eclipse 9 is a mode v1 does not know")
    assert slow.asked[-1] is None
    assert trainer.cycle().runs[0].decision == "kept"
    trainer.close()


def _in_mode(batch: FrameBatch, code: float) -> FrameBatch:
    if "orb.eclipse" not in batch.layout.positions:
        return batch
    values = batch.values.copy()
    values[:, batch.layout.positions["orb.eclipse"]] = code
    if dataclasses.is_dataclass(batch):
        return dataclasses.replace(batch, values=values)
    return msgspec.structs.replace(batch, values=values)


def test_the_pace_is_learned() -> None:
    pace = Pace()
    for _ in range(12):
        pace.took(4, 2.0)
    assert pace.channels(2.0, 39) == pytest.approx(4, abs=1)
    assert pace.channels(0.01, 39) == 1
    assert pace.channels(float("inf"), 39) == 39


def test_the_last_channels_leave_time_to_make_the_model_whole() -> None:
    """What that takes says nothing of how long a channel takes."""
    pace = Pace(0.2, 0.1, 0.3)
    assert [pace.channels(1.0, left) for left in (39, 8, 6, 5, 2, 1)] == [8, 7, 5, 5, 2, 1]
    for _ in range(12):
        pace.completed(0.75)
    assert [pace.channels(1.0, left) for left in (39, 8, 2, 1)] == [8, 7, 1, 1]
