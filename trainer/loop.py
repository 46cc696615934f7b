"""The trainer's loop: every period each satellite's challenger is considered, and what came of it is recorded.

A considered cycle ends as one run: `kept` (nothing new enough, still fitting, fitted and not needed, or held by an
operator), `promoted` or `rejected`. The champion is what the station serves, which an operator may have chosen. A
refit goes on over as many cycles as its budget of CPU makes of it, and meets the gate when it is complete. The run
goes to the station through the inbox first, so that a new model scores at once; MLflow is told afterwards. With
more than one job satellites are fitted side by side, and decided upon in their order all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.clock import Clock
from telemetry.dictionary import Mission
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow
from trainer import artifact
from trainer.audit_entry import MANIFEST, PARAMETERS, audit_entry, manifest_digest, parameters
from trainer.challenger import Challenger, Fit, MissionFit, Step
from trainer.channel_drift import CHANNEL_DRIFT, MOVED, channel_drift
from trainer.decision import decide
from trainer.drift import score_drift
from trainer.kept_models import prune, version_of
from trainer.learners import LEAST_ORBITS, LEAST_ROWS, RUN_RECORDED, Learner, Learners, Tell, pending_runs
from trainer.parallel import Work, Workers
from trainer.refit_record import REFIT, refit_record
from trainer.refits import due_now
from trainer.served import Scorer

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.tracking.spool import AuditEntry

ACTOR = "trainer"
RUN_LOGGED = "run_logged"


@dataclass(frozen=True, eq=False)
class _Turn:
    """A satellite that was considered: with a challenger to go on with, or a reason not to."""

    learner: Learner
    base: RunRow
    challenger: Challenger | None = None


@dataclass(slots=True)
class Cycle:
    """What one pass over the satellites did."""

    learning: tuple[int, int] | None = None
    runs: list[RunRow] = field(default_factory=list[RunRow])
    entries: list[AuditEntry] = field(default_factory=list["AuditEntry"])


class Trainer:
    """Considers, fits, gates, writes and records. Uses its reader and inbox from one thread."""

    def __init__(
        self,
        directory: MissionDirectory,
        mission: Mission,
        clock: Clock,
        tell: Tell,
        fit: Fit | None = None,
        cpu: Callable[[], float] = time.process_time,
        jobs: int = 1,
    ) -> None:
        """`fit` and `cpu` (seconds of CPU used so far) stand in for the real ones in tests.

        `jobs`: satellites fitted at a time.
        """
        self._directory = directory
        self._mission = mission
        self._clock = clock
        self._tell = tell
        self._fit = fit or MissionFit.of(mission)
        self._cpu = cpu
        self._workers = Workers(jobs, cpu)
        self._reader = StoreReader(directory.telemetry)
        self._inbox = Inbox(directory.inbox)
        known = self._reader.runs(limit=1000) + pending_runs(self._inbox)
        self._retrain = max((run.retrain for run in known), default=0)
        self._version = max(
            [run.version or 0 for run in known] + [version_of(path) for path in directory.models.glob("v*")],
            default=0,
        )
        self._learners = Learners(directory, mission, self._reader, self._inbox, tell, known)

    @property
    def learned(self) -> bool:
        """Every satellite has a model."""
        return self._learners.learned

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
        """Consider every satellite once; `force` fits whatever is there, whole (`--once`).

        Raises:
            StoreError, OSError, apsw.Error: the mission directory cannot be read or written.
            trainer.parallel.WorkersLost: a process that was fitting ended.
        """
        done = Cycle()
        turns: list[_Turn] = []
        self._learners.follow()
        written = self._learners.history_written()
        for learner in self._learners:
            if learner.champion is None and written < 1.0 and not force:
                # Older rows than the newest still arrive: what is read now would be taken for all there is.
                done.learning = (int(written * learner.need), learner.need)
                continue
            if learner.champion is None and learner.serving.held(self._clock.now_ns()) is not None:
                # Of another kind than the one that serves: it would be fitted whole in each cycle, for nothing.
                continue
            learner.rows.refresh()
            have = learner.rows.busiest()
            if learner.champion is None and have < learner.need and not (force and have >= LEAST_ROWS):
                done.learning = (min(have, learner.need), learner.need)
                continue
            turn = self._consider(learner, force)
            if turn is not None:
                turns.append(turn)
            fitting = sum(turn.challenger is not None for turn in turns)
            if fitting in (0, self._workers.at_hand):
                self._advance(turns, force, done)
                turns.clear()
        self._advance(turns, force, done)
        return done

    def _consider(self, learner: Learner, force: bool) -> _Turn | None:
        champion = learner.champion
        rate = learner.rows.flagged_after(learner.considered_id)
        learner.considered_id = learner.rows.newest_id
        self._retrain += 1
        base = RunRow(
            retrain=self._retrain,
            at_ns=self._clock.now_ns(),
            satellite=learner.rows.satellite,
            decision="kept",
            parent=None if champion is None else champion.version,
            anomaly_rate=rate,
            drift=None if champion is None else self._drift(learner, champion),
        )
        if learner.challenger is None:
            due = due_now(learner.rows, champion, learner.tried, force=force)
            if not (due.wanted or force):
                return _Turn(learner, msgspec.structs.replace(base, reason=due.reason))
            window = learner.rows.window()
            if window is None:
                return None
            learner.challenger = Challenger(window, champion, due, base)
        return _Turn(learner, base, learner.challenger)

    def _drift(self, learner: Learner, champion: Scorer) -> float | None:
        """Drift of what the champion judged since its window; None before that is an orbit long.

        A shorter stretch lies somewhere on the orbit and differs from the whole of it with nothing having moved.
        """
        scores = learner.rows.scores_after(champion.manifest.window.last_id, champion.version)
        return None if len(scores) * LEAST_ORBITS < learner.need else score_drift(champion, scores)

    def _advance(self, turns: Sequence[_Turn], force: bool, done: Cycle) -> None:
        """Fit on, and record of each satellite how far that came or what was decided."""
        budget = float("inf") if force else self._mission.trainer.refit_budget_s
        work: list[Work] = []
        for turn in turns:
            if turn.challenger is not None:
                rows = turn.challenger.window.rows
                self._tell({"state": "fitting", "retrain": turn.base.retrain, "rows": rows})
                work.append(Work(turn.challenger, self._fit, budget, turn.learner.pace))
        steps = self._workers.run(work)
        for turn in turns:
            if turn.challenger is None:
                self._record(turn.base, None, done)
            else:
                self._take_step(turn.learner, turn.challenger, turn.base, next(steps), force, done)

    def _take_step(
        self, learner: Learner, challenger: Challenger, base: RunRow, step: Step, force: bool, done: Cycle
    ) -> None:
        challenger.take(step, learner.pace)
        if step.refusal:
            learner.challenger = None
            self._settle(learner, challenger)
            learner.tried.refused = challenger.due.acts
            self._record(msgspec.structs.replace(base, reason=step.refusal), None, done)
        elif not challenger.complete:
            body = {"cycle_cpu_s": step.cpu_s}
            self._record(msgspec.structs.replace(base, reason=challenger.progress, body=body), None, done)
        else:
            learner.challenger = None
            self._settle(learner, challenger)
            self._decide(learner, challenger, base, step.cpu_s, force, done)

    @staticmethod
    def _settle(learner: Learner, challenger: Challenger) -> None:
        """What was taken up by a challenger is not due again, whatever becomes of it."""
        learner.tried.rows.update(dict.fromkeys(challenger.due.packets, challenger.window.last_id))
        learner.tried.act = max(learner.tried.act, challenger.window.acts)
        learner.tried.refused = ()

    def _decide(
        self, learner: Learner, challenger: Challenger, base: RunRow, cpu_s: float, force: bool, done: Cycle
    ) -> None:
        champion, window, due, gate = learner.champion, challenger.window, challenger.due, challenger.verdict
        assert gate is not None
        fitted = challenger.finished(self._version + 1)
        manifest = fitted.scorer.manifest
        hold = learner.serving.held(self._clock.now_ns())
        first = learner.first if champion is None else None
        decided = decide(gate, due, first=first, force=force, hold=hold)
        if decided.again:
            learner.tried.refused = due.acts
        metrics = {
            **fitted.metrics,
            **gate.figures,
            "new_rows": float(due.new_rows),
            "fit_cpu_s": challenger.cpu_s,
            "cycle_cpu_s": cpu_s,
        }
        run = msgspec.structs.replace(
            base,
            decision=decided.decision,
            reason=decided.reason,
            version=manifest.version if decided.has_files else None,
            fit_s=challenger.wall_s,
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
        drift = channel_drift(window, champion or fitted.scorer)
        recorded: dict[str, Any] = {
            **metrics,
            PARAMETERS: parameters(manifest, challenger.seed),
            CHANNEL_DRIFT: drift.index,
            MOVED: drift.moved,
            REFIT: refit_record(challenger.seed, manifest),
        }
        place = None
        if decided.has_files:
            place = artifact.write(self._directory.models, manifest, fitted.packed)
            self._version = manifest.version
            if decided.decision == "promoted":
                learner.champion, learner.follows = fitted.scorer, manifest.version
            prune(self._directory.models, self._version, self._learners.needed)
            recorded[MANIFEST] = manifest_digest(place)
        self._record(msgspec.structs.replace(run, body=recorded), place, done)
        done.entries.append(
            audit_entry(
                run,
                fitted,
                challenger.began_ns,
                self._clock.now_ns(),
                place,
                due.acts,
                window=window,
                seed=challenger.seed,
                drift=drift.index,
            )
        )

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
