"""What MLflow does not have yet: a file of entries, oldest first, that a crash does not cost one."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One fit. Times are UTC ns; `manifest` is a path of a file to keep with the run, or None."""

    retrain_id: str
    """Unique over all missions: satellite, number and window."""
    satellite: str
    name: str
    started_ns: int
    ended_ns: int
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    step: int
    manifest: str | None = None


class Spool:
    """The file. Used from one process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, entry: AuditEntry) -> None:
        """Put an entry behind the others; durable on return.

        Raises:
            OSError: the file cannot be written.
        """
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def waiting(self) -> list[AuditEntry]:
        """Entries MLflow does not have yet; a line that was cut by a crash is left out."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        entries: list[AuditEntry] = []
        for line in lines:
            try:
                entries.append(msgspec.json.decode(line, type=AuditEntry))
            except msgspec.DecodeError:
                continue
        return entries

    def take_off(self, retrain_ids: Collection[str]) -> None:
        """Forget the entries that MLflow has."""
        left = [entry for entry in self.waiting() if entry.retrain_id not in retrain_ids]
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in left))
        draft.replace(self._path)


def flat(values: dict[str, Any]) -> dict[str, str]:
    """Parameters as text."""
    return {key: str(value) for key, value in values.items()}
