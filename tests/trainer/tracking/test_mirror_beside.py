"""A mirror that does not answer: nobody waits for it, it is said so, and it is asked less and less often."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from telemetry.clock import ManualClock
from telemetry.dictionary import MlflowConfig
from telemetry.store.directory import MissionDirectory
from trainer.tracking import mirror as module
from trainer.tracking.beside import MirrorBeside
from trainer.tracking.client import AuditFailed
from trainer.tracking.mirror import Mirror
from trainer.tracking.spool import ActEntry
from trainer.tracking.status import REFUSED

if TYPE_CHECKING:
    from tests.trainer.tracking.conftest import MirroredMission

SECRET = "hunter2 & more"


@pytest.fixture
def mission(make_mission: Any) -> MirroredMission:
    return make_mission("http://127.0.0.1:9")


def test_nobody_waits_for_a_mirror_that_hangs(mission: MirroredMission, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def hangs(*_: object) -> None:
        asked.set()
        assert answer.wait(60)
        raise AuditFailed("it never came back")

    monkeypatch.setattr(module, "open_client", hangs)
    beside = MirrorBeside(mission.mirror)
    mission.fit(1)
    beside.wake()
    assert asked.wait(60)
    for number in range(2, 5):
        mission.fit(number)
        beside.wake()
        assert beside.taken().logged == {}
    assert mission.mirror.status().words == "MLflow: unused, 4 queued"
    mission.clock.advance(11)
    assert mission.mirror.status().words == "MLflow: opening, 4 queued"
    monkeypatch.setattr(mission.mirror, "_client", object())
    assert mission.mirror.status().words == "MLflow: not answering, 4 queued"
    answer.set()
    _until(lambda: mission.mirror.status().words == "MLflow: offline, 4 queued")
    assert mission.mirror.status().detail == "it never came back"


def test_a_fault_nobody_thought_of_is_said_and_does_not_end_it(
    mission: MirroredMission, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[Exception] = [KeyError("runs"), AuditFailed("down")]

    def broken(*_: object) -> None:
        raise faults.pop(0)

    monkeypatch.setattr(module, "open_client", broken)
    beside = MirrorBeside(mission.mirror)
    mission.fit(1)
    beside.wake()
    _until(lambda: mission.mirror.status().detail == "KeyError: 'runs'")
    assert mission.mirror.status().state == REFUSED
    mission.clock.advance(400)
    beside.wake()
    _until(lambda: mission.mirror.status().detail == "down")


def test_pauses_double_from_5_s_to_5_min(mission: MirroredMission, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[float] = []

    def down(*_: object) -> None:
        attempts.append(mission.clock.monotonic())
        raise AuditFailed("down")

    monkeypatch.setattr(module, "open_client", down)
    mission.fit(1)
    for _ in range(1000):
        mission.mirror.turn()
        mission.clock.advance(1)
    pauses = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert pauses[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert len(mission.mirror.waiting()) == 1


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_missions_on_one_server_do_not_ask_in_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jitter: float, pause: float
) -> None:
    def down(*_: object) -> None:
        raise AuditFailed("down")

    monkeypatch.setattr(module, "open_client", down)
    directory = MissionDirectory(tmp_path / "mission")
    directory.create()
    one = Mirror(directory, MlflowConfig(uri="http://127.0.0.1:9"), ManualClock(), jitter=lambda: jitter)
    act = ActEntry(journal=1, at_ns=0, satellite="S", kind="model.held", version=1, actor="kim", text="held")
    one.spool(act)
    with pytest.raises(AuditFailed, match="down"):
        one.drain()
    assert one.due_s == pytest.approx(pause)


def test_a_closed_port_is_offline_at_once_and_says_no_secret(
    make_mission: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://kim:{SECRET.replace(' ', '%20')}@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    mission = make_mission("")
    mission.fit(1)
    mission.mirror.turn()
    status = mission.mirror.status()
    assert status.words == "MLflow: offline, 1 queued"
    assert "hunter2" not in str(status.told())
    assert status.uri == "http://kim:***@127.0.0.1:9"
    assert not any(b"hunter2" in path.read_bytes() for path in mission.directory.artifacts.glob("*.json*"))


def _until(true: Any) -> None:
    pause = threading.Event()
    for _ in range(6000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come to it within a minute")
