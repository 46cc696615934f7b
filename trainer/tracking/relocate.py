"""`python -m trainer.tracking.relocate`: lets MLflow's paths lead to where the mission directory is now.

MLflow has no call for it, so its tables are changed, through the connection of MLflow's own store and in one
transaction; a trainer or a user interface that has the store open goes on with the new paths.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from telemetry.plain_text import plain_text
from telemetry.store.directory import MissionDirectory
from trainer.tracking import place
from trainer.tracking.settings import ENVIRONMENT, local_uri

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow keeps paths of files."""


class Relocated(msgspec.Struct, frozen=True, kw_only=True):
    """What was done: places the paths led to, and how many rows of which table lead here now."""

    places: tuple[str, ...] = ()
    rows: dict[str, int] = {}
    renamed: dict[str, str] = {}
    """Experiments and models that bore the name of the old directory."""


def relocate(directory: MissionDirectory) -> Relocated:
    """Mend every path that leads to a place the mission was at before, and note where it is.

    Raises:
        OSError: the note cannot be written.
        MlflowException, SQLAlchemyError: the store cannot be read or written.
    """
    os.environ.update(ENVIRONMENT)
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import text

    store = SqlAlchemyStore(local_uri(directory), place.files_uri(directory))
    try:
        with store.engine.begin() as connection:
            # A write first: what is read next no trainer changes meanwhile.
            connection.execute(text("UPDATE experiments SET name = name WHERE 0"))
            locations = [row[0] for row in connection.execute(text("SELECT artifact_location FROM experiments"))]
            noted = place.noted_place(directory)
            before = place.elsewhere(directory, [one for one in locations if one])
            if noted is not None and noted not in before and not place.is_here(directory, noted):
                before = (*before, noted)
            rows: dict[str, int] = {}
            renamed: dict[str, str] = {}
            for home in before:
                for table, column in COLUMNS:
                    forms = _forms(home, directory.path.absolute())
                    led = sum(_lead(connection, table, column, old, new) for old, new in forms)
                    rows[table] = max(rows.get(table, 0), led)
                renamed |= _rename(connection, home.name, directory.path.absolute().name)
    finally:
        store.engine.dispose()
    place.note(directory)
    told = tuple(plain_text(str(home), 300) for home in before)
    return Relocated(places=told, rows={table: n for table, n in rows.items() if n}, renamed=renamed)


def _forms(home: Path, here: Path) -> tuple[tuple[str, str], ...]:
    """As a URI and as a path: old and new."""
    return (home.as_uri(), here.as_uri()), (str(home), str(here))


def _lead(connection: Any, table: str, column: str, old: str, new: str) -> int:
    from sqlalchemy import text

    statement = (
        f"UPDATE {table} SET {column} = :new || substr({column}, :length + 1)"
        f" WHERE substr({column}, 1, :length + 1) = :old || '/'"
    )
    return connection.execute(text(statement), {"old": old, "new": new, "length": len(old)}).rowcount


def _rename(connection: Any, old: str, new: str) -> dict[str, str]:
    """Experiments are named after the mission's directory; one whose new name is taken keeps the old one."""
    from sqlalchemy import text

    if old == new:
        return {}
    names = {row[0] for row in connection.execute(text("SELECT name FROM experiments"))}
    wanted = {name: f"{new}{name.removeprefix(old)}" for name in names if name.startswith(f"{old}/")}
    renamed = {name: to for name, to in wanted.items() if to not in names}
    for name, to in renamed.items():
        connection.execute(text("UPDATE experiments SET name = :to WHERE name = :name"), {"to": to, "name": name})
    return renamed


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON object; returns the exit code."""
    parser = argparse.ArgumentParser(prog="trainer.tracking.relocate", description=__doc__)
    parser.add_argument("--mission", type=Path, required=True, help="mission directory")
    directory = MissionDirectory(parser.parse_args(arguments).mission)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        done = relocate(directory)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        print(plain_text(f"{directory.path}: MLflow's paths cannot be mended: {error}", 300), file=sys.stderr)  # noqa: T201
        return 1
    print(msgspec.json.encode(done).decode())  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
