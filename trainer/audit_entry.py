"""What the audit keeps of a fit that was promoted or rejected: parameters, figures, tags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from telemetry.store.rows import RunRow

if TYPE_CHECKING:
    from trainer.acceptances import Acceptance, Release
    from trainer.model import Fitted
    from trainer.tracking.spool import AuditEntry


def audit_entry(
    run: RunRow,
    fitted: Fitted,
    started_ns: int,
    ended_ns: int,
    place: Path | None,
    acts: Sequence[Acceptance | Release] = (),
) -> AuditEntry:
    """One fit for MLflow; `place`: the artifact directory, None where none was written.

    `acts`: what operators declared nominal, where this fit is the first to take it up.
    """
    from trainer.tracking.spool import AuditEntry, flat

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
    if acts:
        tags["cubesat.operator"] = ", ".join(dict.fromkeys(act.actor for act in acts))
        tags["cubesat.accepted"] = "; ".join(act.sentence for act in acts)
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
