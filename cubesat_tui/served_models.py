"""The models that score now: loaded at start, swapped between two frames when another is promoted or returned to.

What serves is kept by one cursor a satellite, written with the event that changed it (`trainer.serving`): a station
that starts again serves what was served, whatever the newest promoted run is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cubesat_tui.moved_channels import MovedChannels
from cubesat_tui.rejections import Rejections
from telemetry.alarms import Event
from telemetry.clock import Clock
from telemetry.kill_points import reach
from telemetry.limits import Level
from telemetry.plain_text import plain_text
from telemetry.store.rows import RunRow
from trainer.artifact import load
from trainer.scorer import LiveScoring, Scorer, ScorerRefused
from trainer.serving import Hold, Serving, cursor_name, encoded, serving_of

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.writer import StoreWriter

log = logging.getLogger(__name__)

KEPT, PROMOTED = "kept", "promoted"
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
        self._moved = {one.name: MovedChannels(mission.bus_of(one.name)) for one in mission.satellites}
        self._serving: dict[str, Serving] = {}
        self._by_runs: dict[str, Serving] | None = None

    def restore(self, runs: Sequence[RunRow]) -> list[Event]:
        """Load what was served last; `runs` newest first. A refused model makes room for the one before."""
        told: list[Event] = []
        self.newest_run = runs[0] if runs else None
        for name, series in self._rejections.items():
            mine = [run for run in runs if self._satellite(run) == name]
            series.restore(mine)
            self._moved[name].restore(mine)
        changed: dict[str, str] = {}
        for satellite in self._mission.by_name:
            before = self.serving(satellite)
            told += self._load_newest(satellite)
            if self.serving(satellite) != before:
                changed[cursor_name(satellite)] = encoded(self.serving(satellite))
        if changed:
            self._writer.append([], [], changed)
        return told

    def _load_newest(self, satellite: str) -> list[Event]:
        told: list[Event] = []
        while (version := self.serving(satellite).version) is not None:
            try:
                self._serve(*self.find(satellite, version))
                break
            except ScorerRefused as refused:
                run = self._writer.run_of_version(version, satellite)
                if run is not None:
                    told.append(self.rejected(run, refused.reason))
                serving = self.serving(satellite)
                self._keep(satellite, msgspec.structs.replace(serving, versions=serving.versions[:-1]))
        return told

    def serving(self, satellite: str) -> Serving:
        """The models of `satellite` and its hold; of a store that never said so, as its promoted runs tell."""
        found = self._serving.get(satellite)
        if found is None:
            found = serving_of(self._writer.cursor, satellite) or self._told_by_runs().get(satellite, Serving())
            self._serving[satellite] = found
        return found

    def _told_by_runs(self) -> dict[str, Serving]:
        if self._by_runs is None:
            self._by_runs = {}
            for one in self._writer.promotions():
                name = one.satellite or self._mission.satellites[0].name
                self._by_runs[name] = self._by_runs.get(name, Serving()).promoted(one.version)
        return self._by_runs

    def find(self, satellite: str, version: int) -> tuple[Scorer, RunRow]:
        """The model `version` of `satellite`, read and checked, and its run.

        Raises:
            ScorerRefused: there is none, or its files are gone or not what they were.
        """
        run = self._writer.run_of_version(version, satellite)
        if run is None:
            raise ScorerRefused(f"no model v{version} of {plain_text(satellite, 40)} is known")
        if not (self._directory.models / f"v{version}").exists():
            raise ScorerRefused(f"the files of v{version} are gone: only the newest models are kept on disk")
        return self._load(run), run

    def unusable(self, satellite: str, version: int) -> RunRow | None:
        """The run of a model whose files are there; None where there are none, or nobody knows of it."""
        there = (self._directory.models / f"v{version}").exists()
        return self._writer.run_of_version(version, satellite) if there else None

    def serve(self, scorer: Scorer, run: RunRow, serving: Serving) -> None:
        """Score with it from the next frame on. The caller makes `cursors` durable together with its event."""
        self._serve(scorer, run)
        self._keep(scorer.satellite, serving)

    def hold(self, satellite: str, hold: Hold | None) -> None:
        """Promote nothing by itself before its end, or again; durable as with `serve`."""
        self._keep(satellite, msgspec.structs.replace(self.serving(satellite), hold=hold))

    def _keep(self, satellite: str, serving: Serving) -> None:
        self._serving[satellite] = serving

    def cursor(self, satellite: str) -> dict[str, str]:
        """What is to be committed with an event that changed what serves, or a hold."""
        return {cursor_name(satellite): encoded(self.serving(satellite))}

    def record(self, body: Mapping[str, Any]) -> list[Event]:
        """Take a finished fit of the trainer: write its run row and, where it was promoted, score with it.

        The row, and the event that says what became of it, are durable when this returns; a fit that is recorded
        already changes nothing. Returns no event of its own: they are written with the row.

        Raises:
            msgspec.ValidationError: `body` is no run.
        """
        run = _run_of(body)
        satellite = self._satellite(run)
        serving = self.serving(satellite)
        scorer: Scorer | None = None
        events: list[Event] = []
        hold = serving.held(self._clock.now_ns())
        if run.decision == PROMOTED and hold is not None:
            # The trainer had not heard of it yet. The files are there: an operator may promote them.
            run = msgspec.structs.replace(run, decision=KEPT, reason=hold.sentence)
        if run.decision == PROMOTED:
            try:
                scorer = self._load(run)
                events.append(self._told(run, "model.promoted", Level.IN_LIMITS, run.reason, serving.version))
            except ScorerRefused as refused:
                run = msgspec.structs.replace(run, decision="rejected", reason=refused.reason)
                events.append(self._told(run, "model.rejected", Level.WARNING, refused.reason))
        elif run.decision == "rejected":
            events.append(self._told(run, "model.rejected", Level.IN_LIMITS, run.reason))
        series = self._rejections.setdefault(satellite, Rejections())
        events += series.told(run, satellite, self._clock.now_ns())
        moved = self._moved.get(satellite)
        if moved is not None:
            events += moved.told(run, satellite, self._clock.now_ns())
        if scorer is not None and run.version is not None:
            serving = serving.promoted(run.version)
        kept = {cursor_name(satellite): encoded(serving)} if scorer is not None else None
        new = self._writer.record_run(run, events, kept)
        if new:
            series.take(run)
            if moved is not None:
                moved.take(run)
            self.newest_run = run
        if scorer is not None and new:
            reach("scorer_swap")
            self.serve(scorer, run, serving)
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
            "before": self.serving(self._satellite(run)).before,
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

    def holds(self) -> dict[str, dict[str, Any]]:
        """For the heartbeat: satellite -> its hold, those that are over left out."""
        now_ns = self._clock.now_ns()
        held = ((name, one.held(now_ns)) for name, one in self._serving.items())
        return {name: msgspec.to_builtins(hold) for name, hold in held if hold is not None}

    def holds_over(self, now_ns: int) -> list[tuple[str, Hold]]:
        """(satellite, hold) of those that were to end by `now_ns`."""
        return [
            (name, one.hold)
            for name, one in self._serving.items()
            if one.hold is not None and one.held(now_ns) is None
        ]

    def rejected(self, run: RunRow, reason: str) -> Event:
        """The event that tells of a model whose files must not be used."""
        return self._told(run, "model.rejected", Level.WARNING, reason)

    def _told(self, run: RunRow, kind: str, level: Level, reason: str, instead_of: int | None = None) -> Event:
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
            }
            | ({} if kind != "model.promoted" else {"from": instead_of, "to": run.version}),
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
