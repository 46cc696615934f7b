"""Of the fits that never served MLflow forgets the old ones, by steps; what served stays with its files."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from telemetry.dictionary import MlflowConfig
from telemetry.store.directory import MissionDirectory
from trainer.tracking.client import open_client
from trainer.tracking.mirror import Mirror
from trainer.tracking.retention import DAY_MS, PAGE, ROUND_NS, Retention
from trainer.tracking.spool import AuditEntry

if TYPE_CHECKING:
    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

NOW_NS = 1_795_400_000_000_000_000
NOW_MS = NOW_NS // 1_000_000


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    made = tmp_path_factory.mktemp("empty") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{made}", made.parent.as_uri()).engine.dispose()
    return made


@pytest.fixture
def client(tmp_path: Path, empty_store: Path) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def fits(client: MlflowClient, files: Path, days: list[float], decision: str = "rejected", **tags: str) -> str:
    """An experiment with a fit each so many days before now; retrain numbers from 1 on."""
    experiment = client.create_experiment(f"demo/SAT-{decision}{len(tags)}", artifact_location=files.as_uri())
    for retrain, age in enumerate(days, 1):
        start = NOW_MS - int(age * DAY_MS)
        named = {"cubesat.decision": decision, "cubesat.retrain": str(retrain), **tags}
        run = client.create_run(experiment, start_time=start, tags=named, run_name=f"retrain {retrain}")
        (files / run.info.run_id / "artifacts").mkdir(parents=True)
        (files / run.info.run_id / "artifacts" / "scorer.npz").write_bytes(b"1")
    return experiment


def ours(experiment: Experiment) -> bool:
    return experiment.name.startswith("demo/")


def left(client: MlflowClient, experiment: str) -> list[int]:
    runs = client.search_runs([experiment], max_results=1000, order_by=["attributes.start_time DESC"])
    return sorted(int(run.data.tags["cubesat.retrain"]) for run in runs)


def emptied(retention: Retention, client: MlflowClient, now_ns: int = NOW_NS) -> list[int]:
    """How many went with each step, until none is due."""
    gone: list[int] = []
    while retention._todo or not gone:
        gone.append(retention.step(client, now_ns))
    return gone


def test_old_fits_are_thinned_with_their_files_and_promoted_ones_stay(client: MlflowClient, tmp_path: Path) -> None:
    files = tmp_path / "artifacts" / "mlflow"
    ages = [60 - n for n in range(2 * PAGE)] + [20.0, 10.0]
    rejected = fits(client, files, ages)
    promoted = fits(client, files, [90.0, 80.0], "promoted")
    strange = client.create_experiment("another/SAT", artifact_location=files.as_uri())
    client.create_run(strange, start_time=0)

    retention = Retention(MlflowConfig(keep_days=30, keep_one_in=10), ours, files)
    gone = emptied(retention, client)
    old = [n for n, age in enumerate(ages, 1) if age > 30]
    stay = [n for n in range(1, len(ages) + 1) if n not in old or n % 10 == 0]
    assert left(client, rejected) == stay
    assert left(client, promoted) == [1, 2]
    assert len(client.search_runs([strange])) == 1
    assert max(gone) <= PAGE
    assert len(list(files.iterdir())) == len(stay) + 2

    # As long as nothing has grown old, no run is looked at twice.
    assert retention.step(client, NOW_NS) == 0
    again = Retention(MlflowConfig(keep_days=30, keep_one_in=10), ours, files)
    assert sum(emptied(again, client, NOW_NS + 11 * 86_400 * 10**9)) == 10
    assert left(client, rejected) == [10, 20, 30, 40, len(ages)]


def test_a_run_with_a_registered_model_and_one_logged_by_hand_stay(client: MlflowClient, tmp_path: Path) -> None:
    files = tmp_path / "artifacts" / "mlflow"
    held = fits(client, files, [90.0, 89.0], "kept", **{"cubesat.version": "4"})
    run = client.search_runs([held], order_by=["attributes.start_time ASC"])[0]
    client.create_registered_model("m")
    client.create_model_version("m", source=run.info.artifact_uri, run_id=run.info.run_id)
    client.create_run(held, start_time=1, run_name="by hand")
    emptied(Retention(MlflowConfig(keep_one_in=0), ours, files), client)
    assert {one.info.run_name for one in client.search_runs([held])} == {"retrain 1", "by hand"}


def test_files_outside_of_the_mission_are_never_deleted(client: MlflowClient, tmp_path: Path) -> None:
    other = tmp_path / "another" / "artifacts" / "mlflow"
    experiment = fits(client, other, [90.0])
    emptied(Retention(MlflowConfig(), ours, tmp_path / "artifacts" / "mlflow"), client)
    assert left(client, experiment) == []
    assert len(list(other.rglob("scorer.npz"))) == 1


def test_another_policy_is_applied_to_what_was_thinned_before(client: MlflowClient, tmp_path: Path) -> None:
    files = tmp_path / "artifacts" / "mlflow"
    experiment = fits(client, files, [90.0 - n for n in range(6)])
    retention = Retention(MlflowConfig(keep_one_in=2), ours, files)
    emptied(retention, client)
    assert left(client, experiment) == [2, 4, 6]
    stricter = Retention(MlflowConfig(keep_one_in=3), ours, files)
    emptied(stricter, client)
    assert left(client, experiment) == [6]
    for_ever = Retention(MlflowConfig(keep_days=0), ours, files)
    assert for_ever.step(client, NOW_NS + 10 * ROUND_NS) == 0


def test_a_tracking_server_is_asked_to_mark_what_goes(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "artifacts" / "mlflow"
    experiment = fits(client, files, [90.0])
    monkeypatch.delattr(type(client._tracking_client.store), "_hard_delete_run")
    emptied(Retention(MlflowConfig(), ours, files), client)
    assert left(client, experiment) == []
    assert len(list(files.rglob("scorer.npz"))) == 1


def test_the_mirror_thins_between_two_retrains(tmp_path: Path) -> None:
    directory = MissionDirectory(tmp_path / "mission")
    directory.create()
    mirror = Mirror(directory, MlflowConfig(keep_one_in=10, spool_days=365))
    old_ns = time.time_ns() - 40 * 86_400 * 10**9
    for retrain in range(1, 13):
        at_ns = old_ns + retrain * 10**9
        mirror.spool(
            AuditEntry(
                retrain_id=f"{at_ns}-{retrain}-abc",
                satellite="SAT",
                name=f"retrain {retrain}",
                started_ns=at_ns,
                ended_ns=at_ns,
                params={},
                metrics={"rows": 1.0},
                tags={"cubesat.decision": "rejected", "cubesat.retrain": str(retrain)},
                step=retrain,
            )
        )
    assert len(mirror.turn().logged) == 12
    uri = f"sqlite:///{directory.mlflow}"
    client = open_client(directory, uri)
    experiment = client.get_experiment_by_name("mission/SAT")
    assert experiment is not None
    assert left(client, experiment.experiment_id) == [10]
