"""The rows a model is trained on, read from the mission store and kept up to date.

The window is the newest twelve hours and, while it is not older than a day, the beginning of the mission: the
anchor, so that what was normal at first is not forgotten while the window moves on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from telemetry.clock import iso
from telemetry.dictionary import Bus, Mission
from telemetry.frame import Float64s, Int64s, Layout
from telemetry.query import parse
from telemetry.store.reader import StoreReader
from trainer.window import PacketRows, Window, make_window, packet_rows

HOUR_NS = 3_600_000_000_000
NEWEST_NS = 12 * HOUR_NS
ANCHOR_NS = 5 * HOUR_NS
ANCHOR_AGE_NS = 24 * HOUR_NS
LATE_NS = HOUR_NS // 6

Bools = npt.NDArray[np.bool_]

Spans = tuple[tuple[int, int], ...]
"""Stretches of generation time, first and last ns inclusive."""


class _Part(NamedTuple):
    """Rows of one layout as columns."""

    ids: Int64s
    t_ns: Int64s
    boot: Int64s
    values: Float64s
    state: Int64s
    score: Float64s
    model: Int64s

    def take(self, rows: Bools) -> _Part:
        return _Part(
            self.ids[rows],
            self.t_ns[rows],
            self.boot[rows],
            self.values[rows],
            self.state[rows],
            self.score[rows],
            self.model[rows],
        )


@dataclass(slots=True)
class _Columns:
    """Rows of one layout in the pieces they were read in."""

    layout: Layout
    parts: list[_Part] = field(default_factory=list[_Part])

    def joined(self) -> _Part:
        if len(self.parts) > 1:
            parts = self.parts
            self.parts = [
                _Part(
                    np.concatenate([part.ids for part in parts]),
                    np.concatenate([part.t_ns for part in parts]),
                    np.concatenate([part.boot for part in parts]),
                    np.concatenate([part.values for part in parts]),
                    np.concatenate([part.state for part in parts]),
                    np.concatenate([part.score for part in parts]),
                    np.concatenate([part.model for part in parts]),
                )
            ]
        return self.parts[0]

    def rows(self, bus: Bus) -> PacketRows:
        part = self.joined()
        return packet_rows(bus, self.layout, part.ids, part.t_ns, part.boot, part.values, part.state)


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
        """Read what was stored since the last time. Rows more than ten minutes older than that are not noticed."""
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
            new = part.ids > self._newest_id
            if not new.any():
                continue
            self._columns.setdefault(layout.digest, _Columns(layout)).parts.append(part.take(new))
            newest_id = max(newest_id, int(part.ids.max()))
        self._newest_id = newest_id

    def window(self) -> Window | None:
        """The window as of the last `refresh`; None while there is no row."""
        if self._newest_ns is None:
            return None
        spans = self.spans(self._newest_ns)
        packets: list[PacketRows] = []
        bus = self._mission.bus_of(self.satellite)
        for columns in self._columns.values():
            part = columns.joined()
            inside = _inside(part.t_ns, spans)
            if not inside.all():
                columns.parts = [part.take(inside)]
            packets.append(columns.rows(bus))
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

    def _scored(self) -> list[_Part]:
        return [columns.joined() for columns in self._columns.values()]


def read_window(reader: StoreReader, mission: Mission, satellite: str, spans: Spans, last_id: int) -> Window:
    """The window a manifest names: its spans, without rows stored after it was made."""
    groups: dict[str, _Columns] = {}
    for t0_ns, t1_ns in spans:
        for layout, part in _chunks(reader, mission, satellite, t0_ns, t1_ns):
            columns = groups.setdefault(layout.digest, _Columns(layout))
            columns.parts.append(part.take(part.ids <= last_id))
    bus = mission.bus_of(satellite)
    return make_window(satellite, bus, [columns.rows(bus) for columns in groups.values()], spans)


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
                part = _Part(
                    chunk.id[rows],
                    chunk.t_ns[rows],
                    chunk.boot[rows],
                    chunk.values[rows][:, columns],
                    chunk.state[rows],
                    chunk.score[rows],
                    chunk.model[rows],
                )
                found.append((layout, part))
    return found


def _inside(t_ns: Int64s, spans: Spans) -> Bools:
    inside = np.zeros(len(t_ns), dtype=np.bool_)
    for t0_ns, t1_ns in spans:
        inside |= (t_ns >= t0_ns) & (t_ns <= t1_ns)
    return inside
