"""The rows a model is trained on, read from the mission store and kept up to date.

The window is the newest twelve hours and, while it is not older than a day, the beginning of the mission: the anchor,
so that what was normal at first is not forgotten while the window moves on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from telemetry.clock import iso
from telemetry.dictionary import Mission
from telemetry.frame import Float64s, Int64s, Layout
from telemetry.query import parse
from telemetry.store.reader import StoreReader
from trainer.window import PacketRows, Window, make_window, packet_rows

HOUR_NS = 3_600_000_000_000
NEWEST_NS = 12 * HOUR_NS
ANCHOR_NS = 5 * HOUR_NS
ANCHOR_AGE_NS = 24 * HOUR_NS
LATE_NS = HOUR_NS // 6

Spans = tuple[tuple[int, int], ...]
"""Stretches of generation time, first and last ns inclusive."""


@dataclass(slots=True)
class _Columns:
    layout: Layout
    ids: list[Int64s] = field(default_factory=list[Int64s])
    t_ns: list[Int64s] = field(default_factory=list[Int64s])
    boot: list[Int64s] = field(default_factory=list[Int64s])
    values: list[Float64s] = field(default_factory=list[Float64s])
    state: list[Int64s] = field(default_factory=list[Int64s])
    score: list[Float64s] = field(default_factory=list[Float64s])
    model: list[Int64s] = field(default_factory=list[Int64s])

    def joined(self) -> tuple[Int64s, Int64s, Int64s, Float64s, Int64s, Float64s, Int64s]:
        lists = (self.ids, self.t_ns, self.boot, self.values, self.state, self.score, self.model)
        for parts in lists:
            if len(parts) > 1:
                parts[:] = [np.concatenate(parts)]  # type: ignore[list-item]
        return (
            self.ids[0],
            self.t_ns[0],
            self.boot[0],
            self.values[0],
            self.state[0],
            self.score[0],
            self.model[0],
        )


class StoredRows:
    """The rows of one satellite that the next model may be trained on."""

    def __init__(self, reader: StoreReader, mission: Mission, satellite: str) -> None:
        self._reader = reader
        self._mission = mission
        self.satellite = satellite
        self._columns: dict[str, _Columns] = {}
        self._newest_id = 0
        self._newest_ns: int | None = None
        self._first_ns: int | None = None

    @property
    def newest_ns(self) -> int | None:
        """Generation time of the newest row read."""
        return self._newest_ns

    def refresh(self) -> None:
        """Read what was stored since the last time. Rows older than ten minutes before the newest are not noticed."""
        newest = [frame.t_ns for frame in self._reader.newest_any(self.satellite).values()]
        if not newest:
            return
        if self._newest_ns is None:
            for chunk in self._reader.rows_from(parse(f"satellite = {self.satellite}", self._mission), 1):
                self._first_ns = int(chunk.t_ns[0])
            for span in self.spans(max(newest)):
                self._read(*span)
        else:
            self._read(self._newest_ns - LATE_NS, max(newest))
        self._newest_ns = max(newest)

    def spans(self, newest_ns: int) -> Spans:
        """What belongs to the window when `newest_ns` is the newest row."""
        recent = (newest_ns - NEWEST_NS, newest_ns)
        first = self._first_ns
        if first is None or first < newest_ns - ANCHOR_AGE_NS or first >= recent[0]:
            return (recent,)
        return (first, min(first + ANCHOR_NS, recent[0] - 1)), recent

    def _read(self, t0_ns: int, t1_ns: int) -> None:
        newest_id = self._newest_id
        for layout, part in _chunks(self._reader, self._mission, self.satellite, t0_ns, t1_ns):
            new = part[0] > self._newest_id
            if not new.any():
                continue
            columns = self._columns.setdefault(layout.digest, _Columns(layout))
            for into, values in zip(_lists(columns), part, strict=True):
                into.append(values[new])
            newest_id = max(newest_id, int(part[0].max()))
        self._newest_id = newest_id

    def window(self) -> Window | None:
        """The window as of the last `refresh`; None while there is no row."""
        if self._newest_ns is None:
            return None
        spans = self.spans(self._newest_ns)
        packets: list[PacketRows] = []
        bus = self._mission.bus_of(self.satellite)
        for columns in self._columns.values():
            joined = columns.joined()
            inside = _inside(joined[1], spans)
            if not inside.all():
                for into, values in zip(_lists(columns), joined, strict=True):
                    into[:] = [values[inside]]
                joined = columns.joined()
            ids, t_ns, boot, values, state, _, _ = joined
            packets.append(packet_rows(bus, columns.layout, ids, t_ns, boot, values, state))
        return make_window(self.satellite, bus, packets, spans)

    def accepted_after(self, t_ns: int) -> int:
        """Rows of the busiest packet after `t_ns` that no model flagged."""
        return max((int(((c.t_ns > t_ns) & (c.state == 0)).sum()) for c in self._scored()), default=0)

    def busiest(self) -> int:
        """Rows of the packet that has most."""
        return max((len(c.t_ns) for c in self._scored()), default=0)

    def judged_after(self, t_ns: int, model: int) -> tuple[Float64s, float]:
        """Row scores that `model` gave to unflagged rows of the busiest packet after `t_ns`, and the share flagged
        by any model of all rows after it."""
        best = np.empty(0)
        flagged = rows = 0
        for c in self._scored():
            after = c.t_ns > t_ns
            flagged += int((after & (c.state > 0)).sum())
            rows += int(after.sum())
            mine = c.score[after & (c.state == 0) & (c.model == model)]
            best = mine if len(mine) > len(best) else best
        return best, flagged / rows if rows else 0.0

    def _scored(self) -> list[_Scored]:
        found: list[_Scored] = []
        for columns in self._columns.values():
            _, t_ns, _, _, state, score, model = columns.joined()
            found.append(_Scored(t_ns, state, score, model))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    t_ns: Int64s
    state: Int64s
    score: Float64s
    model: Int64s


def read_window(reader: StoreReader, mission: Mission, satellite: str, spans: Spans, last_id: int) -> Window:
    """The window a manifest names: its spans, without rows stored after it was made."""
    groups: dict[str, _Columns] = {}
    for t0_ns, t1_ns in spans:
        for layout, part in _chunks(reader, mission, satellite, t0_ns, t1_ns):
            old = part[0] <= last_id
            columns = groups.setdefault(layout.digest, _Columns(layout))
            for into, values in zip(_lists(columns), part, strict=True):
                into.append(values[old])
    bus = mission.bus_of(satellite)
    packets = [packet_rows(bus, columns.layout, *columns.joined()[:5]) for columns in groups.values()]
    return make_window(satellite, bus, packets, spans)


_Part = tuple[Int64s, Int64s, Int64s, Float64s, Int64s, Float64s, Int64s]


def _chunks(
    reader: StoreReader, mission: Mission, satellite: str, t0_ns: int, t1_ns: int
) -> list[tuple[Layout, _Part]]:
    text = f"satellite = {satellite} and time >= {iso(t0_ns)} and time <= {iso(t1_ns)}"
    found: list[tuple[Layout, _Part]] = []
    for chunk in reader.rows_from(parse(text, mission)):
        position = {name: i for i, name in enumerate(chunk.channels)}
        for index, layout in enumerate(chunk.layouts):
            rows = np.flatnonzero(chunk.layout == index)
            if len(rows):
                columns = [position[name] for name in layout.names]
                part = (
                    chunk.id[rows],
                    chunk.t_ns[rows],
                    chunk.boot[rows],
                    chunk.values[np.ix_(rows, columns)],
                    chunk.state[rows],
                    chunk.score[rows],
                    chunk.model[rows],
                )
                found.append((layout, part))
    return found


def _lists(columns: _Columns) -> tuple[list[Int64s] | list[Float64s], ...]:
    return columns.ids, columns.t_ns, columns.boot, columns.values, columns.state, columns.score, columns.model


def _inside(t_ns: Int64s, spans: Spans) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    inside = np.zeros(len(t_ns), dtype=np.bool_)
    for t0_ns, t1_ns in spans:
        inside |= (t_ns >= t0_ns) & (t_ns <= t1_ns)
    return inside
