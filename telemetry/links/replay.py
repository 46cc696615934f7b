"""A recorded CSV file as a source of frames, in the time of the file.

The map is a mission's `[source]` table: which column is the time, what it counts from, which column is
which channel. One row is one frame. `boot` is the generation time of the first row in whole seconds and `seq` the
number of the row, so the same file read twice, or read on after a stop, is stored once.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec
import numpy as np

from telemetry.clock import NS_PER_S, Clock, SystemClock, parse_iso
from telemetry.dictionary import EXACT_INTEGERS, Channel, Mission
from telemetry.frame import FrameBatch, Layout, Quality
from telemetry.plain_text import plain_text

CHUNK = 256
_MARKS = int(Quality.NO_SEQUENCE | Quality.REPLAYED)
_INT64 = 2**63
_MISSING = frozenset({"", "nan", "null", "none", "na", "n/a"})
"""Cells, in lower case, that say a value was not measured: stored as NaN, hence INVALID."""


class ReplayRefused(Exception):
    """The file cannot be replayed with this map; one sentence says why."""


class _Cursor(msgspec.Struct, frozen=True):
    """`files` holds (identity, boot, rows done) of every file replayed into this mission."""

    files: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True)
class _Row:
    seq: int
    t_ns: int
    values: list[float]


class _BadRow(Exception):
    """Why a row is refused: `reason` is counted, `detail` is for the log."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


class ReplaySource:
    """Rows of `file` as frames of the mission's first satellite.

    `speed` is generation seconds per second; with `inf` the file is read as fast as it is stored. `cursor` is what
    the store kept of an earlier replay.

    Raises:
        ReplayRefused: no such file, no CSV header, columns of the map are missing, not one row has a time, or
            another file with the same beginning was replayed into this mission.
    """

    name = "replay"
    live = False

    def __init__(
        self,
        file: Path,
        mission: Mission,
        *,
        speed: float = 1.0,
        cursor: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not speed > 0:
            raise ReplayRefused(f"speed {speed}: allowed: a number above 0, or max")
        self._file = file
        self._speed = speed
        self._clock = clock if clock is not None else SystemClock()
        self._closed = asyncio.Event()
        self.refused: Counter[str] = Counter()
        """Rows that were not delivered, by reason."""
        self.refusals: deque[str] = deque(maxlen=100)
        """The newest refusals with file and line, for a log."""
        self._satellite = mission.satellites[0].name
        self._epoch = mission.source.epoch
        self._time = mission.source.time
        self._read_header(mission)
        self._identity = _identity(file)
        self._known = _read_cursor(cursor)
        self._boot = self._find_boot()
        self._done = 0
        for identity, boot, rows in self._known.files:
            if identity == self._identity:
                self._done = rows
            elif boot == self._boot:
                raise ReplayRefused(
                    f"{file}: another file that begins at the same second was replayed into this mission before;"
                    " give each file an epoch of its own"
                )

    @property
    def rate(self) -> float:
        return self._speed

    def _read_header(self, mission: Mission) -> None:
        if mission.source.kind != "csv":
            raise ReplayRefused('the map needs [source] kind = "csv" with time, epoch and columns')
        try:
            with self._file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
                header = next(csv.reader(text), None)
        except OSError as error:
            raise ReplayRefused(f"{self._file}: cannot be read: {error.strerror}") from error
        except csv.Error as error:
            raise ReplayRefused(f"{self._file}: line 1 is no CSV header: {error}") from error
        if not header:
            raise ReplayRefused(f"{self._file}: the file is empty; its first line must name the columns")
        names = [plain_text(name.strip()) for name in header]
        wanted = dict(mission.source.columns)
        missing = [name for name in (self._time, *wanted.values()) if plain_text(name.strip()) not in names]
        if missing:
            raise ReplayRefused(
                f"{self._file}: no column {', '.join(repr(plain_text(name)) for name in missing)};"
                f" the file has {', '.join(names[:40])}"
            )
        twice = [name for name in (self._time, *wanted.values()) if names.count(plain_text(name.strip())) > 1]
        if twice:
            raise ReplayRefused(f"{self._file}: the column {plain_text(twice[0])!r} is there twice")
        bus = mission.bus_of(self._satellite)
        self._channels: tuple[Channel, ...] = tuple(channel for channel in bus.channels if channel.name in wanted)
        self._places = [names.index(plain_text(wanted[channel.name].strip())) for channel in self._channels]
        self._codes = [{label: float(code) for code, label in channel.enum} for channel in self._channels]
        self._time_place = names.index(plain_text(self._time.strip()))
        self._width = len(names)
        self._layout = _layout(mission, self._satellite, {channel.name for channel in self._channels})

    def _lines(self) -> Iterator[tuple[int, list[str] | csv.Error]]:
        """(line number, cells) of every row after the header; blank lines are no rows."""
        with self._file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
            reader = csv.reader(text)
            next(reader, None)
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield reader.line_num, error
                    continue
                if cells:
                    yield reader.line_num, cells

    def _find_boot(self) -> int:
        for _, cells in self._lines():
            if not isinstance(cells, csv.Error) and len(cells) > self._time_place:
                try:
                    return max(0, _time_ns(cells[self._time_place], self._epoch) // NS_PER_S)
                except _BadRow:
                    continue
        raise ReplayRefused(f"{self._file}: no row has a time in the column {plain_text(self._time)!r}")

    def _rows(self) -> Generator[_Row, None, None]:
        for seq, (line, cells) in enumerate(self._lines()):
            if seq < self._done:
                continue
            try:
                yield self._row(seq, cells)
            except _BadRow as bad:
                self.refused[bad.reason] += 1
                self.refusals.append(plain_text(f"{self._file.name}: line {line}: {bad}"))

    def _row(self, seq: int, cells: list[str] | csv.Error) -> _Row:
        if isinstance(cells, csv.Error):
            raise _BadRow("not CSV", str(cells))
        if len(cells) != self._width:
            raise _BadRow("wrong number of columns", f"{len(cells)} of {self._width}")
        t_ns = _time_ns(cells[self._time_place], self._epoch)
        values = [
            _number(cells[place], codes, channel.name)
            for place, codes, channel in zip(self._places, self._codes, self._channels, strict=True)
        ]
        return _Row(seq, t_ns, values)

    def __aiter__(self) -> AsyncIterator[FrameBatch]:
        return self._batches()

    async def _batches(self) -> AsyncIterator[FrameBatch]:
        waiting: list[_Row] = []
        begun: tuple[float, int] | None = None
        rows = self._rows()
        for row in rows:
            if self._closed.is_set():
                break
            if not math.isinf(self._speed):
                now = self._clock.monotonic()
                begun = begun or (now, row.t_ns)
                due = begun[0] + (row.t_ns - begun[1]) / NS_PER_S / self._speed
                if due > now and waiting:
                    yield self._batch(waiting)
                    waiting = []
                # Storing the batch took time of its own, which is no reason to fall behind the file.
                wait = due - self._clock.monotonic()
                if wait > 0 and not await self._sleep(wait):
                    break
            waiting.append(row)
            if len(waiting) >= CHUNK:
                yield self._batch(waiting)
                waiting = []
                await asyncio.sleep(0)
        rows.close()
        if waiting and not self._closed.is_set():
            yield self._batch(waiting)

    async def _sleep(self, seconds: float) -> bool:
        """Sleep on the injected clock; False when the source was closed meanwhile."""
        sleeping: asyncio.Task[None] = asyncio.create_task(_slept(self._clock, seconds))
        closing = asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait((sleeping, closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            closing.cancel()
            await asyncio.gather(sleeping, closing, return_exceptions=True)
        return not self._closed.is_set()

    def _batch(self, rows: Sequence[_Row]) -> FrameBatch:
        n = len(rows)
        done = rows[-1].seq + 1
        others = tuple(entry for entry in self._known.files if entry[0] != self._identity)
        cursor = _Cursor((*others, (self._identity, self._boot, done)))
        return FrameBatch(
            layout=self._layout,
            satellites=(self._satellite,),
            satellite=np.zeros(n, dtype=np.int64),
            boot=np.full(n, self._boot, dtype=np.int64),
            seq=np.array([row.seq for row in rows], dtype=np.int64),
            t_ns=np.array([row.t_ns for row in rows], dtype=np.int64),
            received_ns=np.full(n, self._clock.now_ns(), dtype=np.int64),
            quality=np.full(n, _MARKS, dtype=np.int64),
            values=np.array([row.values for row in rows], dtype=np.float64).reshape(n, len(self._layout)),
            cursor=msgspec.json.encode(cursor).decode(),
        )

    async def committed(self, batch: FrameBatch) -> None:
        """Nobody upstream waits for a confirmation: the cursor is all there is."""

    async def close(self) -> None:
        self._closed.set()


async def _slept(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)


def _read_cursor(text: str | None) -> _Cursor:
    if text is None:
        return _Cursor()
    try:
        return msgspec.json.decode(text, type=_Cursor)
    except msgspec.DecodeError as error:
        raise ReplayRefused(f"the place reached by an earlier replay cannot be read: {error}") from error


def _identity(file: Path) -> str:
    """SHA-256 (hex) of the file's bytes: the same recording under another name is the same."""
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def _layout(mission: Mission, satellite: str, names: set[str]) -> Layout:
    """The packet that consists of exactly these channels, or one made of them in dictionary order."""
    bus = mission.bus_of(satellite)
    for layout in bus.layouts.values():
        if set(layout.names) == names:
            return layout
    columns = {column.name: column for layout in bus.layouts.values() for column in layout.columns}
    packet = next((packet for packet, layout in bus.layouts.items() if names <= set(layout.names)), "hk")
    return Layout(packet, tuple(columns[channel.name] for channel in bus.channels if channel.name in names))


def _time_ns(cell: str, epoch: str) -> int:
    text = cell.strip()
    if not text:
        raise _BadRow("no time", "the time column is empty")
    try:
        if epoch == "iso":
            return parse_iso(text)
        count = Decimal(text)
        if not count.is_finite():
            raise _BadRow("no time", plain_text(repr(cell), 60))
        scale = NS_PER_S // 1000 if epoch == "unix_ms" else NS_PER_S
        start = 0 if epoch in ("unix", "unix_ms") else parse_iso(epoch)
        t_ns = start + round(count * scale)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise _BadRow("no time", plain_text(repr(cell), 60)) from error
    if not -_INT64 <= t_ns < _INT64:
        raise _BadRow("no time", f"{plain_text(repr(cell), 60)} does not fit in int64 nanoseconds")
    return t_ns


def _number(cell: str, codes: dict[str, float], channel: str) -> float:
    text = cell.strip()
    if text in codes:
        return codes[text]
    if text.lower() in _MISSING:
        return math.nan
    try:
        if "_" in text or not text.isascii():
            raise ValueError(text)
        value = float(text)
    except ValueError as error:
        allowed = f", allowed: a number or {', '.join(codes)}" if codes else ""
        raise _BadRow("not a number", f"{channel}: {plain_text(repr(cell), 60)}{allowed}") from error
    digits = text.lstrip("+-")
    if abs(value) >= EXACT_INTEGERS and digits.isdigit() and (len(digits) > 300 or int(digits) > EXACT_INTEGERS):
        raise _BadRow("integer above 2^53", f"{channel}: {plain_text(repr(cell), 60)}")
    return value
