"""What the ledger's filter selects, opened for one pass from the oldest row to the newest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa

from exports.held import Held, acquisition_now
from exports.table import ExportTable
from telemetry.dictionary import Mission, read_mission
from telemetry.frame import Float64s, Layout
from telemetry.freshness import invalid_mask
from telemetry.query import Query, parse
from telemetry.query_syntax import And, LastTest, Node, SatelliteTest, TimeTest
from telemetry.store.directory import MissionDirectory
from telemetry.store.reader import StoreReader
from telemetry.store.rows import Bools, InvalidRule, SelectionChunk

ROWS_A_BATCH = 8192


class Selection:
    """Every row of `query`, of one satellite or of all, in a mission directory.

    Use as a context: the store is open inside. `table.totals` grows while `batches` is consumed.

    Raises:
        MissionError: mission.toml is missing or wrong.
        QueryError: the query is wrong, or names a satellite that this mission does not have.
        StoreRefused: there is no store to read.
    """

    def __init__(
        self,
        directory: Path,
        query: str = "",
        satellite: str | None = None,
        *,
        both_times: bool = True,
        anomaly_columns: bool = True,
    ) -> None:
        self.mission = read_mission(directory)
        text = _combined(query, satellite)
        self.query: Query | None = parse(text, self.mission).pinned() if text else None
        rule = invalid_rule(self.mission)
        self.reader = StoreReader(MissionDirectory(directory).telemetry, rule)
        chunks = iter(self.reader.rows_from(self.query, chunk=ROWS_A_BATCH))
        # The first chunk fixes which frames belong to the selection; layouts read after it include all of theirs.
        first = list(_first(chunks))
        self._chunks = chain(first, chunks)
        self.table = ExportTable(
            self._layouts(),
            order=[channel.name for bus in self.mission.buses.values() for channel in bus.channels],
            labels={c.name: c.label for bus in self.mission.buses.values() for c in bus.channels},
            both_times=both_times,
            anomaly_columns=anomaly_columns,
            held=Held(self.mission, self.reader.newest_at) if self._is_whole else None,
        )

    @property
    def filter(self) -> str:
        """The whole filter in its canonical form; empty for every row."""
        return "" if self.query is None else self.query.text

    @property
    def _is_whole(self) -> bool:
        """Whether it holds every row of its satellites in one stretch of time."""
        return self.query is None or _is_stretch(self.query.tree)

    @property
    def acquisition(self) -> dict[str, dict[str, list[str]]]:
        """Satellite -> acquisition status -> channels, as they are when this is asked."""
        health = self.reader.health()
        body: Mapping[str, Any] = {} if health is None else health.body
        names = None if self.query is None else self.query.satellites()
        asked = [one.name for one in self.mission.satellites if names is None or one.name in names]
        return {name: acquisition_now(self.mission, self.reader, body, name, time.time_ns()) for name in asked}

    @property
    def total_estimate(self) -> int | None:
        """How many rows there will be, where that is known beforehand."""
        return self.reader.frames_accepted() if self.query is None else None

    @property
    def refused_frames(self) -> dict[str, int]:
        """Frames that never entered the ledger, by reason, as the station last told."""
        health = self.reader.health()
        counts: object = {} if health is None else health.body.get("refused", {})
        return msgspec.convert(counts, dict[str, int])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, oldest first, some thousands at a time."""
        for chunk in self._chunks:
            if len(chunk):
                yield self.table.batch(chunk)

    def _layouts(self) -> Sequence[Layout]:
        """Layouts that may occur: those of the store, less those only satellites outside the selection send."""
        names = None if self.query is None else self.query.satellites()
        stored = self.reader.layouts()
        if names is None:
            return stored
        wanted = {one.bus for one in self.mission.satellites if one.name in names}
        elsewhere = {
            layout.digest
            for name, bus in self.mission.buses.items()
            if name not in wanted
            for layout in bus.layouts.values()
        }
        own = {layout.digest for name in wanted for layout in self.mission.buses[name].layouts.values()}
        return [layout for layout in stored if layout.digest in own or layout.digest not in elsewhere]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reader.close()


def invalid_rule(mission: Mission) -> InvalidRule:
    """INVALID as the mission's dictionary defines it; only NaN for a satellite the mission no longer has."""

    def rule(satellite: str, layout: Layout, values: Float64s) -> Bools:
        if satellite not in mission.by_name:
            return np.isnan(values)
        return invalid_mask(mission.bus_of(satellite).channels_of(layout), values)

    return rule


def _is_stretch(node: Node) -> bool:
    if isinstance(node, And):
        return all(_is_stretch(part) for part in node.parts)
    return isinstance(node, TimeTest | LastTest | SatelliteTest) and getattr(node, "op", "") != "!="


def _combined(query: str, satellite: str | None) -> str:
    query = query.strip()
    if satellite is None:
        return query
    quoted = satellite.replace("\\", "\\\\").replace('"', '\\"')
    only = f'satellite = "{quoted}"'
    return f"{only} and ({query})" if query else only


def _first(chunks: Iterator[SelectionChunk]) -> Iterator[SelectionChunk]:
    chunk = next(chunks, None)
    if chunk is not None:
        yield chunk
