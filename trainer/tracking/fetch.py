"""Files of a model that were pruned here and that MLflow still has, brought back for a station to promote.

What comes from a server is read with distrust: a bounded number of bytes, both digests as the run row of the
mission names them, and then the checks that every model goes through (`trainer.artifact`), before it gets its name.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from trainer import artifact
from trainer.served import ScorerRefused
from trainer.tracking.model_files import MAX_BYTES, MODEL
from trainer.tracking.settings import is_server
from trainer.tracking.spool import FILES

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True)
class Wanted:
    """A model whose files are gone. The digests are those of the mission store."""

    satellite: str
    version: int
    registered: str
    """MLflow's version."""
    run_id: str
    """MLflow's run, as the mission store names it."""
    digests: tuple[str, str]
    """SHA-256 of `scorer.npz` and of `manifest.json`."""


def fetch(client: MlflowClient, uri: str, models: Path, wanted: Wanted) -> str:
    """Put the files back; "" where they are there, else why not, in words.

    Raises:
        MlflowException, OSError: MLflow does not answer, or nothing can be written here.
    """
    final, draft = models / f"v{wanted.version}", models / f".fetched.v{wanted.version}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        for name, digest in zip(FILES, wanted.digests, strict=True):
            content = _read(client, uri, wanted.run_id, f"{MODEL}/{name}")
            if content is None:
                return f"MLflow does not have its {name}"
            if len(content) > MAX_BYTES:
                return f"its {name} in MLflow is larger than a model may be"
            if hashlib.sha256(content).hexdigest() != digest:
                return f"its {name} in MLflow does not have the SHA-256 it was written with"
            (draft / name).write_bytes(content)
        try:
            artifact.load(draft, wanted.digests[0])
        except ScorerRefused as refused:
            return refused.reason
        if not final.exists():
            draft.rename(final)
        return ""
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _read(client: MlflowClient, uri: str, run_id: str, path: str) -> bytes | None:
    """At most one byte more than a model may have; None where there is no such file."""
    if is_server(uri):
        return _download(uri, run_id, path)
    location = client.get_run(run_id).info.artifact_uri or ""
    folder = Path(unquote(urlsplit(location).path)) if location.startswith("file:") else Path(location)
    try:
        with (folder / path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None


def _download(uri: str, run_id: str, path: str) -> bytes | None:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    host = get_default_host_creds(uri)
    query = {"path": path, "run_uuid": run_id}
    with http_request(host, "/get-artifact", "GET", stream=True, raise_on_status=False, params=query) as reply:
        if reply.status_code in {400, 404, 500}:
            # A server says 500 for a file that is not there.
            return None
        reply.raise_for_status()
        content = bytearray()
        for chunk in reply.iter_content(65_536):
            content += chunk
            if len(content) > MAX_BYTES:
                break
        return bytes(content)
