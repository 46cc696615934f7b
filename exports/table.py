"""From rows of the ledger, packet by packet, to one table: the union of the columns, empty where nothing was sent.

Column order: generation_time, reception_time, satellite, boot, seq, quality, the channels, invalid, model, score,
p, state. A channel is one column however many packets and buses send it, unless they disagree about its unit or
about being an enumeration: then each meaning has a column of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exports.manifest import ManifestColumn
from telemetry.frame import Column, Float64s, Int64s, Layout, Quality
from telemetry.store.rows import Bools, InvalidRule, SelectionChunk

BEFORE = (
    ManifestColumn("generation_time", "time", "UTC", "When the values were measured on board"),
    ManifestColumn("reception_time", "time", "UTC", "When the frame was received on the ground"),
    ManifestColumn("satellite", "text"),
    ManifestColumn("boot", "integer", "s", "Unix second the on-board computer started, or its stand-in"),
    ManifestColumn("seq", "integer", "", "Number of the packet in that boot"),
    ManifestColumn("quality", "text", "", "stored, late, no_sequence, simulated, replayed"),
)
INVALID = ManifestColumn("invalid", "text", "", "Channels whose value here is INVALID, although it was sent")
ANOMALY = (
    ManifestColumn("model", "integer", "", "Version of the model that judged the row; empty: none did"),
    ManifestColumn("score", "float", "", "Anomaly score, higher is more unusual"),
    ManifestColumn("p", "float", "", "Share of calibration rows with at least this score"),
    ManifestColumn("state", "text", "", "nominal, suspect (one row above the threshold), anomaly (confirmed)"),
)
STATES = ("nominal", "suspect", "anomaly")

T = TypeVar("T", bound=np.generic)

Meaning = tuple[str, str, bool]
"""Channel name, unit, whether it is an enumeration: what two packets must agree on to share a column."""

_ARROW = {
    "time": pa.timestamp("ns", "UTC"),
    "text": pa.dictionary(pa.int32(), pa.string()),
    "enum": pa.dictionary(pa.int32(), pa.string()),
    "integer": pa.int64(),
    "float": pa.float64(),
}


def quality_words(quality: int) -> str:
    """`stored simulated` for STORED | SIMULATED, the words of `quality has ...`; empty for a plain frame."""
    return " ".join(mark.name.lower() for mark in Quality if mark and mark in Quality(quality) and mark.name)


def meaning_of(column: Column) -> Meaning:
    return (column.name, column.unit, bool(column.enum))


@dataclass
class Totals:
    """What went into the table so far."""

    rows: int = 0
    invalid_values: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    last_id: int = 0


class ExportTable:
    """Turns selection chunks into Arrow record batches of one schema.

    Args:
        layouts: every layout that may occur.
        invalid: the rule that says which sent values are INVALID.
        order: channel names in the order of the dictionary; channels it does not know follow in layout order.
        labels: channel name to the name people use, for the manifest.
    """

    def __init__(
        self,
        layouts: Sequence[Layout],
        invalid: InvalidRule,
        *,
        order: Sequence[str] = (),
        labels: dict[str, str] | None = None,
        both_times: bool = True,
        anomaly_columns: bool = True,
    ) -> None:
        self.totals = Totals()
        self._invalid = invalid
        self._both_times = both_times
        self._anomaly_columns = anomaly_columns
        rank = {name: i for i, name in enumerate(order)}
        found = list(dict.fromkeys(meaning_of(column) for layout in layouts for column in layout.columns))
        self._meanings = sorted(found, key=lambda meaning: rank.get(meaning[0], len(rank)))
        self._position = {meaning: i for i, meaning in enumerate(self._meanings)}
        self.columns = self._describe(labels or {})
        self.schema = pa.schema(
            [pa.field(c.name, _ARROW[c.kind], metadata={"unit": c.unit, "label": c.label}) for c in self.columns]
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of the columns that were not asked for."""
        names = () if self._both_times else ("reception_time",)
        return names if self._anomaly_columns else (*names, *(column.name for column in ANOMALY))

    def _describe(self, labels: dict[str, str]) -> tuple[ManifestColumn, ...]:
        taken = {column.name for column in (*BEFORE, INVALID, *ANOMALY)}
        channels: list[ManifestColumn] = []
        for name, unit, is_enum in self._meanings:
            shown = name
            if shown in taken:
                shown = f"{name} [{unit or ('label' if is_enum else 'number')}]"
            taken.add(shown)
            channels.append(ManifestColumn(shown, "enum" if is_enum else "float", unit, labels.get(name, "")))
        before = [column for column in BEFORE if self._both_times or column.name != "reception_time"]
        return (*before, *channels, INVALID, *(ANOMALY if self._anomaly_columns else ()))

    def batch(self, chunks: Sequence[SelectionChunk]) -> pa.RecordBatch:
        """One record batch of the rows of `chunks`, in their order; counts them in `totals`."""
        t_ns = _joined([c.t_ns for c in chunks])
        satellite = _Words(len(t_ns))
        invalid = _Words(len(t_ns))
        channels = [_Channel(len(t_ns), is_enum) for _, _, is_enum in self._meanings]
        for layout, parts in _by_layout(chunks).items():
            rows = _joined([np.arange(start, start + len(chunk)) for start, chunk in parts])
            values = _joined([chunk.values for _, chunk in parts])
            for k, column in enumerate(layout.columns):
                channels[self._position[meaning_of(column)]].put(rows, values[:, k], column)
            for name, own in _by_satellite(parts):
                satellite.put(rows[own], name)
                self._put_invalid(invalid, rows[own], layout, self._invalid(name, layout, values[own]))
        arrays: list[pa.Array] = [_times(t_ns)]
        if self._both_times:
            arrays.append(_times(_joined([c.received_ns for c in chunks])))
        arrays.append(satellite.array())
        arrays += [pa.array(_joined([c.boot for c in chunks])), pa.array(_joined([c.seq for c in chunks]))]
        arrays.append(_words_of_codes(_joined([c.quality for c in chunks]), quality_words))
        arrays += [channel.array() for channel in channels]
        arrays.append(invalid.array())
        if self._anomaly_columns:
            arrays += _opinions(chunks)
        self._count(chunks, t_ns)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _put_invalid(self, into: _Words, rows: npt.NDArray[np.intp], layout: Layout, mask: Bools) -> None:
        damaged = np.flatnonzero(mask.any(axis=1))
        if not len(damaged):
            return
        patterns, which = np.unique(mask[damaged], axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            names = " ".join(layout.names[k] for k in np.flatnonzero(pattern))
            into.put(rows[damaged[which.reshape(-1) == i]], names)
        self.totals.invalid_values += int(mask.sum())

    def _count(self, chunks: Sequence[SelectionChunk], t_ns: Int64s) -> None:
        totals = self.totals
        totals.rows += len(t_ns)
        totals.first_ns = int(t_ns[0]) if totals.first_ns is None else totals.first_ns
        totals.last_ns = int(t_ns[-1])
        totals.last_id = max(totals.last_id, *(int(c.id.max()) for c in chunks))


class _Words:
    """A text column of n rows in the making, empty where nothing was put."""

    def __init__(self, n: int) -> None:
        self._codes = np.full(n, -1, dtype=np.int32)
        self._words: dict[str, int] = {}

    def put(self, rows: npt.NDArray[np.intp], word: str) -> None:
        self._codes[rows] = self._words.setdefault(word, len(self._words))

    def array(self) -> pa.Array:
        missing = self._codes < 0
        indices = pa.array(self._codes, pa.int32(), mask=missing if missing.any() else None)
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(self._words), pa.string()))


class _Channel:
    """A channel's column of n rows in the making: numbers, or the labels of an enumeration."""

    def __init__(self, n: int, is_enum: bool) -> None:
        self._labels = _Words(n) if is_enum else None
        self._values = np.empty(0 if is_enum else n)
        self._sent = np.zeros(0 if is_enum else n, dtype=np.bool_)

    def put(self, rows: npt.NDArray[np.intp], values: Float64s, column: Column) -> None:
        if self._labels is None:
            self._values[rows] = values
            self._sent[rows] = True
            return
        labels = {float(code): label for code, label in column.enum}
        for code in np.unique(values[~np.isnan(values)]):
            self._labels.put(rows[values == code], labels.get(float(code)) or shortest(float(code)))

    def array(self) -> pa.Array:
        if self._labels is not None:
            return self._labels.array()
        return pa.array(self._values, pa.float64(), mask=None if self._sent.all() else ~self._sent)


def shortest(value: float) -> str:
    """The shortest text that reads back as the same number; an unknown enumeration code is written so."""
    return str(int(value)) if value.is_integer() else repr(value)


def _joined(parts: Sequence[npt.NDArray[T]]) -> npt.NDArray[T]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _by_layout(chunks: Sequence[SelectionChunk]) -> dict[Layout, list[tuple[int, SelectionChunk]]]:
    """Chunks of one layout together, each with the row it begins at."""
    groups: dict[Layout, list[tuple[int, SelectionChunk]]] = {}
    start = 0
    for chunk in chunks:
        groups.setdefault(chunk.layout, []).append((start, chunk))
        start += len(chunk)
    return groups


def _by_satellite(parts: Sequence[tuple[int, SelectionChunk]]) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """Satellite name and the positions of its rows, within the joined rows of `parts`."""
    names = list(dict.fromkeys(name for _, chunk in parts for name in chunk.satellites))
    code = {name: i for i, name in enumerate(names)}
    own = _joined([np.array([code[name] for name in c.satellites])[c.satellite] for _, c in parts])
    return [(names[i], np.flatnonzero(own == i)) for i in np.unique(own)]


def _times(ns: Int64s) -> pa.Array:
    return pa.array(ns, pa.int64()).cast(pa.timestamp("ns", "UTC"))


def _words_of_codes(codes: Int64s, word: Callable[[int], str]) -> pa.Array:
    kinds, which = np.unique(codes, return_inverse=True)
    words = pa.array([word(int(kind)) for kind in kinds], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(which.astype(np.int32), pa.int32()), words)


def _opinions(chunks: Sequence[SelectionChunk]) -> list[pa.Array]:
    unjudged = ~_joined([c.scored for c in chunks])
    mask = unjudged if unjudged.any() else None
    state = pa.array(_joined([c.state for c in chunks]).astype(np.int32), pa.int32(), mask=mask)
    return [
        pa.array(_joined([c.model for c in chunks]), pa.int64(), mask=mask),
        pa.array(_joined([c.score for c in chunks]), pa.float64(), mask=mask),
        pa.array(_joined([c.p for c in chunks]), pa.float64(), mask=mask),
        pa.DictionaryArray.from_arrays(state, pa.array(list(STATES), pa.string())),
    ]
