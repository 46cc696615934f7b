"""The only place where a store file is opened: apsw, and nothing else in this process may touch the file.

apsw and the stdlib's sqlite3 each carry their own SQLite; two libraries on one file in one process silently drop
each other's POSIX locks, and so does a plain `open()` and `close()` of the file.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from telemetry.store.errors import StoreRefused

BUSY_MS = 5000
CACHE_KIB = 16_384


def open_writer(path: Path) -> apsw.Connection:
    """A read-write connection in WAL mode that fsyncs each commit and never checkpoints by itself.

    Raises:
        StoreRefused: the file cannot be opened or is not a database.
    """
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("cache_size", -CACHE_KIB)
        connection.wal_autocheckpoint(0)
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreRefused(f"{path}: this is not a mission store, or it is damaged ({error})") from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreRefused(f"{path}: the store cannot be opened for writing ({error})") from error
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection that cannot write.

    Raises:
        StoreRefused: there is no such store, it cannot be opened or is not a database.
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("query_only", True)
        connection.pragma("cache_size", -CACHE_KIB)
        connection.pragma("schema_version")
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreRefused(f"{path}: this is not a mission store, or it is damaged ({error})") from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreRefused(f"{path}: there is no store here that can be read ({error})") from error
    return connection
