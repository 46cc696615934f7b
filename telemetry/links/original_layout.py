"""Rows of the original system, `{face, distance_cm, timestamp, signal_strength}` under `/SENSOR_DATA`, as frames.

A row is a frame with the channels of its face, which `[source.faces]` and `[source.strengths]` of mission.toml
name. Rows have no sequence numbers: their boot is the generation time of the first one that was read, their number
the order in which they were read. `timestamp` is ISO-8601 text, without a zone UTC, or seconds or milliseconds of
Unix time.

Their keys come from `push`, so they sort by the clock of whoever pushed. Of two writers one may be a little behind:
the keys read last are kept in the cursor, and a row that turns up between them is read as well.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from telemetry.clock import NS_PER_S, parse_iso
from telemetry.dictionary import DEFAULT_PACKET, EXACT_INTEGERS, Bus, Mission
from telemetry.frame import FrameBatch, Layout, Quality
from telemetry.links.bundles import Bundles
from telemetry.links.firebase_rest import Rest
from telemetry.links.keyed_node import TOO_LARGE, KeyedNode
from telemetry.links.link import LinkReport
from telemetry.links.read_ahead import ReadAhead

MOST_RECENT = 64
MILLISECONDS_FROM = 10**11
"""A time above this is in milliseconds: as seconds it would be in the year 5138."""
_INT64, _U32 = 2**63, 2**32


class _Cursor(msgspec.Struct, frozen=True):
    """Boot of all rows, how many were read, refused ones too, and the keys read last, in order."""

    boot: int
    read: int
    keys: tuple[str, ...]


class _Face(NamedTuple):
    """What a row of one face becomes, and where its two values stand in it; -1: nowhere."""

    layout: Layout
    distance: int
    strength: int


class _Row(NamedTuple):
    face: _Face
    seq: int
    t_ns: int
    values: list[float]


class _BadRow(Exception):
    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class OriginalSource:
    """Follows the original's node. The cursor of a batch says which rows were read.

    Args:
        mission: its first satellite sent the rows; its `source` says where they are and what their faces are.

    Raises:
        ValueError: `cursor` is none of this source.
    """

    name = "firebase"
    live = True
    rate = 1.0

    def __init__(self, rest: Rest, cursor: str | None, mission: Mission) -> None:
        self.refused: Counter[str] = Counter()
        """Rows that were not delivered, by reason."""
        self._rest = rest
        self._satellite = mission.satellites[0].name
        self._faces = _faces(mission)
        self._quality = int(Quality.NO_SEQUENCE) | (int(Quality.SIMULATED) if mission.simulated else 0)
        known = _read_cursor(cursor)
        self._boot: int | None = known.boot if known is not None else None
        self._count = known.read if known is not None else 0
        self._recent: list[str] = list(known.keys) if known is not None else []
        self._health = rest.health()
        self._node = KeyedNode(rest, mission.source.node, self._start, self._health)
        self._ahead = ReadAhead(self._read)

    @property
    def report(self) -> LinkReport:
        """How the link is now."""
        return self._health.report

    def _start(self) -> str:
        return self._recent[0] if self._recent else ""

    def __aiter__(self) -> AsyncIterator[FrameBatch]:
        return self._ahead.batches()

    async def _read(self, bundles: Bundles) -> None:
        async with aclosing(self._node.arrivals()) as everything:
            async for arrivals in everything:
                rows = self._rows(arrivals.items)
                if rows and self._boot is not None:
                    cursor = _Cursor(self._boot, self._count, tuple(self._recent))
                    batches = self._batches(rows, self._boot)
                    await bundles.put(batches, msgspec.json.encode(cursor).decode())

    def _rows(self, items: list[tuple[str, Any]]) -> list[_Row]:
        rows: list[_Row] = []
        recent = set(self._recent)
        for key, value in items:
            if key in recent or (self._recent and key < self._recent[0]):
                continue
            recent.add(key)
            seq, self._count = self._count, self._count + 1
            try:
                row = self._row(seq, value)
            except _BadRow as bad:
                self.refused[bad.reason] += 1
                continue
            if self._boot is None:
                self._boot = min(max(0, row.t_ns // NS_PER_S), _U32 - 1)
            rows.append(row)
        self._recent = sorted(recent)[-MOST_RECENT:]
        return rows

    def _row(self, seq: int, value: object) -> _Row:
        if value is TOO_LARGE or not isinstance(value, dict):
            raise _BadRow("no row")
        row = cast("dict[str, object]", value)
        named = row.get("face")
        face = self._faces.get(named) if isinstance(named, str) else None
        if face is None:
            raise _BadRow("unknown face")
        values = [math.nan] * len(face.layout)
        for place, name in ((face.distance, "distance_cm"), (face.strength, "signal_strength")):
            if place >= 0:
                values[place] = _number(row.get(name), name)
        return _Row(face, seq, _time_ns(row.get("timestamp")), values)

    def _batches(self, rows: list[_Row], boot: int) -> list[FrameBatch]:
        """Batches of one layout each, in the order in which the rows were read."""
        now = self._rest.clock.now_ns()
        groups: dict[str, list[_Row]] = {}
        for row in rows:
            groups.setdefault(row.face.layout.digest, []).append(row)
        return [
            FrameBatch(
                layout=some[0].face.layout,
                satellites=(self._satellite,),
                satellite=np.zeros(len(some), dtype=np.int64),
                boot=np.full(len(some), boot, dtype=np.int64),
                seq=np.array([row.seq for row in some], dtype=np.int64),
                t_ns=np.array([row.t_ns for row in some], dtype=np.int64),
                received_ns=np.full(len(some), now, dtype=np.int64),
                quality=np.full(len(some), self._quality, dtype=np.int64),
                values=np.array([row.values for row in some], dtype=np.float64),
            )
            for some in groups.values()
        ]

    async def committed(self, batch: FrameBatch) -> None:
        """Nobody upstream waits for a confirmation: the cursor is all there is."""

    async def close(self) -> None:
        """Stop reading; the iterator ends."""
        await self._ahead.close()


def _read_cursor(text: str | None) -> _Cursor | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=_Cursor)
    except msgspec.DecodeError:
        raise ValueError("the cursor in the store was not left by rows of the original's layout") from None


def _faces(mission: Mission) -> dict[str, _Face]:
    """Face -> its layout: the channels that mission.toml gives it, in dictionary order."""
    bus = mission.bus_of(mission.satellites[0].name)
    distances = {face: channel for channel, face in mission.source.faces}
    strengths = {face: channel for channel, face in mission.source.strengths}
    found: dict[str, _Face] = {}
    for face in dict.fromkeys((*distances, *strengths)):
        layout = _layout(bus, {distances.get(face, ""), strengths.get(face, "")} - {""})
        places = layout.positions
        found[face] = _Face(
            layout, places.get(distances.get(face, ""), -1), places.get(strengths.get(face, ""), -1)
        )
    return found


def _layout(bus: Bus, names: set[str]) -> Layout:
    """The packet that consists of exactly these channels, or one made of them in dictionary order."""
    columns = {column.name: column for layout in bus.layouts.values() for column in layout.columns}
    for layout in bus.layouts.values():
        if set(layout.names) == names:
            return layout
    holding = (packet for packet, layout in bus.layouts.items() if names <= set(layout.names))
    packet = next(holding, DEFAULT_PACKET)
    return Layout(packet, tuple(columns[channel.name] for channel in bus.channels if channel.name in names))


def _number(value: object, name: str) -> float:
    """A number of a row; one that is not there was sent and is INVALID, as null is."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadRow(f"{name} is no number")
    if isinstance(value, int) and abs(value) > EXACT_INTEGERS:
        raise _BadRow("integer above 2^53")
    return float(value)


def _time_ns(value: object) -> int:
    if isinstance(value, str):
        try:
            return parse_iso(value)
        except ValueError:
            raise _BadRow("no time") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _BadRow("no time")
    unit = NS_PER_S // 1000 if value >= MILLISECONDS_FROM else NS_PER_S
    # As it was written: 0.1 s of a float near 1.8e9 would be 0.0999999 s.
    t_ns = round(Decimal(repr(value)) * unit)
    if t_ns >= _INT64:
        raise _BadRow("no time")
    return t_ns
