"""Frames through a link: bit for bit whatever they hold, and nothing through it that is none."""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.frame import Column, FrameBatch, Layout, Quality
from telemetry.links.record import Record, RecordRefused, from_value, to_value
from telemetry.links.record_frames import digests_of, frames_of, frames_text, layout_of

KEY = "f6b029a80_0000000001"
HK = Layout("hk", (Column("eps.bat_v", "V"), Column("obc.mode", "", ((1, "SAFE"), (3, "NOMINAL")))))
PLD = Layout("pld", (Column("pld.dist_s", "cm"),))
LAYOUTS = {layout.digest: layout for layout in (HK, PLD)}

int64s = st.integers(-(2**63), 2**63 - 1)
counters = st.integers(0, 2**40) | int64s
numbers = st.one_of(
    st.floats(width=64),
    st.sampled_from(
        [np.nan, np.inf, -np.inf, -0.0, 0.0, 2.0**53, 2.0**53 + 2, 5e-324, 1.7976931348623157e308, 0.1]
    ),
    st.integers(-10_000, 10_000).map(lambda whole: whole / 100),
    st.integers(-5, 5).map(float),
)


def record(text: str, rows: int, last: int | None = None) -> Record:
    return Record(KEY, 1, last or max(rows, 1), rows, text)


@st.composite
def batches(draw: Any, layout: Layout) -> FrameBatch:
    n = draw(st.integers(1, 12))
    names = tuple(draw(st.lists(st.sampled_from(["KESTREL-1", "KESTREL-2", "Ünï-3"]), min_size=1, unique=True)))

    def column(of: st.SearchStrategy[int]) -> np.ndarray:
        many = st.lists(of, min_size=n, max_size=n) | of.map(lambda one: [one] * n)
        return np.array(draw(many), dtype=np.int64)

    columns = []
    for _ in layout.columns:
        source = draw(st.sampled_from([numbers, st.integers(-9999, 9999).map(lambda whole: whole / 1000)]))
        columns.append(draw(st.lists(source, min_size=n, max_size=n) | source.map(lambda one: [one] * n)))
    return FrameBatch(
        layout,
        names,
        column(st.integers(0, len(names) - 1)),
        column(counters),
        column(counters),
        column(int64s),
        column(int64s),
        column(st.integers(0, 31)),
        np.array(columns, dtype=np.float64).T.reshape(n, len(layout)),
    )


def same(one: FrameBatch, other: FrameBatch) -> None:
    assert one.layout == other.layout
    for a, b in zip(one, other, strict=True):
        assert (a.satellite, a.boot, a.seq, a.t_ns, a.received_ns, a.quality) == (
            b.satellite,
            b.boot,
            b.seq,
            b.t_ns,
            b.received_ns,
            b.quality,
        )
    assert (np.isnan(one.values) == np.isnan(other.values)).all()
    assert np.where(np.isnan(one.values), 0.0, one.values).tobytes() == (
        np.where(np.isnan(other.values), 0.0, other.values).tobytes()
    )


def through(sent: list[FrameBatch], compress: bool, cursor: str | None = None) -> list[FrameBatch]:
    """As a courier writes and a follower reads, with JSON between them as any database speaks it."""
    rows = sum(map(len, sent))
    value = to_value(record(frames_text(sent, readable=not compress), rows), compress)
    return frames_of(from_value(KEY, json.loads(json.dumps(value))), LAYOUTS, cursor)


@pytest.mark.parametrize("compress", [True, False])
@given(data=st.data())
def test_whatever_a_frame_holds_comes_out_as_it_went_in(compress: bool, data: st.DataObject):
    sent = [data.draw(batches(layout)) for layout in data.draw(st.sampled_from([[HK], [PLD, HK], [HK, PLD, HK]]))]
    received = through(sent, compress)
    assert len(received) == len(sent)
    for one, other in zip(sent, received, strict=True):
        same(one, other)


def made(n: int = 3, quality: int = int(Quality.SIMULATED | Quality.LATE), step_s: int = 1) -> FrameBatch:
    at = np.arange(n, dtype=np.int64)
    t_ns = 1_795_355_400_000_000_000 + at * step_s * 10**9
    zeros = np.zeros(n, dtype=np.int64)
    values = np.column_stack([(800 + at) / 100, np.full(n, 3.0)])
    return FrameBatch(HK, ("KESTREL-1",), zeros, zeros + 7, at, t_ns, t_ns + 137, zeros + quality, values)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("still", [3.0, 0.1, np.nan, np.inf, -0.0])
def test_a_value_that_stands_still_comes_back_in_every_row(still: float, compress: bool):
    sent = made(4)
    sent.values[1:, 1] = still
    (received,) = through([sent], compress)
    same(sent, received)


def test_the_cursor_travels_with_the_last_batch_only():
    pld = FrameBatch(PLD, ("A",), *[np.zeros(1, np.int64)] * 6, np.ones((1, 1)))
    assert [batch.cursor for batch in through([made(), pld], compress=True, cursor="c")] == [None, "c"]


def test_a_person_can_read_what_is_not_compressed():
    text = json.loads(frames_text([made()], readable=True))
    assert text[0]["packet"] == "hk"
    assert text[0]["satellites"] == ["KESTREL-1"]
    assert text[0]["values"] == {"eps.bat_v": [8.0, 8.01, 8.02], "obc.mode": [3.0]}


def test_one_step_a_row_costs_no_character_a_row():
    few, many = frames_text([made(10)]), frames_text([made(300)])
    assert len(many) - len(few) < 10


def test_no_frames_are_a_record_too():
    assert frames_of(record(frames_text([]), 0), LAYOUTS) == []
    assert digests_of(record(frames_text([made()]), 3)) == {HK.digest}


def changed(**fields: Any) -> str:
    (one,) = json.loads(frames_text([made()]))
    one.update(fields)
    return json.dumps([{name: value for name, value in one.items() if value is not ...}])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "wrong shape"),
        ("{}", "wrong shape"),
        ("[1]", "wrong shape"),
        ("[" * 100_000, "wrong shape"),
        ('["\ud800"]', "wrong shape"),
        (changed(layout="0" * 64), "unknown layout"),
        (changed(layout=PLD.digest), "other channels than the layout's"),
        (changed(n=2), "wrong number of rows"),
        (changed(n=0), "wrong shape"),
        (changed(n=10**9), "wrong shape"),
        (changed(satellites=[]), "wrong shape"),
        (changed(satellites=[" "]), "wrong shape"),
        (changed(satellites=[5]), "wrong shape"),
        (changed(satellite=[1]), "wrong shape"),
        (changed(satellite=[0, -1]), "wrong shape"),
        (changed(boot=[]), "wrong shape"),
        (changed(boot=[1, 2, 3, 4]), "wrong shape"),
        (changed(boot=[1.5]), "wrong shape"),
        (changed(seq=[2**63]), "wrong shape"),
        (changed(seq=[-(2**63) - 1]), "wrong shape"),
        (changed(t_ns=...), "wrong shape"),
        (changed(t_ns="1795355400"), "wrong shape"),
        (changed(quality=[-1]), "wrong shape"),
        (changed(quality=[2**31]), "wrong shape"),
        (changed(values=[[8.0]]), "other channels than the layout's"),
        (changed(values=[[8.0], [3.0], [1.0]]), "other channels than the layout's"),
        (changed(values={"eps.bat_v": [8.0], "obc.hat": [3.0]}), "other channels than the layout's"),
        (changed(values=[[8.0], []]), "wrong shape"),
        (changed(values=[[8.0] * 4, [3.0]]), "wrong shape"),
        (changed(values=[[8.0] * 301, [3.0]]), "wrong shape"),
        (changed(values=[["8.0"], [3.0]]), "wrong shape"),
        (changed(values=[["nan"], [3.0]]), "wrong shape"),
        (changed(values=[[True], [3.0]]), "wrong shape"),
        (changed(values=[[10**400], [3.0]]), "wrong shape"),
        (changed(values=[{"d": 99, "i": [1]}, [3.0]]), "wrong shape"),
        (changed(values=[{"d": -1, "i": [1]}, [3.0]]), "wrong shape"),
        (changed(values=[{"d": 2, "i": [1, 1, 1, 1]}, [3.0]]), "wrong shape"),
    ],
    ids=lambda one: ascii(one)[:60],
)
def test_a_text_that_holds_no_frames_is_refused(text: str, reason: str):
    with pytest.raises(RecordRefused) as refused:
        frames_of(record(text, 3), LAYOUTS)
    assert refused.value.reason == reason
    assert refused.value.detail.isprintable()


def test_more_rows_than_were_announced_are_refused():
    with pytest.raises(RecordRefused):
        frames_of(record(frames_text([made(3), made(3)]), 3), LAYOUTS)


def test_names_from_a_link_carry_nothing_that_a_terminal_obeys():
    (batch,) = frames_of(record(changed(satellites=["\x1b]0;x\x07KESTREL\u202e"]), 3), LAYOUTS)
    assert batch.satellites == ("\ufffd]0;x\ufffdKESTREL\ufffd",)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_no_text_ends_a_follower(text: str):
    with pytest.raises(RecordRefused):
        frames_of(record(text, 1), LAYOUTS)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(json.loads(changed())[0])), inner)
        ),
        max_leaves=20,
    )
)
def test_no_json_ends_a_follower(value: Any):
    with contextlib.suppress(RecordRefused):
        frames_of(record(json.dumps([value]), 1), LAYOUTS)


@pytest.mark.parametrize("layout", [HK, PLD])
def test_a_layout_is_known_by_its_digest(layout: Layout):
    assert layout_of(layout.digest, layout.body.decode()) == layout


def test_what_stands_under_a_digest_and_is_no_layout_is_refused():
    hostile = Layout("hk", (Column("eps\x1b[2J"),))
    twice = Layout("hk", (Column("eps.a"), Column("eps.a")))
    none = Layout("hk", ())
    other = msgspec.json.format(HK.body).decode()
    for digest, text in [
        *((one.digest, one.body.decode()) for one in (hostile, twice, none)),
        (HK.digest, PLD.body.decode()),
        (HK.digest, other),
        (hashlib.sha256(other.encode()).hexdigest(), other),
        (HK.digest, None),
        (HK.digest, {"packet": "hk"}),
        (HK.digest, "x" * (2**20 + 1)),
        (HK.digest, "\ud800"),
        (HK.digest, "[" * 100_000),
    ]:
        with pytest.raises(RecordRefused):
            layout_of(digest, text)
