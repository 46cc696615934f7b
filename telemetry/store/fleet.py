"""What a console asks about all satellites at once: one statement each, however many there are."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.store.connection import Database


class Heard(NamedTuple):
    """The frame of a satellite that was sent live and came last: generation and reception time, UTC ns."""

    t_ns: int
    received_ns: int


class Promotion(NamedTuple):
    """A run that was promoted; `satellite` is None where the mission had one satellite only."""

    id: int
    satellite: str | None
    version: int
    retrain: int
    at_ns: int
    sha256: str | None


def heard(connection: Database) -> dict[str, Heard]:
    """Satellite -> when it was heard last, those never heard left out.

    Reads the newest frame of each track by its key and no values, so it costs the same in a store of any age.
    """
    rows = connection.rows(
        "SELECT s.name, t.newest_t, f.received_ns FROM track t"
        " JOIN frame f ON f.id = t.newest JOIN satellite s ON s.id = t.satellite"
        " WHERE t.stored = 0 ORDER BY f.received_ns, t.newest_t"
    )
    # Of one satellite the last row stays. The greatest time would be one of a clock on board that jumped.
    return {name: Heard(t_ns, received_ns) for name, t_ns, received_ns in rows}


def put_by_hand(connection: Database, after_id: int = 0) -> list[Promotion]:
    """What operators put there after the journal row `after_id`, oldest first; `id` is that of the row."""
    rows = connection.rows(
        "SELECT id, satellite, json_extract(body, '$.to'), json_extract(body, '$.retrain'), at_ns,"
        " json_extract(body, '$.sha256') FROM journal WHERE kind IN ('model.promoted', 'model.rolled_back')"
        " AND id > ? AND actor <> '' AND json_extract(body, '$.to') IS NOT NULL ORDER BY id",
        (after_id,),
    )
    return [Promotion(*row) for row in rows]


def promotions(connection: Database, after_id: int = 0) -> list[Promotion]:
    """Promoted runs recorded after the run `after_id`, oldest first."""
    rows = connection.rows(
        "SELECT id, satellite, version, retrain, at_ns, model_sha256 FROM run"
        " WHERE id > ? AND decision = 'promoted' AND version IS NOT NULL ORDER BY id",
        (after_id,),
    )
    return [Promotion(*row) for row in rows]
