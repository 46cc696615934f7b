"""Scores, events and considered fits as rows of their tables: how each is written, and read back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from telemetry.alarms import Event
from telemetry.frame import Int64s
from telemetry.store.connection import Database
from telemetry.store.rows import Float32s, RunRow, ScoreColumns

EVENT = "id, at_ns, satellite, kind, severity, subject, actor, body"
_RUN_FIELDS = RunRow.__struct_fields__
RUN = ", ".join(_RUN_FIELDS)
_NOWHERE = np.full(3, np.nan, dtype="<f4").tobytes()


def write_scores(
    connection: Database, frames: Int64s, satellites: Int64s, t_ns: Int64s, score: ScoreColumns
) -> None:
    """Write a model's opinions about n stored frames; those of model 0 (learning) are none.

    Args:
        frames, satellites: store ids of each frame and of its satellite.
    """
    rows = np.flatnonzero(score.model != 0)
    if not len(rows):
        return
    axes = np.ascontiguousarray(score.axes[rows], dtype="<f4")
    connection.many(
        "INSERT OR REPLACE INTO score(frame, model, score, p, state, axes, satellite, t_ns)"
        " VALUES (?,?,?,?,?,?,?,?)",
        zip(
            frames[rows].tolist(),
            score.model[rows].tolist(),
            score.score[rows].tolist(),
            score.p[rows].tolist(),
            score.state[rows].tolist(),
            axes.view("V12").ravel().tolist(),
            satellites[rows].tolist(),
            t_ns[rows].tolist(),
            strict=True,
        ),
    )


def axes_of(blobs: Iterable[bytes | None]) -> Float32s:
    """Places in the picture of Clusters, shape (n, 3); NaN where there is none."""
    return np.frombuffer(b"".join(blob or _NOWHERE for blob in blobs), dtype="<f4").reshape(-1, 3)


def write_events(connection: Database, first_id: int, events: Sequence[Event]) -> None:
    """Append events to the journal, numbered from `first_id` on."""
    connection.many(
        f"INSERT INTO journal({EVENT}) VALUES (?,?,?,?,?,?,?,?)",
        (
            (
                number,
                event.at_ns,
                event.satellite,
                event.kind,
                int(event.severity),
                event.subject,
                event.actor,
                msgspec.json.encode(event.body).decode(),
            )
            for number, event in enumerate(events, first_id)
        ),
    )


def event_of(row: Sequence[Any]) -> Event:
    """The event of a row of `EVENT`."""
    return Event(
        id=row[0],
        at_ns=row[1],
        satellite=row[2],
        kind=row[3],
        severity=row[4],
        subject=row[5],
        actor=row[6],
        body=msgspec.json.decode(row[7]),
    )


def write_run(connection: Database, run: RunRow) -> bool:
    """Append one considered fit under a number of this store; False when that retrain is recorded already."""
    values = [getattr(run, name) for name in _RUN_FIELDS[1:-1]]
    values.append(msgspec.json.encode(run.body).decode())
    names, marks = ", ".join(_RUN_FIELDS[1:]), ",".join("?" * len(values))
    connection.run(f"INSERT INTO run({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", values)
    return connection.changes() == 1


def run_of(row: Sequence[Any]) -> RunRow:
    """The considered fit of a row of `RUN`."""
    return RunRow(**{**dict(zip(_RUN_FIELDS, row, strict=True)), "body": msgspec.json.decode(row[-1])})


def run_of_version(connection: Database, version: int, satellite: str) -> RunRow | None:
    """The newest run of `satellite`, or of none, whose model has this version."""
    row = connection.one(
        f"SELECT {RUN} FROM run WHERE version = ?1 AND ifnull(satellite, ?2) = ?2 ORDER BY id DESC LIMIT 1",
        (version, satellite),
    )
    return None if row is None else run_of(row)


def write_cursors(connection: Database, cursors: Iterable[tuple[str, str]]) -> None:
    """Keep cursors: `link` for its stream of frames, `link/stream` for another."""
    connection.many(
        "INSERT OR REPLACE INTO cursor(link, stream, value) VALUES (?,?,?)",
        ((*place_of(name), value) for name, value in cursors),
    )


def place_of(name: str) -> tuple[str, str]:
    """(link, stream) of the name of a cursor."""
    link, slash, stream = name.partition("/")
    return (link, stream) if slash else (name, "frames")
