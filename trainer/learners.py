"""The satellites that are learned: what is known of each, and which model serves it.

The champion is what the station serves, which an operator may have chosen; it is followed, whatever was proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.store.rows import RunRow
from trainer import artifact
from trainer.challenger import Challenger, Pace
from trainer.refits import Tried
from trainer.rows import StoredRows
from trainer.served import Scorer, ScorerRefused
from trainer.serving import Serving, serving_of

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.inbox import Inbox
    from telemetry.store.reader import StoreReader

RUN_RECORDED = "run_recorded"
"""Kind of a request: the record of a considered cycle, for the station to store."""

LEAST_ROWS = 1000
"""Rows of the busiest packet before the first model of a satellite without an orbit."""

LEAST_ORBITS = 1.0
"""Orbits of rows before the first model of a satellite with one."""

Tell = Callable[[dict[str, Any]], None]


class _History(msgspec.Struct):
    """How far the station is with writing the history of a new mission."""

    done: float = 0
    of: float = 0


@dataclass(slots=True)
class Learner:
    """One satellite."""

    rows: StoredRows
    need: int
    """Rows of the busiest packet before its first model."""
    champion: Scorer | None = None
    first: str = "first model"
    """Why a model is fitted while there is no champion."""
    tried: Tried = field(default_factory=Tried)
    considered_id: int = 0
    challenger: Challenger | None = None
    pace: Pace = field(default_factory=Pace)
    serving: Serving = field(default_factory=Serving)
    """What the station says: which models serve or served, and whether promotion is held."""
    follows: int | None = None
    """Version of the model that serves, champion or of another kind."""


class Learners:
    """Those of a mission, in its order."""

    def __init__(
        self,
        directory: MissionDirectory,
        mission: Mission,
        reader: StoreReader,
        inbox: Inbox,
        tell: Tell,
        known: Sequence[RunRow],
    ) -> None:
        """`known`: runs that were recorded before; each satellite goes on with the newest that was promoted."""
        self._directory = directory
        self._mission = mission
        self._reader = reader
        self._inbox = inbox
        self._tell = tell
        self._all: list[Learner] = []
        for satellite in mission.satellites:
            learner = Learner(StoredRows(reader, mission, satellite.name), self._need(satellite.name))
            self._resume(learner, known)
            self._all.append(learner)

    def __iter__(self) -> Iterator[Learner]:
        return iter(self._all)

    @property
    def learned(self) -> bool:
        """Every satellite has a model."""
        return all(learner.champion is not None for learner in self._all)

    @property
    def needed(self) -> set[int]:
        """Versions that serve, and those a roll-back returns to."""
        versions = {one.champion.version for one in self._all if one.champion is not None}
        return versions.union(*(one.serving.versions[-2:] for one in self._all))

    def follow(self) -> None:
        """Let what serves be the champion, whatever was proposed: an operator may have said otherwise."""
        # Before the store is asked: what is not here any more is in there.
        proposed = {run.satellite for run in pending_runs(self._inbox) if run.decision == "promoted"}
        for learner in self._all:
            satellite = learner.rows.satellite
            serving = serving_of(self._reader.cursor, satellite)
            if serving is None:
                continue
            learner.serving = serving
            version = serving.version
            if version is None or version == learner.follows or satellite in proposed:
                continue
            run = self._reader.run_of_version(version, satellite)
            if run is not None and self._take(learner, run):
                # It was fitted against another champion.
                learner.challenger = None
                learner.tried.refused = ()
                self._tell({"state": "follows", "version": version, "satellite": satellite})

    def history_written(self) -> float:
        """How much of the history of a new mission the station has written, 0..1; 1 where it writes none."""
        health = self._reader.health()
        if health is None:
            return 1.0
        try:
            history = msgspec.convert(health.body.get("history"), _History | None)
        except msgspec.ValidationError:
            return 1.0
        return 1.0 if history is None or history.of <= 0 else min(1.0, history.done / history.of)

    def _need(self, satellite: str) -> int:
        period = min((channel.period_s for channel in self._mission.bus_of(satellite).channels), default=1.0)
        tle = self._mission.satellite(satellite).tle
        if tle is None:
            return LEAST_ROWS
        orbit_s = 86_400 / float(tle[1][52:63])
        return max(LEAST_ROWS, int(LEAST_ORBITS * orbit_s / period))

    def _resume(self, learner: Learner, known: Sequence[RunRow]) -> None:
        mine = [run for run in known if run.satellite == learner.rows.satellite and run.decision == "promoted"]
        for run in sorted(mine, key=lambda run: -run.retrain):
            if self._take(learner, run):
                return

    def _take(self, learner: Learner, run: RunRow) -> bool:
        """Make the model of `run` the champion; False where its files cannot be used."""
        try:
            champion = artifact.load(self._directory.models / f"v{run.version}", run.model_sha256)
        except ScorerRefused as refused:
            self._tell({"state": "refused", "version": run.version, "reason": refused.reason})
            return False
        if champion.manifest.kind != self._mission.detector.kind:
            # Nothing of it can be carried over or compared; the station judges by it until there is another.
            learner.first = f"first model of kind {self._mission.detector.kind}"
            learner.champion, learner.follows = None, run.version
            return True
        learner.champion, learner.follows = champion, run.version
        learner.considered_id = max(learner.considered_id, champion.manifest.window.last_id)
        # What operators declared nominal since then it was not taught: that is due again.
        learner.tried.act = champion.manifest.window.acts
        return True


def pending_runs(inbox: Inbox) -> list[RunRow]:
    """Runs that were proposed and that the station has not stored yet."""
    runs: list[RunRow] = []
    for request in inbox.pending(1000):
        if request.kind == RUN_RECORDED:
            raw = {key: value for key, value in request.body.items() if key != "artifact_dir"}
            try:
                runs.append(msgspec.convert(raw, RunRow))
            except msgspec.ValidationError:
                continue
    return runs
