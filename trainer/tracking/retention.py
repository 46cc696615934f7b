"""What MLflow forgets again: of the fits that never served, the old ones but for one in so many.

A promoted run, or one whose model is in the registry, stays with its files for as long as the mission. Removing
goes by small steps between two retrains, so that neither the loop nor a user interface beside it waits; how far it
has got is a tag of the experiment. A database is rid of a run at once, with its files; a tracking server only marks
it as deleted, and it goes when the owner of the server runs `mlflow gc`.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from telemetry.clock import NS_PER_S

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

    from telemetry.dictionary import MlflowConfig

TAG_THINNED = "cubesat.thinned"
"""Of an experiment: up to which start of a run (ms), and to one in how many."""
ROUND_NS = 3600 * NS_PER_S
"""From one look at all experiments to the next."""
PAGE = 20
"""Runs of one step."""
LOOKS = 8
"""Experiments of one step, of which the last has old runs and the others have none."""
DAY_MS = 86_400_000


class Retention:
    """The policy of one mission at work. Used from the thread that logs."""

    def __init__(self, config: MlflowConfig, ours: Callable[[Experiment], bool], files: Path) -> None:
        """`ours` tells the mission's experiments; below `files` it may delete."""
        self._config = config
        self._ours = ours
        self._files = files.resolve()
        self._todo: deque[tuple[str, int]] = deque()
        self._next_ns = 0

    def step(self, client: MlflowClient, now_ns: int) -> int:
        """Remove what is due, a page at most; how many runs went.

        Raises:
            MlflowException, SQLAlchemyError, OSError: MLflow does not answer, or files cannot be deleted.
        """
        if not self._todo:
            if now_ns < self._next_ns or self._config.keep_days <= 0:
                return 0
            self._next_ns = now_ns + ROUND_NS
            self._todo.extend((one.experiment_id, self._thinned(one)) for one in self._experiments(client))
        until = now_ns // 1_000_000 - int(self._config.keep_days * DAY_MS)
        for _ in range(min(LOOKS, len(self._todo))):
            experiment, since = self._todo.popleft()
            wanted = f"attributes.start_time >= {since} AND attributes.start_time < {until}"
            runs = client.search_runs(
                [experiment], wanted, max_results=PAGE, order_by=["attributes.start_time ASC"]
            )
            if not runs:
                continue
            gone = [run for run in runs if not self._stays(client, run)]
            for run in gone:
                self._remove(client, run)
            first, last = runs[0].info.start_time, runs[-1].info.start_time
            reached = last + (first == last and len(runs) == PAGE)
            client.set_experiment_tag(experiment, TAG_THINNED, f"{reached} {self._config.keep_one_in}")
            if len(runs) == PAGE:
                self._todo.appendleft((experiment, reached))
            return len(gone)
        return 0

    def _experiments(self, client: MlflowClient) -> list[Experiment]:
        found: list[Experiment] = []
        token: str | None = None
        while token != "":
            page = client.search_experiments(page_token=token)
            found += [one for one in page if self._ours(one)]
            token = page.token or ""
        return found

    def _thinned(self, experiment: Experiment) -> int:
        reached, _, one_in = experiment.tags.get(TAG_THINNED, "").partition(" ")
        return int(reached) if reached.isdigit() and one_in == str(self._config.keep_one_in) else 0

    def _stays(self, client: MlflowClient, run: Run) -> bool:
        tags = run.data.tags
        if tags.get("cubesat.decision") == "promoted":
            return True
        retrain = tags.get("cubesat.retrain", "")
        if not retrain.isdigit():
            # None of ours: somebody logged it by hand.
            return True
        if self._config.keep_one_in > 0 and int(retrain) % self._config.keep_one_in == 0:
            return True
        return bool(tags.get("cubesat.version") and client.search_model_versions(f"run_id = '{run.info.run_id}'"))

    def _remove(self, client: MlflowClient, run: Run) -> None:
        store: Any = client._tracking_client.store
        rid_of = getattr(store, "_hard_delete_run", None)
        if rid_of is None:
            client.delete_run(run.info.run_id)
            return
        # As `mlflow gc` does it: files first, so that a crash between leaves no files without a run.
        place = Path(unquote(run.info.artifact_uri.removeprefix("file://"))).resolve()
        if self._files in place.parents:
            shutil.rmtree(place.parent if place.name == "artifacts" else place, ignore_errors=True)
        elif "://" in run.info.artifact_uri and not run.info.artifact_uri.startswith("file://"):
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            get_artifact_repository(run.info.artifact_uri).delete_artifacts()
        rid_of(run.info.run_id)
