"""The store as outbox of a link: which rows go next, which are on their way, up to where they arrived.

A range of ids is durable under its key before it is sent, and sent again under that key after anything that leaves
it open whether it arrived, a kill included. So a record never changes once somebody may have read it, and ranges of
a stream neither overlap nor leave anything out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np

from telemetry.alarms import Event
from telemetry.frame import FrameBatch, Int64s
from telemetry.kill_points import reach
from telemetry.links.link_keys import MOST_ROWS, STREAMS, StreamKey
from telemetry.store.catalog import Catalog
from telemetry.store.connection import Database, Row
from telemetry.store.recorded import EVENT, RUN, axes_of, event_of, run_of
from telemetry.store.rows import RunRow, ScoreBatch, ScoreColumns

SENT = "sent"
"""Under this name key and last id of the record done with last are kept, for each stream, among the cursors."""
_PLACE = ("self", "publishes")
"""Where rows go to now, among the cursors."""
MOST_VALUES = 512 * 1024
"""Bytes of values in one record of frames, at most: it stays far below what a link takes as one text."""
_TABLES = {
    "frames": ("frame", "id"),
    "scores": ("score", "frame"),
    "journal": ("journal", "id"),
    "runs": ("run", "id"),
}
"""Stream -> its table and the column of its ids."""


class Publication:
    """The writer's side. `transaction` is the writer's own: each call is one, and durable when it returns."""

    def __init__(self, connection: Database, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._connection = connection
        self._transaction = transaction

    def aim(self, place: str) -> None:
        """From now on rows go to `place`, any text that names it: what arrived somewhere else did not arrive there.

        What is known of each place is kept, so that one which is used again goes on where it was. A store that was
        never aimed keeps what it knows for the first.
        """
        aimed = self._connection.value("SELECT value FROM cursor WHERE link = ? AND stream = ?", _PLACE)
        if aimed == place:
            return
        with self._transaction():
            if aimed is not None:
                self._lay_aside(f"{SENT} {aimed}")
                self._bring_back(f"{SENT} {place}")
            self._connection.run(
                "INSERT OR REPLACE INTO cursor(link, stream, value) VALUES (?,?,?)", (*_PLACE, place)
            )
            reach("publication")

    def _lay_aside(self, name: str) -> None:
        """Streams are kept under their names, what is on its way under its keys."""
        self._connection.run("UPDATE cursor SET link = ? WHERE link = ?", (name, SENT))
        self._connection.run(
            "INSERT INTO cursor(link, stream, value) SELECT ?, key, first_id || ' ' || last_id FROM publication",
            (name,),
        )
        self._connection.run("DELETE FROM publication")

    def _bring_back(self, name: str) -> None:
        for stream, value in self._connection.rows("SELECT stream, value FROM cursor WHERE link = ?", (name,)):
            if stream in STREAMS:
                self._connection.run(
                    "INSERT INTO cursor(link, stream, value) VALUES (?,?,?)", (SENT, stream, value)
                )
            else:
                first, _, last = value.partition(" ")
                self._connection.run("INSERT INTO publication VALUES (?,?,?)", (stream, int(first), int(last)))
        self._connection.run("DELETE FROM cursor WHERE link = ?", (name,))

    def start_after(self, now_s: int) -> int:
        """Start (Unix s) for the keys of a publisher that begins now: later than any this store ever used.

        A clock that was put back would else give keys that sort before what followers have read already.
        """
        rows = self._connection.rows("SELECT value FROM cursor WHERE link = ?", (SENT,))
        used = [StreamKey.parse(key).start_s for key, _, _ in self.unpublished()]
        used += [StreamKey.parse(_sent(value)[0]).start_s for (value,) in rows]
        return max([now_s, *(start + 1 for start in used)])

    def publish_range(self, key: str, first_id: int, last_id: int) -> None:
        """Keep that the rows `first_id` to `last_id` go out under `key`; the same again changes nothing.

        The first range of a stream may begin anywhere, each other begins where the one before it ended.

        Raises:
            ValueError: no key, a key of another row, a key that sorts before an older one or stands for another
                range, or rows that do not follow on those before them.
        """
        place = StreamKey.parse(key)
        if not place.first_id == first_id <= last_id:
            raise ValueError(f"{key}: rows {first_id} to {last_id}: the key names the first of them")
        known = self._connection.one("SELECT first_id, last_id FROM publication WHERE key = ?", (key,))
        if known == (first_id, last_id):
            return
        newest, taken = self._newest(place.stream)
        if known is not None or key <= newest or (newest and first_id != taken + 1):
            raise ValueError(
                f"{key}: rows {first_id} to {last_id}: rows up to {taken} went out, the last as {newest}"
            )
        with self._transaction():
            self._connection.run("INSERT INTO publication VALUES (?,?,?)", (key, first_id, last_id))
            reach("publication")

    def published(self, key: str) -> bool:
        """What stands under `key` arrived, or never will: go on behind it. False when it was done with already."""
        known = self._connection.value("SELECT last_id FROM publication WHERE key = ?", (key,))
        if known is None:
            return False
        stream = StreamKey.parse(key).stream
        with self._transaction():
            self._connection.run("DELETE FROM publication WHERE key = ?", (key,))
            reach("publication")
            if key > self._sent(stream)[0]:
                self._connection.run(
                    "INSERT OR REPLACE INTO cursor(link, stream, value) VALUES (?,?,?)",
                    (SENT, stream, f"{key} {known}"),
                )
        return True

    def withdrawn(self, key: str) -> None:
        """What stands under `key` never arrived, and others wrote since: its rows go out anew under a later key.

        Raises:
            ValueError: a later range of the stream is on its way; that one is to be withdrawn before.
        """
        if any(one > key for one, _, _ in self.unpublished(StreamKey.parse(key).stream)):
            raise ValueError(f"{key}: a later range is on its way")
        with self._transaction():
            self._connection.run("DELETE FROM publication WHERE key = ?", (key,))

    def unpublished(self, stream: str | None = None) -> list[tuple[str, int, int]]:
        """(key, first id, last id) of what is on its way, of one stream or of each, oldest first."""
        rows = self._connection.rows("SELECT key, first_id, last_id FROM publication ORDER BY key")
        return [(row[0], row[1], row[2]) for row in rows if stream in (None, StreamKey.parse(row[0]).stream)]

    def sent_until(self, stream: str) -> int:
        """Id of the last row of a stream that is done with; 0 before the first."""
        return self._sent(stream)[1]

    def _newest(self, stream: str) -> tuple[str, int]:
        """Key and last id of the newest range of a stream, arrived or on its way; "" and 0 before the first."""
        return max([self._sent(stream), *((key, last) for key, _, last in self.unpublished(stream))])

    def _sent(self, stream: str) -> tuple[str, int]:
        found = self._connection.value("SELECT value FROM cursor WHERE link = ? AND stream = ?", (SENT, stream))
        return ("", 0) if found is None else _sent(found)


def _sent(value: str) -> tuple[str, int]:
    key, _, last = value.partition(" ")
    return key, int(last)


class Outgoing:
    """The reader's side: rows by id, as they were stored. An id of a score is the id of its frame."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._connection = catalog.connection

    def newest_ids(self) -> dict[str, int]:
        """Stream -> id of its newest row, 0 before the first."""
        tables = ", ".join(f"(SELECT ifnull(max({number}), 0) FROM {table})" for table, number in _TABLES.values())
        row = self._connection.one(f"SELECT {tables}")
        assert row is not None
        return dict(zip(STREAMS, row, strict=True))

    def next_range(self, stream: str, after_id: int, most: int = MOST_ROWS) -> tuple[int, int] | None:
        """(first, last) of what a record after `after_id` should hold: as many rows as one may; None without any.

        It begins right after `after_id`, so ranges follow on each other where ids leave some out.
        """
        table, number = _TABLES[stream]
        size = "length(v)" if stream == "frames" else "0"
        rows = self._connection.rows(
            f"SELECT {number}, {size} FROM {table} WHERE {number} > ? ORDER BY {number} LIMIT ?", (after_id, most)
        )
        if not rows:
            return None
        fits = np.cumsum([row[1] for row in rows]) <= MOST_VALUES
        return after_id + 1, int(rows[max(int(fits.sum()), 1) - 1][0])

    def frames_between(self, first_id: int, last_id: int) -> list[FrameBatch]:
        """Frames `first_id` to `last_id` as they came in, one batch a layout, each in append order."""
        with self._catalog.snapshot():
            rows = self._connection.rows(
                "SELECT satellite, boot, seq, t_ns, received_ns, quality, layout, v FROM frame"
                " WHERE id BETWEEN ? AND ? ORDER BY id",
                (first_id, last_id),
            )
            by_layout: dict[int, list[Row]] = {}
            for row in rows:
                by_layout.setdefault(row[6], []).append(row)
            return [self._batch(layout, some) for layout, some in by_layout.items()]

    def _batch(self, number: int, rows: Sequence[Row]) -> FrameBatch:
        layout = self._catalog.layout(number)
        satellite, boot, seq, t_ns, received_ns, quality, _, blobs = zip(*rows, strict=True)
        names, index = self._satellites(satellite)
        return FrameBatch(
            layout,
            names,
            index,
            _column(boot),
            _column(seq),
            _column(t_ns),
            _column(received_ns),
            _column(quality),
            np.frombuffer(b"".join(blobs), dtype="<f8").reshape(len(rows), len(layout)),
        )

    def _satellites(self, numbers: Sequence[int]) -> tuple[tuple[str, ...], Int64s]:
        """Names of the satellites with these store ids, and for each row which of them it is."""
        used, index = np.unique(_column(numbers), return_inverse=True)
        return tuple(self._catalog.satellite_name(number) for number in used.tolist()), index.astype(np.int64)

    def scores_between(self, first_id: int, last_id: int) -> ScoreBatch:
        """A model's opinions about the frames `first_id` to `last_id`, in append order."""
        with self._catalog.snapshot():
            rows = self._connection.rows(
                "SELECT f.satellite, f.boot, f.seq, s.model, s.score, s.p, s.state, s.axes"
                " FROM score s CROSS JOIN frame f ON f.id = s.frame WHERE s.frame BETWEEN ? AND ? ORDER BY s.frame",
                (first_id, last_id),
            )
            if not rows:
                return ScoreBatch.empty()
            satellite, boot, seq, model, score, p, state, axes = zip(*rows, strict=True)
            names, index = self._satellites(satellite)
        columns = ScoreColumns(_column(model), np.array(score), np.array(p), _column(state), axes_of(axes))
        return ScoreBatch(names, index, _column(boot), _column(seq), columns)

    def events_between(self, first_id: int, last_id: int) -> list[Event]:
        """Events `first_id` to `last_id` as they were written."""
        rows = self._connection.rows(
            f"SELECT {EVENT} FROM journal WHERE id BETWEEN ? AND ? ORDER BY id", (first_id, last_id)
        )
        return [event_of(row) for row in rows]

    def runs_between(self, first_id: int, last_id: int) -> list[RunRow]:
        """Considered fits `first_id` to `last_id`, oldest first."""
        rows = self._connection.rows(
            f"SELECT {RUN} FROM run WHERE id BETWEEN ? AND ? ORDER BY id", (first_id, last_id)
        )
        return [run_of(row) for row in rows]


def _column(values: Sequence[int]) -> Int64s:
    return np.array(values, dtype=np.int64)
