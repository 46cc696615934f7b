"""The audit's mirror in MLflow: parameters, metrics and data window of every fit that was promoted or rejected.

The truth is the mission store; a tracking store that is broken, locked or full costs a mission nothing: each
entry is spooled to a file first and leaves it once MLflow has it, recognised by its retrain id, so a crash in
between logs it once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.plain_text import plain_text
from trainer.tracking import place
from trainer.tracking.settings import ENVIRONMENT, local_uri
from trainer.tracking.spool import AuditEntry, Spool

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from telemetry.store.directory import MissionDirectory

TAG_RETRAIN = "cubesat.retrain_id"


class AuditFailed(Exception):
    """MLflow did not take an entry; it stays in the spool. One sentence."""


class Mirror:
    """The tracking store of one mission, opened at the first entry and not before."""

    def __init__(self, directory: MissionDirectory) -> None:
        self._directory = directory
        self._spool = Spool(directory.artifacts / "mlflow-spool.jsonl")
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}

    @property
    def uri(self) -> str:
        """Where MLflow keeps it."""
        return local_uri(self._directory)

    def spool(self, entry: AuditEntry) -> None:
        """Put an entry behind the others; durable on return.

        Raises:
            OSError: the file cannot be written.
        """
        self._spool.put(entry)

    def waiting(self) -> list[AuditEntry]:
        """Entries MLflow does not have yet."""
        return self._spool.waiting()

    def drain(self) -> dict[str, str]:
        """Log what waits, oldest first; retrain id -> MLflow run id.

        Raises:
            AuditFailed: MLflow does not take the oldest entry; it and those behind it stay in the spool.
        """
        logged: dict[str, str] = {}
        try:
            for entry in self.waiting():
                logged[entry.retrain_id] = self._log(entry)
        finally:
            if logged:
                self._spool.take_off(logged)
        return logged

    def _opened(self) -> MlflowClient:
        if self._client is None:
            os.environ.update(ENVIRONMENT)
            import logging

            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
            from mlflow.tracking import MlflowClient

            for name in ("mlflow", "alembic", "sqlalchemy"):
                logging.getLogger(name).setLevel(logging.WARNING)
            if not self._directory.mlflow.exists():
                # Made by a client, the store's default experiment would keep files below the current directory.
                SqlAlchemyStore(self.uri, place.files_uri(self._directory)).engine.dispose()
            client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
            place.stay(self._directory, lambda: _locations(client))
            self._client = client
        return self._client

    def _log(self, entry: AuditEntry) -> str:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            client = self._opened()
            experiment = self._experiment(client, entry.satellite)
            known = client.search_runs([experiment], f"tags.`{TAG_RETRAIN}` = '{entry.retrain_id}'", max_results=1)
            unfinished = known[0].info.run_id if known else None
            if known and known[0].info.status == "FINISHED":
                return known[0].info.run_id
            started, ended = entry.started_ns // 1_000_000, entry.ended_ns // 1_000_000
            run_id = (
                unfinished
                or client.create_run(
                    experiment,
                    start_time=started,
                    tags={TAG_RETRAIN: entry.retrain_id},
                    run_name=plain_text(entry.name, 100),
                ).info.run_id
            )
            client.log_batch(
                run_id,
                [Metric(key, value, ended, entry.step) for key, value in entry.metrics.items()],
                [Param(key, plain_text(value, 500)) for key, value in entry.params.items()],
                [RunTag(key, plain_text(value, 500)) for key, value in entry.tags.items()],
            )
            if entry.manifest is not None and Path(entry.manifest).is_file():
                client.log_artifact(run_id, entry.manifest)
            client.set_terminated(run_id, end_time=ended)
        except place.Moved as moved:
            raise AuditFailed(plain_text(f"MLflow: {moved}", 300)) from moved
        except (MlflowException, SQLAlchemyError, OSError) as error:
            self._client = None
            raise AuditFailed(plain_text(f"MLflow did not take {entry.name}: {error}", 200)) from error
        return run_id

    def _experiment(self, client: MlflowClient, satellite: str) -> str:
        name = plain_text(f"{self._directory.path.absolute().name}/{satellite}", 200)
        found = self._experiments.get(name)
        if found is None:
            existing = client.get_experiment_by_name(name)
            if existing is None:
                # The user interface shows runs of training, not conversations with a language model.
                found = client.create_experiment(
                    name,
                    place.files_uri(self._directory),
                    tags={"mlflow.experimentKind": "custom_model_development"},
                )
            else:
                found = existing.experiment_id
            self._experiments[name] = found
        return found


def _locations(client: MlflowClient) -> list[str]:
    from mlflow.entities import ViewType

    found: list[str] = []
    token: str | None = None
    while token != "":
        page = client.search_experiments(ViewType.ALL, page_token=token)
        found += [one.artifact_location for one in page]
        token = page.token or ""
    return found
