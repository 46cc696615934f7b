"""The model registry: a version for each model that has files, aliases that tell what serves, acts as tags.

`champion` is the model that serves, `previous` the one a roll-back returns to, `challenger` the newest that passed
the gate behind the champion: held, or rolled back from. The station decides what serves. Where somebody moves
`champion` in MLflow, that is a request to promote, made once; whatever the station answers, the alias tells it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.clock import iso
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

    from trainer.serving import Serving
    from trainer.tracking.spool import ActEntry, AuditEntry
    from trainer.tracking.state import MirrorState

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
TAG_VERSION = "cubesat.version"
TAG_ACT = "cubesat.act"
TAG_REASON = "reason"
"""What whoever moves an alias may write on the version first: why."""
MOVED = "alias champion moved in MLflow"
_NOT_IN_NAMES = re.compile(r"[^\w .+@-]")


@dataclass(frozen=True)
class Move:
    """Somebody moved `champion` to another version."""

    satellite: str
    version: int | None
    """Of ours; None where it is no model of this mission."""
    registered: str
    """MLflow's version."""
    reason: str


class Registry:
    """The registry of one mission, through an open client; its errors are the client's."""

    def __init__(self, client: MlflowClient, state: MirrorState, prefix: str) -> None:
        self._client = client
        self._state = state
        self._prefix = prefix

    def name(self, satellite: str) -> str:
        """What a satellite's models are registered as."""
        return _NOT_IN_NAMES.sub("_", plain_text(f"{self._prefix}{satellite}", 200))

    def register(self, entry: AuditEntry, run_id: str, source: str, *, again: bool) -> str:
        """MLflow's version of the model of a run. `again`: it may have been made by a life that ended there."""
        assert entry.version is not None
        known = self._state.of(entry.satellite)
        if entry.version in known.versions:
            return known.versions[entry.version]
        name = self.name(entry.satellite)
        found = self._tagged(name, entry.version) if again else None
        if found is None:
            if not known.versions:
                self._make(name, entry.satellite)
            text = (
                f"v{entry.version} of {entry.satellite}, retrain {entry.step}: {entry.tags.get('cubesat.reason')}"
            )
            tags = {
                TAG_VERSION: str(entry.version),
                "cubesat.satellite": plain_text(entry.satellite),
                "cubesat.retrain": str(entry.step),
                "cubesat.retrain_id": entry.retrain_id,
                "cubesat.decision": plain_text(entry.tags.get("cubesat.decision", "")),
                "cubesat.parent": plain_text(entry.tags.get("cubesat.parent", "")),
                "cubesat.model_sha256": entry.sha256,
            }
            made = self._client.create_model_version(
                name, source, run_id=run_id, tags=tags, description=plain_text(text, 500)
            )
            found = str(made.version)
        known.versions[entry.version] = found
        self._state.save()
        return found

    def note(self, act: ActEntry) -> None:
        """Write an act on the version it is about, and on its run; nothing where MLflow has no such version."""
        registered = self._registered(act.satellite, act.version)
        if registered is None:
            return
        name = self.name(act.satellite)
        key = f"{TAG_ACT}.{act.journal:010d}"
        text = plain_text(f"{iso(act.at_ns // 10**9 * 10**9)} {act.text}", 500)
        version = self._version(name, registered)
        if version is None:
            return
        self._client.set_model_version_tag(name, registered, key, text)
        if version.run_id:
            self._client.set_tag(version.run_id, key, text)

    def settle(self, satellite: str, serving: Serving, asking: bool) -> Move | None:
        """Let the aliases tell what serves; a move of `champion` that the station has not heard of is returned.

        `asking`: the station has not answered yet.
        """
        known = self._state.of(satellite)
        if serving.version is None or not known.versions:
            return None
        champion = self._registered(satellite, serving.version)
        if champion is None:
            return None
        name = self.name(satellite)
        found = self._aliased(name, CHAMPION)
        standing = "" if found is None else str(found.version)
        moved = standing not in {"", champion, known.aliases.get(CHAMPION, standing)}
        if moved and found is not None and standing != known.asked:
            return Move(satellite, _ours(found), standing, self._reason(name, found))
        if moved and asking:
            return None
        self._point(satellite, CHAMPION, champion, standing)
        if known.asked:
            known.asked = ""
            self._state.save()
        before = None if serving.before is None else self._registered(satellite, serving.before)
        later = max((version for version in known.versions if version > serving.version), default=None)
        for alias, wanted in (
            (PREVIOUS, before),
            (CHALLENGER, None if later is None else known.versions[later]),
        ):
            self._point(satellite, alias, wanted, known.aliases.get(alias, ""))
        return None

    def _point(self, satellite: str, alias: str, wanted: str | None, standing: str) -> None:
        known = self._state.of(satellite)
        name = self.name(satellite)
        if wanted is None and standing:
            self._client.delete_registered_model_alias(name, alias)
        elif wanted is not None and wanted != standing:
            self._client.set_registered_model_alias(name, alias, wanted)
        if (wanted or "") != known.aliases.get(alias, ""):
            known.aliases[alias] = wanted or ""
            self._state.save()

    def _reason(self, name: str, version: ModelVersion) -> str:
        """What was written on the version, which is taken off: the next move has another reason."""
        text = plain_text(" ".join(str(version.tags.get(TAG_REASON, "")).split()), 200)
        if not text:
            return MOVED
        self._client.delete_model_version_tag(name, str(version.version), TAG_REASON)
        return text

    def _registered(self, satellite: str, version: int) -> str | None:
        known = self._state.of(satellite).versions
        if version not in known and known:
            found = self._tagged(self.name(satellite), version)
            if found is not None:
                known[version] = found
        return known.get(version)

    def _tagged(self, name: str, version: int) -> str | None:
        found = self._client.search_model_versions(
            f"name = '{name}' AND tags.`{TAG_VERSION}` = '{version}'", max_results=1
        )
        return str(found[0].version) if found else None

    def _aliased(self, name: str, alias: str) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}:
                return None
            raise

    def _version(self, name: str, registered: str) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version(name, registered)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _make(self, name: str, satellite: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(
                name, tags={"cubesat.satellite": plain_text(satellite)}, description=f"What judges {satellite}"
            )
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _ours(version: ModelVersion) -> int | None:
    text = str(version.tags.get(TAG_VERSION, ""))
    return int(text) if text.isdigit() and text.isascii() and len(text) < 10 else None
