"""The audit's mirror in MLflow: parameters, metrics and data window of every fit that was promoted or rejected.

The only file that imports mlflow. The truth is the mission store; a tracking store that is broken, locked or full
costs a mission nothing: each entry is spooled to a file first and leaves it once MLflow has it, recognised by its
retrain id, so a crash in between logs it once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from telemetry.store.directory import MissionDirectory

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Set before mlflow is imported. Its telemetry is switched off by the word "true" only."""

TAG_RETRAIN = "cubesat.retrain_id"


class AuditFailed(Exception):
    """MLflow did not take an entry; it stays in the spool. One sentence."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One fit. Times are UTC ns; `manifest` is a path of a file to keep with the run, or None."""

    retrain_id: str
    """Unique over all missions: satellite, number and window."""
    satellite: str
    name: str
    started_ns: int
    ended_ns: int
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    step: int
    manifest: str | None = None


class MlflowAudit:
    """The tracking store of one mission, opened at the first entry and not before."""

    def __init__(self, directory: MissionDirectory) -> None:
        self._directory = directory
        self._spool = directory.artifacts / "mlflow-spool.jsonl"
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}

    @property
    def uri(self) -> str:
        return f"sqlite:///{self._directory.mlflow.absolute()}"

    def spool(self, entry: AuditEntry) -> None:
        """Put an entry behind the others; durable on return.

        Raises:
            OSError: the file cannot be written.
        """
        with self._spool.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def waiting(self) -> list[AuditEntry]:
        """Entries MLflow does not have yet; a line that was cut by a crash is left out."""
        try:
            lines = self._spool.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        entries: list[AuditEntry] = []
        for line in lines:
            try:
                entries.append(msgspec.json.decode(line, type=AuditEntry))
            except msgspec.DecodeError:
                continue
        return entries

    def drain(self) -> dict[str, str]:
        """Log what waits, oldest first; retrain id -> MLflow run id.

        Raises:
            AuditFailed: MLflow does not take the oldest entry; it and those behind it stay in the spool.
        """
        waiting = self.waiting()
        logged: dict[str, str] = {}
        try:
            for entry in waiting:
                logged[entry.retrain_id] = self._log(entry)
        finally:
            if logged:
                self._keep([entry for entry in waiting if entry.retrain_id not in logged])
        return logged

    def _keep(self, entries: list[AuditEntry]) -> None:
        draft = self._spool.with_suffix(".draft")
        draft.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
        draft.replace(self._spool)

    def _opened(self) -> MlflowClient:
        if self._client is None:
            os.environ.update(ENVIRONMENT)
            import logging

            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
            from mlflow.tracking import MlflowClient

            for name in ("mlflow", "alembic", "sqlalchemy"):
                logging.getLogger(name).setLevel(logging.WARNING)
            self._client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
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
                place = (self._directory.artifacts.absolute() / "mlflow").as_uri()
                found = client.create_experiment(name, artifact_location=place)
            else:
                found = existing.experiment_id
            self._experiments[name] = found
        return found


def flat(values: dict[str, Any]) -> dict[str, str]:
    """Parameters as text."""
    return {key: str(value) for key, value in values.items()}
