"""From rows of the ledger, packet by packet, to one table: the union of the columns, empty where nothing was sent.

Column order: generation_time, reception_time, satellite, boot, seq, quality, the channels, invalid, expired, model,
score, p, state. A channel is one column however many packets and buses send it, unless they disagree about its unit
or about being an enumeration: then each meaning has a column of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exports import arrow
from exports.held import Held
from exports.manifest import ManifestColumn
from telemetry.frame import Column, Int64s, Layout, Quality
from telemetry.store.rows import Bools, SelectionChunk

BEFORE = (
    ManifestColumn("generation_time", "time", "UTC", "When the values were measured on board"),
    ManifestColumn("reception_time", "time", "UTC", "When the frame was received on the ground"),
    ManifestColumn("satellite", "text"),
    ManifestColumn("boot", "integer", "s", "Unix second the on-board computer started, or its stand-in"),
    ManifestColumn("seq", "integer", "", "Number of the packet in that boot"),
    ManifestColumn("quality", "text", "", "stored, late, no_sequence, simulated, replayed"),
)
INVALID = ManifestColumn("invalid", "text", "", "Channels whose value here is INVALID, although it was sent")
EXPIRED = ManifestColumn(
    "expired", "text", "", "Channels that had fallen silent by then: the newest value is older than it is held"
)
ANOMALY = (
    ManifestColumn("model", "integer", "", "Version of the model that judged the row; empty: none did"),
    ManifestColumn("score", "float", "", "Anomaly score, higher is more unusual"),
    ManifestColumn("p", "float", "", "Share of calibration rows with at least this score"),
    ManifestColumn("state", "text", "", "nominal, above (the threshold, one row), confirmed (an anomaly)"),
)
STATES = ("nominal", "above", "confirmed")

Meaning = tuple[str, str, bool]
"""Channel name, unit, whether it is an enumeration: what two packets must agree on to share a column."""

_ARROW = {"time": arrow.TIME, "text": arrow.WORD, "enum": arrow.WORD, "integer": pa.int64(), "float": pa.float64()}


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
    simulated: bool = False


class ExportTable:
    """Turns selection chunks into Arrow record batches of one schema.

    Args:
        layouts: every layout that may occur.
        order: channel names in the order of the dictionary; channels it does not know follow in layout order.
        labels: channel name to the name people use, for the manifest.
    """

    def __init__(
        self,
        layouts: Sequence[Layout],
        *,
        order: Sequence[str] = (),
        labels: dict[str, str] | None = None,
        both_times: bool = True,
        anomaly_columns: bool = True,
        held: Held | None = None,
    ) -> None:
        """`held` finds what is EXPIRED at a row; None where rows between are left out, and it cannot be known."""
        self.totals = Totals()
        self._held = held
        self._both_times = both_times
        self._anomaly_columns = anomaly_columns
        rank = {name: i for i, name in enumerate(order)}
        found = dict.fromkeys(meaning_of(column) for layout in layouts for column in layout.columns)
        self._meanings = sorted(found, key=lambda meaning: rank.get(meaning[0], len(rank)))
        self.columns = self._describe(labels or {})
        self.schema = pa.schema(
            [pa.field(c.name, _ARROW[c.kind], metadata={"unit": c.unit, "label": c.label}) for c in self.columns]
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """Names of the columns that were not asked for, or cannot be told of this selection."""
        names = () if self._both_times else ("reception_time",)
        names = names if self._held is not None else (*names, EXPIRED.name)
        return names if self._anomaly_columns else (*names, *(column.name for column in ANOMALY))

    def _describe(self, labels: dict[str, str]) -> tuple[ManifestColumn, ...]:
        taken = {column.name for column in (*BEFORE, INVALID, EXPIRED, *ANOMALY)}
        channels: list[ManifestColumn] = []
        for name, unit, is_enum in self._meanings:
            shown = name
            if shown in taken:
                shown = f"{name} [{unit or ('label' if is_enum else 'number')}]"
            taken.add(shown)
            channels.append(ManifestColumn(shown, "enum" if is_enum else "float", unit, labels.get(name, "")))
        before = [column for column in BEFORE if self._both_times or column.name != "reception_time"]
        after = (INVALID,) if self._held is None else (INVALID, EXPIRED)
        return (*before, *channels, *after, *(ANOMALY if self._anomaly_columns else ()))

    def batch(self, chunk: SelectionChunk) -> pa.RecordBatch:
        """The rows of `chunk` as one record batch; counts them in `totals`."""
        arrays = [arrow.times(chunk.t_ns)]
        if self._both_times:
            arrays.append(arrow.times(chunk.received_ns))
        arrays.append(arrow.chosen(chunk.satellite, chunk.satellites))
        arrays += [arrow.integers(chunk.boot), arrow.integers(chunk.seq)]
        arrays.append(_words_of_codes(chunk.quality, quality_words))
        arrays += self._channels(chunk)
        arrays.append(_names(chunk, chunk.invalid))
        if self._held is not None:
            arrays.append(_names(chunk, self._held.expired(chunk)))
        if self._anomaly_columns:
            arrays += _opinions(chunk)
        self._count(chunk)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _channels(self, chunk: SelectionChunk) -> list[pa.Array]:
        place = {name: i for i, name in enumerate(chunk.channels)}
        senders = _senders(chunk)
        alone = Counter(name for name, _, _ in self._meanings)
        arrays: list[pa.Array] = []
        for meaning in self._meanings:
            name, _, is_enum = meaning
            i = place[name]
            sent = chunk.sent[:, i]
            if alone[name] > 1:
                sent = sent & np.isin(chunk.layout, list(senders.get(meaning, ())))
            if is_enum:
                arrays.append(_labels(chunk, i, sent, senders.get(meaning, {})))
            else:
                arrays.append(arrow.floats(chunk.values[:, i], ~sent))
        return arrays

    def _count(self, chunk: SelectionChunk) -> None:
        totals = self.totals
        totals.rows += len(chunk)
        totals.invalid_values += int(np.count_nonzero(chunk.invalid))
        totals.first_ns = int(chunk.t_ns[0]) if totals.first_ns is None else totals.first_ns
        totals.last_ns = int(chunk.t_ns[-1])
        totals.simulated |= bool(np.any(chunk.quality & Quality.SIMULATED))
        totals.last_id = max(totals.last_id, int(chunk.id.max()))


class _Words:
    """A text column of n rows in the making, empty where nothing was put."""

    def __init__(self, n: int) -> None:
        self._codes = np.full(n, -1, dtype=np.int32)
        self._words: dict[str, int] = {}

    def put(self, rows: npt.NDArray[np.intp], word: str) -> None:
        self._codes[rows] = self._words.setdefault(word, len(self._words))

    def array(self) -> pa.Array:
        return arrow.chosen(np.maximum(self._codes, 0), list(self._words) or [""], self._codes < 0)


def _senders(chunk: SelectionChunk) -> dict[Meaning, dict[int, Column]]:
    """Meaning of a column -> the layouts that send it so, by their number in the chunk."""
    found: dict[Meaning, dict[int, Column]] = {}
    for number, layout in enumerate(chunk.layouts):
        for column in layout.columns:
            found.setdefault(meaning_of(column), {})[number] = column
    return found


def _labels(chunk: SelectionChunk, i: int, sent: Bools, senders: dict[int, Column]) -> pa.Array:
    """An enumeration as its labels; a code the packet's layout does not know is written as the number it is."""
    words = _Words(len(chunk))
    values = chunk.values[:, i]
    sent = sent & ~np.isnan(values)
    for number, column in senders.items():
        labels = {float(code): label for code, label in column.enum}
        rows = np.flatnonzero(sent & (chunk.layout == number))
        for code in np.unique(values[rows]):
            words.put(rows[values[rows] == code], labels.get(float(code)) or shortest(float(code)))
    return words.array()


def _names(chunk: SelectionChunk, marked: Bools) -> pa.Array:
    """For each row the channels that are marked in it, shape (n, c), separated by spaces."""
    words = _Words(len(chunk))
    some = np.flatnonzero(marked.any(axis=1))
    if len(some):
        patterns, which = np.unique(marked[some], axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            names = " ".join(chunk.channels[k] for k in np.flatnonzero(pattern))
            words.put(some[which.reshape(-1) == i], names)
    return words.array()


def shortest(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if value.is_integer() else repr(value)


def _words_of_codes(codes: Int64s, word: Callable[[int], str]) -> pa.Array:
    kinds, which = np.unique(codes, return_inverse=True)
    return arrow.chosen(which, [word(int(kind)) for kind in kinds])


def _opinions(chunk: SelectionChunk) -> list[pa.Array]:
    missing = ~chunk.scored
    return [
        arrow.integers(chunk.model, missing),
        arrow.floats(chunk.score, missing),
        arrow.floats(chunk.p, missing),
        arrow.chosen(chunk.state, STATES, missing),
    ]
