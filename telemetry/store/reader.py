"""Everything a console, a trainer or an export may ask of a mission store.

A reader never writes, never keeps a transaction open between two calls (an open one stops checkpoints and the log
grows without end), and pages by key, never by offset. One instance is one connection: use it from one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import msgspec
import numpy as np

from telemetry.alarms import Event
from telemetry.frame import Float64s, Frame, FrameBatch, Int64s, Layout, Quality, supersedes
from telemetry.store import fleet, schema, series
from telemetry.store.catalog import Catalog
from telemetry.store.connection import open_reader
from telemetry.store.errors import StoreError, StoreRefused
from telemetry.store.recorded import EVENT, RUN, event_of, run_of, run_of_version
from telemetry.store.rows import (
    ContactRow,
    HealthRow,
    InvalidRule,
    Key,
    LedgerRow,
    Page,
    RunRow,
    Scores,
    SelectionChunk,
    Series,
    nan_is_invalid,
)

if TYPE_CHECKING:
    from telemetry.query import Query
    from telemetry.store.flagged import Flagged
    from telemetry.store.judged import JudgedRows
    from telemetry.store.publication import Outgoing
    from telemetry.store.run_page import Runs

_FRAME = "id, satellite, boot, seq, t_ns, received_ns, quality, layout, v"


class StoreReader:
    """A read-only view of the store at `path`. `invalid` tells which values are INVALID (default: NaN only).

    Raises:
        StoreRefused: there is no store, it is newer or older than this program, or no mission store at all.
    """

    def __init__(self, path: Path, invalid: InvalidRule = nan_is_invalid) -> None:
        self.path = path
        self._connection = open_reader(path)
        try:
            found = schema.check_version(self._connection, path)
            if found < schema.SCHEMA_VERSION:
                raise StoreRefused(
                    f"{path}: the store has schema {found}: start the station once, it brings it to"
                    f" {schema.SCHEMA_VERSION} after making a copy"
                )
        except BaseException:
            self._connection.close()
            raise
        self._catalog = Catalog(self._connection, invalid)

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._connection.close()

    def data_version(self) -> int:
        """Changes whenever another connection has committed; costs microseconds."""
        # The PRAGMA and not Connection.data_version(), which sees a foreign commit only after the next read.
        return int(self._connection.value("PRAGMA data_version"))

    def satellites(self) -> tuple[str, ...]:
        """Names of all satellites that ever sent a frame or were described."""
        return tuple(self._catalog.satellites().values())

    def layouts(self) -> tuple[Layout, ...]:
        """All layouts ever stored, oldest first."""
        return tuple(self._catalog.layouts().values())

    def newest(self, satellite: str) -> dict[str, Frame]:
        """Packet -> its newest frame that was not STORED: only such a frame is live.

        Newest by boot and sequence number, by generation time where the satellite sends none.
        """
        return self._newest(satellite, stored=False)

    def newest_any(self, satellite: str) -> dict[str, Frame]:
        """Packet -> its newest frame, the later of the newest live and the newest STORED one."""
        return self._newest(satellite, stored=True)

    def newest_at(self, satellite: str, t_ns: int) -> dict[str, Frame]:
        """Packet -> its newest frame made at or before `t_ns`, STORED or not, whenever it came down."""
        from telemetry.store import moment

        with self._catalog.snapshot():
            return moment.newest_at(self._catalog, satellite, t_ns)

    def first_ns(self, satellite: str) -> int | None:
        """Generation time of its oldest frame, None before the first."""
        from telemetry.store import moment

        return moment.first_ns(self._catalog, satellite)

    def heard(self) -> dict[str, fleet.Heard]:
        """Satellite -> when it was heard live last, for all satellites at once."""
        return fleet.heard(self._connection)

    def promotions(self, after_id: int = 0) -> list[fleet.Promotion]:
        """Promoted runs of all satellites recorded after the run `after_id`, oldest first."""
        return fleet.promotions(self._connection, after_id)

    def put_by_hand(self, after_id: int = 0) -> list[fleet.Promotion]:
        """What operators promoted or rolled back to after the journal row `after_id`, oldest first."""
        return fleet.put_by_hand(self._connection, after_id)

    def newest_of_layouts(self, satellite: str) -> list[Frame]:
        """The newest frame of each layout that was not STORED, the oldest first: a channel that is no longer sent
        in a packet is in none but an older one."""
        with self._catalog.snapshot():
            return sorted(self._newest_by_track(satellite, stored=False), key=lambda frame: frame.received_ns)

    def _newest(self, satellite: str, stored: bool) -> dict[str, Frame]:
        frames: dict[str, Frame] = {}
        with self._catalog.snapshot():
            for frame in self._newest_by_track(satellite, stored=stored):
                before = frames.get(frame.layout.packet)
                if before is None or _is_newer(frame, before):
                    frames[frame.layout.packet] = frame
        return frames

    def _newest_by_track(self, satellite: str, *, stored: bool) -> Iterator[Frame]:
        number = self._catalog.satellite(satellite)
        for track in self._catalog.tracks(number) if number is not None else ():
            if track.stored and not stored:
                continue
            row = self._connection.one(f"SELECT {_FRAME} FROM frame WHERE id = ?", (track.newest,))
            if row is not None:
                layout = self._catalog.layout(row[7])
                values = np.frombuffer(row[8], dtype="<f8")
                yield Frame(satellite, row[2], row[3], row[4], row[5], row[6], layout, values)

    def tail(self, satellite: str, packet: str, n: int) -> FrameBatch | None:
        """The newest n frames of a packet by generation time, oldest first, or None when there is none.

        Where the packet's layout changed in time, only frames of the newest layout.
        """
        with self._catalog.snapshot():
            return series.tail(self._catalog, satellite, packet, n)

    def series(self, satellite: str, channel: str, t0_ns: int, t1_ns: int, bins: int) -> Series:
        """One channel over [t0_ns, t1_ns) in about `bins` bins (one more where an edge falls inside a bin).

        Bins are anchored to absolute time: for one span and one number of bins a frame falls into the same bin
        whatever the edges are, so a running plot does not shimmer. The lowest and the highest valid value of each
        bin are exact. A channel or satellite nobody ever sent gives empty bins.

        Raises:
            ValueError: `t1_ns` is not after `t0_ns`, or `bins` is below 1.
        """
        with self._catalog.snapshot():
            return series.series(self._catalog, satellite, channel, (t0_ns, t1_ns), bins)

    def flagged(self, satellite: str, channel: str, t0_ns: int, t1_ns: int, bins: int) -> Flagged:
        """Rows over [t0_ns, t1_ns) that a model flagged, of the packets that carry `channel`, in `bins` bins.

        Raises:
            ValueError: `t1_ns` is not after `t0_ns`, or `bins` is below 1.
        """
        from telemetry.store import flagged

        with self._catalog.snapshot():
            return flagged.flagged(self._catalog, satellite, channel, (t0_ns, t1_ns), bins)

    def window(
        self, satellite: str, channels: Sequence[str], t0_ns: int, t1_ns: int, max_rows: int = 100_000
    ) -> tuple[Int64s, Float64s, Int64s]:
        """Rows in [t0_ns, t1_ns) as sent: (t_ns[n], values[n, len(channels)], ids[n]), oldest first.

        Rows are those of the packets that carry any of `channels`; NaN where a packet does not carry one. When
        there are more than `max_rows` the newest are given.
        """
        with self._catalog.snapshot():
            return series.window(self._catalog, satellite, channels, (t0_ns, t1_ns), max_rows)

    def page(
        self, query: Query | None = None, before: Key | None = None, after: Key | None = None, limit: int = 50
    ) -> Page:
        """At most `limit` ledger rows, newest first: the newest of all, those before a key, or those after one.

        Raises:
            ValueError: both `before` and `after` are given, or `limit` is below 1.
        """
        # Here and below: what only some screens ask is not paid for by the first paint.
        from telemetry.store import ledger

        with self._catalog.snapshot():
            return ledger.page(self._catalog, query, before, after, limit)

    def frame_row(self, frame_id: int) -> LedgerRow | None:
        """The ledger row with this id, or None."""
        from telemetry.store import ledger

        with self._catalog.snapshot():
            return ledger.row(self._catalog, frame_id)

    def frame_id(self, satellite: str, boot: int, seq: int) -> int | None:
        """The id of the frame that a satellite made as `seq` of `boot`, or None."""
        found = self._connection.value(
            "SELECT f.id FROM frame f JOIN satellite s ON s.id = f.satellite"
            " WHERE s.name = ? AND f.boot = ? AND f.seq = ?",
            (satellite, boot, seq),
        )
        return None if found is None else int(found)

    def rows_from(
        self, query: Query | None = None, limit: int | None = None, chunk: int = 8192
    ) -> Iterator[SelectionChunk]:
        """The whole selection, oldest first by (generation time, id), in chunks of about `chunk` rows.

        Each chunk is read on its own: no transaction stays open while the caller writes it away. Frames stored
        after the call began are left out, so an export of a running mission ends.
        """
        from telemetry.store import selection

        return selection.rows_from(self._catalog, query, limit, chunk)

    def judged_between(self, satellite: str, t0_ns: int, t1_ns: int) -> Iterator[JudgedRows]:
        """Rows of a satellite in [t0_ns, t1_ns], oldest first, in chunks of one layout each."""
        from telemetry.store import judged

        return judged.between(self._catalog, satellite, t0_ns, t1_ns)

    def judged_after(self, satellite: str, frame_id: int) -> Iterator[JudgedRows]:
        """Rows of a satellite stored after the frame `frame_id`, whatever their time, in chunks of one layout each.

        What was recorded on board hours ago and stored a moment ago is among them.
        """
        from telemetry.store import judged

        return judged.after(self._catalog, satellite, frame_id)

    def journal(self, after_id: int = 0, limit: int = 10_000) -> list[Event]:
        """Events as they were written, from the one after `after_id`: what the alarm state is folded of."""
        rows = self._connection.rows(
            f"SELECT {EVENT} FROM journal WHERE id > ? ORDER BY id LIMIT ?", (after_id, limit)
        )
        return [event_of(row) for row in rows]

    def journal_page(
        self,
        before_id: int | None = None,
        min_severity: int = -1,
        limit: int = 50,
        kind: str = "",
        satellite: str | None = None,
        without: str = "",
    ) -> list[Event]:
        """Events newest first, of at least a severity and, where `kind` is given, of kinds that begin with it.

        With a `satellite` its own and those of no satellite at all. Events of the kind `without` are left out.
        """
        before = before_id if before_id is not None else 2**62
        # Of any kind: down the ids. By the index of kinds all of the journal would be read and sorted.
        by_id = "" if kind else "NOT INDEXED"
        rows = self._connection.rows(
            f"SELECT {EVENT} FROM journal {by_id} WHERE id < ? AND severity >= ?"
            " AND kind >= ? AND kind < ? || char(1114111) AND (? IS NULL OR satellite IN (?, ''))"
            " AND kind <> ? ORDER BY id DESC LIMIT ?",
            (before, min_severity, kind, kind, satellite, satellite, without, limit),
        )
        return [event_of(row) for row in rows]

    def event_beside(self, kind: str, satellite: str, at_ns: int, *, later: bool) -> Event | None:
        """The first event of a kind and a satellite after `at_ns`, or the last one before it."""
        beside, order = (">", "ASC") if later else ("<", "DESC")
        row = self._connection.one(
            f"SELECT {EVENT} FROM journal INDEXED BY journal_kind WHERE kind = ? AND satellite = ?"
            f" AND at_ns {beside} ? ORDER BY at_ns {order}, id LIMIT 1",
            (kind, satellite, at_ns),
        )
        return None if row is None else event_of(row)

    def gaps(self, satellite: str, t0_ns: int, t1_ns: int) -> list[tuple[int, int]]:
        """Times without frames that overlap [t0_ns, t1_ns), from the `gap.found` events of the journal."""
        rows = self._connection.rows(
            "SELECT body FROM journal WHERE kind = 'gap.found' AND satellite = ? ORDER BY id", (satellite,)
        )
        found: list[tuple[int, int]] = []
        for (text,) in rows:
            body = msgspec.json.decode(text, type=_GapBody)
            if body.t0_ns < t1_ns and body.t1_ns > t0_ns:
                found.append((body.t0_ns, body.t1_ns))
        return sorted(found)

    def runs(
        self,
        before_id: int | None = None,
        limit: int = 50,
        satellite: str | None = None,
        until_ns: int | None = None,
    ) -> list[RunRow]:
        """Considered fits, newest first; with a `satellite` its own and those that name none.

        With `until_ns` those recorded by then.
        """
        rows = self._connection.rows(
            f"SELECT {RUN} FROM run WHERE id < ? AND at_ns <= ?"
            " AND (? IS NULL OR satellite IS NULL OR satellite = ?) ORDER BY id DESC LIMIT ?",
            (
                2**62 if before_id is None else before_id,
                2**63 - 1 if until_ns is None else until_ns,
                satellite,
                satellite,
                limit,
            ),
        )
        return [run_of(row) for row in rows]

    def run_of_version(self, version: int, satellite: str) -> RunRow | None:
        """The newest run of `satellite`, or of none, whose model has this version."""
        return run_of_version(self._connection, version, satellite)

    def contacts(self, t0_ns: int, t1_ns: int, satellite: str | None = None) -> list[ContactRow]:
        """Predicted passes that overlap [t0_ns, t1_ns), by acquisition."""
        rows = self._connection.rows(
            "SELECT satellite, station, acquisition_ns, loss_ns, max_el FROM contact"
            " WHERE acquisition_ns < ? AND loss_ns > ? AND (? IS NULL OR satellite = ?) ORDER BY acquisition_ns",
            (t1_ns, t0_ns, satellite, satellite),
        )
        return [
            ContactRow(satellite=row[0], station=row[1], acquisition_ns=row[2], loss_ns=row[3], max_el_deg=row[4])
            for row in rows
        ]

    def health(self) -> HealthRow | None:
        """The newest heartbeat of a station, or None when none ever ran."""
        row = self._connection.one(
            "SELECT station, beat_ns, next_retrain_ns, body FROM health ORDER BY beat_ns DESC LIMIT 1"
        )
        if row is None:
            return None
        return HealthRow(station=row[0], beat_ns=row[1], next_retrain_ns=row[2], body=msgspec.json.decode(row[3]))

    def cursor(self, link: str, stream: str = "frames") -> str | None:
        """The cursor committed last for a source, or None."""
        found = self._connection.value("SELECT value FROM cursor WHERE link = ? AND stream = ?", (link, stream))
        return None if found is None else str(found)

    def cursors(self) -> dict[str, str]:
        """Source name -> the cursor committed last."""
        return dict(self._connection.rows("SELECT link, value FROM cursor WHERE stream = 'frames'"))

    def frames_accepted(self) -> int:
        """How many frames were ever accepted; ids have no holes."""
        return int(self._connection.value("SELECT ifnull(max(id), 0) FROM frame"))

    def store_bytes(self) -> int:
        """Size of the database without its log, asked of SQLite: the file itself must not be opened."""
        pages = int(self._connection.value("PRAGMA page_count"))
        return pages * int(self._connection.value("PRAGMA page_size"))

    def scores(
        self, satellite: str, n: int | None = None, t0_ns: int | None = None, t1_ns: int | None = None
    ) -> Scores:
        """Scored rows in [t0_ns, t1_ns) (open where None), the newest n of them, oldest first."""
        with self._catalog.snapshot():
            return series.scores(self._catalog, satellite, n, t0_ns, t1_ns)

    @cached_property
    def considered(self) -> Runs:
        """Considered fits, filtered, ordered and paged."""
        from telemetry.store.run_page import Runs

        return Runs(self._connection)

    @cached_property
    def outgoing(self) -> Outgoing:
        """What of this store goes into a link."""
        from telemetry.store.publication import Outgoing

        return Outgoing(self._catalog)

    def integrity(self) -> str:
        """`ok`, or what SQLite's quick check found."""
        try:
            rows = self._connection.rows("PRAGMA quick_check")
        except apsw.CorruptError as error:
            return str(error)
        return "; ".join(str(row[0]) for row in rows)

    def backup(self, destination: Path) -> None:
        """Copy the store while it is being written, whole, as it is at one moment.

        Raises:
            StoreError: the destination exists.
        """
        if destination.exists():
            raise StoreError(f"{destination}: exists already; a backup never overwrites")
        self._connection.copy_to(destination)


def _is_newer(frame: Frame, before: Frame) -> bool:
    if (frame.quality | before.quality) & Quality.STORED:
        return frame.t_ns >= before.t_ns
    return supersedes(frame.place, frame.t_ns, before.place, before.t_ns)


class _GapBody(msgspec.Struct):
    t0_ns: int
    t1_ns: int
