"""MLflow's client, opened so that it bothers nobody, and its many errors as the three that matter here."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from telemetry.plain_text import plain_text
from trainer.tracking import place
from trainer.tracking.settings import ENVIRONMENT, is_server, local_uri, masked
from trainer.tracking.status import OFFLINE, REFUSED

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from telemetry.store.directory import MissionDirectory

OF_THE_ENTRY = frozenset(
    {
        "ALREADY_EXISTS",
        "BAD_REQUEST",
        "INVALID_PARAMETER_VALUE",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
    }
)
"""Answers of an MLflow that works, about what it was asked."""
NOT_ALLOWED = frozenset(
    {"CUSTOMER_UNAUTHORIZED", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_FOUND", "PERMISSION_DENIED",
     "UNAUTHENTICATED"}
)  # fmt: skip
CONNECT_S = 5


class AuditFailed(Exception):
    """MLflow takes nothing now; entries stay in the spool. One sentence; `state`: `offline` or `refused`."""

    def __init__(self, text: str, state: str = OFFLINE) -> None:
        super().__init__(text)
        self.state = state


class NotTaken(Exception):
    """MLflow works and does not take this: what was asked for is not there, or not as it wants it."""


def open_client(directory: MissionDirectory, uri: str) -> MlflowClient:
    """The client of `uri`, runs and registry.

    Raises:
        AuditFailed: it cannot be opened.
    """
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("PGCONNECT_TIMEOUT", str(CONNECT_S))
    with translated(uri):
        import mlflow.store.db.utils as databases
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic", "sqlalchemy"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Fifteen attempts with doubled pauses, two hours in all, would be MLflow's own idea of patience.
        databases.MAX_RETRY_COUNT = 1
        here = uri == local_uri(directory)
        if here and not directory.mlflow.exists():
            # Made by a client, the store's default experiment would keep files below the current directory.
            SqlAlchemyStore(uri, place.files_uri(directory)).engine.dispose()
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        if here:
            place.stay(directory, lambda: _locations(client))
        return client


@contextmanager
def translated(uri: str) -> Generator[None]:
    """Whatever mlflow, a driver or the network raises inside as one of ours.

    Raises:
        AuditFailed: nothing is taken now.
        NotTaken: this is not.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    def sentence(error: object) -> str:
        return plain_text(masked(" ".join(str(error).split()), uri), 200)

    try:
        yield
    except place.Moved as moved:
        raise AuditFailed(sentence(moved), REFUSED) from moved
    except MlflowException as error:
        if error.error_code in OF_THE_ENTRY:
            raise NotTaken(sentence(error)) from error
        state = REFUSED if error.error_code in NOT_ALLOWED else OFFLINE
        raise AuditFailed(sentence(error), state) from error
    except ImportError as error:
        raise AuditFailed(f"the driver of {sentence(uri)} is not installed: {sentence(error)}", REFUSED) from error
    except (SQLAlchemyError, OSError) as error:
        raise AuditFailed(sentence(error)) from error


def artifact_location(directory: MissionDirectory, uri: str) -> str | None:
    """Where files go: a server knows itself, a database alone has no place for them."""
    return None if is_server(uri) else place.files_uri(directory)


def _locations(client: Any) -> list[str]:
    from mlflow.entities import ViewType

    found: list[str] = []
    token: str | None = None
    while token != "":
        page = client.search_experiments(ViewType.ALL, page_token=token)
        found += [one.artifact_location for one in page]
        token = page.token or ""
    return found
