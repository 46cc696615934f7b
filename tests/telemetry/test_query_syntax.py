"""The expression language: what is read, what it is called canonically, and what an error points at."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.query_parser import MAX_DEPTH, MAX_LENGTH, parse_expression
from telemetry.query_syntax import (
    COMPARISONS,
    EQUALITIES,
    EVERYTHING,
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
    QueryError,
    SatelliteTest,
    ScoreTest,
    StateTest,
    TimeTest,
    Vocabulary,
    holds,
    text_of,
)

MODES = ((0, "BOOT"), (1, "SAFE"), (2, "and"), (3, 'odd "one" \\'), (4, "7"))
SATELLITES = ("KESTREL-1", "ISS (ZARYA)", "[red]", "time", 'back\\slash "q"', "3U", "12")
WORDS = Vocabulary({"eps.bat_v": (), "obc.mode": MODES, "eps.bat_i": ()}, SATELLITES)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
INT64 = st.integers(-(2**63), 2**63 - 1)
LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.builds(ChannelTest, st.sampled_from(["eps.bat_v", "eps.bat_i"]), st.sampled_from(COMPARISONS), FINITE),
    st.builds(
        lambda op, mode: ChannelTest("obc.mode", op, float(mode[0]), mode[1]),
        st.sampled_from(EQUALITIES),
        st.sampled_from(MODES),
    ),
    st.builds(TimeTest, st.sampled_from(COMPARISONS), INT64),
    st.builds(LastTest, st.integers(1, 2**61)),
    st.builds(SatelliteTest, st.sampled_from(EQUALITIES), st.sampled_from(SATELLITES)),
    st.builds(ScoreTest, st.sampled_from(COMPARISONS), FINITE),
    st.builds(StateTest, st.sampled_from(EQUALITIES), st.sampled_from(sorted(STATES))),
    st.builds(QualityTest, st.sampled_from(sorted(QUALITIES))),
    st.just(AnomalyTest()),
)


def _joined(join: type[And] | type[Or], parts: list[Node]) -> Node:
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, join) else (part,))
    return join(tuple(flat))


TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: _joined(And, parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: _joined(Or, parts)),
    ),
    max_leaves=8,
)


@given(TREES)
def test_canonical_text_reads_back_as_the_same_tree(tree: Node) -> None:
    text = text_of(tree)
    again = parse_expression(text, WORDS)
    assert again == tree
    assert text_of(again) == text


@given(st.text(max_size=60) | st.text(alphabet='()<>=!"\\ andornteps.bat_v0123456789-', max_size=60))
def test_any_text_is_read_or_refused_with_a_column_inside_it(text: str) -> None:
    error: QueryError | None = None
    tree: Node = EVERYTHING
    try:
        tree = parse_expression(text, WORDS)
    except QueryError as refused:
        error = refused
    if error is None:
        assert parse_expression(text_of(tree), WORDS) == tree
    else:
        assert 0 <= error.column <= len(text)
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("   ", ""),
        ("EPS.BAT_V<7.20", "eps.bat_v < 7.2"),
        ("eps.bat_v >= -5", "eps.bat_v >= -5"),
        ("eps.bat_v == 1e3", "eps.bat_v = 1000"),
        ("eps.bat_v <> .5", "eps.bat_v != 0.5"),
        ("obc.mode = safe", "obc.mode = SAFE"),
        ("obc.mode = 1", "obc.mode = SAFE"),
        ("obc.mode > 1", "obc.mode > 1"),
        ('obc.mode = "7"', 'obc.mode = "7"'),
        ('obc.mode = "and"', 'obc.mode = "and"'),
        ("satellite = kestrel-1", "satellite = KESTREL-1"),
        ('satellite != "ISS (ZARYA)"', 'satellite != "ISS (ZARYA)"'),
        ("time >= 2026-11-22T07:00Z", "time >= 2026-11-22T07:00:00Z"),
        ("time < 2026-11-22 07:00", "time < 2026-11-22T07:00:00Z"),
        ("time in last 10min", "time in last 10 min"),
        ("time in last 90 minutes", "time in last 90 min"),
        ("time in last 1.5 h", "time in last 90 min"),
        ("time in last 0.25 s", "time in last 0.25 s"),
        ("ANOMALY And (Score > 0.60)", "anomaly and score > 0.6"),
        ("state = Confirmed or quality HAS stored", "state = confirmed or quality has stored"),
        ("not (not anomaly)", "not not anomaly"),
        ("(anomaly and anomaly) and anomaly", "anomaly and anomaly and anomaly"),
        ("anomaly and (anomaly or not anomaly)", "anomaly and (anomaly or not anomaly)"),
        ("(anomaly and anomaly) or anomaly", "anomaly and anomaly or anomaly"),
        ("not (anomaly or anomaly)", "not (anomaly or anomaly)"),
    ],
)
def test_forms_that_are_read(text: str, canonical: str) -> None:
    assert text_of(parse_expression(text, WORDS)) == canonical


def test_or_binds_weaker_than_and_and_not_strongest() -> None:
    tree = parse_expression("anomaly or not anomaly and score > 1", WORDS)
    assert tree == Or((AnomalyTest(), And((Not(AnomalyTest()), ScoreTest(">", 1.0)))))


@pytest.mark.parametrize(
    ("text", "column", "allowed"),
    [
        ("eps.bat < 3", 0, "eps.bat_v"),
        ("anomaly and eps.bat_c > 3", 12, "eps.bat_i"),
        ("eps.bat_v 7", 10, "<"),
        ("eps.bat_v < seven", 12, "a number such as 7.2 or -1e-3"),
        ("eps.bat_v < 1e999", 12, "a number such as 7.2 or -1e-3"),
        ("eps.bat_v < nan", 12, "a number such as 7.2 or -1e-3"),
        ("eps.bat_v <", 11, "a number such as 7.2 or -1e-3"),
        ("obc.mode = SAVE", 11, "SAFE"),
        ("obc.mode < SAFE", 11, "="),
        ("satellite = KESTREL-2", 12, "KESTREL-1"),
        ("satellite > KESTREL-1", 10, "!="),
        ("time in 10 min", 8, "last"),
        ("time in last 10", 15, "min"),
        ("time in last 10 parsecs", 16, "min"),
        ("time in last 0 s", 13, "10 min"),
        ("time > noon", 7, "2026-11-22T07:14:03Z"),
        ("quality = stored", 8, "has"),
        ("quality has gold", 12, "stored"),
        ("state = red", 8, "nominal"),
        ("(anomaly", 8, ")"),
        ("anomaly)", 7, "and"),
        ("anomaly score > 1", 8, "or"),
        ("anomaly and", 11, "not"),
        ("not", 3, "anomaly"),
    ],
)
def test_an_error_points_at_its_column_and_says_what_could_stand_there(
    text: str, column: int, allowed: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse_expression(text, WORDS)
    assert caught.value.column == column
    assert allowed in caught.value.allowed
    assert allowed in str(caught.value)


def test_the_likeliest_word_comes_first() -> None:
    with pytest.raises(QueryError) as caught:
        parse_expression("eps.bat_vv > 3", WORDS)
    assert caught.value.allowed[0] == "eps.bat_v"


@pytest.mark.parametrize(
    "text", ["\x1b]52;c;x\x07 > 3", "[red] > 3", "[/ > 3", "\u202eabc > 3", 'eps.bat_v < "\x1b[2J"', "ab\ud800 = 1"]
)
def test_hostile_text_is_refused_in_plain_text(text: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_expression(text, WORDS)
    assert str(caught.value).isprintable()
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "text", ["(" * 900 + "anomaly" + ")" * 900, "not " * 400 + "anomaly", "x" * (MAX_LENGTH + 1)]
)
def test_a_bomb_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_expression(text, WORDS)


def test_reasonable_depth_is_no_bomb() -> None:
    depth = MAX_DEPTH - 1
    assert parse_expression("(" * depth + "anomaly" + ")" * depth, WORDS) == AnomalyTest()


@pytest.mark.parametrize("text", ["anomaly", "time > 2026-11-22", "satellite = KESTREL-1", "score > 1"])
def test_a_condition_on_channels_knows_channels_only(text: str) -> None:
    with pytest.raises(QueryError, match="no channel"):
        parse_expression(text, Vocabulary(WORDS.channels, frame_words=False))


@pytest.mark.parametrize(
    ("text", "value", "true"),
    [
        ("obc.mode = SAFE", 1.0, True),
        ("obc.mode = SAFE", 0.0, False),
        ("not obc.mode = SAFE", 0.0, True),
        ("not (obc.mode = SAFE or obc.mode = BOOT)", 2.0, True),
        ("not (obc.mode = SAFE or obc.mode = BOOT)", 0.0, False),
        ("obc.mode >= 1 and obc.mode <= 2", 2.0, True),
        ("obc.mode < 1", 1.0, False),
        ("obc.mode != SAFE", 2.0, True),
        ("obc.mode != SAFE", math.nan, False),
        ("not obc.mode = SAFE", math.nan, False),
    ],
)
def test_a_condition_holds_for_a_context(text: str, value: float, true: bool) -> None:
    tree = parse_expression(text, WORDS)
    assert holds(tree, {"obc.mode": value}) is true
    assert holds(tree, {}) is False


def test_everything_is_the_empty_expression() -> None:
    assert parse_expression("", WORDS) == EVERYTHING
    assert text_of(EVERYTHING) == ""
