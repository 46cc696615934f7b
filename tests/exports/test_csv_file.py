"""The text of an export, read back by Python's own csv module."""

from __future__ import annotations

import csv
import io
import math
import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.cells import FORMULA_STARTS, guarded
from exports.csv_file import CsvFile
from exports.decimals import LIMIT, short_decimals


def written(names: Sequence[str], *columns: pa.Array, raw: bool = False) -> str:
    sink = io.BytesIO()
    schema = pa.schema([pa.field(name, column.type) for name, column in zip(names, columns, strict=True)])
    file = CsvFile(sink, schema, raw=raw)
    file.write(pa.RecordBatch.from_arrays(list(columns), schema=schema))
    file.close()
    return sink.getvalue().decode("utf-8")


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=50))
def test_every_float_reads_back_as_the_same_bits(values: list[float]) -> None:
    text = written(["v", "w"], pa.array(values, pa.float64()), pa.array(values, pa.float64()))
    back = [float(row[0]) for row in rows_of(text)[1:]]
    assert [bits(v) for v in back] == [bits(v) for v in values]


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"])), min_size=1, max_size=20))
def test_any_text_reads_back_and_no_cell_starts_a_formula(words: list[str]) -> None:
    rows = rows_of(written(["word", "n"], pa.array(words, pa.string()), pa.array(range(len(words)))))
    assert [row[0] for row in rows[1:]] == [guarded(word) for word in words]
    assert [int(row[1]) for row in rows[1:]] == list(range(len(words)))
    assert not any(row[0].startswith(FORMULA_STARTS) for row in rows[1:])


def test_lines_end_in_crlf_and_only_cells_that_need_quotes_have_them() -> None:
    text = written(["a", "b"], pa.array(["x", 'say "y", z', "two\nlines"]), pa.array([1.5, -40.125, 0.1]))
    assert text == 'a,b\r\nx,1.5\r\n"say ""y"", z",-40.125\r\n"two\nlines",0.1\r\n'


def test_the_guard_is_for_text_only_and_can_be_left_out() -> None:
    words = pa.array(["=1+1", "-12 dB", "@x", "fine"])
    numbers = pa.array([-1.0, -2.5, 3.0, -40.125])
    assert written(["=w", "v"], words, numbers).splitlines() == [
        "'=w,v",
        "'=1+1,-1",
        "'-12 dB,-2.5",
        "'@x,3",
        "fine,-40.125",
    ]
    assert written(["=w", "v"], words, numbers, raw=True).splitlines()[:2] == ["=w,v", "=1+1,-1"]


def test_guarded_cells_are_counted_by_cell_not_by_word() -> None:
    schema = pa.schema([pa.field("w", pa.string())])
    file = CsvFile(io.BytesIO(), schema)
    file.write(pa.RecordBatch.from_arrays([pa.array(["=x", "ok", "=x", None])], schema=schema))
    assert file.guarded_cells == 2


def test_nan_and_null_are_empty_cells() -> None:
    text = written(["a", "b"], pa.array([math.nan, 1.0, None]), pa.array([None, None, "x"], pa.string()))
    assert text == "a,b\r\n,\r\n1,\r\n,x\r\n"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_795_331_643_123_456_789, "2026-11-22T07:14:03.123456789Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_times_are_iso_with_z_to_the_nanosecond(ns: int, text: str) -> None:
    stamps = pa.array([ns], pa.int64()).cast(pa.timestamp("ns", "UTC"))
    assert written(["t"], stamps) == f"t\r\n{text}\r\n"


def test_infinities_and_slices_with_nulls_are_exact_too() -> None:
    column = pa.array([9.0, None, math.inf, -math.inf, math.nan, -0.0, 1.5])
    assert written(["n", "v"], pa.array(range(6)), column.slice(1)).split("\r\n")[1:-1] == [
        "0,", "1,inf", "2,-inf", "3,", "4,-0", "5,1.5",
    ]  # fmt: skip


@given(st.lists(st.integers(-40_000_000, 40_000_000).map(lambda n: n / 1000), min_size=1, max_size=50))
def test_short_decimals_are_written_as_the_general_algorithm_writes_them(values: list[float]) -> None:
    column = pa.array([*values, -0.0, 0.0], pa.float64())
    wanted = column.cast(pa.string()).to_pylist()
    rows = rows_of(written(["v", "w"], column, column))[1:]
    assert rows == [[text, text] for text in wanted]
    assert (short_decimals(np.array(values)) is None) == (max(map(abs, values)) >= LIMIT)


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.1 + 0.2, 1e-4, 32_768.0, 1e300, 5e-324])
def test_what_is_no_short_decimal_is_left_to_the_general_algorithm(value: float) -> None:
    assert short_decimals(np.array([1.5, value])) is None


def test_empty_cells_stand_between_short_decimals() -> None:
    column, other = pa.array([1.5, None, math.nan]), pa.array([None, 2.125, -0.001])
    assert written(["v", "w"], column, other) == "v,w\r\n1.5,\r\n,2.125\r\n,-0.001\r\n"


def test_an_empty_selection_is_a_header() -> None:
    assert written(["t", "v"], pa.array([], pa.int64()), pa.array([], pa.float64())) == "t,v\r\n"


def test_a_slice_of_a_batch_writes_its_own_rows_only() -> None:
    assert written(["v"], pa.array([1.0, 2.0, 3.0]).slice(1, 1)) == "v\r\n2\r\n"
