"""Keys of records sort as the records were appended, and stay text everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.links.link import StreamCursor
from telemetry.links.link_keys import STREAMS, StreamKey

starts, ids = st.integers(0, 2**32 - 1), st.integers(0, 10**10 - 1)


@given(st.sampled_from(STREAMS), starts, ids)
def test_a_key_is_read_back(stream: str, start: int, first: int):
    key = StreamKey(stream, start, first)
    assert StreamKey.parse(key.text) == key
    cursor = StreamCursor(key.text, first)
    assert StreamCursor.of(cursor.text) == cursor


@given(starts, ids, starts, ids)
def test_keys_sort_as_records_were_appended(start: int, first: int, other_start: int, other_first: int):
    one, other = StreamKey("frames", start, first), StreamKey("frames", other_start, other_first)
    assert (one.text < other.text) == ((start, first) < (other_start, other_first))


def test_a_key_as_it_stands_in_a_database():
    assert StreamKey("frames", 0x6B029A80, 1).text == "f6b029a80_0000000001"
    assert [StreamKey(stream, 0, 0).text[0] for stream in STREAMS] == ["f", "s", "j", "r"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000000042",
        "f6b029a80",
        "f6b029a80_1",
        "F6b029a80_0000000001",
        "f6b029a80_00000000010",
        "x6b029a80_0000000001",
        "f6b029a80_0000000001\n",
        "f6b029a80_٠٠٠٠٠٠٠٠٠١",
        "f6B029A80_0000000001",
    ],
)
def test_what_is_no_key_is_refused(text: str):
    with pytest.raises(ValueError):
        StreamKey.parse(text)
    with pytest.raises(ValueError):
        StreamCursor.of(f"{text} 5")


@pytest.mark.parametrize("key", [("mailbox", 0, 0), ("frames", -1, 0), ("frames", 2**32, 0), ("runs", 0, 10**10)])
def test_a_key_that_would_not_sort_is_not_written(key: tuple[str, int, int]):
    with pytest.raises(ValueError):
        _ = StreamKey(*key).text


@pytest.mark.parametrize(
    "text", ["x", "f6b029a80_0000000001", "f6b029a80_0000000001 -1", "f6b029a80_0000000001 5 6"]
)
def test_what_is_no_cursor_is_refused(text: str):
    with pytest.raises(ValueError):
        StreamCursor.of(text)


def test_the_beginning_of_a_stream_is_no_text():
    assert StreamCursor.of(None) == StreamCursor.of("") == StreamCursor()
    assert StreamCursor().text == ""
