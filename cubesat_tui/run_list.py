"""The runs that a list knows: the first pages of an order, kept current by what was stored since; no I/O.

A run is recorded once and never changes but for its name in MLflow, which comes later. So a list asks again only
for runs above a number, and puts each into its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from telemetry.run_query import NEWEST, OLDEST, RunQuery
from telemetry.store.run_page import RunKey, key_of

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow

PAGE = 500
MOST = 5_000
"""Runs in memory: a day and a half of considered fits. What lies behind is found by a filter."""
LATE = 200
"""A run may be named in MLflow while so many others are recorded."""


class RunList:
    """Runs of `query` in its order, of one satellite, recorded by `until_ns`."""

    def __init__(self, query: RunQuery, satellite: str, until_ns: int | None) -> None:
        self.query = query
        self.satellite = satellite
        self.until_ns = until_ns
        self.rows: list[RunRow] = []
        self.more = True
        """Whether there are runs behind the last one, as far as is known."""

    @property
    def full(self) -> bool:
        """No more runs are kept than are here."""
        return len(self.rows) >= MOST

    @property
    def whole(self) -> bool:
        """Whether this is every run that satisfies the query."""
        return not self.more

    @property
    def ends_before_news(self) -> bool:
        """Whether whatever is stored from now on lies behind the last run that is known."""
        return self.query.sort == OLDEST and self.more

    @property
    def behind(self) -> RunKey | None:
        """Key of the last run: the next page is what comes after it."""
        return key_of(self.rows[-1], self.query) if self.rows else None

    @property
    def above_id(self) -> int:
        """What was stored after the run with this number is to be asked for again."""
        newest = max((run.id for run in self.rows), default=0)
        unnamed = [run.id for run in self.rows if run.fit_s is not None and run.mlflow_run is None]
        return min([newest, *(one - 1 for one in unnamed if one > newest - LATE)])

    def append(self, page: Sequence[RunRow], limit: int) -> None:
        """Take the next page, of at most `limit` runs that were asked for."""
        self.more = len(page) >= limit
        self._set([*self.rows, *page])

    def merge(self, found: Sequence[RunRow]) -> bool:
        """Put runs into their places, or in the place of what they were; whether anything is another."""
        known = {run.id: run for run in self.rows}
        last = self._place(self.rows[-1]) if self.rows and self.more else None
        wanted = [run for run in found if run.id in known or last is None or self._place(run) < last]
        if all(known.get(run.id) == run for run in wanted):
            return False
        self._set([*{**known, **{run.id: run for run in wanted}}.values()])
        return True

    def _set(self, rows: Sequence[RunRow]) -> None:
        ordered = sorted({run.id: run for run in rows}.values(), key=self._place)
        self.more = self.more or len(ordered) > MOST
        self.rows = ordered[:MOST]

    def _place(self, run: RunRow) -> tuple[bool, float, int]:
        figure, number = key_of(run, self.query)
        return figure is None, 0.0 if figure is None else -figure, number if self.query.sort == OLDEST else -number


def folds(query: RunQuery) -> bool:
    """Whether `kept` runs in a row may be one line: only where nothing between them is left out."""
    return query.sort in (NEWEST, OLDEST) and not query.tests
