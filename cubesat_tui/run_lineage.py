"""Where a model comes from and what became of it: data, features, fit, promotion, and the anomalies it raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubesat_tui.put_there import put_there
from telemetry.run_query import OLDEST, parse_runs

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import RunRow
    from trainer.served import Manifest

NEWEST_RAISED = 8
"""Anomalies listed one by one."""
MOST_CHILDREN = 50


@dataclass(frozen=True, slots=True)
class Stay:
    """One time in which a model scored: `event` put it there, `ended` (None while it still scores) another."""

    event: Event
    ended: Event | None


@dataclass(frozen=True, slots=True, eq=False)
class RunLineage:
    """Of one run. `manifest` is None where its files are gone or never were; `missing` says which in words."""

    run: RunRow
    manifest: Manifest | None
    missing: str
    parent: RunRow | None
    children: tuple[RunRow, ...]
    """Runs fitted against its model, oldest first; at most `MOST_CHILDREN`."""
    stays: tuple[Stay, ...]
    """When its model scored, oldest first."""
    raised: int
    newest_raised: tuple[Event, ...]


def lineage_of_run(
    reader: StoreReader, directory: MissionDirectory, run: RunRow, satellite: str, until_ns: int | None
) -> RunLineage:
    """Everything known of `run` by `until_ns`.

    Raises:
        StoreError: the store cannot be read.
    """
    parent = None if run.parent is None else reader.run_of_version(run.parent, satellite)
    manifest, missing = _manifest(directory, run)
    stays: tuple[Stay, ...] = ()
    children: tuple[RunRow, ...] = ()
    raised: tuple[int, list[Event]] = (0, [])
    if run.version is not None:
        puts = [one for one in put_there(reader, satellite) if until_ns is None or one.at_ns <= until_ns][::-1]
        stays = tuple(
            Stay(event, puts[i + 1] if i + 1 < len(puts) else None)
            for i, event in enumerate(puts)
            if _to(event) == run.version
        )
        raised = reader.considered.raised_by(satellite, run.version, until_ns, NEWEST_RAISED)
        fitted = reader.considered.page(parse_runs("fitted", OLDEST), satellite, until_ns, above_id=run.id)
        children = tuple(one for one in fitted if one.parent == run.version)[:MOST_CHILDREN]
    return RunLineage(run, manifest, missing, parent, children, stays, raised[0], tuple(raised[1]))


def _manifest(directory: MissionDirectory, run: RunRow) -> tuple[Manifest | None, str]:
    from trainer.artifact import manifest_of
    from trainer.served import ScorerRefused

    if run.version is None:
        return None, "its files were not kept: only what passes the gate has a version"
    place = directory.models / f"v{run.version}"
    if not place.is_dir():
        return None, f"the files of v{run.version} are not here: only the newest models are kept on disk"
    try:
        manifest = manifest_of(place)
    except (OSError, ScorerRefused) as error:
        return None, f"the files of v{run.version} cannot be read: {error}"
    if manifest.sha256 != run.model_sha256:
        return None, f"the files in {place.name} are not those of this run"
    return manifest, ""


def _to(event: Event) -> int | None:
    """Which version it put there; stations before the first roll-back named it in another field."""
    return event.body.get("to", event.body.get("version"))
