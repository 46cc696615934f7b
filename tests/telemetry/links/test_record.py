"""What stands under a key: packed and unpacked, and refused before it costs anything."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.links.record import MOST_BYTES, Record, RecordRefused, from_value, to_value

KEY = "f6b029a80_0000000005"


def packed(text: bytes) -> str:
    return base64.b64encode(zlib.compress(text)).decode()


def value(**fields: Any) -> dict[str, Any]:
    whole = {"v": 1, "a": 5, "b": 9, "n": 3, "z": packed(b"[]")} | fields
    return {name: one for name, one in whole.items() if one is not ...}


@pytest.mark.parametrize("compress", [True, False])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_a_record_comes_out_as_it_went_in(compress: bool, text: str):
    record = Record(KEY, 5, 9, 3, text)
    stored = json.loads(json.dumps(to_value(record, compress)))
    assert from_value(KEY, stored) == record
    # Text and whole numbers only: nothing a database would turn into something else.
    assert {type(one) for one in stored.values()} == {int, str}


def test_the_stream_is_that_of_the_key():
    assert Record("j6b029a80_0000000005", 5, 9, 3, "[]").stream == "journal"


@pytest.mark.parametrize(
    ("key", "stored", "reason"),
    [
        (KEY, None, "wrong shape"),
        (KEY, [1, 2], "wrong shape"),
        (KEY, "x", "wrong shape"),
        (KEY, {}, "wrong shape"),
        (KEY, value(a="5"), "wrong shape"),
        (KEY, value(a=5.0), "wrong shape"),
        (KEY, value(a=True), "wrong shape"),
        (KEY, value(b=10**10), "wrong shape"),
        (KEY, value(n=301), "wrong shape"),
        (KEY, value(n=-1), "wrong shape"),
        (KEY, value(z=...), "wrong shape"),
        (KEY, value(j="[]"), "wrong shape"),
        (KEY, value(z=["x"]), "wrong shape"),
        (KEY, value(v=2), "unknown version"),
        ("00000005", value(), "no key"),
        (KEY, value(a=6), "wrong range"),
        (KEY, value(b=4), "wrong range"),
        (KEY, value(n=6), "wrong range"),
        (KEY, value(z="!!"), "not zlib in base64"),
        (KEY, value(z="\ud800"), "not zlib in base64"),
        (KEY, value(z="AAAA"), "not zlib in base64"),
        (KEY, value(z=packed(b"[]" * 50)[:-8]), "not zlib in base64"),
        (KEY, value(z=base64.b64encode(zlib.compress(b"[]") + b"more").decode()), "not zlib in base64"),
        (KEY, value(z=packed(b"\xff\xfe")), "not UTF-8"),
        (KEY, value(z="A" * (MOST_BYTES + 4)), "too large"),
        (KEY, value(z=..., j="x" * (MOST_BYTES + 1)), "too large"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(key: str, stored: Any, reason: str):
    with pytest.raises(RecordRefused) as refused:
        from_value(key, stored)
    assert refused.value.reason == reason
    assert refused.value.detail.isprintable()


def test_a_bomb_is_not_blown_up(monkeypatch):
    """A hundred megabytes of zeros in a hundred kilobytes: no more is unpacked than a record may hold."""
    taken: list[int] = []
    opened = zlib.decompressobj

    class Watched:
        def __init__(self) -> None:
            self._opened = opened()

        def decompress(self, data: bytes, most: int) -> bytes:
            found = self._opened.decompress(data, most)
            taken.append(len(found))
            return found

    bomb = zlib.compressobj()
    text = b"".join(bomb.compress(bytes(2**24)) for _ in range(8)) + bomb.flush()
    assert len(text) < 2**18
    monkeypatch.setattr("telemetry.links.record.zlib.decompressobj", Watched)
    with pytest.raises(RecordRefused) as refused:
        from_value(KEY, value(z=base64.b64encode(text).decode()))
    assert refused.value.reason == "too large"
    assert sum(taken) <= MOST_BYTES + 1


@given(st.dictionaries(st.sampled_from(["v", "a", "b", "n", "z", "j"]), st.integers(-5, 400) | st.text(max_size=8)))
def test_no_value_ends_a_follower(stored: dict[str, Any]):
    try:
        record = from_value(KEY, stored)
    except RecordRefused:
        return
    assert (record.first, record.rows <= record.last - 4) == (5, True)


def test_what_no_follower_would_take_is_not_written():
    with pytest.raises(ValueError):
        to_value(Record(KEY, 5, 400, 301, "[]"), compress=True)
    with pytest.raises(ValueError):
        to_value(Record(KEY, 5, 9, 3, "é" * (MOST_BYTES // 2 + 1)), compress=True)
