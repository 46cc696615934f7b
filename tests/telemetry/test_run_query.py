"""Runs that are asked for: every word means what it says, pages neither lose nor repeat a run, in any order."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarms import Event
from telemetry.clock import ManualClock, iso
from telemetry.query_syntax import QueryError
from telemetry.run_query import FIGURES, SORTS, parse_runs
from telemetry.store.reader import StoreReader
from telemetry.store.rows import RunRow
from telemetry.store.run_page import key_of
from telemetry.store.writer import StoreWriter
from tests.telemetry.conftest import T0, S

MINUTE = 60 * S


def run(number: int, decision: str = "kept", **figures: object) -> RunRow:
    reason = {"kept": "30 newly accepted rows", "rejected": "bank recall 0.81 < 0.86"}.get(decision, "new rows")
    row = RunRow(retrain=number, at_ns=T0 + number * MINUTE, satellite="A", decision=decision, reason=reason)
    return msgspec.structs.replace(row, **figures)


RUNS = [
    run(1, "promoted", version=1, fit_s=2.0, rows=5000, drift=None, threshold=0.6, false_alarms_per_day=0.2),
    run(2, drift=0.01),
    run(3, drift=0.30),
    run(4, "rejected", fit_s=1.5, rows=5500, excluded=7, drift=0.31, threshold=0.7, false_alarms_per_day=0.1),
    run(5, version=2, fit_s=1.0, rows=6000, drift=0.31, reason="held by kim until 14:00Z: calibration"),
    run(6, "promoted", version=3, fit_s=0.5, rows=6500, drift=0.02, threshold=0.65, false_alarms_per_day=0.3),
    run(7, satellite="B", drift=0.5),
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> StoreReader:
    path = tmp_path_factory.mktemp("runs") / "telemetry.db"
    writer = StoreWriter(path, ManualClock(T0))
    for one in RUNS:
        writer.record_run(one)
    events = [
        Event(T0 + i * S, "A", "alarm.raised", 2, f"anomaly:a.{i}", "", {"model": 1 + (i > 2), "text": f"{i}"})
        for i in range(5)
    ]
    writer.append([], [*events, Event(T0, "A", "alarm.raised", 2, "a.limit", "", {"text": "limit"})], {})
    writer.close()
    return StoreReader(path)


def numbers(found: list[RunRow]) -> list[int]:
    return [row.retrain for row in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", [6, 5, 4, 3, 2, 1]),
        ("promoted", [6, 1]),
        ("Rejected", [4]),
        ("kept", [5, 3, 2]),
        ("-kept", [6, 4, 1]),
        ("fitted", [6, 5, 4, 1]),
        ("kept fitted", [5]),
        ("held", [5]),
        ("v3", [6]),
        ("v1-v2", [5, 1]),
        ("#2-#4", [4, 3, 2]),
        ("#2-4", [4, 3, 2]),
        ("drift>0.25", [5, 4, 3]),
        ("drift<=.31 drift>=0.31", [5, 4]),
        ("-drift>0.25", [6, 2, 1]),
        ("rows>5e3 fa<0.25", [4]),
        ("excluded=7", [4]),
        ("RECALL", [4]),
        ("kim", [5]),
        (f"time>={iso(T0 + 5 * MINUTE)}", [6, 5]),
        ("50%", []),
    ],
)
def test_every_word_means_what_it_says(reader: StoreReader, text: str, wanted: list[int]):
    assert numbers(reader.considered.page(parse_runs(text), "A")) == wanted


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [("drift>", 6, "no number"), ("kept speed>3", 5, "'speed' is no figure"), ("-fa>x", 4, "'x' is no number"),
     ("time>noon", 5, "no time"), (">3", 0, "no figure")],
)  # fmt: skip
def test_what_cannot_be_read_is_pointed_at(text: str, column: int, said: str):
    with pytest.raises(QueryError, match=said) as caught:
        parse_runs(text)
    assert caught.value.column == column


def test_an_order_that_is_none_is_refused():
    with pytest.raises(QueryError, match="'speed' is no order"):
        parse_runs("", "speed")


def test_the_largest_figure_comes_first_and_those_without_one_last(reader: StoreReader):
    assert numbers(reader.considered.page(parse_runs("", "drift"), "A")) == [5, 4, 3, 6, 2, 1]
    assert numbers(reader.considered.page(parse_runs("", "fa"), "A")) == [6, 1, 4, 5, 3, 2]
    assert numbers(reader.considered.page(parse_runs("", "oldest"), "A")) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_by_key_are_the_whole(reader: StoreReader, sort: str, limit: int):
    query = parse_runs("-#1", sort)
    whole = reader.considered.page(query)
    assert len(whole) == 6
    paged, after = [], None
    while page := reader.considered.page(query, after=after, limit=limit):
        paged += page
        after = key_of(page[-1], query)
    assert paged == whole


def test_of_the_past_and_of_what_is_new(reader: StoreReader):
    query = parse_runs("")
    assert numbers(reader.considered.page(query, "A", until_ns=T0 + 3 * MINUTE)) == [3, 2, 1]
    assert numbers(reader.considered.page(query, "A", above_id=4)) == [6, 5]
    assert [point.drift for point in reader.considered.points("A", limit=3)] == [0.31, 0.31, 0.02]
    assert [point.at_ns for point in reader.considered.points("A", T0 + 2 * MINUTE)] == [
        T0 + MINUTE,
        T0 + 2 * MINUTE,
    ]


def test_anomalies_are_counted_by_the_model_that_raised_them(reader: StoreReader):
    count, events = reader.considered.raised_by("A", 1, limit=2)
    assert (count, [event.subject for event in events]) == (3, ["anomaly:a.2", "anomaly:a.1"])
    assert reader.considered.raised_by("A", 2, T0 + 3 * S)[0] == 1
    assert reader.considered.raised_by("B", 1) == (0, [])


words = st.sampled_from(["kept", "-promoted", "fitted", "v1", "#3-#9", "rows", "-drift>1", "a%_'\"", "--", "-"])
compared = st.builds(
    lambda name, op, value: f"{name}{op}{value:g}",
    st.sampled_from(sorted(FIGURES)),
    st.sampled_from(["<", "<=", ">", ">=", "=", "!="]),
    st.floats(-10, 10, allow_nan=False),
)


@given(st.lists(words | compared | st.text(max_size=8), max_size=4), st.sampled_from(SORTS))
def test_whatever_is_typed_is_answered_or_pointed_at(
    reader_of: Callable[[], StoreReader], typed: list[str], sort: str
):
    text = " ".join(typed)
    try:
        query = parse_runs(text, sort)
    except QueryError as error:
        wrong = error.column
    else:
        reader_of().considered.page(query)
        return
    assert 0 <= wrong <= len(text)


@pytest.fixture(scope="module")
def reader_of(reader: StoreReader) -> Callable[[], StoreReader]:
    return lambda: reader
