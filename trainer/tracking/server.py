"""How MLflow's own server is started on the store of a mission: one worker, and nothing that nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.tracking.place import files_uri
from trainer.tracking.settings import ENVIRONMENT, local_uri

if TYPE_CHECKING:
    from telemetry.store.directory import MissionDirectory


def server_arguments(host: str, port: int) -> tuple[str, ...]:
    """Behind `python -m mlflow`. Files are read where the runs say they are; none are taken in."""
    return ("server", "--host", host, "--port", str(port), "--workers", "1", "--no-serve-artifacts")


def server_environment(directory: MissionDirectory) -> dict[str, str]:
    """What a server of this mission finds in its environment; its store is named where `ps` shows no password."""
    uri = local_uri(directory)
    return {
        **ENVIRONMENT,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_REGISTRY_STORE_URI": uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": files_uri(directory),
        # Eight processes more, a gigabyte, for evaluating language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
