"""The models of a satellite beside the list of its runs: trends, champion, how each came to score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cubesat_tui.put_there import put_there
from telemetry.run_query import parse_runs

if TYPE_CHECKING:
    from telemetry.alarms import Event
    from telemetry.store.reader import StoreReader
    from telemetry.store.rows import RunRow
    from telemetry.store.run_page import RunPoint

TREND = 2_880
"""Considered runs that the trends reach back: a day of cycles of 30 s."""
MOST_ACTS = 500
FITTED = 50
"""Newest runs that were fitted: what a run can be compared with, whatever is listed."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelsNow:
    """Of `satellite`, by `until_ns` where that is not now."""

    satellite: str
    until_ns: int | None
    points: tuple[RunPoint, ...] = ()
    """The newest `TREND` considered runs, oldest first."""
    fitted: tuple[RunRow, ...] = ()
    """The newest `FITTED` runs that were fitted, newest first."""
    champion: RunRow | None = None
    """The run whose model scores."""
    acts: Mapping[int, list[Event]] = field(default_factory=dict[int, "list[Event]"])
    """Version -> how it came to score, newest first."""
    left_behind: frozenset[int] = frozenset()
    """Versions that somebody rolled back from."""
    promoted_ns: tuple[int, ...] = ()
    rolled_back_ns: tuple[int, ...] = ()

    def read_on(self, reader: StoreReader, version: int | None) -> ModelsNow:
        """The same with what was stored since; `version` is the one that scores.

        Raises:
            StoreError: the store cannot be read.
        """
        above = self.points[-1].id if self.points else 0
        new = reader.considered.points(self.satellite, self.until_ns, above, TREND)
        puts = [
            event
            for event in put_there(reader, self.satellite, MOST_ACTS)
            if self.until_ns is None or event.at_ns <= self.until_ns
        ]
        acts: dict[int, list[Event]] = {}
        for event in puts:
            to = event.body.get("to")
            if isinstance(to, int):
                acts.setdefault(to, []).append(event)
        back = [event for event in puts if event.kind == "model.rolled_back"]
        champion = self.champion
        if champion is None or champion.version != version:
            champion = None if version is None else reader.run_of_version(version, self.satellite)
        fitted = reader.considered.page(parse_runs("fitted"), self.satellite, self.until_ns, limit=FITTED)
        return replace(
            self,
            fitted=tuple(fitted),
            points=(*self.points, *new)[-TREND:],
            champion=champion,
            acts=acts,
            left_behind=frozenset(one for event in back if isinstance(one := event.body.get("from"), int)),
            promoted_ns=tuple(event.at_ns for event in puts if event.kind == "model.promoted"),
            rolled_back_ns=tuple(event.at_ns for event in back),
        )
