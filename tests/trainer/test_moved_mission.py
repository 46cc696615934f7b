"""A mission directory that was moved or copied: noticed before MLflow writes to the old place, and mended."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from cubesat_tui.cli import root
from telemetry.store.directory import MissionDirectory
from trainer.tracking.mirror import AuditFailed, Mirror
from trainer.tracking.place import NOTE, moved_from
from trainer.tracking.spool import AuditEntry

# Each `check --relocate` is a process that imports MLflow.
pytestmark = pytest.mark.timeout(400)

TOML = """
schema = 1
[[satellite]]
name = "TESTBIRD"
bus = "b"
[[bus.b.channel]]
name = "a.x"
label = "Wheel X"
[bus.b]
[source]
kind = "stream"
"""


def entry(directory: MissionDirectory, retrain: int) -> AuditEntry:
    now = time.time_ns()
    model = directory.models / f"v{retrain}"
    model.mkdir(parents=True)
    digest = hashlib.sha256(b"%d" % retrain).hexdigest()
    (model / "scorer.npz").write_bytes(b"%d" % retrain)
    told = {"format": 3, "kind": "fusion", "satellite": "TESTBIRD", "version": retrain, "sha256": digest}
    (model / "manifest.json").write_text(json.dumps({**told, "packets": [{"channels": ["a.x"]}]}))
    return AuditEntry(
        retrain_id=f"{now}-{retrain}-abc",
        satellite="TESTBIRD",
        name=f"retrain {retrain}",
        started_ns=now,
        ended_ns=now,
        params={"kind": "fusion"},
        metrics={"rows": 1000.0},
        tags={"cubesat.decision": "promoted", "cubesat.retrain": str(retrain)},
        step=retrain,
        version=retrain,
        sha256=digest,
        place=str(model),
    )


def logged(directory: MissionDirectory, retrain: int) -> None:
    mirror = Mirror(directory)
    mirror.spool(entry(directory, retrain))
    assert len(mirror.drain()) == 1


@pytest.fixture(scope="module")
def first_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission with one promoted model in MLflow."""
    directory = MissionDirectory(tmp_path_factory.mktemp("one place") / "demo")
    directory.create()
    directory.toml.write_text(TOML, encoding="utf-8")
    logged(directory, 1)
    return directory.path


def files(path: Path) -> set[Path]:
    return {one for one in path.rglob("*") if one.is_file()}


def check(path: Path, *arguments: str) -> str:
    done = CliRunner().invoke(root, ["check", "--mission", str(path), *arguments])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def shown(directory: MissionDirectory) -> dict[str, list[str]]:
    """Run name -> files, as MLflow finds them; every run of the mission is in one experiment."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{directory.mlflow}")
    experiment = client.get_experiment_by_name(f"{directory.path.name}/TESTBIRD")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    return {run.info.run_name or "": _files(client, run.info.run_id) for run in runs}


def _files(client, run_id: str, below: str | None = None) -> list[str]:
    found: list[str] = []
    for one in client.list_artifacts(run_id, below):
        found += _files(client, run_id, one.path) if one.is_dir else [one.path]
    return sorted(found)


@pytest.mark.parametrize("old_version", [False, True], ids=["noted", "from before the note"])
def test_a_copy_keeps_off_the_original_until_it_is_mended(
    first_place: Path, tmp_path: Path, old_version: bool
) -> None:
    copy = MissionDirectory(tmp_path / "a copy" / "second")
    shutil.copytree(first_place, copy.path)
    if old_version:
        (copy.artifacts / NOTE).unlink()
    before = files(first_place)
    mirror = Mirror(copy)
    mirror.spool(entry(copy, 2))
    with pytest.raises(AuditFailed, match=r"moved here from .*demo.*check --relocate"):
        mirror.drain()
    assert len(mirror.waiting()) == 1
    assert files(first_place) == before
    if not old_version:
        assert str(first_place) in check(copy.path)

    said = check(copy.path, "--relocate")
    assert f"led to {first_place} and lead here now: " in said
    assert "2 experiments, 1 run, 1 model version" in said
    assert "demo/TESTBIRD is called second/TESTBIRD now" in said
    assert moved_from(copy) is None
    assert "moved" not in check(copy.path)
    if old_version:
        assert "lead here already" in check(copy.path, "--relocate")

    # What waited is logged by the same trainer, and both runs show their files, which lie in the copy.
    assert len(mirror.drain()) == 1
    of_runs = shown(copy)
    assert set(of_runs) == {"retrain 1", "retrain 2"}
    assert all(any("manifest.json" in file for file in found) for found in of_runs.values())
    assert files(first_place) == before


def test_the_same_place_by_another_name_is_no_move(first_place: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(first_place)
    assert moved_from(MissionDirectory(link)) is None


def test_read_only_mends_nothing(first_place: Path) -> None:
    done = CliRunner().invoke(root, ["--read-only", "check", "--mission", str(first_place), "--relocate"])
    assert done.exit_code == 2
    assert "nothing was done" in done.output


def test_a_mission_without_a_store_has_nothing_to_mend(tmp_path: Path) -> None:
    (tmp_path / "mission.toml").write_text(TOML, encoding="utf-8")
    assert "nothing to mend" in check(tmp_path, "--relocate")
    assert not (tmp_path / "mlflow.db").exists()
