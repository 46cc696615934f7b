"""Server-sent events come out whole, wherever the bytes were cut and whatever the server says of them."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.links.event_stream import EventParser, EventTooLarge, ServerEvent

NAMES = st.sampled_from(["put", "patch", "keep-alive", "cancel", "auth_revoked"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(st.tuples(NAMES, st.text(max_size=30), ENDS), max_size=6), st.data())
def test_events_are_the_same_wherever_the_bytes_are_cut(sent, data):
    raw = b"".join(
        f"event: {name}{end}data: {json.dumps(text, ensure_ascii=False)}{end}{end}".encode("utf-8", "surrogatepass")
        for name, text, end in sent
    )
    parser, found, start = EventParser(), [], 0
    while start < len(raw):
        size = data.draw(st.integers(1, 40))
        found += parser.feed(raw[start : start + size])
        start += size
    found += parser.feed(b"")
    wanted = [
        ServerEvent(name, json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        for name, text, _ in sent
    ]
    assert found == wanted


@pytest.mark.parametrize("size", range(1, 12))
def test_letters_of_several_bytes_survive_every_cut(size):
    raw = 'event: put\ndata: {"path":"/","data":"Grüße ☃ 𝄞"}\n\n'.encode()
    parser = EventParser()
    events = [event for at in range(0, len(raw), size) for event in parser.feed(raw[at : at + size])]
    assert [json.loads(event.data)["data"] for event in events] == ["Grüße ☃ 𝄞"]


def test_comments_marks_and_fields_of_others_are_passed_over():
    raw = (
        b"\xef\xbb\xbf: hello\nid: 7\nretry: 100\nevent:put\ndata:{}\ndata: 1\n\n\n\nevent: nothing\n\ndata: 2\n\n"
    )
    assert EventParser().feed(raw) == [ServerEvent("put", b"{}\n1"), ServerEvent("message", b"2")]


def test_an_event_that_never_ends_is_given_up_before_it_fills_the_memory():
    parser = EventParser(limit=1000)
    with pytest.raises(EventTooLarge):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 60)
    parser = EventParser(limit=1000)
    with pytest.raises(EventTooLarge):
        for _ in range(100):
            parser.feed(b"data: " + b"x" * 60 + b"\n")


def test_a_window_of_20000_rows_is_read_in_time_that_grows_with_its_size_alone():
    """Google's client takes 22 s of CPU for these 2.5 MB: it looks at one character at a time."""

    def cpu_s(megabytes: float) -> float:
        raw = b"event: put\ndata: " + b"x" * int(megabytes * 1e6) + b"\n\n"
        begun = time.process_time()
        parser = EventParser()
        events = [event for at in range(0, len(raw), 1400) for event in parser.feed(raw[at : at + 1400])]
        assert len(events) == 1
        return time.process_time() - begun

    cpu_s(0.1)
    assert min(cpu_s(2.5) for _ in range(3)) < 0.5
    assert min(cpu_s(20) for _ in range(2)) < 3
