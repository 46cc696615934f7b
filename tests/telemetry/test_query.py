"""A query keeps exactly the rows its sentence describes, and no shortcut ever loses one of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.dictionary import Bus, Channel, Mission, Satellite
from telemetry.frame import Quality
from telemetry.freshness import is_invalid
from telemetry.query import FilterColumns, Query, QueryError, parse
from telemetry.query_syntax import (
    COMPARISONS,
    EQUALITIES,
    QUALITIES,
    STATES,
    And,
    AnomalyTest,
    ChannelTest,
    LastTest,
    Node,
    Not,
    Or,
    QualityTest,
    SatelliteTest,
    ScoreTest,
    StateTest,
    TimeTest,
)

A = Channel("a.v", "A", valid=(-100, 100), sentinels=(-99,))
MODE = Channel("a.mode", "Mode", enum=((0, "BOOT"), (1, "SAFE")))
WIDE = Channel("a.v", "A")
MISSION = Mission(
    Path("/nowhere"),
    (Satellite("K", "x"), Satellite("L", "y"), Satellite("M m", "x")),
    {"x": Bus("x", (A, MODE)), "y": Bus("y", (WIDE,))},
)
NOW = 1000

VALUES = st.sampled_from([-999.0, -99.0, -5.0, -0.0, 0.0, 1.0, 2.5, 7.0, 500.0, math.nan, math.inf])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "satellite": st.integers(0, 2),
            "t_ns": st.integers(NOW - 5, NOW + 5),
            "quality": st.integers(0, 31),
            "scored": st.tuples(st.just(-1), st.just(math.nan))
            | st.tuples(st.integers(0, 2), st.sampled_from([0.1, 0.5, 0.9])),
            "a.v": VALUES,
            "a.mode": st.sampled_from([0.0, 1.0, 2.0, math.nan]),
        }
    ),
    max_size=8,
)
NUMBERS = st.sampled_from([-99.0, -5.0, 0.0, 1.0, 2.5, 3.0, 500.0])
LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.builds(ChannelTest, st.sampled_from(["a.v", "a.mode"]), st.sampled_from(COMPARISONS), NUMBERS),
    st.builds(TimeTest, st.sampled_from(COMPARISONS), st.integers(NOW - 6, NOW + 6)),
    st.builds(LastTest, st.integers(1, 8)),
    st.builds(SatelliteTest, st.sampled_from(EQUALITIES), st.sampled_from(["K", "L", "M m"])),
    st.builds(ScoreTest, st.sampled_from(COMPARISONS), st.sampled_from([0.1, 0.5, 0.7])),
    st.builds(StateTest, st.sampled_from(EQUALITIES), st.sampled_from(sorted(STATES))),
    st.builds(QualityTest, st.sampled_from(sorted(QUALITIES))),
    st.just(AnomalyTest()),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=6,
)
Row = dict[str, Any]


def columns(rows: list[Row], with_values: bool = True) -> FilterColumns:
    def integers(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], dtype=np.int64)

    def floats(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows], dtype=np.float64)

    return FilterColumns(
        ("K", "L", "M m"),
        integers("satellite"),
        integers("t_ns"),
        integers("quality"),
        np.array([row["scored"][0] for row in rows], dtype=np.int64),
        np.array([row["scored"][1] for row in rows], dtype=np.float64),
        {name: floats(name) for name in ("a.v", "a.mode")} if with_values else {},
    )


def invalid(row: Row, channel: str) -> bool:
    bus = MISSION.bus_of(("K", "L", "M m")[row["satellite"]])
    definition = bus.by_name.get(channel) or Channel(channel, channel)
    return is_invalid(definition, row[channel])


def truth(node: Node, row: Row) -> bool | None:
    """Three-valued logic, one row at a time: None where a value that is not there would have to decide."""
    match node:
        case Not(part):
            inner = truth(part, row)
            return None if inner is None else not inner
        case And(parts):
            found = [truth(part, row) for part in parts]
            return False if False in found else None if None in found else True
        case Or(parts):
            found = [truth(part, row) for part in parts]
            return True if True in found else None if None in found else False
        case ChannelTest(channel, op, value):
            return None if invalid(row, channel) else _compare(op, row[channel], value)
        case TimeTest(op, t_ns):
            return _compare(op, row["t_ns"], t_ns)
        case LastTest(span_ns):
            return row["t_ns"] >= NOW - span_ns
        case SatelliteTest(op, name):
            return (("K", "L", "M m")[row["satellite"]] == name) == (op == "=")
        case ScoreTest(op, value):
            return None if row["scored"][0] == -1 else _compare(op, row["scored"][1], value)
        case StateTest(op, word):
            return (row["scored"][0] in STATES[word]) == (op == "=")
        case QualityTest(word):
            return bool(row["quality"] & QUALITIES[word])
        case AnomalyTest():
            return row["scored"][0] > 0


def _compare(op: str, left: float, right: float) -> bool:
    order = (left > right) - (left < right)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0, "=": order == 0, "!=": order != 0}[
        op
    ]


def matches(tree: Node, rows: list[Row]) -> list[bool]:
    return [truth(tree, row) is True for row in rows]


@given(TREES, ROWS)
def test_the_mask_is_the_sentence(tree: Node, rows: list[Row]) -> None:
    assert Query(tree, MISSION, NOW).mask(columns(rows)).tolist() == matches(tree, rows)


@given(TREES, ROWS, st.booleans())
def test_a_block_that_holds_a_match_is_never_skipped(tree: Node, rows: list[Row], partial: bool) -> None:
    stats: dict[str, tuple[float, float]] = {}
    for channel in ("a.v", "a.mode")[: 1 if partial else 2]:
        valid = [row[channel] for row in rows if not invalid(row, channel)]
        stats[channel] = (min(valid), max(valid)) if valid else (math.nan, math.nan)
    if any(matches(tree, rows)):
        assert Query(tree, MISSION, NOW).may_match(stats)


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=2),
    st.sampled_from(COMPARISONS),
    st.sampled_from([-1.0, 0.0, 1.0]),
    st.booleans(),
)
def test_one_comparison_skips_a_block_only_where_no_value_satisfies_it(
    values: list[float], op: str, against: float, negated: bool
) -> None:
    test = ChannelTest("a.v", op, against)
    query = Query(Not(test) if negated else test, MISSION, NOW)
    rows: list[Row] = [
        {"satellite": 1, "t_ns": NOW, "quality": 0, "scored": (0, 0.1), "a.v": value, "a.mode": 0.0}
        for value in values
    ]
    if query.mask(columns(rows)).any():
        assert query.may_match({"a.v": (min(values), max(values))})


@pytest.mark.parametrize("text", ["satellite != L", "not satellite = L"])
def test_a_satellite_that_never_sent_can_be_excluded(text: str) -> None:
    row: Row = {"satellite": 0, "t_ns": NOW, "quality": 0, "scored": (0, 0.1), "a.v": 1.0, "a.mode": 0.0}
    assert _selected(parse(text, MISSION), [row]) == {0}


@given(TREES, ROWS)
def test_every_match_lies_within_the_bounds_and_satellites(tree: Node, rows: list[Row]) -> None:
    query = Query(tree, MISSION, NOW)
    first, last = query.time_bounds()
    names = query.satellites()
    for row, match in zip(rows, matches(tree, rows), strict=True):
        if match:
            assert first is None or row["t_ns"] >= first
            assert last is None or row["t_ns"] <= last
            assert names is None or ("K", "L", "M m")[row["satellite"]] in names


@given(TREES, ROWS)
def test_sql_loses_no_match_and_is_exact_without_channels(tree: Node, rows: list[Row]) -> None:
    query = Query(tree, MISSION, NOW)
    found = _selected(query, rows)
    expected = {i for i, match in enumerate(matches(tree, rows)) if match}
    assert expected <= found
    if query.sql_exact:
        assert found == expected


def _selected(query: Query, rows: list[Row]) -> set[int]:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE satellite(id, name); CREATE TABLE score(frame, state, score)")
    connection.execute("CREATE TABLE frame(id, satellite, t_ns, quality)")
    seen = {row["satellite"] for row in rows}
    connection.executemany("INSERT INTO satellite VALUES (?,?)", [(i + 7, ("K", "L", "M m")[i]) for i in seen])
    for i, row in enumerate(rows):
        connection.execute(
            "INSERT INTO frame VALUES (?,?,?,?)", (i, row["satellite"] + 7, row["t_ns"], row["quality"])
        )
        if row["scored"][0] >= 0:
            connection.execute("INSERT INTO score VALUES (?,?,?)", (i, *row["scored"]))
    where, parameters = query.sql()
    sql = f"SELECT id FROM frame LEFT JOIN score ON score.frame = frame.id WHERE {where}"
    return {row[0] for row in connection.execute(sql, parameters)}


@given(TREES, ROWS)
def test_a_pinned_query_means_the_same_whenever_it_is_asked(tree: Node, rows: list[Row]) -> None:
    pinned = Query(tree, MISSION, NOW).pinned()
    assert pinned.at(NOW + 10**12).mask(columns(rows)).tolist() == matches(tree, rows)


@given(TREES)
def test_rows_of_a_packet_without_the_channel_never_match_it(tree: Node) -> None:
    rows: list[Row] = [
        {"satellite": 0, "t_ns": NOW, "quality": 0, "scored": (0, 0.1), "a.v": math.nan, "a.mode": math.nan}
    ]
    query = Query(tree, MISSION, NOW)
    assert query.mask(columns(rows, with_values=False)).tolist() == matches(tree, rows)


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("", (None, None)),
        ("time >= 1970-01-01T00:00:10Z", (10_000_000_000, None)),
        ("time > 1970-01-01T00:00:10Z and time < 1970-01-01T00:00:20Z", (10_000_000_001, 19_999_999_999)),
        ("not time > 1970-01-01T00:00:10Z", (None, 10_000_000_000)),
        ("time in last 10 s", (90_000_000_000, None)),
        ("time = 1970-01-01T00:00:10Z or anomaly", (None, None)),
        ("time < 1970-01-01T00:00:10Z and time > 1970-01-01T00:00:20Z", (1, 0)),
    ],
)
def test_bounds_in_time(text: str, bounds: tuple[int | None, int | None]) -> None:
    assert parse(text, MISSION, 100_000_000_000).time_bounds() == bounds


def test_blocks_are_skipped_where_they_can_be() -> None:
    query = parse("a.v > 5 and not a.mode = SAFE", MISSION)
    assert query.may_match({"a.v": (0, 6), "a.mode": (0, 1)})
    assert not query.may_match({"a.v": (0, 5), "a.mode": (0, 1)})
    assert not query.may_match({"a.v": (0, 6), "a.mode": (1, 1)})
    assert not query.may_match({"a.v": (math.nan, math.nan)})
    assert query.may_match({})


def test_what_a_query_says_of_itself() -> None:
    query = parse("a.v < 3 and anomaly or satellite = K and a.v > 5", MISSION)
    assert query.channels() == ("a.v",)
    assert query.needs_score
    assert not query.sql_exact
    assert query.satellites() is None
    assert parse("satellite = k and a.v < 3", MISSION).satellites() == {"K"}
    assert not parse("quality has stored", MISSION).needs_score
    assert parse("", MISSION).mask(columns([])).shape == (0,)


def test_a_sentinel_of_one_bus_is_a_value_on_another() -> None:
    rows: list[Row] = [
        {"satellite": i, "t_ns": NOW, "quality": int(Quality.NONE), "scored": (0, 0.1), "a.v": -99.0, "a.mode": 0.0}
        for i in range(3)
    ]
    assert parse("a.v < 0", MISSION).mask(columns(rows)).tolist() == [False, True, False]


def test_a_label_that_means_two_codes_is_refused() -> None:
    other = Channel("a.mode", "Mode", enum=((0, "SAFE"), (1, "BOOT")))
    mission = Mission(Path("/nowhere"), (Satellite("K", "x"),), {"x": Bus("x", (MODE,)), "y": Bus("y", (other,))})
    with pytest.raises(QueryError):
        parse("a.mode = SAFE", mission)
    assert parse("a.mode = 1", mission).text == "a.mode = 1"
