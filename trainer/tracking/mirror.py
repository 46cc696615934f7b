"""The audit's mirror in MLflow: every fit that was promoted or rejected, the models of those that passed, and acts.

The truth is the mission store; a tracking store that is broken, locked, full, slow or gone costs a mission nothing.
Each entry is spooled first and leaves the spool once MLflow has it, recognised by its retrain id, so that a crash
in between logs it once. What is not taken is tried again after 5 s, 10 s, ... 5 min, in the order in which it came.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from telemetry.clock import Clock, SystemClock
from telemetry.dictionary import MlflowConfig
from telemetry.plain_text import plain_text
from trainer.tracking.client import AuditFailed, NotTaken, artifact_location, open_client, translated
from trainer.tracking.fetch import Wanted, fetch
from trainer.tracking.model_files import MODEL, checked_files
from trainer.tracking.place import FILES
from trainer.tracking.registry import Move, Registry
from trainer.tracking.retention import Retention
from trainer.tracking.settings import local_uri, masked, shown, tracking_uri
from trainer.tracking.spool import ActEntry, AuditEntry, Entry, Spool
from trainer.tracking.state import MirrorState
from trainer.tracking.status import GOOD, OPENING, REFUSED, SLOW, SLOW_AFTER_S, UNUSED, MirrorStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

    from telemetry.store.directory import MissionDirectory
    from trainer.serving import Serving

__all__ = ["AuditFailed", "Mirror", "Turn"]

TAG_RETRAIN = "cubesat.retrain_id"
TAG_MISSION = "cubesat.mission"
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The user interface shows runs of training, not conversations with a language model."""
BACK_OFF_S = 5.0
LONGEST_BACK_OFF_S = 300.0
JITTER = 0.2
TRIES = 2
"""How often an MLflow that works may say no to an entry before it is set aside."""
AT_ONCE = 10
"""Satellites whose aliases are looked at in one turn: a fleet is gone round."""
PARAMS, METRICS = 100, 1000
"""That MLflow takes in one call."""
PARAM_CHARS, TAG_CHARS = 500, 5000
"""Of a value. MLflow takes 6000 and 8000, older servers 5000 in a tag."""


@dataclass(frozen=True)
class World:
    """What the station says of the satellites' models, and what became of the requests that came from MLflow."""

    serving: Mapping[str, Serving] = field(default_factory=dict["str", "Serving"])
    asking: frozenset[str] = frozenset()
    """Satellites with such a request that is not applied yet."""
    asked: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Satellite -> MLflow's version that was asked for last, and the id of the request."""
    wanted: tuple[Wanted, ...] = ()
    """Models whose files are gone here and that are to be promoted."""


@dataclass(slots=True)
class Turn:
    """What a turn came to."""

    logged: dict[str, str] = field(default_factory=dict[str, str])
    """Retrain id -> MLflow run id."""
    moves: list[Move] = field(default_factory=list[Move])
    """Aliases that somebody moved in MLflow."""
    fetched: dict[str, str] = field(default_factory=dict[str, str])
    """Satellite -> why the files of its model that was wanted could not be brought back, "" where they could."""


class Mirror:
    """The tracking store of one mission, opened at the first entry and not before. Used from one thread, but for
    `spool`, `waiting`, `serve` and `status`."""

    def __init__(
        self,
        directory: MissionDirectory,
        config: MlflowConfig | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`jitter`: numbers from 0 to 1, so that many missions do not ask one server in step."""
        self._directory = directory
        self._config = config or MlflowConfig()
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self.uri = tracking_uri(directory, self._config)
        """Where MLflow keeps it. May hold a password of the environment: `status().uri` is for showing."""
        self._spool = Spool(directory.artifacts / "mlflow-spool.jsonl")
        self.state = MirrorState(directory.artifacts / "mlflow-mirror.json")
        self._client: MlflowClient | None = None
        self._experiments: dict[str, str] = {}
        self._refusals: dict[str, int] = {}
        self._said = MirrorStatus(uri=shown(self.uri))
        self._back_off_s = 0.0
        self._due_s = 0.0
        self._asked_s: float | None = None
        self._world = World()
        self._around = 0
        self._retention = Retention(self._config, self._is_ours, directory.path.absolute() / FILES)

    def spool(self, entry: Entry) -> None:
        """Put an entry behind the others; durable on return.

        Raises:
            OSError: the file cannot be written.
        """
        self._spool.put(entry)

    def waiting(self) -> list[Entry]:
        """Entries MLflow does not have yet."""
        return self._spool.waiting()

    def serve(self, world: World) -> None:
        """What the station says, which the aliases are to tell."""
        self._world = world

    def status(self) -> MirrorStatus:
        """How it stands now."""
        asked_s, found = self._asked_s, replace(self._said, queued=len(self._spool))
        if asked_s is not None and self._clock.monotonic() - asked_s > SLOW_AFTER_S:
            return replace(found, state=OPENING if self._client is None else SLOW)
        return found

    @property
    def due_s(self) -> float:
        """Seconds until a turn would ask MLflow again; 0 where it would now."""
        return max(0.0, self._due_s - self._clock.monotonic())

    def turn(self) -> Turn:
        """Log what waits and compare the aliases, unless MLflow was found wanting a short while ago.

        Raises:
            OSError: the spool cannot be written.
        """
        done = Turn()
        given_up = self._spool.bound(self._clock.now_ns(), self._config.spool_days)
        if given_up:
            self._say(aside=self._said.aside + given_up)
        if self.due_s > 0 or not (self._client or len(self._spool) or self.state.known.satellites):
            return done
        try:
            self._asked_s = self._clock.monotonic()
            self._opened()
            self._drain(done.logged)
            done.moves += self._aliases()
            self._fetch(done.fetched)
            self._thin()
        except AuditFailed as failed:
            self._fail(failed)
        else:
            self._back_off_s = 0.0
            self._say(state=GOOD, detail="")
        finally:
            self._asked_s = None
        return done

    def drain(self) -> dict[str, str]:
        """Log what waits, oldest first, whatever went wrong before; retrain id -> MLflow run id.

        Raises:
            AuditFailed: MLflow takes nothing; what it did not take stays in the spool.
            OSError: the spool cannot be written.
        """
        logged: dict[str, str] = {}
        try:
            self._drain(logged)
        except AuditFailed as failed:
            self._fail(failed)
            raise
        finally:
            self._asked_s = None
        self._say(state=GOOD if self._client is not None else UNUSED, detail="")
        return logged

    def _drain(self, logged: dict[str, str]) -> None:
        for entry in self._spool.waiting():
            self._asked_s = self._clock.monotonic()
            self._opened()
            try:
                with translated(self.uri):
                    if isinstance(entry, ActEntry):
                        self._registry().note(entry)
                    else:
                        logged[entry.retrain_id] = self._log(entry)
            except NotTaken as refused:
                self._not_taken(entry, refused)
            self._spool.done(entry)

    def _not_taken(self, entry: Entry, refused: NotTaken) -> None:
        """Once, the experiment may have been deleted meanwhile: it is looked up again. Twice, the entry goes aside.

        Raises:
            AuditFailed: the first time.
        """
        self._experiments.clear()
        count = self._refusals[entry.id] = self._refusals.get(entry.id, 0) + 1
        if count < TRIES:
            raise AuditFailed(str(refused), REFUSED) from refused
        del self._refusals[entry.id]
        self._spool.set_aside(entry, str(refused))
        self._say(aside=self._said.aside + 1)

    def failed(self, error: Exception) -> None:
        """Something nobody thought of went wrong in a turn: wait, and say so."""
        self._fail(AuditFailed(plain_text(masked(f"{type(error).__name__}: {error}", self.uri)), REFUSED))

    def _fail(self, failed: AuditFailed) -> None:
        # The client goes too: its pool of connections may be what is broken.
        self._client = None
        self._back_off_s = min(LONGEST_BACK_OFF_S, max(BACK_OFF_S, 2 * self._back_off_s))
        spread = 1 + JITTER * (2 * self._jitter() - 1)
        self._due_s = self._clock.monotonic() + self._back_off_s * spread
        self._say(state=failed.state, detail=str(failed))

    def _say(self, **changes: Any) -> None:
        self._said = replace(self._said, **changes)

    def _opened(self) -> MlflowClient:
        if self._client is None:
            self._client = open_client(self._directory, self.uri)
        return self._client

    def _registry(self) -> Registry:
        return Registry(self._opened(), self.state, self._prefix)

    @property
    def _base(self) -> str:
        """First part of the names. On a server it stays what it was, wherever the mission directory goes."""
        name = plain_text(self._directory.path.absolute().name, 100)
        if self.uri == local_uri(self._directory):
            return name
        if not self.state.known.base:
            self.state.known.base = name
            self.state.save()
        return self.state.known.base

    @property
    def _prefix(self) -> str:
        """Of the names of models: the store of a mission has no others."""
        return "" if self.uri == local_uri(self._directory) else f"{self._base}-"

    def _log(self, entry: AuditEntry) -> str:
        from mlflow.entities import Metric, Param

        client = self._opened()
        experiment = self._experiment(client, entry.satellite)
        begun = self._spool.begin(entry)
        known = None
        if begun:
            found = client.search_runs([experiment], f"tags.`{TAG_RETRAIN}` = '{entry.retrain_id}'", max_results=1)
            known = found[0] if found else None
        ended = entry.ended_ns // 1_000_000
        if known is None:
            known = client.create_run(
                experiment,
                start_time=entry.started_ns // 1_000_000,
                tags={
                    **{key: plain_text(value, TAG_CHARS) for key, value in entry.tags.items()},
                    TAG_RETRAIN: entry.retrain_id,
                },
                run_name=plain_text(entry.name, 100),
            )
        run_id = known.info.run_id
        files = checked_files(entry, run_id)
        if known.info.status != "FINISHED":
            metrics = [Metric(key, value, ended, entry.step) for key, value in entry.metrics.items()]
            params = [Param(key, plain_text(value, PARAM_CHARS)) for key, value in entry.params.items()]
            for i in range(max(1, -(-len(metrics) // METRICS), -(-len(params) // PARAMS))):
                part = params[PARAMS * i : PARAMS * (i + 1)]
                client.log_batch(run_id, metrics[METRICS * i : METRICS * (i + 1)], part)
            if isinstance(files, Path):
                client.log_artifacts(run_id, str(files), MODEL)
            elif files:
                client.set_tag(run_id, "cubesat.files", files)
            client.set_terminated(run_id, end_time=ended)
        if isinstance(files, Path):
            self._registry().register(entry, run_id, f"{known.info.artifact_uri}/{MODEL}", again=begun)
        return run_id

    def _experiment(self, client: MlflowClient, satellite: str) -> str:
        """Its id. One of this name that another mission made is left to it.

        Raises:
            AuditFailed: it was deleted in MLflow.
        """
        from mlflow.exceptions import MlflowException

        found = self._experiments.get(satellite)
        if found is not None:
            return found
        mission = self.state.known.mission
        name = plain_text(f"{self._base}/{satellite}", 200)
        existing = client.get_experiment_by_name(name)
        alone = self.uri == local_uri(self._directory)
        if existing is not None and not alone and existing.tags.get(TAG_MISSION, mission) != mission:
            self.state.known.base = plain_text(f"{self._base}-{mission}", 100)
            self.state.save()
            name = plain_text(f"{self._base}/{satellite}", 200)
            existing = client.get_experiment_by_name(name)
        if existing is None:
            place = artifact_location(self._directory, self.uri)
            try:
                found = client.create_experiment(name, place, tags={**KIND, TAG_MISSION: mission})
                self.state.save()
            except MlflowException:
                existing = client.get_experiment_by_name(name)
                if existing is None:
                    raise
        if existing is not None:
            if existing.lifecycle_stage == "deleted":
                raise AuditFailed(f"experiment {name} is deleted in MLflow: restore it, or the runs wait", REFUSED)
            found = existing.experiment_id
        assert found is not None
        self._experiments[satellite] = found
        return found

    def _fetch(self, fetched: dict[str, str]) -> None:
        for wanted in self._world.wanted:
            self._asked_s = self._clock.monotonic()
            try:
                with translated(self.uri):
                    fetched[wanted.satellite] = fetch(self._opened(), self.uri, self._directory.models, wanted)
            except NotTaken as refused:
                fetched[wanted.satellite] = str(refused)

    def _thin(self) -> None:
        """One step of retention, where one is due."""
        if self._client is None:
            return
        try:
            with translated(self.uri):
                self._retention.step(self._client, self._clock.now_ns())
        except NotTaken:
            # Somebody took away in MLflow what it was about; the next round sees what is left.
            return

    def _is_ours(self, experiment: Experiment) -> bool:
        if self.uri == local_uri(self._directory):
            return True
        return experiment.tags.get(TAG_MISSION) == self.state.known.mission

    def _aliases(self) -> Sequence[Move]:
        """Of the satellites whose turn it is."""
        world = self._world
        names = sorted(world.serving)
        if not names or self._client is None:
            return ()
        for satellite, (registered, request) in world.asked.items():
            self.state.asked(satellite, registered, request)
        first = self._around % len(names)
        chosen = (names[first:] + names[:first])[:AT_ONCE]
        self._around = first + len(chosen)
        moves: list[Move] = []
        registry = self._registry()
        for satellite in chosen:
            self._asked_s = self._clock.monotonic()
            try:
                with translated(self.uri):
                    move = registry.settle(satellite, world.serving[satellite], satellite in world.asking)
            except NotTaken:
                # Somebody took away in MLflow what it is about; the others' go on, this one is looked at again.
                continue
            if move is not None:
                moves.append(move)
        return moves
