"""The trainer's loop: every period each satellite's challenger is considered, and what came of it is recorded.

A considered cycle ends as one run: `kept` (nothing new enough, or fitted and not needed), `promoted` or `rejected`.
The run goes to the station through the inbox first, so that a new model scores at once; MLflow is told afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from telemetry.clock import Clock
from telemetry.dictionary import Mission
from telemetry.frame import Float64s
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow
from trainer import artifact
from trainer.gate import judge_challenger
from trainer.rows import StoredRows
from trainer.served import Scorer, ScorerRefused

if TYPE_CHECKING:
    from trainer.mlflow_audit import AuditEntry
    from trainer.model import Fitted
    from trainer.window import Window

ACTOR = "trainer"
RUN_RECORDED = "run_recorded"
RUN_LOGGED = "run_logged"

LEAST_ROWS = 1000
"""Rows of the busiest packet before the first model of a satellite without an orbit."""

LEAST_ORBITS = 1.0
"""Orbit of rows before the first model of a satellite with one."""

NEW_ROWS = 240
"""Newly accepted rows of the busiest packet that make a challenger worth fitting: 1 % of the window or so. Fitting
at every cycle instead costs eight times the CPU and promotes nothing sooner."""

MOVED_ROWS = 500
"""Newly accepted rows since the champion's window that promote a challenger which passes the gate."""

KEPT_MODELS = 20
"""Artifact directories that stay on disk."""

Tell = Callable[[dict[str, Any]], None]


class _History(msgspec.Struct):
    """How far the station is with writing the history of a new mission."""

    done: float = 0
    of: float = 0


@dataclass(slots=True)
class _Learner:
    """One satellite."""

    rows: StoredRows
    need: int
    champion: Scorer | None = None
    fitted_id: int = 0
    """Newest row of the last fitted window, by store id."""
    considered_id: int = 0


@dataclass(slots=True)
class Cycle:
    """What one pass over the satellites did."""

    learning: tuple[int, int] | None = None
    runs: list[RunRow] = field(default_factory=list[RunRow])
    entries: list[AuditEntry] = field(default_factory=list["AuditEntry"])


class Trainer:
    """Considers, fits, gates, writes and records. Uses its reader and inbox from one thread."""

    def __init__(self, directory: MissionDirectory, mission: Mission, clock: Clock, tell: Tell) -> None:
        self._directory = directory
        self._mission = mission
        self._clock = clock
        self._tell = tell
        self._reader = StoreReader(directory.telemetry)
        self._inbox = Inbox(directory.inbox)
        known = self._reader.runs(limit=1000) + self._pending()
        self._retrain = max((run.retrain for run in known), default=0)
        self._version = max(
            [run.version or 0 for run in known] + [_number(path) for path in directory.models.glob("v*")], default=0
        )
        self._learners: list[_Learner] = []
        for satellite in mission.satellites:
            learner = _Learner(StoredRows(self._reader, mission, satellite.name), self._need(satellite.name))
            self._resume(learner, known)
            self._learners.append(learner)

    @property
    def learned(self) -> bool:
        """Every satellite has a model."""
        return all(learner.champion is not None for learner in self._learners)

    def close(self) -> None:
        """Close store and inbox."""
        self._reader.close()
        self._inbox.close()

    def logged(self, runs: Mapping[str, str]) -> None:
        """Tell the station and whoever listens what MLflow calls these runs: retrain id -> MLflow run id."""
        for retrain_id, mlflow_run in runs.items():
            at_ns, retrain, _ = retrain_id.split("-", 2)
            body = {"retrain": int(retrain), "at_ns": int(at_ns), "mlflow_run": mlflow_run}
            self._inbox.submit(RUN_LOGGED, body, ACTOR, self._clock.now_ns())
            self._tell({"state": "logged", "retrain_id": retrain_id, "mlflow_run": mlflow_run})

    def cycle(self, force: bool = False) -> Cycle:
        """Consider every satellite once; `force` fits whatever is there (`--once`).

        Raises:
            StoreError, OSError, apsw.Error: the mission directory cannot be read or written.
        """
        done = Cycle()
        written = self._history_written()
        for learner in self._learners:
            if learner.champion is None and written < 1.0 and not force:
                # Older rows than the newest still arrive: what is read now would be taken for all there is.
                done.learning = (int(written * learner.need), learner.need)
                continue
            learner.rows.refresh()
            have = learner.rows.busiest()
            if learner.champion is None and have < learner.need and not (force and have >= LEAST_ROWS):
                done.learning = (min(have, learner.need), learner.need)
                continue
            self._consider(learner, force, done)
        return done

    def _pending(self) -> list[RunRow]:
        runs: list[RunRow] = []
        for request in self._inbox.pending(1000):
            if request.kind == RUN_RECORDED:
                raw = {key: value for key, value in request.body.items() if key != "artifact_dir"}
                try:
                    runs.append(msgspec.convert(raw, RunRow))
                except msgspec.ValidationError:
                    continue
        return runs

    def _need(self, satellite: str) -> int:
        period = min((channel.period_s for channel in self._mission.bus_of(satellite).channels), default=1.0)
        tle = self._mission.satellite(satellite).tle
        if tle is None:
            return LEAST_ROWS
        orbit_s = 86_400 / float(tle[1][52:63])
        return max(LEAST_ROWS, int(LEAST_ORBITS * orbit_s / period))

    def _resume(self, learner: _Learner, known: list[RunRow]) -> None:
        mine = [run for run in known if run.satellite == learner.rows.satellite and run.decision == "promoted"]
        for run in sorted(mine, key=lambda run: -run.retrain):
            try:
                learner.champion = artifact.load(self._directory.models / f"v{run.version}", run.model_sha256)
            except ScorerRefused as refused:
                self._tell({"state": "refused", "version": run.version, "reason": refused.reason})
                continue
            learner.fitted_id = learner.considered_id = learner.champion.manifest.window.last_id
            return

    def _history_written(self) -> float:
        """How much of the history of a new mission the station has written, 0..1; 1 where it writes none."""
        health = self._reader.health()
        if health is None:
            return 1.0
        try:
            history = msgspec.convert(health.body.get("history"), _History | None)
        except msgspec.ValidationError:
            return 1.0
        return 1.0 if history is None or history.of <= 0 else min(1.0, history.done / history.of)

    def _consider(self, learner: _Learner, force: bool, done: Cycle) -> None:
        champion = learner.champion
        new = learner.rows.accepted_after(learner.fitted_id)
        rate = learner.rows.flagged_after(learner.considered_id)
        learner.considered_id = learner.rows.newest_id
        self._retrain += 1
        now = self._clock.now_ns()
        base = RunRow(
            retrain=self._retrain,
            at_ns=now,
            satellite=learner.rows.satellite,
            decision="kept",
            parent=None if champion is None else champion.version,
            anomaly_rate=rate,
            drift=None if champion is None else self._drift(learner, champion),
        )
        if champion is not None and new < NEW_ROWS and not force:
            reason = f"{new} newly accepted rows, a fit wants {NEW_ROWS}"
            self._record(msgspec.structs.replace(base, reason=reason), None, done)
            return
        window = learner.rows.window()
        if window is None:
            return
        self._fit(learner, window, base, new, done)

    def _drift(self, learner: _Learner, champion: Scorer) -> float | None:
        """Drift of what the champion judged since its window; None before that is an orbit long.

        A shorter stretch lies somewhere on the orbit and differs from the whole of it with nothing having moved.
        """
        scores = learner.rows.scores_after(champion.manifest.window.last_id, champion.version)
        return None if len(scores) * LEAST_ORBITS < learner.need else _drift(champion, scores)

    def _fit(self, learner: _Learner, window: Window, base: RunRow, new: int, done: Cycle) -> None:
        from trainer.model import NotEnough, fit

        self._tell({"state": "fitting", "retrain": base.retrain, "rows": window.rows})
        started, cpu, wall = self._clock.now_ns(), time.process_time(), time.monotonic()
        champion = learner.champion
        try:
            fitted = fit(
                window,
                version=self._version + 1,
                parent=champion,
                created_ns=base.at_ns,
                false_alarms_per_day=self._mission.detector.false_alarms_per_day,
                seed=base.retrain,
            )
        except NotEnough as error:
            self._record(msgspec.structs.replace(base, reason=str(error)), None, done)
            return
        gate = judge_challenger(champion, fitted.scorer, window)
        refusal, figures = gate.refusal, gate.figures
        learner.fitted_id = window.last_id
        since = 0 if champion is None else learner.rows.accepted_after(champion.manifest.window.last_id)
        modes = champion is not None and not set(fitted.scorer.manifest.keys) <= set(champion.manifest.keys)
        if refusal is not None:
            decision, reason = "rejected", refusal
        elif champion is None:
            decision, reason = "promoted", "first model"
        elif since >= MOVED_ROWS:
            decision, reason = "promoted", f"{since} newly accepted rows since v{champion.version}"
        elif modes:
            decision, reason = "promoted", f"a mode v{champion.version} does not know"
        else:
            decision, reason = "kept", f"passes; {since} of {MOVED_ROWS} new rows since v{champion.version}"
        manifest = fitted.scorer.manifest
        metrics = {**fitted.metrics, **figures, "new_rows": float(new), "fit_cpu_s": time.process_time() - cpu}
        run = msgspec.structs.replace(
            base,
            decision=decision,
            reason=reason,
            version=manifest.version if decision == "promoted" else None,
            fit_s=time.monotonic() - wall,
            rows=window.rows,
            excluded=window.excluded,
            threshold=manifest.threshold,
            false_alarms_per_day=fitted.metrics["false_alarms_per_day"],
            window_from=manifest.window.t0_ns,
            window_to=manifest.window.t1_ns,
            window_hash=manifest.window.hash,
            model_sha256=manifest.sha256,
            body=metrics,
        )
        place = None
        if decision == "promoted":
            place = artifact.write(self._directory.models, manifest, fitted.packed)
            self._version = manifest.version
            learner.champion = fitted.scorer
            serving = {one.champion.version for one in self._learners if one.champion is not None}
            _prune(self._directory.models, self._version, serving)
        self._record(run, place, done)
        done.entries.append(_entry(run, fitted, started, self._clock.now_ns(), place))

    def _record(self, run: RunRow, place: Path | None, done: Cycle) -> None:
        body: dict[str, Any] = msgspec.to_builtins(run)
        body["artifact_dir"] = None if place is None else str(place)
        self._inbox.submit(RUN_RECORDED, body, ACTOR, run.at_ns)
        done.runs.append(run)
        if run.decision == "promoted":
            said = {"state": "published", "version": run.version, "sha256": run.model_sha256, "learning": None}
        else:
            said = {"state": run.decision}
        self._tell({**said, "retrain": run.retrain, "satellite": run.satellite, "reason": run.reason})


def _drift(champion: Scorer, scores: Float64s) -> float | None:
    """Population stability index of new row scores against the champion's calibration, in ten equal parts of it."""
    reference = max((packet.calibration for packet in champion.packets.values()), key=len)
    known = scores[np.isfinite(scores)]
    if len(known) < 20 or len(reference) < 20:
        return None
    edges = np.quantile(reference, np.linspace(0, 1, 11)[1:-1])
    was = np.bincount(np.searchsorted(edges, reference), minlength=10) / len(reference)
    now = np.bincount(np.searchsorted(edges, known), minlength=10) / len(known)
    was, now = np.maximum(was, 1e-3), np.maximum(now, 1e-3)
    return float(np.sum((now - was) * np.log(now / was)))


def _entry(run: RunRow, fitted: Fitted, started_ns: int, ended_ns: int, place: Path | None) -> AuditEntry:
    from trainer.mlflow_audit import AuditEntry, flat

    manifest = fitted.scorer.manifest
    figures = {"rows": run.rows, "excluded": run.excluded, "fit_s": run.fit_s, "drift": run.drift}
    metrics = {
        key: float(value) for key, value in {**fitted.metrics, **run.body, **figures}.items() if value is not None
    }
    params = {
        "kind": manifest.kind,
        "trees": manifest.trees,
        "contamination": "auto",
        "false_alarms_per_day": manifest.false_alarms_per_day,
        "features_version": manifest.features_version,
        "channels": sum(len(packet.channels) for packet in manifest.packets),
        "window_from_ns": manifest.window.t0_ns,
        "window_to_ns": manifest.window.t1_ns,
        "window_spans": manifest.window.spans,
        "window_last_id": manifest.window.last_id,
        "window_hash": manifest.window.hash,
    }
    tags = {
        "cubesat.satellite": manifest.satellite,
        "cubesat.retrain": run.retrain,
        "cubesat.decision": run.decision,
        "cubesat.reason": run.reason,
        "cubesat.version": "" if run.version is None else run.version,
        "cubesat.parent": "" if run.parent is None else run.parent,
        "cubesat.model_sha256": manifest.sha256,
        **{f"library.{name}": version for name, version in manifest.libraries.items()},
    }
    return AuditEntry(
        retrain_id=f"{run.at_ns}-{run.retrain}-{manifest.window.hash[:16]}",
        satellite=manifest.satellite,
        name=f"retrain {run.retrain}" if run.version is None else f"retrain {run.retrain}, v{run.version}",
        started_ns=started_ns,
        ended_ns=ended_ns,
        params=flat(params),
        metrics=metrics,
        tags=flat(tags),
        step=run.retrain,
        manifest=None if place is None else str(place / "manifest.json"),
    )


def _number(path: Path) -> int:
    text = path.name[1:]
    return int(text) if text.isdigit() else 0


def _prune(models: Path, newest: int, serving: set[int]) -> None:
    """Remove artifacts older than the `KEPT_MODELS` newest, but for those that serve; the run rows stay.

    Versions are counted over all satellites: in a fleet the champion of one may be hundreds old.
    """
    for path in models.glob("v*"):
        number = _number(path)
        if 0 < number <= newest - KEPT_MODELS and number not in serving:
            for file in path.iterdir():
                file.unlink(missing_ok=True)
            path.rmdir()
