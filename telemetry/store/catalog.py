"""Names behind the numbers of a store, and its tracks, read once and kept until they change."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from telemetry.frame import Layout
from telemetry.store.connection import Database
from telemetry.store.rows import InvalidRule


class TrackRow(NamedTuple):
    """Where the frames of one satellite, layout and origin are; None where nothing is open."""

    satellite: int
    layout: int
    stored: int
    newest: int
    newest_t: int
    open_first: int | None
    open_t0: int | None
    open_t1: int | None
    coarse_first: int | None
    coarse_t0: int | None
    coarse_t1: int | None
    fine_span: int
    coarse_span: int


@dataclass
class Catalog:
    """A reader's connection with what it knows by heart. Satellites and layouts are only ever added."""

    connection: Database
    invalid: InvalidRule

    def __post_init__(self) -> None:
        self._satellites: dict[int, str] = {}
        self._layouts: dict[int, Layout] = {}

    @contextmanager
    def snapshot(self) -> Generator[None, None, None]:
        """Several queries on one state of the store; the transaction ends here, whatever happens inside."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.run("BEGIN")
        try:
            yield
        finally:
            if self.connection.in_transaction:
                self.connection.run("COMMIT")

    def satellites(self) -> dict[int, str]:
        """Store id -> name, in the order they were first seen."""
        newest = max(self._satellites, default=0)
        rows = self.connection.rows("SELECT id, name FROM satellite WHERE id > ? ORDER BY id", (newest,))
        for number, name in rows:
            self._satellites[number] = name
        return self._satellites

    def satellite_name(self, number: int) -> str:
        """The name of the satellite with store id `number`."""
        return self._satellites[number] if number in self._satellites else self.satellites()[number]

    def satellite(self, name: str) -> int | None:
        """Store id of a satellite, or None for one that never sent a frame."""
        for number, known in self.satellites().items():
            if known == name:
                return number
        return None

    def layouts(self) -> dict[int, Layout]:
        """Store id -> layout."""
        newest = max(self._layouts, default=0)
        rows = self.connection.rows("SELECT id, body FROM layout WHERE id > ? ORDER BY id", (newest,))
        for number, body in rows:
            self._layouts[number] = Layout.from_body(body)
        return self._layouts

    def layout(self, number: int) -> Layout:
        """The layout with store id `number`."""
        return self._layouts[number] if number in self._layouts else self.layouts()[number]

    def tracks(self, satellite: int | None = None) -> list[TrackRow]:
        """All tracks, or those of one satellite."""
        where, bindings = ("", ()) if satellite is None else (" WHERE satellite = ?", (satellite,))
        rows = self.connection.rows(f"SELECT {', '.join(TrackRow._fields)} FROM track{where} ORDER BY id", bindings)
        return [TrackRow(*row) for row in rows]
