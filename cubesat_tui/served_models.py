"""The models that score now: loaded at start, swapped between two frames when the trainer promotes another."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cubesat_tui.rejections import Rejections
from telemetry.alarms import Event
from telemetry.clock import Clock
from telemetry.kill_points import reach
from telemetry.limits import Level
from telemetry.plain_text import plain_text
from telemetry.store.rows import RunRow
from trainer.artifact import load
from trainer.scorer import LiveScoring, Scorer, ScorerRefused

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.writer import StoreWriter

log = logging.getLogger(__name__)

PROMOTED = "promoted"
TEXT_FIELDS = ("decision", "mlflow_run", "window_hash", "model_sha256", "reason", "satellite")


class _Logged(msgspec.Struct):
    retrain: int
    at_ns: int
    mlflow_run: str


class ServedModels:
    """Owns the live scoring of a station. The scorer of a satellite is the one its newest promotion names."""

    def __init__(self, mission: Mission, directory: MissionDirectory, writer: StoreWriter, clock: Clock) -> None:
        self.scoring = LiveScoring(mission)
        self.newest_run: RunRow | None = None
        """The fit recorded last, promoted or not."""
        self.promoted: dict[str, RunRow] = {}
        """Satellite -> the run whose model scores it."""
        self._mission = mission
        self._directory = directory
        self._writer = writer
        self._clock = clock
        self._rejections: dict[str, Rejections] = {one.name: Rejections() for one in mission.satellites}

    def restore(self, runs: Sequence[RunRow]) -> list[Event]:
        """Load what was promoted last; `runs` newest first. A refused model makes room for the one before."""
        told: list[Event] = []
        self.newest_run = runs[0] if runs else None
        for name, series in self._rejections.items():
            series.restore(run for run in runs if self._satellite(run) == name)
        for run in runs:
            satellite = self._satellite(run)
            if run.decision != PROMOTED or run.version is None or satellite in self.promoted:
                continue
            try:
                self._serve(self._load(run), run)
            except ScorerRefused as refused:
                told.append(self._told(run, "model.rejected", Level.WARNING, refused.reason))
        return told

    def record(self, body: Mapping[str, Any]) -> list[Event]:
        """Take a finished fit of the trainer: write its run row and, where it was promoted, score with it.

        The row, and the event that says what became of it, are durable when this returns; a fit that is recorded
        already changes nothing. Returns no event of its own: they are written with the row.

        Raises:
            msgspec.ValidationError: `body` is no run.
        """
        run = _run_of(body)
        scorer: Scorer | None = None
        events: list[Event] = []
        if run.decision == PROMOTED:
            try:
                scorer = self._load(run)
                events.append(self._told(run, "model.promoted", Level.IN_LIMITS, run.reason))
            except ScorerRefused as refused:
                run = msgspec.structs.replace(run, decision="rejected", reason=refused.reason)
                events.append(self._told(run, "model.rejected", Level.WARNING, refused.reason))
        elif run.decision == "rejected":
            events.append(self._told(run, "model.rejected", Level.IN_LIMITS, run.reason))
        satellite = self._satellite(run)
        series = self._rejections.setdefault(satellite, Rejections())
        events += series.told(run, satellite, self._clock.now_ns())
        new = self._writer.record_run(run, events)
        if new:
            series.take(run)
            self.newest_run = run
        if scorer is not None and new:
            reach("scorer_swap")
            self._serve(scorer, run)
            reach("scorer_swap")
        return []

    def logged(self, body: Mapping[str, Any]) -> None:
        """Note under which name MLflow keeps a run; one that is not recorded here changes nothing.

        Raises:
            msgspec.ValidationError: `body` does not say which.
        """
        entry = msgspec.convert(body, _Logged)
        self._writer.name_mlflow_run(entry.retrain, entry.at_ns, plain_text(entry.mlflow_run, 80))

    def health(self) -> dict[str, Any] | None:
        """For the heartbeat: the newest served model, or None while learning."""
        if not self.promoted:
            return None
        run = max(self.promoted.values(), key=lambda one: one.at_ns)
        scorer = self.scoring.scorer(self._satellite(run))
        return {
            "version": run.version,
            "sha256": run.model_sha256,
            "at_ns": run.at_ns,
            "retrain": run.retrain,
            "kind": None if scorer is None else scorer.manifest.kind,
        }

    def _satellite(self, run: RunRow) -> str:
        return run.satellite or self._mission.satellites[0].name

    def _load(self, run: RunRow) -> Scorer:
        if run.version is None:
            raise ScorerRefused("a promoted model has no version")
        place = self._directory.models / f"v{run.version}"
        scorer = load(place, run.model_sha256)
        if scorer.satellite != self._satellite(run):
            raise ScorerRefused(f"{Path(place).name} is a model of {plain_text(scorer.satellite, 40)}")
        return scorer

    def _serve(self, scorer: Scorer, run: RunRow) -> None:
        self.scoring.swap(scorer)
        self.promoted[scorer.satellite] = run
        log.info("model v%s scores %s", run.version, scorer.satellite)

    def _told(self, run: RunRow, kind: str, level: Level, reason: str) -> Event:
        return Event(
            at_ns=self._clock.now_ns(),
            satellite=self._satellite(run),
            kind=kind,
            severity=int(level),
            subject=f"v{run.version}" if run.version is not None else f"#{run.retrain}",
            body={
                "version": run.version,
                "retrain": run.retrain,
                "reason": reason,
                "text": f"model v{run.version} {kind.partition('.')[2]}: {reason}"
                if run.version is not None
                else f"retrain #{run.retrain} rejected: {reason}",
                "sha256": run.model_sha256,
                "threshold": run.threshold,
            },
        )


def _run_of(body: Mapping[str, Any]) -> RunRow:
    """The run in a request: its own table `run`, or the body itself."""
    raw = dict(body.get("run", body))
    raw.pop("artifact_dir", None)
    raw.pop("id", None)
    for name in TEXT_FIELDS:
        if isinstance(raw.get(name), str):
            raw[name] = plain_text(raw[name])
    return msgspec.convert(raw, RunRow)
