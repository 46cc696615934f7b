"""What MLflow does not have yet, oldest first: a file that no crash and no outage of MLflow's costs an entry.

One JSON object a line, only ever appended: an entry, `{"begun": id}` before MLflow is told of it, `{"done": id}`
once it has it. An entry that was begun and not done may be in MLflow already and is looked for there first. Model
files that go with an entry are kept beside it (`mlflow-spool/`): old models are pruned while MLflow is away.
"""

from __future__ import annotations

import math
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import msgspec

from telemetry.clock import NS_PER_S

FILES = ("scorer.npz", "manifest.json")
COMPACT_AFTER = 2000
"""Lines about entries that are done, before the file is written anew."""
DAY_NS = 86_400 * NS_PER_S


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One fit. Times are UTC ns."""

    retrain_id: str
    """Unique over all missions: time, number and window."""
    satellite: str
    name: str
    started_ns: int
    ended_ns: int
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    step: int
    version: int | None = None
    """Of a model that has files: what is promoted, or may be by hand."""
    sha256: str = ""
    """Of its `scorer.npz`."""
    place: str | None = None
    """Directory of its files, None where there are none."""

    @property
    def promoted(self) -> bool:
        """Whether the gate let it serve."""
        return self.tags.get("cubesat.decision") == "promoted"

    @property
    def id(self) -> str:
        """Its name in the spool."""
        return self.retrain_id

    @property
    def at_ns(self) -> int:
        """When it came to be."""
        return self.ended_ns


class ActEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the journal about a model: what was promoted, rolled back, held or released, by whom and why."""

    journal: int
    """Id of the row."""
    at_ns: int
    satellite: str
    kind: str
    version: int
    """The model it is about; of a hold, the one that served."""
    actor: str
    text: str

    @property
    def id(self) -> str:
        """Its name in the spool."""
        return f"journal-{self.journal}"


Entry = AuditEntry | ActEntry


class _Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    begun: str | None = None
    done: str | None = None


class Spool:
    """The file and the folder beside it. Used by one process, from any of its threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.with_suffix("")
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] | None = None
        self._begun: set[str] = set()
        self._done = 0

    def put(self, entry: Entry) -> None:
        """Put an entry behind the others; durable on return. One that waits already is left as it is.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            entries = self._read()
            if entry.id in entries:
                return
            if isinstance(entry, AuditEntry):
                # JSON has no word for the others: the line could not be read again.
                finite = {name: value for name, value in entry.metrics.items() if math.isfinite(value)}
                kept = None if entry.place is None else str(self._keep(entry, Path(entry.place)))
                entry = msgspec.structs.replace(entry, metrics=finite, place=kept)
            self._append(msgspec.json.encode(entry), durable=True)
            entries[entry.id] = entry

    def waiting(self) -> list[Entry]:
        """Entries MLflow does not have yet; a line that was cut by a crash is left out."""
        with self._lock:
            return list(self._read().values())

    def __len__(self) -> int:
        with self._lock:
            return len(self._read())

    def begin(self, entry: Entry) -> bool:
        """MLflow is about to be told of it: True where that was so before, and it may know it already.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            self._read()
            before = entry.id in self._begun
            if not before:
                self._append(msgspec.json.encode({"begun": entry.id}), durable=True)
                self._begun.add(entry.id)
            return before

    def done(self, entry: Entry) -> None:
        """MLflow has it, or it is given up: forget it, and its files.

        Raises:
            OSError: the file cannot be written.
        """
        with self._lock:
            entries = self._read()
            if entries.pop(entry.id, None) is None:
                return
            self._begun.discard(entry.id)
            self._done += 1
            # Not synced unless it is written anew: told twice, it is found by its id.
            if not entries:
                os.truncate(self._path, 0)
                self._done = 0
            elif self._done >= COMPACT_AFTER:
                self._write_anew(entries)
            else:
                self._append(msgspec.json.encode({"done": entry.id}), durable=False)
            if isinstance(entry, AuditEntry):
                shutil.rmtree(self._kept(entry), ignore_errors=True)

    def set_aside(self, entry: Entry, why: str) -> None:
        """Keep an entry that MLflow will never take in a file of its own, out of the way of those behind it.

        Raises:
            OSError: a file cannot be written.
        """
        line = msgspec.json.encode({"why": why, "entry": entry})
        with self._path.with_name("mlflow-refused.jsonl").open("ab") as file:
            file.write(line + b"\n")
        self.done(entry)

    def bound(self, now_ns: int, days: float) -> int:
        """Give up entries older than `days`, files of models not promoted at half of it; how many entries.

        Raises:
            OSError: the file cannot be written.
        """
        over = now_ns - int(days * DAY_NS)
        half = now_ns - int(days / 2 * DAY_NS)
        given_up = 0
        for entry in self.waiting():
            if entry.at_ns < over:
                self.done(entry)
                given_up += 1
            elif isinstance(entry, AuditEntry) and entry.at_ns < half and not entry.promoted:
                shutil.rmtree(self._kept(entry), ignore_errors=True)
        return given_up

    def _read(self) -> dict[str, Entry]:
        if self._entries is None:
            self._entries = {}
            try:
                lines = self._path.read_bytes().splitlines()
            except FileNotFoundError:
                lines = []
            for line in lines:
                self._take(line, self._entries)
        return self._entries

    def _take(self, line: bytes, entries: dict[str, Entry]) -> None:
        for kind in (AuditEntry, ActEntry, _Mark):
            try:
                found = msgspec.json.decode(line, type=kind)
            except msgspec.DecodeError:
                continue
            if not isinstance(found, _Mark):
                entries[found.id] = found
            elif found.begun is not None:
                self._begun.add(found.begun)
            elif found.done is not None:
                entries.pop(found.done, None)
                self._begun.discard(found.done)
                self._done += 1
            return

    def _append(self, line: bytes, *, durable: bool) -> None:
        with self._path.open("ab") as file:
            # A line that a crash cut is ended first, or this one would be lost with it.
            file.write(b"" if self._ends_well() else b"\n")
            file.write(line + b"\n")
            file.flush()
            if durable:
                os.fsync(file.fileno())

    def _ends_well(self) -> bool:
        with self._path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _write_anew(self, entries: dict[str, Entry]) -> None:
        draft = self._path.with_suffix(".draft")
        with draft.open("wb") as file:
            for entry in entries.values():
                file.write(msgspec.json.encode(entry) + b"\n")
                if entry.id in self._begun:
                    file.write(msgspec.json.encode({"begun": entry.id}) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        self._done = 0

    def _kept(self, entry: AuditEntry) -> Path:
        return self._folder / f"v{entry.version}-{entry.step}"

    def _keep(self, entry: AuditEntry, place: Path) -> Path:
        """Hard links cost nothing; a model that is pruned meanwhile stays here."""
        kept = self._kept(entry)
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in FILES:
            source, target = place / name, kept / name
            if not source.is_file():
                continue
            target.unlink(missing_ok=True)
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)
        return kept


def flat(values: dict[str, Any]) -> dict[str, str]:
    """Parameters as text."""
    return {key: str(value) for key, value in values.items()}
