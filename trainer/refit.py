"""`trainer refit`: the fitted scikit-learn forest of a run once more, from the rows it was shown and its seed.

What serves is arrays (`trainer.artifact`); whoever wants the object that scikit-learn fitted gets it grown again,
and held to the arrays where these are still there. Imports scikit-learn when it grows, and not before it is known
that the rows are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from telemetry.plain_text import plain_text
from telemetry.run_query import RunQuery, RunTest
from trainer import artifact
from trainer.refit_record import RefitRecord, refit_record_of
from trainer.rows import read_window
from trainer.served import ScorerRefused

if TYPE_CHECKING:
    from telemetry.dictionary import Mission
    from telemetry.store.directory import MissionDirectory
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import RunRow
    from trainer.fitting import IsolationForest
    from trainer.forest import ForestArrays
    from trainer.window import Window

_RUN = re.compile(r"#?(\d{1,18})|v(\d{1,9})|([0-9a-f]{32})", re.ASCII)


class RefitRefused(Exception):
    """Why a forest cannot be grown again, in one sentence."""


class NoRun(RefitRefused):
    """What was given names no run."""


@dataclass(frozen=True, eq=False)
class Regrown:
    """A forest grown again."""

    run: RunRow
    """That grew it first: the one asked for, or the ancestor whose forest that one carried over."""
    record: RefitRecord
    forest: IsolationForest
    rows: int
    equals_served: bool
    """Equal to the last bit to the arrays of the model's files; False where these are gone."""


def find_run(reader: StoreReader, text: str, satellite: str | None = None) -> RunRow:
    """The run that `17`, `#17`, `v3` or the 32 letters of an MLflow run name.

    Raises:
        NoRun: it names none, or none that is stored.
    """
    found = _RUN.fullmatch(text.strip())
    if found is None:
        raise NoRun(
            f"--run: {plain_text(text, 40)!r} is no run: allowed: its number (17), its model (v3), or its name in"
            " MLflow"
        )
    column = "retrain" if found[1] else "version" if found[2] else "mlflow_run"
    value = found[3] or int(found[1] or found[2])
    runs = reader.considered.page(RunQuery((RunTest(f"{column} = ?", (value,)),)), satellite, limit=1)
    if not runs:
        raise NoRun(f"--run: no run {plain_text(text, 40)} is stored; cubesat-tui runs lists them")
    return runs[0]


def regrow(reader: StoreReader, directory: MissionDirectory, mission: Mission, run: RunRow) -> Regrown:
    """Grow the forest of `run` again.

    Raises:
        RefitRefused: the run did not say from what, its rows are gone or are not what they were, or what grew is
            not what serves.
        telemetry.store.errors.StoreError: the store cannot be read.
    """
    run, record, seed = _grown_by(reader, run)
    name = f"run #{run.retrain}"
    satellite = run.satellite or mission.satellites[0].name
    if satellite not in mission.by_name:
        raise RefitRefused(f"{name} is of {plain_text(satellite, 40)}, which mission.toml does not name any more")
    window = read_window(reader, mission, satellite, record.spans, record.last_id, record.acts)
    _check(name, run, window)
    from trainer.fitting import arrays_of
    from trainer.grown import grow_again

    forest = grow_again(window, fusion=record.kind == artifact.FUSION, seed=seed, trees=record.trees)
    if forest is None:
        raise RefitRefused(f"{name}: no channel can be judged by what mission.toml says now")
    served = _served(directory, run)
    if served is not None and not _equal(arrays_of([forest]), served):
        raise RefitRefused(
            f"{name}: what grew is not the forest of v{run.version}, to the bit: it was fitted with another"
            " scikit-learn or numpy, or another mission.toml"
        )
    return Regrown(run, record, forest, window.rows, served is not None)


def _grown_by(reader: StoreReader, run: RunRow) -> tuple[RunRow, RefitRecord, int]:
    """The run that grew the forest of `run`, and from what."""
    if run.fit_s is None:
        raise RefitRefused(f"run #{run.retrain} fitted nothing: {plain_text(run.reason, 120)}")
    while True:
        record = refit_record_of(run)
        if record is None:
            raise RefitRefused(f"run #{run.retrain} was recorded before runs kept what a refit needs")
        if record.seed is not None:
            return run, record, record.seed
        parent = None if run.parent is None else reader.run_of_version(run.parent, run.satellite or "")
        if parent is None or parent.id >= run.id:
            raise RefitRefused(
                f"run #{run.retrain} carried the forest of v{run.parent} over, whose run is not stored"
            )
        run = parent


def _check(name: str, run: RunRow, window: Window) -> None:
    if window.hash == run.window_hash:
        return
    of = run.rows or 0
    if window.rows < of:
        raise RefitRefused(
            f"{name}: {of - window.rows:,} of the {of:,} rows it was fitted to are gone from the store"
        )
    raise RefitRefused(
        f"{name}: the rows are not those it was fitted to: their hash is {window.hash[:16]}, its own"
        f" {(run.window_hash or 'none')[:16]}; the channels of mission.toml or the stored scores have changed"
    )


def _served(directory: MissionDirectory, run: RunRow) -> ForestArrays | None:
    """The forest in the files of the run's model; None where there are none."""
    place = directory.models / f"v{run.version}"
    if run.version is None or not place.exists():
        return None
    try:
        return artifact.load(place, run.model_sha256).forest
    except ScorerRefused as refused:
        raise RefitRefused(f"v{run.version} cannot be compared with: {refused.reason}") from None


def _equal(one: ForestArrays, other: ForestArrays) -> bool:
    pairs = ((getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return all(np.array_equal(mine, its) for mine, its in pairs)
