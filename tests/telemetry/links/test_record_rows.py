"""Scores, events and considered fits through a link."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.alarms import Event
from telemetry.links.record import Record, RecordRefused, from_value, to_value
from telemetry.links.record_journal import events_of, events_text, runs_of, runs_text
from telemetry.links.record_scores import scores_of, scores_text
from telemetry.store.rows import RunRow, ScoreBatch, ScoreColumns

int64s = st.integers(-(2**63), 2**63 - 1)
plain = st.text(st.characters(categories=["L", "N", "P"]), max_size=20).filter(str.isprintable)
finite = st.floats(-1e15, 1e15)
bodies = st.recursive(
    st.none() | st.booleans() | int64s | finite | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3),
    max_leaves=8,
).flatmap(lambda value: st.just({"body": value}))


def through(text: str, rows: int, letter: str = "j") -> Record:
    key = f"{letter}6b029a80_0000000001"
    record = Record(key, 1, max(rows, 1), rows, text)
    return from_value(key, json.loads(json.dumps(to_value(record, compress=True))))


@st.composite
def score_batches(draw: Any) -> ScoreBatch:
    n = draw(st.integers(0, 10))

    def column(of: st.SearchStrategy[Any], kind: type = np.int64) -> np.ndarray:
        return np.array(draw(st.lists(of, min_size=n, max_size=n)), dtype=kind)

    columns = ScoreColumns(
        column(int64s),
        column(st.floats(allow_nan=False), np.float64),
        column(st.floats(0, 1), np.float64),
        column(st.integers(0, 2)),
        np.array(draw(st.lists(st.floats(width=32), min_size=3 * n, max_size=3 * n)), dtype=np.float32).reshape(
            n, 3
        ),
    )
    return ScoreBatch(("A", "B"), column(st.integers(0, 1)), column(int64s), column(int64s), columns)


@given(score_batches(), st.booleans())
def test_a_score_comes_out_as_it_went_in(sent: ScoreBatch, readable: bool):
    received = scores_of(through(scores_text(sent, readable=readable), len(sent), "s"))
    assert [received.satellites[i] for i in received.satellite] == [sent.satellites[i] for i in sent.satellite]
    for one, other in (
        (sent.boot, received.boot),
        (sent.seq, received.seq),
        (sent.columns.model, received.columns.model),
        (sent.columns.state, received.columns.state),
        (sent.columns.score, received.columns.score),
        (sent.columns.p, received.columns.p),
    ):
        assert one.tobytes() == other.tobytes()
    assert (sent.columns.axes.dtype, received.columns.axes.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(received.columns.axes, sent.columns.axes)


def scores(**fields: Any) -> str:
    zeros = np.zeros(2, np.int64)
    columns = ScoreColumns(
        zeros + 7, np.array([0.5, 1.5]), np.array([0.1, 0.2]), zeros, np.ones((2, 3), np.float32)
    )
    batch = ScoreBatch(("A",), zeros, zeros, zeros + 5, columns)
    return json.dumps({**json.loads(scores_text(batch)), **fields})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        scores(n=3),
        scores(state=[3]),
        scores(state=[-1]),
        # The store has no place for an opinion that is no number.
        scores(score=[None]),
        scores(p=[0.5, None]),
        scores(axes=[[0.0], [0.0]]),
        scores(satellites=[]),
        scores(satellite=[1]),
        scores(model=[0.5]),
    ],
)
def test_a_text_that_holds_no_scores_is_refused(text: str):
    assert len(scores_of(through(scores(), 2, "s"))) == 2
    with pytest.raises(RecordRefused):
        scores_of(through(text, 2, "s"))


events = st.builds(
    Event,
    at_ns=int64s,
    satellite=plain,
    kind=plain,
    severity=st.integers(-1, 5),
    subject=plain,
    actor=plain,
    body=bodies,
)


@given(st.lists(events, max_size=5))
def test_an_event_comes_out_as_it_went_in(sent: list[Event]):
    assert events_of(through(events_text(sent), len(sent))) == sent


def test_an_event_leaves_its_number_behind():
    sent = Event(at_ns=1, satellite="A", kind="x", id=900)
    (received,) = events_of(through(events_text([sent]), 1))
    assert received.id == 0


def test_a_person_can_read_events_and_fits():
    (event,) = json.loads(events_text([Event(at_ns=1, satellite="A", kind="alarm.raised", body={"text": "hot"})]))
    assert (event["kind"], event["body"]) == ("alarm.raised", {"text": "hot"})
    (run,) = json.loads(runs_text([RunRow(retrain=4, at_ns=1, decision="kept", reason="no new rows")]))
    assert (run["retrain"], run["reason"]) == (4, "no new rows")


runs = st.builds(
    RunRow,
    retrain=int64s,
    at_ns=int64s,
    satellite=st.none() | plain,
    decision=plain,
    version=st.none() | int64s,
    parent=st.none() | int64s,
    mlflow_run=st.none() | plain,
    fit_s=st.none() | finite,
    rows=st.none() | int64s,
    excluded=st.none() | int64s,
    threshold=st.none() | finite,
    false_alarms_per_day=st.none() | finite,
    anomaly_rate=st.none() | finite,
    drift=st.none() | finite,
    window_from=st.none() | int64s,
    window_to=st.none() | int64s,
    window_hash=st.none() | plain,
    model_sha256=st.none() | plain,
    reason=plain,
    body=bodies,
)


@given(st.lists(runs, max_size=3))
def test_a_considered_fit_comes_out_as_it_went_in(sent: list[RunRow]):
    assert runs_of(through(runs_text(sent), len(sent), "r")) == sent


HOSTILE = "\x1b]0;x\x07ab\u202ecd\x9b2J"
HARMLESS = "\ufffd]0;x\ufffdab\ufffdcd\ufffd2J"


def test_no_text_of_a_link_reaches_the_store_as_a_terminal_would_obey_it():
    event = Event(1, HOSTILE, HOSTILE, 2, HOSTILE, HOSTILE, {HOSTILE: [{"text": HOSTILE}]})
    (found,) = events_of(through(events_text([event]), 1))
    assert found == Event(1, HARMLESS, HARMLESS, 2, HARMLESS, HARMLESS, {HARMLESS: [{"text": HARMLESS}]})
    texts = dict.fromkeys(("satellite", "decision", "mlflow_run", "window_hash", "reason"), HOSTILE)
    run = RunRow(retrain=1, at_ns=1, model_sha256=HOSTILE, body={HOSTILE: HOSTILE}, **texts)
    (fit,) = runs_of(through(runs_text([run]), 1, "r"))
    assert {getattr(fit, name) for name in (*texts, "model_sha256")} == {HARMLESS}
    assert fit.body == {HARMLESS: HARMLESS}


def test_a_name_that_fills_the_screen_is_cut():
    (found,) = events_of(through(events_text([Event(1, "A", "x" * 10_000, body={"text": "y" * 10_000})]), 1))
    assert (len(found.kind), len(found.body["text"])) == (200, 4096)


def event(**fields: Any) -> str:
    whole = {"at_ns": 1, "satellite": "A", "kind": "x", "severity": 0, "subject": "", "actor": "", "body": {}}
    return json.dumps([{**whole, **fields}])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[1]",
        event(at_ns=2**63),
        event(at_ns="now"),
        event(severity=1000),
        event(severity=None),
        event(kind=5),
        event(body=[]),
        event(body={"a": 2**64}),
        json.dumps([json.loads(event())[0]] * 2),
        event().replace('"body": {}', '"body": ' + '{"a":' * 20 + "1" + "}" * 20),
        event().replace('"body": {}', '"body": {"a": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    ],
    ids=lambda one: ascii(one)[:60],
)
def test_a_text_that_holds_no_events_is_refused(text: str):
    assert len(events_of(through(event(), 1))) == 1
    with pytest.raises(RecordRefused):
        events_of(through(text, 1))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | (
                st.dictionaries(
                    st.sampled_from(["at_ns", "retrain", "decision", "kind", "body", "n", "boot", "score"]), inner
                )
            )
        ),
    )
)
def test_no_json_ends_a_follower(value: Any):
    for read in (events_of, runs_of, scores_of):
        for text in (json.dumps(value), json.dumps([value])):
            with contextlib.suppress(RecordRefused):
                read(Record("j6b029a80_0000000001", 1, 1, 1, text))
