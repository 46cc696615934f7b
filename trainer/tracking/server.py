"""How MLflow's own server is started on the store of a mission: one worker, and nothing that nobody asked for."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from telemetry.plain_text import plain_text
from trainer.tracking.place import files_uri
from trainer.tracking.settings import ENVIRONMENT, is_server, shown, tracking_uri

if TYPE_CHECKING:
    from telemetry.dictionary import MlflowConfig
    from telemetry.store.directory import MissionDirectory


LOCK = "mlflow-ui.lock"
"""In the mission directory: held by a running server, with its address inside."""


def server_arguments(host: str, port: int) -> tuple[str, ...]:
    """Behind `python -m mlflow`. Files are read where the runs say they are; none are taken in."""
    return ("server", "--host", host, "--port", str(port), "--workers", "1", "--no-serve-artifacts")


def server_environment(directory: MissionDirectory, uri: str) -> dict[str, str]:
    """What a server on the store `uri` finds in its environment: named there, `ps` shows no password in it."""
    return {
        **ENVIRONMENT,
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_REGISTRY_STORE_URI": uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": files_uri(directory),
        # Eight processes more, a gigabyte, for evaluating language models.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def announce(directory: MissionDirectory, address: str) -> None:
    """Write down where this process, or the program it becomes, answers; for as long as it lives.

    Where another one is announced already, that one stays.

    Raises:
        OSError: the file cannot be written.
    """
    file = os.open(directory.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return
    os.ftruncate(file, 0)
    os.write(file, address.encode())
    os.set_inheritable(file, True)


def shown_at(directory: MissionDirectory, config: MlflowConfig) -> str | None:
    """Where MLflow shows the mission now: a tracking server, or a running `mlflow-ui`; None where nothing does."""
    uri = tracking_uri(directory, config)
    if is_server(uri):
        return plain_text(shown(uri), 400)
    try:
        with (directory.path / LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return plain_text(file.read(400).decode(errors="replace"), 400) or None
    except OSError:
        return None
    return None
