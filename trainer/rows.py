"""The rows a model is trained on, read from the mission store and kept up to date.

The window is the newest twelve hours and the anchor: the beginning of the mission, or of what an operator released
it for. The anchor stays in every window, so that what was normal at first is not forgotten while the window moves
on, and nothing that creeps in slowly becomes the only thing there is to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from telemetry.dictionary import Bus, Mission
from telemetry.frame import Float64s, Int64s
from telemetry.query import parse
from telemetry.store.judged import JudgedRows, joined
from telemetry.store.reader import StoreReader
from trainer.acceptances import Acceptance, ActsOnRows
from trainer.window import PacketRows, Window, make_window, packet_rows

HOUR_NS = 3_600_000_000_000
NEWEST_NS = 12 * HOUR_NS
ANCHOR_NS = 5 * HOUR_NS
"""At least: three orbits near the Earth."""
ANCHOR_ORBITS = 3
ANCHOR_ROWS = 1000
"""Of the busiest packet, where there is no orbit."""

ACCEPTED_NS = 24 * HOUR_NS
"""What operators accepted stays in the window, the newest acts first, up to so much."""

Bools = npt.NDArray[np.bool_]

Spans = tuple[tuple[int, int], ...]
"""Stretches of generation time, first and last ns inclusive."""


@dataclass(slots=True)
class _Columns:
    """Rows of one layout in the pieces they were read in."""

    parts: list[JudgedRows] = field(default_factory=list[JudgedRows])

    def joined(self) -> JudgedRows:
        self.parts = [joined(self.parts)]
        return self.parts[0]

    def rows(self, bus: Bus, acceptances: Sequence[Acceptance]) -> PacketRows:
        part = self.joined()
        return packet_rows(
            bus, part.layout, part.ids, part.t_ns, part.boot, part.values, part.state, part.score, acceptances
        )


class StoredRows:
    """The rows of one satellite that the next model may be trained on.

    New is what was stored since, not what is younger: what a satellite recorded comes hours later.
    """

    def __init__(self, reader: StoreReader, mission: Mission, satellite: str) -> None:
        self._reader = reader
        self._mission = mission
        self.satellite = satellite
        self._columns: dict[str, _Columns] = {}
        self._newest_id = 0
        self._newest_ns: int | None = None
        self._first_ns: int | None = None
        self._anchor_ns = _anchor_ns(mission, satellite)
        self.acts = ActsOnRows(satellite)
        """What operators declared nominal."""

    @property
    def newest_id(self) -> int:
        """Every row up to this store id has been read, as far as it belongs to the window."""
        return self._newest_id

    def refresh(self) -> None:
        """Read what was stored since the last time, and what operators have declared nominal since."""
        if self.acts.refresh(self._reader):
            # They may name rows that were let go of.
            self._columns.clear()
            self._newest_ns = self._first_ns = None
        accepted = self._reader.frames_accepted()
        if self._newest_ns is None:
            newest = [frame.t_ns for frame in self._reader.newest_any(self.satellite).values()]
            if not newest:
                return
            self._newest_ns = max(newest)
            oldest = self._reader.rows_from(parse(f"satellite = {self.satellite}", self._mission), limit=1, chunk=1)
            self._first_ns = min(int(chunk.t_ns[0]) for chunk in oldest)
            for span in self.spans(self._newest_ns):
                for part in self._reader.judged_between(self.satellite, *span):
                    self._add(part.take(part.ids <= accepted))
        else:
            for part in self._reader.judged_after(self.satellite, self._newest_id):
                self._add(part.take(part.ids <= accepted))
        # What was stored while this read comes with the next refresh.
        self._newest_id = accepted

    def _add(self, part: JudgedRows) -> None:
        if not len(part):
            return
        newest, oldest = int(part.t_ns.max()), int(part.t_ns.min())
        self._newest_ns = newest if self._newest_ns is None else max(self._newest_ns, newest)
        self._first_ns = oldest if self._first_ns is None else min(self._first_ns, oldest)
        # What is too old for the window is not new to it either.
        part = part.take(_inside(part.t_ns, self.spans(self._newest_ns)))
        if len(part):
            self._columns.setdefault(part.layout.digest, _Columns()).parts.append(part)

    def spans(self, newest_ns: int) -> Spans:
        """What belongs to the window when `newest_ns` is the newest row."""
        released = self.acts.released
        first = self._first_ns if released is None else released.from_ns
        spans = [(newest_ns - NEWEST_NS, newest_ns)]
        if first is not None:
            spans.append((first, first + self._anchor_ns))
        left = ACCEPTED_NS
        for one in reversed(self.acts.accepted):
            left -= one.t1_ns - one.t0_ns
            if left < 0:
                break
            spans.append((one.t0_ns, one.t1_ns))
        return _joined_spans(spans, newest_ns)

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
            packets.append(columns.rows(bus, self.acts.accepted))
        return make_window(self.satellite, bus, packets, spans, self.acts.newest)

    def accepted_after(self, row: int) -> int:
        """Rows of the busiest packet stored after the row `row` that no model flagged."""
        return max((int(((c.ids > row) & (c.state == 0)).sum()) for c in self._judged()), default=0)

    def new_rows(self, packet: str, row: int) -> int:
        """The same of one packet."""
        mine = (c for c in self._judged() if c.layout.packet == packet)
        return sum(int(((c.ids > row) & (c.state == 0)).sum()) for c in mine)

    @property
    def packets(self) -> tuple[str, ...]:
        """Packets there are rows of."""
        return tuple(dict.fromkeys(c.layout.packet for c in self._judged()))

    def rows_of(self, packet: str) -> int:
        """Rows of one packet."""
        return sum(len(c) for c in self._judged() if c.layout.packet == packet)

    @property
    def count(self) -> int:
        """Rows of all packets."""
        return sum(len(c) for c in self._judged())

    def codes_after(self, channel: str, row: int) -> dict[float, int]:
        """How often each value of a channel stands in the unflagged rows stored after the row `row`."""
        found: dict[float, int] = {}
        for c in self._judged():
            column = c.layout.positions.get(channel)
            if column is None:
                continue
            values = c.values[(c.ids > row) & (c.state == 0), column]
            codes, counts = np.unique(values[np.isfinite(values)], return_counts=True)
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
                found[code] = found.get(code, 0) + count
        return found

    def busiest(self) -> int:
        """Rows of the packet that has most."""
        return max((len(c) for c in self._judged()), default=0)

    def flagged_after(self, row: int) -> float:
        """Share of the rows stored after the row `row` that a model flagged; 0 where there are none."""
        flagged = rows = 0
        for c in self._judged():
            after = c.ids > row
            flagged += int((after & (c.state > 0)).sum())
            rows += int(after.sum())
        return flagged / rows if rows else 0.0

    def scores_after(self, row: int, model: int) -> Float64s:
        """Row scores that `model` gave to unflagged rows of the busiest packet stored after the row `row`."""
        mine = (c.score[(c.ids > row) & (c.state == 0) & (c.model == model)] for c in self._judged())
        return max(mine, key=len, default=np.empty(0))

    def _judged(self) -> list[JudgedRows]:
        return [columns.joined() for columns in self._columns.values()]


def read_window(
    reader: StoreReader, mission: Mission, satellite: str, spans: Spans, last_id: int, acts: int = 0
) -> Window:
    """The window a manifest names: its spans, without rows stored, or acts journaled, after it was made."""
    known = ActsOnRows(satellite)
    known.refresh(reader, until=acts)
    groups: dict[str, _Columns] = {}
    for span in spans:
        for part in reader.judged_between(satellite, *span):
            groups.setdefault(part.layout.digest, _Columns()).parts.append(part.take(part.ids <= last_id))
    bus = mission.bus_of(satellite)
    return make_window(
        satellite, bus, [columns.rows(bus, known.accepted) for columns in groups.values()], spans, acts
    )


def _inside(t_ns: Int64s, spans: Spans) -> Bools:
    inside = np.zeros(len(t_ns), dtype=np.bool_)
    for t0_ns, t1_ns in spans:
        inside |= (t_ns >= t0_ns) & (t_ns <= t1_ns)
    return inside


def _joined_spans(spans: Sequence[tuple[int, int]], newest_ns: int) -> Spans:
    """In order, none beyond the newest row, those that touch as one."""
    out: list[tuple[int, int]] = []
    for t0_ns, t1_ns in sorted((t0_ns, min(t1_ns, newest_ns)) for t0_ns, t1_ns in spans):
        if out and t0_ns <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], t1_ns))
        elif t0_ns <= t1_ns:
            out.append((t0_ns, t1_ns))
    return tuple(out)


def _anchor_ns(mission: Mission, satellite: str) -> int:
    """Length of the anchor."""
    tle = mission.satellite(satellite).tle
    if tle is not None:
        return max(ANCHOR_NS, int(ANCHOR_ORBITS * 86_400 / float(tle[1][52:63]) * 1e9))
    period_s = min((channel.period_s for channel in mission.bus_of(satellite).channels), default=1.0)
    return max(ANCHOR_NS, int(ANCHOR_ROWS * period_s * 1e9))
