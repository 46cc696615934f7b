"""The only place where a store file is opened: apsw, and nothing else in this process may touch the file.

apsw and the stdlib's sqlite3 each carry their own SQLite; two libraries on one file in one process silently drop
each other's POSIX locks, and so does a plain `open()` and `close()` of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw

from telemetry.store.errors import StoreRefused

BUSY_MS = 5000
CACHE_KIB = 16_384

Row = tuple[Any, ...]


class Database:
    """An apsw connection with the few calls the store needs; results are complete lists unless walked."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._raw: Any = connection

    @property
    def in_transaction(self) -> bool:
        return bool(self._raw.in_transaction)

    def run(self, sql: str, bindings: Sequence[Any] = ()) -> None:
        """Execute statements that return nothing."""
        self._raw.execute(sql, bindings)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute one statement for each row."""
        self._raw.executemany(sql, rows)

    def rows(self, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query; no statement stays open."""
        return self._raw.execute(sql, bindings).fetchall()

    def one(self, sql: str, bindings: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, or None."""
        rows = self.rows(sql, bindings)
        return rows[0] if rows else None

    def value(self, sql: str, bindings: Sequence[Any] = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.one(sql, bindings)
        return None if row is None else row[0]

    def pragma(self, name: str, value: str | int | None = None) -> Any:
        """Read or set a PRAGMA."""
        return self._raw.pragma(name, value) if value is not None else self._raw.pragma(name)

    @contextmanager
    def walks(self, sql: str, bindings: Iterable[Sequence[Any]]) -> Generator[list[Iterator[Row]], None, None]:
        """One query walked lazily for each of several bindings; all statements end with the block."""
        cursors: list[Any] = []
        try:
            for values in bindings:
                cursor = self._raw.cursor()
                cursors.append(cursor)
                cursor.execute(sql, values)
            yield list(cursors)
        finally:
            for cursor in cursors:
                cursor.close(True)

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """Everything inside, or nothing."""
        with self._raw:
            yield

    def changes(self) -> int:
        """Rows changed by the last statement."""
        return int(self._raw.changes())

    def last_rowid(self) -> int:
        """Id of the row inserted last."""
        return int(self._raw.last_insert_rowid())

    def on_commit(self, told: Callable[[int], None]) -> None:
        """Call `told` after each commit with the pages now in the write-ahead log."""

        def hook(connection: object, name: str, pages: int) -> int:
            del connection, name
            told(pages)
            return apsw.SQLITE_OK

        self._raw.set_wal_hook(hook)

    def checkpoint(self, truncate: bool) -> None:
        """Move the write-ahead log into the file: as far as readers allow, or waiting for them and to its end."""
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if truncate else apsw.SQLITE_CHECKPOINT_PASSIVE
        self._raw.wal_checkpoint(mode=mode)

    def copy_to(self, destination: Path) -> None:
        """Copy the database through SQLite as it is at one moment; it appears under its name only when whole."""
        part = destination.with_name(destination.name + ".part")
        part.unlink(missing_ok=True)
        with closing(apsw.Connection(str(part))) as target:
            copy: Any = target.backup("main", self._raw, "main")
            with copy:
                while not copy.done:
                    copy.step(1024)
            Database(target).pragma("journal_mode", "delete")
        part.replace(destination)

    def close(self) -> None:
        """Close; may be called twice."""
        self._raw.close()


def open_writer(path: Path, checkpoint_pages: int = 0) -> Database:
    """A read-write connection in WAL mode that fsyncs each commit.

    `checkpoint_pages` is SQLite's own wal_autocheckpoint; with 0 the caller checkpoints.

    Raises:
        StoreRefused: the file cannot be opened or is not a database.
    """
    with _refusing(path, "the store cannot be opened for writing"):
        connection: Any = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("cache_size", -CACHE_KIB)
        connection.wal_autocheckpoint(checkpoint_pages)
        return Database(connection)


def open_reader(path: Path) -> Database:
    """A connection that cannot write.

    Raises:
        StoreRefused: there is no such store, it cannot be opened or is not a database.
    """
    with _refusing(path, "there is no store here that can be read"):
        connection: Any = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("query_only", True)
        connection.pragma("cache_size", -CACHE_KIB)
        connection.pragma("schema_version")
        return Database(connection)


@contextmanager
def _refusing(path: Path, sentence: str) -> Generator[None, None, None]:
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreRefused(f"{path}: this is not a mission store, or it is damaged ({error})") from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreRefused(f"{path}: {sentence} ({error})") from error
