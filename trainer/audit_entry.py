"""What the audit keeps of a fit that was promoted or rejected: parameters, figures, tags."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telemetry.store.rows import RunRow
from trainer.channel_drift import SHIFTED
from trainer.code_version import code_version, commit
from trainer.tracking.spool import AuditEntry, flat

if TYPE_CHECKING:
    from trainer.acceptances import Acceptance, Release
    from trainer.model import Fitted
    from trainer.served import Manifest
    from trainer.window import Window

PARAMETERS = "params"
"""Key of a run's body: the parameters of the fit."""
MANIFEST = "manifest_sha256"
"""Key of a run's body, of a model with files: what its manifest is known by where it comes back from MLflow."""
DRIFTS = 5
"""Shifted channels with a metric of their own, at most: MLflow writes two rows for each and reads one back, which
for all channels would cost as much as the rest of the run."""
_NOT_IN_KEYS = re.compile(r"[^\w. /-]", re.ASCII)


def audit_entry(
    run: RunRow,
    fitted: Fitted,
    started_ns: int,
    ended_ns: int,
    place: Path | None,
    acts: Sequence[Acceptance | Release] = (),
    window: Window | None = None,
    seed: int | None = None,
    drift: Mapping[str, float] | None = None,
) -> AuditEntry:
    """One fit for MLflow; `place`: the artifact directory, None where none was written.

    `acts`: what operators declared nominal, where this fit is the first to take it up. `window` and `seed`: what it
    was fitted to and with; `drift` of each channel: the farthest as metrics, all of them in one tag.
    """
    manifest = fitted.scorer.manifest
    figures = {"rows": run.rows, "excluded": run.excluded, "fit_s": run.fit_s, "drift": run.drift}
    metrics = {
        key: float(value)
        for key, value in {**fitted.metrics, **run.body, **figures}.items()
        if isinstance(value, int | float)
    }
    farthest = dict(sorted((drift or {}).items(), key=lambda one: (-one[1], one[0])))
    shifted = [name for name, value in farthest.items() if value > SHIFTED]
    metrics["channels_shifted"] = float(len(shifted))
    metrics |= {f"drift.{_key(name)}": farthest[name] for name in shifted[:DRIFTS]}
    params = {
        **parameters(manifest, seed),
        "window_from_ns": manifest.window.t0_ns,
        "window_to_ns": manifest.window.t1_ns,
        "window_spans": manifest.window.spans,
        "window_hash": manifest.window.hash,
    }
    if window is not None:
        first_id = min(int(packet.ids.min()) for packet in window.packets)
        params["window_ids"] = f"{first_id}-{manifest.window.last_id}"
        params["window_rows"] = _listed({packet.packet: int(packet.accepted.sum()) for packet in window.packets})
    tags = {
        "cubesat.satellite": manifest.satellite,
        "cubesat.retrain": run.retrain,
        "cubesat.decision": run.decision,
        "cubesat.reason": run.reason,
        "cubesat.model_sha256": manifest.sha256,
        "cubesat.code_version": code_version(),
        "cubesat.platform": f"{platform.platform(terse=True)}, {os.cpu_count() or 0} CPUs",
        "mlflow.source.name": "cubesat-tui trainer",
        "mlflow.source.type": "LOCAL",
        "cubesat.libraries": _listed({**manifest.libraries, **_libraries()}),
    }
    if run.version is not None:
        tags["cubesat.version"] = run.version
    if run.parent is not None:
        tags["cubesat.parent"] = run.parent
    if (checked_out := commit()) is not None:
        tags["mlflow.source.git.commit"] = checked_out
    if farthest:
        tags["cubesat.drift"] = _listed({name: f"{value:g}" for name, value in farthest.items()})
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
        version=None if place is None else run.version,
        sha256=manifest.sha256,
        place=None if place is None else str(place),
    )


def parameters(manifest: Manifest, seed: int | None) -> dict[str, Any]:
    """How a fit was made: what the run of it says too, under `PARAMETERS`."""
    return {
        "kind": manifest.kind,
        "trees": manifest.trees,
        "false_alarms_per_day": manifest.false_alarms_per_day,
        "features_version": manifest.features_version,
        "channels": sum(len(packet.channels) for packet in manifest.packets),
        "seed": "" if seed is None else seed,
    }


def manifest_digest(place: Path) -> str:
    """SHA-256 of the manifest in an artifact directory."""
    return hashlib.sha256((place / "manifest.json").read_bytes()).hexdigest()


@cache
def _libraries() -> dict[str, str]:
    """What a fit depends on, beside what the manifest names."""
    return {name: version(name) for name in ("cubesat-tui", "scikit-learn", "scipy")}


def _listed(values: Mapping[str, object]) -> str:
    """In one value what MLflow would keep row by row, each as dear as a metric."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _key(name: str) -> str:
    """A name as a part of MLflow's keys."""
    return _NOT_IN_KEYS.sub("_", name)
