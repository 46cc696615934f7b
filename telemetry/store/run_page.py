"""Training runs by the page: filtered and ordered where they lie, paged by key, and as bare points for a trend."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.alarms import RAISED, Event
from telemetry.run_query import OLDEST, RunQuery
from telemetry.store.connection import Database
from telemetry.store.recorded import EVENT, RUN, event_of, run_of
from telemetry.store.rows import RunRow

NO_END = 2**63 - 1


class RunKey(NamedTuple):
    """Place of a run in an order: the figure it goes by, None where it has none or its number counts; its id."""

    figure: float | None
    id: int


class RunPoint(NamedTuple):
    """What the trends need of a run. `at_ns` UTC ns, `fit_s` seconds; None where a run has no such figure."""

    id: int
    at_ns: int
    fit_s: float | None
    threshold: float | None
    anomaly_rate: float | None
    drift: float | None
    false_alarms_per_day: float | None


def key_of(run: RunRow, query: RunQuery) -> RunKey:
    """Where `run` lies in the order of `query`."""
    return RunKey(None if query.column is None else getattr(run, query.column), run.id)


class Runs:
    """What may be asked about considered fits; of one satellite where one is named, and of those that name none."""

    def __init__(self, connection: Database) -> None:
        self._connection = connection

    def page(
        self,
        query: RunQuery,
        satellite: str | None = None,
        until_ns: int | None = None,
        after: RunKey | None = None,
        above_id: int = 0,
        limit: int = 200,
    ) -> list[RunRow]:
        """At most `limit` runs that satisfy `query`, in its order: the first ones, or those after a key.

        Recorded by `until_ns`, stored after the run `above_id`.
        """
        conditions = ["id > ?", "at_ns <= ?", "(? IS NULL OR satellite IS NULL OR satellite = ?)"]
        values: list[int | float | str | None] = [
            above_id,
            NO_END if until_ns is None else until_ns,
            satellite,
            satellite,
        ]
        for test in query.tests:
            conditions.append(test.sql)
            values += test.values
        column = query.column
        if after is not None:
            if column is None:
                conditions.append("id > ?" if query.sort == OLDEST else "id < ?")
                values.append(after.id)
            elif after.figure is None:
                conditions.append(f"{column} IS NULL AND id < ?")
                values.append(after.id)
            else:
                conditions.append(f"({column} IS NULL OR {column} < ? OR ({column} = ? AND id < ?))")
                values += [after.figure, after.figure, after.id]
        order = "id" if query.sort == OLDEST else "id DESC"
        if column is not None:
            order = f"{column} DESC NULLS LAST, id DESC"
        # Ids first: whole runs of some kB each would be carried through the sorting.
        ids = f"SELECT id FROM run WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ?"
        rows = self._connection.rows(
            f"SELECT {RUN} FROM run WHERE id IN ({ids}) ORDER BY {order}", (*values, limit)
        )
        return [run_of(row) for row in rows]

    def points(
        self, satellite: str | None = None, until_ns: int | None = None, above_id: int = 0, limit: int = 3000
    ) -> list[RunPoint]:
        """Figures over time of the newest `limit` runs stored after `above_id`, oldest first."""
        rows = self._connection.rows(
            f"SELECT {', '.join(RunPoint._fields)} FROM run WHERE id > ? AND at_ns <= ?"
            " AND (? IS NULL OR satellite IS NULL OR satellite = ?) ORDER BY id DESC LIMIT ?",
            (above_id, NO_END if until_ns is None else until_ns, satellite, satellite, limit),
        )
        return [RunPoint(*row) for row in rows][::-1]

    def raised_by(
        self, satellite: str, version: int, until_ns: int | None = None, limit: int = 10
    ) -> tuple[int, list[Event]]:
        """How many anomalies the model `version` of `satellite` has raised, and the newest of these events."""
        which = (
            "FROM journal INDEXED BY journal_kind WHERE kind = ? AND satellite = ? AND at_ns <= ?"
            " AND json_extract(body, '$.model') = ?"
        )
        values = (RAISED, satellite, NO_END if until_ns is None else until_ns, version)
        rows = self._connection.rows(f"SELECT {EVENT} {which} ORDER BY id DESC LIMIT ?", (*values, limit))
        count = len(rows) if len(rows) < limit else int(self._connection.value(f"SELECT count(*) {which}", values))
        return count, [event_of(row) for row in rows]
