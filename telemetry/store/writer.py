"""The one writer of a mission store.

A batch's frames, scores, blocks, journal rows and link cursors commit in one transaction, and a commit is on the
disk when it returns (WAL, synchronous=FULL): only then may a source be confirmed. All methods belong to one thread.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Protocol

import apsw
import msgspec
import numpy as np

from telemetry.alarms import Event
from telemetry.frame import FrameBatch, Int64s, Layout, Quality
from telemetry.kill_points import reach
from telemetry.store import schema
from telemetry.store.acceptance import Acceptance, is_late
from telemetry.store.blocks import COARSE, FINE, Blocks
from telemetry.store.connection import open_writer
from telemetry.store.errors import StoreError, StoreFull, StoreRefused
from telemetry.store.fleet import Promotion, promotions
from telemetry.store.publication import Publication
from telemetry.store.recorded import run_of_version, write_cursors, write_events, write_run, write_scores
from telemetry.store.replication import Replication
from telemetry.store.rows import (
    AppendResult,
    Bools,
    ContactRow,
    HealthRow,
    InvalidRule,
    RunRow,
    ScoredBatch,
    nan_is_invalid,
)
from telemetry.store.tracks import SAVE as SAVE_TRACK
from telemetry.store.tracks import Track, Tracks

CHECKPOINT_PAGES = 1000
"""Pages in the write-ahead log after which the writer moves them into the file itself (4 MB)."""

_INSERT_FRAME = (
    "INSERT INTO frame(id, satellite, boot, seq, t_ns, received_ns, quality, layout, v) VALUES (?,?,?,?,?,?,?,?,?)"
)
_INSERT_BLOCK = (
    "INSERT INTO block(satellite, layout, stored, level, first_id, last_id, t0, t1, stats)"
    " VALUES (?,?,?,?,?,?,?,?,?)"
)


class _Now(Protocol):
    def now_ns(self) -> int: ...


class StoreWriter:
    """Opens the store at `path`, creating it or migrating an older one, and is the only one to write it.

    `invalid` says which values are INVALID where a `ScoredBatch` does not; such values take no part in blocks.

    Raises:
        StoreRefused: the file is no mission store, is newer than this program, or is damaged.
    """

    def __init__(self, path: Path, clock: _Now, invalid: InvalidRule = nan_is_invalid) -> None:
        self.path = path
        self._clock = clock
        self._invalid = invalid
        self._connection = open_writer(path)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        self.checkpoints_failed = 0
        """Checkpoints the disk had no room for; the frames stay in the write-ahead log until one succeeds."""
        self._log_pages = 0
        self._connection.on_commit(self._committed_pages)
        self._forget()
        self.publication = Publication(self._connection, self._transaction)
        """What of this store is on its way into a link."""
        self.replication = Replication(self._connection, self._transaction)
        """What another station judged, on its way into this store."""

    def _prepare(self) -> None:
        try:
            if schema.is_empty(self._connection):
                schema.create(self._connection)
            else:
                schema.migrate(self._connection, self.path)
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise StoreRefused(f"{self.path}: this is not a mission store, or it is damaged ({error})") from error
        except apsw.FullError as error:
            raise StoreFull(f"{self.path}: no space left to create the store") from error

    def _forget(self) -> None:
        """Start from what the store says: after opening, and after a transaction that came to nothing."""
        self._satellites: dict[str, int] = dict(self._connection.rows("SELECT name, id FROM satellite"))
        self._layouts: dict[str, int] = dict(self._connection.rows("SELECT digest, id FROM layout"))
        self._tracks = Tracks(self._connection, self._invalid)
        self._acceptance = Acceptance(self._connection)
        self._next_frame = self._next("frame")
        self._next_event = self._next("journal")

    def _next(self, table: str) -> int:
        return int(self._connection.value(f"SELECT ifnull(max(id), 0) + 1 FROM {table}"))

    def _committed_pages(self, pages: int) -> None:
        self._log_pages = pages

    @contextmanager
    def _transaction(self) -> Generator[None, None, None]:
        connection = self._connection
        try:
            connection.run("BEGIN IMMEDIATE")
            yield
            connection.run("COMMIT")
        except BaseException as error:
            # A full disk has rolled back by itself; a second ROLLBACK would raise and hide the reason.
            if connection.in_transaction:
                connection.run("ROLLBACK")
            self._forget()
            if _disk_is_full(error):
                raise StoreFull(f"{self.path}: DISK FULL, nothing of this batch was stored") from error
            if isinstance(error, apsw.BusyError):
                raise StoreError(f"{self.path}: another program is writing this store") from error
            raise
        if self._log_pages >= CHECKPOINT_PAGES:
            self.checkpoint()

    def append(
        self, batches: Sequence[ScoredBatch], events: Sequence[Event], cursors: Mapping[str, str]
    ) -> AppendResult:
        """Store batches, journal rows and cursors in one durable transaction.

        A cursor stands under the name of its source, or as `link/stream` where a link has several streams.

        A frame whose (satellite, boot, seq) is stored already is counted as a duplicate; a frame older than the
        newest of its packet is marked LATE unless it is STORED; a negative boot or seq is refused and counted.

        Raises:
            StoreFull: the disk is full; nothing was stored, and the same call may be repeated.
            ValueError: the shape of a batch's values does not fit its layout.
        """
        result = AppendResult()
        with self._transaction():
            touched: dict[int, Track] = {}
            for scored in batches:
                result.accepted_mask.append(self._append_batch(scored, result, touched))
            if touched:
                self._connection.many(SAVE_TRACK, (track.row() for track in touched.values()))
            reach("ingest")
            self._write_events(events, result)
            write_cursors(self._connection, cursors.items())
        return result

    def record_run(
        self, run: RunRow, events: Sequence[Event] = (), cursors: Mapping[str, str] | None = None
    ) -> bool:
        """Write one considered fit, the events it caused and cursors, in one transaction.

        Returns:
            False when this retrain of this satellite is recorded already; then nothing is written.
        """
        with self._transaction():
            new = write_run(self._connection, run)
            if new:
                self._write_events(events, AppendResult())
                write_cursors(self._connection, (cursors or {}).items())
        return new

    def run_of_version(self, version: int, satellite: str) -> RunRow | None:
        """The newest run of `satellite`, or of none, whose model has this version."""
        return run_of_version(self._connection, version, satellite)

    def promotions(self) -> list[Promotion]:
        """Promoted runs of all satellites, oldest first."""
        return promotions(self._connection)

    def name_mlflow_run(self, retrain: int, at_ns: int, mlflow_run: str) -> None:
        """Write into a recorded run the name it has in MLflow, where it is logged later than it is recorded."""
        with self._transaction():
            self._connection.run(
                "UPDATE run SET mlflow_run = ? WHERE retrain = ? AND at_ns = ?", (mlflow_run, retrain, at_ns)
            )

    def beat(self, health: HealthRow) -> None:
        """Replace the heartbeat row of `health.station`."""
        body = msgspec.json.encode(health.body).decode()
        with self._transaction():
            self._connection.run(
                "INSERT OR REPLACE INTO health(station, beat_ns, next_retrain_ns, body) VALUES (?,?,?,?)",
                (health.station, health.beat_ns, health.next_retrain_ns, body),
            )

    def replace_contacts(self, satellite: str, contacts: Iterable[ContactRow]) -> None:
        """Replace what was predicted for `satellite`; contacts that are over stay as they were."""
        now = self._clock.now_ns()
        with self._transaction():
            self._connection.run("DELETE FROM contact WHERE satellite = ? AND loss_ns > ?", (satellite, now))
            self._connection.many(
                "INSERT OR REPLACE INTO contact(satellite, station, acquisition_ns, loss_ns, max_el)"
                " VALUES (?,?,?,?,?)",
                ((satellite, c.station, c.acquisition_ns, c.loss_ns, c.max_el_deg) for c in contacts),
            )

    def describe_satellite(self, name: str, norad: int | None, bus: str) -> None:
        """Keep what the mission says about a satellite beside its frames."""
        with self._transaction():
            self._connection.run(
                "INSERT INTO satellite(name, norad, bus) VALUES (?,?,?)"
                " ON CONFLICT(name) DO UPDATE SET norad = excluded.norad, bus = excluded.bus",
                (name, norad, bus),
            )
            self._satellites[name] = int(self._connection.value("SELECT id FROM satellite WHERE name = ?", (name,)))

    def cursor(self, link: str, stream: str = "frames") -> str | None:
        """The cursor committed last for a source, or None for one never seen."""
        found = self._connection.value("SELECT value FROM cursor WHERE link = ? AND stream = ?", (link, stream))
        return None if found is None else str(found)

    def max_seq(self, satellite: str) -> tuple[int, int, int] | None:
        """(boot, seq, generation time) of the frame with the highest boot and sequence number, or None."""
        number = self._satellites.get(satellite)
        if number is None:
            return None
        found = self._connection.one(
            "SELECT boot, seq, t_ns FROM frame WHERE satellite = ? ORDER BY boot DESC, seq DESC LIMIT 1", (number,)
        )
        return None if found is None else (int(found[0]), int(found[1]), int(found[2]))

    def checkpoint(self, truncate: bool = False) -> bool:
        """Move the write-ahead log into the file. False when the disk had no room: nothing is lost by it."""
        reach("checkpoint")
        try:
            self._connection.checkpoint(truncate)
        except apsw.BusyError:
            return False
        except apsw.Error as error:
            if not _disk_is_full(error):
                raise
            self.checkpoints_failed += 1
            return False
        self._log_pages = 0
        reach("checkpoint")
        return True

    def close(self) -> None:
        """Close the store; what was committed is durable already. Calling it twice is allowed."""
        self._connection.close()

    def _append_batch(self, scored: ScoredBatch, result: AppendResult, touched: dict[int, Track]) -> Bools:
        batch = scored.batch
        n, k = len(batch), len(batch.layout)
        if batch.values.shape != (n, k):
            raise ValueError(f"values of shape {batch.values.shape}, the layout asks for {(n, k)}")
        if not n:
            return np.zeros(0, dtype=np.bool_)
        numbers = np.array([self._satellite(name) for name in batch.satellites], dtype=np.int64)[batch.satellite]
        layout = self._layout(batch.layout)
        keep = self._acceptance.accept(numbers, batch, result)
        if keep is not None:
            batch, numbers = batch.take(keep), numbers[keep]
        n = len(batch)
        mask = np.ones(len(scored.batch), dtype=np.bool_) if keep is None else keep
        if not n:
            return mask
        ids = np.arange(self._next_frame, self._next_frame + n, dtype=np.int64)
        groups = list(self._tracks.groups(numbers, batch, layout))
        quality = batch.quality.copy()
        for rows, track in groups:
            if not track.stored:
                late = is_late((track.boot, track.seq), batch.boot[rows], batch.seq[rows])
                result.late += int(late.sum())
                quality[rows] |= np.where(late, int(Quality.LATE), 0)
        self._connection.many(
            _INSERT_FRAME,
            zip(
                range(int(ids[0]), int(ids[0]) + n),
                numbers.tolist(),
                batch.boot.tolist(),
                batch.seq.tolist(),
                batch.t_ns.tolist(),
                batch.received_ns.tolist(),
                quality.tolist(),
                repeat(layout),
                _blobs(batch),
                strict=False,
            ),
        )
        self._next_frame += n
        result.accepted += n
        result.first_id = result.first_id or int(ids[0])
        result.last_id = int(ids[-1])
        if scored.score is not None:
            score = scored.score if keep is None else scored.score.take(keep)
            write_scores(self._connection, ids, numbers, batch.t_ns, score)
        invalid = self._invalid_of(scored, batch, keep)
        for rows, track in groups:
            self._extend(track, ids[rows], batch, rows, invalid[rows])
            touched[id(track)] = track
        return mask

    def _extend(self, track: Track, ids: Int64s, batch: FrameBatch, rows: Int64s | slice, invalid: Bools) -> None:
        track.follow(ids, batch, rows)
        fine, coarse = track.add(ids, batch.t_ns[rows], batch.values[rows], invalid)
        if fine is not None:
            self._write_blocks(track, FINE, fine)
        for blocks in coarse:
            self._write_blocks(track, COARSE, blocks)

    def _write_blocks(self, track: Track, level: int, blocks: Blocks) -> None:
        self._connection.many(
            _INSERT_BLOCK,
            zip(
                repeat(track.satellite, len(blocks)),
                repeat(track.layout),
                repeat(track.stored),
                repeat(level),
                blocks.first_id.tolist(),
                blocks.last_id.tolist(),
                blocks.t0.tolist(),
                blocks.t1.tolist(),
                blocks.stats(),
                strict=False,
            ),
        )

    def _write_events(self, events: Sequence[Event], result: AppendResult) -> None:
        if not events:
            return
        result.first_event = self._next_event
        write_events(self._connection, self._next_event, events)
        self._next_event += len(events)
        result.last_event = self._next_event - 1

    def _invalid_of(self, scored: ScoredBatch, batch: FrameBatch, keep: Bools | None) -> Bools:
        if scored.invalid is not None:
            return scored.invalid if keep is None else scored.invalid[keep]
        invalid = np.empty(batch.values.shape, dtype=np.bool_)
        for number, name in enumerate(batch.satellites):
            rows = batch.satellite == number
            invalid[rows] = self._invalid(name, batch.layout, batch.values[rows])
        return invalid

    def _satellite(self, name: str) -> int:
        number = self._satellites.get(name)
        if number is None:
            self._connection.run("INSERT INTO satellite(name) VALUES (?)", (name,))
            number = self._satellites[name] = self._connection.last_rowid()
        return number

    def _layout(self, layout: Layout) -> int:
        number = self._layouts.get(layout.digest)
        if number is None:
            self._connection.run("INSERT INTO layout(digest, body) VALUES (?,?)", (layout.digest, layout.body))
            number = self._layouts[layout.digest] = self._connection.last_rowid()
        return number


def _blobs(batch: FrameBatch) -> Iterable[bytes]:
    width = len(batch.layout) * 8
    if not width:
        return repeat(b"")
    return np.ascontiguousarray(batch.values, dtype="<f8").view(f"V{width}").ravel().tolist()


def _disk_is_full(error: BaseException) -> bool:
    # The shared-memory index of the log cannot grow on a full disk either, and says so in its own way.
    code = getattr(error, "extendedresult", 0)
    return isinstance(error, apsw.FullError) or code in (apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMMAP)
