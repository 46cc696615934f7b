"""A file that keeps what was written, so that a server may be stopped or killed and started again with its data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as File
from typing import Any

import msgspec


class Entry(msgspec.Struct):
    """One write: the value at a path in a namespace, in export format."""

    ns: str
    at: list[str]
    value: Any


class Recording:
    """One line of JSON a write, handed to the operating system before the writer is answered.

    A line that a kill tore is left out at the next start.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._out = None

    def entries(self) -> Iterator[Entry]:
        """What the file holds, oldest first."""
        if not self._file.exists():
            return
        for line in self._file.read_bytes().splitlines():
            try:
                yield msgspec.json.decode(line, type=Entry)
            except msgspec.DecodeError:
                return

    def begin(self, entries: list[Entry]) -> None:
        """Replace the file by these entries and go on after them."""
        fresh = self._file.with_name(self._file.name + ".new")
        self._out = fresh.open("wb")
        for entry in entries:
            self.add(entry)
        fresh.replace(self._file)

    def add(self, entry: Entry) -> None:
        assert self._out is not None
        self._out.write(msgspec.json.encode(entry) + b"\n")
        self._out.flush()

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
