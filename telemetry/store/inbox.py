"""Requests to the station of a mission: any console, command or trainer leaves them, only the station takes them.

A file of its own (`inbox.db`), so that whoever asks never writes the mission store. A request stays until the
station has applied it and deletes it: one that is applied twice after a crash must do no harm, which its id is for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from telemetry.store.connection import open_writer
from telemetry.store.errors import StoreFull, StoreRefused

_TABLE = """
CREATE TABLE IF NOT EXISTS request(
    id TEXT PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, actor TEXT NOT NULL
) STRICT
"""
_VERSION = 1


class Request(msgspec.Struct, frozen=True):
    """What somebody asked for. `id` is a UUID of version 7: text order is the order of asking."""

    id: str
    at_ns: int
    kind: str
    body: dict[str, Any]
    actor: str


class Inbox:
    """One connection to the requests of a mission; used from one thread.

    Raises:
        StoreRefused: the file is no inbox or was made by a newer program.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_writer(path, checkpoint_pages=200)
        try:
            found = int(self._connection.pragma("user_version"))
            if found > _VERSION:
                raise StoreRefused(f"{path}: the inbox has schema {found}, this program knows up to {_VERSION}")
            if found < _VERSION:
                with self._connection.transaction():
                    self._connection.run(_TABLE)
                    self._connection.pragma("user_version", _VERSION)
        except BaseException:
            self._connection.close()
            raise

    def submit(self, kind: str, body: dict[str, Any], actor: str, at_ns: int) -> str:
        """Leave a request; durable on return.

        Raises:
            StoreFull: no space left; the request was not taken.
        """
        number = uuid7(at_ns)
        text = msgspec.json.encode(body).decode()
        try:
            self._connection.run(
                "INSERT INTO request(id, at_ns, kind, body, actor) VALUES (?,?,?,?,?)",
                (number, at_ns, kind, text, actor),
            )
        except apsw.FullError as error:
            raise StoreFull(f"{self.path}: DISK FULL, the request was not taken") from error
        return number

    def put(self, request: Request) -> None:
        """Leave a request that has its id already, from another station; one that waits here is left as it is.

        Raises:
            StoreFull: no space left; the request was not taken.
        """
        text = msgspec.json.encode(request.body).decode()
        try:
            self._connection.run(
                "INSERT OR IGNORE INTO request(id, at_ns, kind, body, actor) VALUES (?,?,?,?,?)",
                (request.id, request.at_ns, request.kind, text, request.actor),
            )
        except apsw.FullError as error:
            raise StoreFull(f"{self.path}: DISK FULL, the request was not taken") from error

    def pending(self, limit: int = 100) -> list[Request]:
        """The oldest requests that nobody has applied yet."""
        rows = self._connection.rows(
            "SELECT id, at_ns, kind, body, actor FROM request ORDER BY id LIMIT ?", (limit,)
        )
        return [Request(row[0], row[1], row[2], msgspec.json.decode(row[3]), row[4]) for row in rows]

    def delete(self, ids: Iterable[str]) -> None:
        """Forget requests that were applied or refused; unknown ids are ignored."""
        with self._connection.transaction():
            self._connection.many("DELETE FROM request WHERE id = ?", ((number,) for number in ids))

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._connection.close()


_last = 0
_last_lock = threading.Lock()


def uuid7(at_ns: int) -> str:
    """A UUID of version 7 (RFC 9562 §5.7) for the time `at_ns`, strictly rising within this process.

    The 12 bits after the milliseconds carry its fraction (method 3 of §6.2), so that ids made by several programs
    within one millisecond are still ordered by their clocks.
    """
    global _last  # noqa: PLW0603
    milliseconds, rest = divmod(max(at_ns, 0), 1_000_000)
    stamp = (milliseconds << 12) | (rest * 4096 // 1_000_000)
    with _last_lock:
        stamp = max(stamp, _last + 1)
        _last = stamp
    number = (stamp >> 12) << 80 | 7 << 76 | (stamp & 0xFFF) << 64 | 2 << 62
    number |= int.from_bytes(os.urandom(8), "big") >> 2
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
