"""The 30 s cycle against a real store: what is fitted, promoted, kept, quarantined and logged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from telemetry.clock import SystemClock
from telemetry.dictionary import DetectorConfig, Mission
from telemetry.frame import FrameBatch, Quality
from telemetry.store.directory import MissionDirectory, MissionLock
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow, ScoredBatch
from telemetry.store.writer import StoreWriter
from trainer.gate import judge_challenger
from trainer.loop import Trainer
from trainer.model import recalibrated
from trainer.rows import StoredRows, read_window
from trainer.scorer import LiveScoring
from trainer.served import Scorer
from trainer.tracking.mirror import Mirror
from trainer.tracking.spool import AuditEntry, Spool

Make = Callable[..., list[FrameBatch]]
Cut = Callable[..., Iterator[FrameBatch]]
ORBIT_S = 1200
SIX = 6 * ORBIT_S
ROOT = Path(__file__).resolve().parents[2]

MISSION_TOML = """\
schema = 1
[[satellite]]
name = "TESTSAT"
bus = "test"
[source]
kind = "stream"
[bus.test]
context = ["obc.mode", "orb.eclipse"]
[bus.test.packets]
pld = ["pld.*"]
"""


@pytest.fixture
def directory(tmp_path: Path, mission: Mission) -> MissionDirectory:
    made = MissionDirectory(tmp_path / "mission")
    made.create()
    text = MISSION_TOML
    for channel in mission.bus_of("TESTSAT").channels:
        text += (
            f'[[bus.test.channel]]\nname = "{channel.name}"\nlabel = "{channel.label}"\nunit = "{channel.unit}"\n'
        )
        if channel.enum:
            text += "enum = {" + ", ".join(f'{code} = "{label}"' for code, label in channel.enum) + "}\n"
    made.toml.write_text(text)
    return made


def _store(directory: MissionDirectory, batches: list[FrameBatch], scoring: LiveScoring | None = None) -> None:
    writer = StoreWriter(directory.telemetry, SystemClock())
    writer.append([ScoredBatch(b, None if scoring is None else scoring.score(b).columns) for b in batches], [], {})
    writer.close()


def _runs(directory: MissionDirectory) -> list[RunRow]:
    inbox = Inbox(directory.inbox)
    runs = [
        msgspec.convert({k: v for k, v in request.body.items() if k != "artifact_dir"}, RunRow)
        for request in inbox.pending()
        if request.kind == "run_recorded"
    ]
    inbox.close()
    return runs


def test_first_model_then_kept_then_promoted(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    said: list[dict[str, Any]] = []
    _store(directory, make_packets(0, 500))
    trainer = Trainer(directory, mission, SystemClock(), said.append)
    assert trainer.cycle().learning == (500, 1000)
    assert _runs(directory) == []
    _store(directory, make_packets(500, SIX - 500))
    assert [run.decision for run in trainer.cycle().runs] == ["promoted"]
    assert [run.decision for run in trainer.cycle().runs] == ["kept"]
    _store(directory, make_packets(SIX, 30))
    assert trainer.cycle().runs[0].reason == "30 newly accepted rows, a fit wants 500"
    _store(directory, make_packets(SIX + 30, 220))
    fitted = trainer.cycle(force=True).runs[0]
    assert (fitted.decision, fitted.version) == ("kept", None)
    assert fitted.reason == "passes; 250 newly accepted rows, a fit wants 500"
    assert fitted.fit_s is not None
    _store(directory, make_packets(SIX + 250, 500))
    promoted = trainer.cycle().runs[0]
    assert (promoted.decision, promoted.version, promoted.parent) == ("promoted", 2, 1)
    trainer.close()
    assert [run.retrain for run in _runs(directory)] == [1, 2, 3, 4, 5]
    assert Scorer.load(directory.models / "v2", promoted.model_sha256).version == 2
    assert {message["state"] for message in said} == {"fitting", "published", "kept"}


def test_rows_that_come_hours_late_are_trained_on(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    _store(directory, [*make_packets(0, SIX - 2000), *make_packets(SIX - 1400, 1400)])
    fusion = msgspec.structs.replace(mission, detector=DetectorConfig(kind="fusion"))
    trainer = Trainer(directory, fusion, SystemClock(), lambda _: None)
    first = trainer.cycle().runs[0]
    _store(directory, make_packets(SIX - 2000, 600, quality=Quality.STORED))
    later = trainer.cycle().runs[0]
    trainer.close()
    assert (later.decision, later.reason) == ("promoted", "600 newly accepted rows since v1")
    assert later.rows == (first.rows or 0) + 2 * 600
    reader = StoreReader(directory.telemetry)
    logged = Scorer.load(directory.models / "v2").manifest.window
    assert read_window(reader, mission, "TESTSAT", logged.spans, logged.last_id).hash == later.window_hash
    reader.close()


def test_rows_too_old_for_the_window_are_not_new_to_it(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    hour = 3600
    _store(directory, [*make_packets(hour, 10), *make_packets(20 * hour, 1500)])
    reader = StoreReader(directory.telemetry)
    rows = StoredRows(reader, mission, "TESTSAT")
    rows.refresh()
    assert rows.busiest() == 1510
    before = rows.newest_id
    # Between the beginning of the mission and the newest twelve hours, then before the beginning.
    _store(directory, make_packets(7 * hour, 50, quality=Quality.STORED))
    rows.refresh()
    assert rows.accepted_after(before) == 0
    _store(directory, make_packets(0, 30, quality=Quality.STORED))
    rows.refresh()
    assert rows.accepted_after(before) == 30
    window = rows.window()
    assert window is not None
    assert window.rows == 2 * 1540
    reader.close()


def test_numbers_go_on_after_a_restart(directory: MissionDirectory, mission: Mission, make_packets: Make) -> None:
    _store(directory, make_packets(0, SIX))
    for expected in ("promoted", "kept"):
        trainer = Trainer(directory, mission, SystemClock(), lambda _: None)
        assert trainer.cycle().runs[0].decision == expected
        trainer.close()
    assert [(run.retrain, run.version) for run in _runs(directory)] == [(1, 1), (2, None)]


def test_a_mission_of_the_forest_that_turns_to_the_fusion_gets_one_of_its_own(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    forest = msgspec.structs.replace(mission, detector=DetectorConfig(kind="isolation_forest"))
    _store(directory, make_packets(0, SIX))
    trainer = Trainer(directory, forest, SystemClock(), lambda _: None)
    assert trainer.cycle().runs[0].decision == "promoted"
    trainer.close()
    # mission.toml does not name a detector: at once, whole, and without asking the forest's opinion of it.
    assert mission.detector.kind == "fusion"
    trainer = Trainer(directory, mission, SystemClock(), lambda _: None)
    run = trainer.cycle().runs[0]
    trainer.close()
    assert (run.decision, run.version, run.parent) == ("promoted", 2, None)
    assert run.reason == "first model of kind fusion"
    scorer = Scorer.load(directory.models / "v2")
    assert scorer.manifest.kind == "fusion"
    assert all(info.fitted == (2,) * len(info.channels) for info in scorer.manifest.packets)
    assert all(packet.fusion is not None for packet in scorer.packets.values())


def test_the_threshold_can_be_recomputed_from_the_artifact_and_the_logged_rows(
    directory: MissionDirectory, mission: Mission, make_packets: Make
) -> None:
    mission = msgspec.structs.replace(mission, detector=DetectorConfig(kind="isolation_forest"))
    _store(directory, make_packets(0, SIX))
    trainer = Trainer(directory, mission, SystemClock(), lambda _: None)
    run = trainer.cycle().runs[0]
    trainer.close()
    _store(directory, make_packets(SIX, 200))
    scorer = Scorer.load(directory.models / f"v{run.version}")
    reader = StoreReader(directory.telemetry)
    logged = scorer.manifest.window
    window = read_window(reader, mission, "TESTSAT", logged.spans, logged.last_id)
    reader.close()
    assert window.hash == run.window_hash == logged.hash
    packets = recalibrated(scorer, window)
    for name, packet in scorer.packets.items():
        np.testing.assert_array_equal(packets[name].threshold, packet.threshold)
    assert float(np.median(np.concatenate([p.threshold for p in packets.values()]))) == run.threshold


def test_a_fault_that_lasts_is_not_learned(
    directory: MissionDirectory, mission: Mission, make_packets: Make, cut: Cut
) -> None:
    _store(directory, make_packets(0, SIX))
    trainer = Trainer(directory, mission, SystemClock(), lambda _: None)
    trainer.cycle()
    scorer = Scorer.load(directory.models / "v1")
    n = 1500
    bias = np.zeros(n)
    bias[100:1400] = 25.0
    live = make_packets(SIX, n, change={"pld.dist_s": bias})
    scoring = LiveScoring(mission, [scorer])
    _store(directory, list(cut(live, 50)), scoring)
    run = trainer.cycle(force=True).runs[0]
    trainer.close()
    assert run.excluded is not None
    # Rows the fusion's windows of 32 and its mean of 15 still hear the fault in are not learned either.
    assert 1300 + 2 * 32 <= run.excluded <= 1300 + 2 * 32 + 100
    newest = Scorer.load(directory.models / f"v{run.version}") if run.version else scorer
    again = LiveScoring(mission, [newest])
    later = make_packets(SIX + n, 100, change={"pld.dist_s": np.full(100, 25.0)})
    started = [v.lead for batch in cut(later) for v in again.score(batch).verdicts if v.phase == "started"]
    assert started == ["pld.dist_s"]


def test_a_blind_challenger_is_rejected(directory: MissionDirectory, mission: Mission, make_packets: Make) -> None:
    mission = msgspec.structs.replace(mission, detector=DetectorConfig(kind="isolation_forest"))
    _store(directory, make_packets(0, SIX))
    trainer = Trainer(directory, mission, SystemClock(), lambda _: None)
    trainer.cycle()
    trainer.close()
    scorer = Scorer.load(directory.models / "v1")
    blind = {name: replace(packet, threshold=packet.threshold + 1) for name, packet in scorer.packets.items()}
    reader = StoreReader(directory.telemetry)
    logged = scorer.manifest.window
    window = read_window(reader, mission, "TESTSAT", logged.spans, logged.last_id)
    reader.close()
    found = judge_challenger(scorer, Scorer(scorer.manifest, scorer.forest, blind), window)
    assert found.refusal == "finds none of the injected faults"
    same = judge_challenger(scorer, scorer, window)
    assert same.refusal is None
    assert same.figures["bank_recall"] == same.figures["champion_bank_recall"] > 0.4


def _trainer(directory: MissionDirectory, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "trainer", "--mission", str(directory.path), *more],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_once_logs_a_run_that_mlflow_lists(directory: MissionDirectory, make_packets: Make) -> None:
    _store(directory, make_packets(0, SIX))
    first = _trainer(directory, "--once")
    assert first.returncode == 0, first.stderr
    assert [json.loads(line)["state"] for line in first.stdout.splitlines()] == ["fitting", "published", "logged"]
    _store(directory, make_packets(SIX, 600))
    second = _trainer(directory, "--once")
    assert second.returncode == 0, second.stderr
    code = (
        "import sys, json, mlflow; mlflow.set_tracking_uri(sys.argv[1]);"
        "runs = mlflow.search_runs(experiment_names=[sys.argv[2]], order_by=['start_time']);"
        "print(json.dumps(json.loads(runs.to_json(orient='records'))))"
    )
    uri = f"sqlite:///{directory.mlflow}"
    listed = subprocess.run(
        [sys.executable, "-c", code, uri, "mission/TESTSAT"],
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    runs = json.loads(listed.stdout.splitlines()[-1])
    assert [run["status"] for run in runs] == ["FINISHED", "FINISHED"]
    assert runs[0]["params.window_hash"] != runs[1]["params.window_hash"]
    assert runs[0]["metrics.rows"] != runs[1]["metrics.rows"]
    assert runs[0]["tags.cubesat.decision"] == "promoted"
    recorded = _runs(directory)
    assert [run["params.window_hash"] for run in runs] == [run.window_hash for run in recorded]
    # MLflow keeps the double; `to_json` above writes ten digits of it.
    logged = [run["metrics.threshold"] for run in runs]
    assert logged == pytest.approx([run.threshold for run in recorded], rel=1e-9)


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_an_entry_that_was_logged_before_a_crash_is_logged_once(
    directory: MissionDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = AuditEntry(
        retrain_id="1-1-abc",
        satellite="T[red]EST\x1b[2J",
        name="retrain 1",
        started_ns=10**18,
        ended_ns=10**18 + 1,
        params={"a": "1"},
        metrics={"b": 2.0},
        tags={"c": "d"},
        step=1,
    )
    audit = Mirror(directory)
    audit.spool(entry)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "done", killed)
        with pytest.raises(KeyboardInterrupt):
            audit.drain()
    audit = Mirror(directory)
    assert [one.id for one in audit.waiting()] == [entry.retrain_id]
    first = audit.drain()
    assert audit.waiting() == []
    assert list(first) == [entry.retrain_id]
    client = audit._opened()
    experiments = client.search_experiments()
    assert not any("\x1b" in experiment.name for experiment in experiments)
    runs = client.search_runs([experiment.experiment_id for experiment in experiments])
    assert [run.info.run_id for run in runs] == list(first.values())


def test_a_second_trainer_is_refused(directory: MissionDirectory, make_packets: Make) -> None:
    _store(directory, make_packets(0, 10))
    with MissionLock(directory.trainer_lock):
        done = _trainer(directory, "--once")
    assert done.returncode == 1
    assert "another trainer" in json.loads(done.stdout)["error"]


def test_a_store_that_is_missing_is_one_line_and_no_traceback(directory: MissionDirectory) -> None:
    done = _trainer(directory, "--once")
    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "error"
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_the_child_ends_when_its_parent_is_gone(directory: MissionDirectory, make_packets: Make) -> None:
    _store(directory, make_packets(0, 10))
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "trainer", "--mission", str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert json.loads(child.stdout.readline())["state"] == "started"
    assert json.loads(child.stdout.readline())["learning"] == {"have": 10, "need": 1000}
    child.stdin.close()
    assert child.wait(20) == 0
    child.stdout.close()
