"""Where the mirror is kept, and what mlflow is told by its environment.

Passwords and tokens stand in the environment only (`MLFLOW_TRACKING_USERNAME`, `_PASSWORD`, `_TOKEN`, and what the
driver of a database reads, as `PGPASSWORD`), and nowhere in what is said or written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from telemetry.dictionary import MLFLOW_HERE

if TYPE_CHECKING:
    from telemetry.dictionary import MlflowConfig
    from telemetry.store.directory import MissionDirectory

URI_VARIABLE = "MLFLOW_TRACKING_URI"
SECRET_VARIABLES = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD")

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


def local_uri(directory: MissionDirectory) -> str:
    """The tracking store in the mission directory."""
    return f"sqlite:///{directory.mlflow.absolute()}"


def tracking_uri(
    directory: MissionDirectory, config: MlflowConfig, environment: Mapping[str, str] = os.environ
) -> str:
    """What mission.toml says; where it says nothing, `MLFLOW_TRACKING_URI`, else the mission's own store."""
    uri = config.uri or environment.get(URI_VARIABLE, "").strip() or MLFLOW_HERE
    return local_uri(directory) if uri == MLFLOW_HERE else uri


def is_server(uri: str) -> bool:
    """Whether a tracking server is asked, which knows where files go, and not a database."""
    return urlsplit(uri).scheme in {"http", "https"}


_USER = re.compile(r"//([^/@\s:]*):([^/@\s]*)@")


def shown(uri: str) -> str:
    """The address without a password."""
    return _USER.sub(r"//\1:***@", uri)


def masked(text: str, uri: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text`, as an error of mlflow or a driver says it, without any secret that this process knows."""
    secrets = [environment.get(name, "") for name in SECRET_VARIABLES]
    password = _USER.search(uri)
    if password is not None:
        secrets += [password[2], unquote(password[2])]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return shown(text)
