"""Tables of the mission store, and how an older store becomes a current one.

`telemetry.db` has one writer, the station. Everything a batch brings commits in one transaction; a reader never
keeps one open. Beside the tables of the frames themselves there are two kinds of summary, both written in
the transaction that brought their frames, so they are never behind: `track` (one row per satellite, layout and
origin: where the newest frame is, which frames no block holds yet) and `block` (figures of every channel over 64
and 4,096 frames).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from telemetry.store.connection import Database
from telemetry.store.errors import StoreRefused

SCHEMA_VERSION = 1
APPLICATION_ID = 0x43535431
"""`CST1` in the header of the file: tells a mission store from any other SQLite database."""

_TABLES = """
CREATE TABLE satellite(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, norad INTEGER, bus TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE layout(id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, body BLOB NOT NULL) STRICT;
CREATE TABLE frame(
    id INTEGER PRIMARY KEY, satellite INTEGER NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    t_ns INTEGER NOT NULL, received_ns INTEGER NOT NULL, quality INTEGER NOT NULL, layout INTEGER NOT NULL,
    v BLOB NOT NULL, UNIQUE(satellite, boot, seq)
) STRICT;
CREATE INDEX frame_time ON frame(satellite, t_ns, id, layout);
CREATE TABLE score(
    frame INTEGER PRIMARY KEY, model INTEGER NOT NULL, score REAL NOT NULL, p REAL NOT NULL, state INTEGER NOT NULL,
    axes BLOB, satellite INTEGER NOT NULL, t_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX score_anomaly ON score(satellite, t_ns, frame) WHERE state > 0;
CREATE TABLE journal(
    id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, satellite TEXT NOT NULL, kind TEXT NOT NULL,
    severity INTEGER NOT NULL, subject TEXT NOT NULL, actor TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX journal_kind ON journal(kind, id);
CREATE TABLE run(
    id INTEGER PRIMARY KEY, retrain INTEGER NOT NULL, at_ns INTEGER NOT NULL, satellite TEXT,
    decision TEXT NOT NULL,
    version INTEGER, parent INTEGER, mlflow_run TEXT, fit_s REAL, rows INTEGER, excluded INTEGER, threshold REAL,
    false_alarms_per_day REAL, anomaly_rate REAL, drift REAL, window_from INTEGER, window_to INTEGER,
    window_hash TEXT, model_sha256 TEXT, reason TEXT NOT NULL DEFAULT '', body TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE UNIQUE INDEX run_retrain ON run(retrain, ifnull(satellite, ''));
CREATE TABLE contact(
    satellite TEXT NOT NULL, station TEXT NOT NULL, acquisition_ns INTEGER NOT NULL, loss_ns INTEGER NOT NULL,
    max_el REAL NOT NULL, PRIMARY KEY(satellite, station, acquisition_ns)
) STRICT;
CREATE TABLE track(
    id INTEGER PRIMARY KEY, satellite INTEGER NOT NULL, layout INTEGER NOT NULL, stored INTEGER NOT NULL,
    newest INTEGER NOT NULL, newest_t INTEGER NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    open_first INTEGER, open_t0 INTEGER, open_t1 INTEGER,
    coarse_first INTEGER, coarse_t0 INTEGER, coarse_t1 INTEGER,
    fine_span INTEGER NOT NULL, coarse_span INTEGER NOT NULL, UNIQUE(satellite, layout, stored)
) STRICT;
CREATE TABLE block(
    id INTEGER PRIMARY KEY, satellite INTEGER NOT NULL, layout INTEGER NOT NULL, stored INTEGER NOT NULL,
    level INTEGER NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL, t0 INTEGER NOT NULL,
    t1 INTEGER NOT NULL, stats BLOB NOT NULL
) STRICT;
CREATE INDEX block_time ON block(satellite, layout, stored, level, t0);
CREATE TABLE cursor(
    link TEXT NOT NULL, stream TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(link, stream)
) STRICT;
CREATE TABLE publication(key TEXT PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL) STRICT;
CREATE TABLE health(
    station TEXT PRIMARY KEY, beat_ns INTEGER NOT NULL, next_retrain_ns INTEGER, body TEXT NOT NULL
) STRICT;
"""

Migration = Callable[[Database], None]

MIGRATIONS: dict[int, Migration] = {}
"""Version N -> the function that turns a store of version N into N + 1, inside the caller's transaction."""


def version(connection: Database) -> int:
    """Schema version of the file; 0 for one without tables."""
    return int(connection.pragma("user_version"))


def create(connection: Database) -> None:
    """Make all tables in an empty database, in one transaction."""
    with connection.transaction():
        connection.run(_TABLES)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", SCHEMA_VERSION)


def is_empty(connection: Database) -> bool:
    """True when the database holds no table at all."""
    return connection.value("SELECT 1 FROM sqlite_schema LIMIT 1") is None


def check_version(connection: Database, path: Path, newest: int = SCHEMA_VERSION) -> int:
    """Schema version of a store that this program may open.

    Raises:
        StoreRefused: not a mission store, or written by a newer program.
    """
    if int(connection.pragma("application_id")) != APPLICATION_ID:
        raise StoreRefused(f"{path}: this is a database, but not a mission store")
    found = version(connection)
    if found > newest:
        raise StoreRefused(
            f"{path}: the store has schema {found}, this program knows up to {newest}:"
            " update cubesat-tui to open it"
        )
    return found


def migrate(
    connection: Database,
    path: Path,
    migrations: Mapping[int, Migration] | None = None,
    target: int = SCHEMA_VERSION,
) -> Path | None:
    """Bring the store at `path` to `target`; a copy of the file as it was is made before anything changes.

    Returns:
        The copy, `<name>.before-v<target>`, or None when the store was already current.

    Raises:
        StoreRefused: not a mission store, newer than `target`, or a step is missing.
    """
    steps = MIGRATIONS if migrations is None else migrations
    found = check_version(connection, path, target)
    if found == target:
        return None
    missing = [number for number in range(found, target) if number not in steps]
    if missing:
        raise StoreRefused(f"{path}: the store has schema {found} and no way is known from schema {missing[0]} on")
    before = path.with_name(f"{path.name}.before-v{target}")
    connection.copy_to(before)
    with connection.transaction():
        for number in range(found, target):
            steps[number](connection)
        connection.pragma("user_version", target)
    return before
