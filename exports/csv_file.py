"""Arrow record batches as RFC 4180 text, at the speed of Arrow's kernels.

UTF-8, CRLF, one header line, a comma between cells, quotes only round cells that need them. Times are ISO-8601 with
nine decimals and `Z`; floats are the shortest text that reads back as the same bits; NaN and "not sent" are empty.

`pyarrow.csv.CSVWriter` can write neither CRLF nor unquoted times, so rows are joined with compute kernels instead,
which costs the same: the time goes into turning floats into text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from exports.arrow import floats, strings
from exports.cells import guarded, quoted
from exports.decimals import Indices, joined, short_decimals
from telemetry.frame import Float64s

# A kernel that is given a Python value makes a scalar of it by way of pandas, which is not to be loaded.
_COMMA, _END, _ZULU, _NOTHING = (strings([text])[0] for text in (",", "\r\n", "Z", ""))
_MISSING = floats(np.zeros(1), np.ones(1, dtype=np.bool_))[0]


class Sink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes | memoryview) -> int: ...


class CsvFile:
    """Writes a header and then record batches of one schema to a sink.

    Column types: `timestamp[ns]` is a time, `string` or a dictionary of strings is text, the rest are numbers.
    The formula guard touches text only, so -40.125 stays a number; `raw` leaves text alone too.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, *, raw: bool = False) -> None:
        self.guarded_cells = 0
        self._sink = sink
        self._raw = raw
        names = [quoted(name if raw else guarded(name)) for name in schema.names]
        sink.write((",".join(names) + "\r\n").encode())

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows of `batch`."""
        if batch.num_rows == 0:
            return
        cells: list[pa.Array] = []
        run: list[tuple[Indices, Indices]] = []
        for column in batch.columns:
            short = short_decimals(_with_nan(column)) if pa.types.is_floating(column.type) else None
            if short is not None:
                run.append(short)
                continue
            if run:
                cells.append(joined(run))
                run = []
            cells.append(self._text(column))
        if run:
            cells.append(joined(run))
        # The line end goes to the last cell and not to the line: that copies a few bytes instead of all.
        cells[-1] = pc.binary_join_element_wise(
            cells[-1], _END, _NOTHING, null_handling="replace", null_replacement=""
        )
        lines = pc.binary_join_element_wise(*cells, _COMMA, null_handling="replace", null_replacement="")
        self._sink.write(_bytes_of(lines))

    def close(self) -> None:
        """A CSV file has no trailer."""

    def abandon(self) -> None:
        """Nothing is held back."""

    def _text(self, column: pa.Array) -> pa.Array:
        kind = column.type
        if pa.types.is_timestamp(kind):
            return iso_times(column)
        if isinstance(column, pa.DictionaryArray):
            return self._cells(column)
        if pa.types.is_string(kind):
            return self._cells(column.dictionary_encode())
        if pa.types.is_floating(kind):
            # NaN and null are both empty; every other float is the shortest text that reads back as the same bits.
            column = pc.if_else(pc.is_nan(column), _MISSING, column)
        return column.cast(pa.string())

    def _cells(self, column: pa.DictionaryArray) -> pa.Array:
        words: Sequence[str] = column.dictionary.to_pylist()
        safe = list(words) if self._raw else [guarded(word) for word in words]
        changed = [i for i, word in enumerate(words) if safe[i] is not word]
        if changed:
            counts = column.indices.value_counts().to_pylist()
            self.guarded_cells += sum(one["counts"] for one in counts if one["values"] in changed)
        return strings([quoted(word) for word in safe]).take(column.indices)


def iso_times(column: pa.Array) -> pa.Array:
    """UTC nanoseconds as `2026-11-22T07:14:03.123456789Z`, always nine decimals so that every row looks alike."""
    text = column.cast(pa.timestamp("ns")).cast(pa.string())
    return pc.binary_join_element_wise(pc.utf8_replace_slice(text, 10, 11, "T"), _ZULU, _NOTHING)


def _with_nan(column: pa.Array) -> Float64s:
    """The values of a float column, NaN where it is null."""
    validity, data = column.buffers()
    values = np.frombuffer(memoryview(data), np.float64, count=len(column), offset=8 * column.offset)
    if column.null_count:
        bits = np.frombuffer(memoryview(validity), np.uint8)
        valid = np.unpackbits(bits, count=column.offset + len(column), bitorder="little")[column.offset :]
        values = np.where(valid.astype(np.bool_), values, np.nan)
    return values


def _bytes_of(lines: pa.Array) -> memoryview:
    """The characters of a string array that was made in one piece, without a copy."""
    _, offsets, data = lines.buffers()
    ends = np.frombuffer(memoryview(offsets), np.int32, count=len(lines) + 1, offset=4 * lines.offset)
    return memoryview(data)[int(ends[0]) : int(ends[-1])]
