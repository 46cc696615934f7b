"""`python -P -m trainer refit --mission DIR --run ID [--to FILE] [--json]`.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from telemetry.dictionary import MissionError, read_mission
from telemetry.plain_text import plain_text
from telemetry.store.directory import MissionDirectory
from telemetry.store.errors import StoreError
from telemetry.store.reader import StoreReader
from trainer.refit import NoRun, RefitRefused, find_run, regrow

if TYPE_CHECKING:
    from trainer.refit import Regrown

WARNING = "it is a pickle: joblib.load does what such a file says, so load none that you did not write yourself"


def main(arguments: list[str]) -> int:
    """Grow the forest of a run again and write it to a file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="trainer refit", description="Grow the scikit-learn forest of a run again."
    )
    parser.add_argument("--mission", type=Path, required=True, help="mission directory")
    parser.add_argument("--run", required=True, metavar="ID", help="17, v3 or the name of the run in MLflow")
    parser.add_argument("--satellite", default=None, help="whose, where several have a run of this number")
    parser.add_argument("--to", type=Path, default=None, metavar="FILE", help="a new file (default: in exports/)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    directory = MissionDirectory(options.mission)
    try:
        mission = read_mission(directory.path)
    except MissionError as error:
        _refuse(2, *error.lines)
    try:
        reader = StoreReader(directory.telemetry)
        try:
            run = find_run(reader, options.run, options.satellite)
            place = options.to or directory.exports / f"forest-run-{run.retrain}.joblib"
            if place.exists():
                _refuse(1, f"{place}: is there already; name another file with --to")
            found = regrow(reader, directory, mission, run)
        finally:
            reader.close()
    except (RefitRefused, StoreError) as error:
        _refuse(2 if isinstance(error, NoRun) else 1, str(error))
    try:
        _write(place, found)
    except OSError as error:
        _refuse(1, f"{place}: cannot be written: {error.strerror}")
    told = _object(found, place)
    if options.json:
        print(json.dumps(told))  # noqa: T201
    else:
        for line in _lines(found, told, asked=run.retrain):
            print(plain_text(line, 1000))  # noqa: T201
    return 0


def _write(place: Path, found: Regrown) -> None:
    """The whole file or none, readable by its owner only."""
    import joblib

    draft = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            joblib.dump(found.forest, file, compress=3)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(place)
    finally:
        draft.unlink(missing_ok=True)


def _object(found: Regrown, place: Path) -> dict[str, Any]:
    run = found.run
    return {
        "run": run.retrain,
        "version": run.version,
        "satellite": run.satellite,
        "file": str(place),
        "trees": found.record.trees,
        "seed": found.record.seed,
        "rows": found.rows,
        "window_hash": run.window_hash,
        "equals_served": found.equals_served,
    }


def _lines(found: Regrown, told: dict[str, Any], asked: int) -> list[str]:
    model = "" if found.run.version is None else f", v{found.run.version}"
    carried = "" if asked == told["run"] else f" (run #{asked} carried it over)"
    equal = (
        f"equal to the arrays of v{found.run.version} to the last bit"
        if found.equals_served
        else "its model has no files to compare it with"
    )
    grown = f"{told['trees']} trees, {found.rows:,} rows, seed {told['seed']}"
    return [
        f"forest of run #{told['run']}{model}{carried}: {grown}",
        f"window {told['window_hash']}; {equal}",
        f"{told['file']}: {WARNING}",
    ]


def _refuse(code: int, *lines: str) -> NoReturn:
    for line in lines:
        print(f"cubesat-tui: {plain_text(line, 400)}", file=sys.stderr)  # noqa: T201
    raise SystemExit(code)
