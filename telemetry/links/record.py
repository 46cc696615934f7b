"""A record of a stream: rows of the publisher's store as one text, on its way into a link and out of one.

A record stands in a link as `{v, a, b, n, z}` or `{v, a, b, n, j}`: version, first and last id, number of rows, and
the text, plain (`j`) or as base64 of zlib (`z`). It is text and no tree because a link may change trees: names with
dots, nulls and arrays do not survive everywhere. What comes out of a link was written by anybody: sizes are capped
before they cost anything, every text passes `plain_text`, and what does not fit is refused with the reason.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

import msgspec

from telemetry.links.link_keys import MOST_ROWS, StreamKey
from telemetry.plain_text import plain_text

VERSION = 1
MOST_BYTES = 8 * 2**20
"""Size of a record's text in UTF-8, at most; also of what it is compressed to."""
_LEVEL = 6
_LONGEST_TEXT = 4096
_DEEPEST = 16
_Value = TypeVar("_Value")


class RecordRefused(Exception):
    """What a link gave is no record: `reason`, one of few, is counted; `detail` says it exactly, in plain text."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, plain_text(detail)
        super().__init__(f"{reason}: {self.detail}" if detail else reason)


class Record(msgspec.Struct, frozen=True):
    """Rows `first` to `last` of one stream of a publisher's store, ends included, under their key.

    There may be fewer `rows` than ids: not every frame has a score.
    """

    key: str
    first: int
    last: int
    rows: int
    text: str
    """JSON; its shape is the stream's."""

    @property
    def stream(self) -> str:
        return StreamKey.parse(self.key).stream


class _Stored(msgspec.Struct):
    v: int
    a: Annotated[int, msgspec.Meta(ge=0, lt=10**10)]
    b: Annotated[int, msgspec.Meta(ge=0, lt=10**10)]
    n: Annotated[int, msgspec.Meta(ge=0, le=MOST_ROWS)]
    z: str | None = None
    j: str | None = None


def to_value(record: Record, compress: bool) -> dict[str, Any]:
    """What stands in a link under `record.key`.

    Raises:
        ValueError: the record is larger than a follower accepts.
    """
    text = record.text.encode()
    if len(text) > MOST_BYTES or not 0 <= record.rows <= MOST_ROWS:
        raise ValueError(f"{record.key}: {len(text)} bytes, {record.rows} rows: too large for a record")
    packed = {"z": base64.b64encode(zlib.compress(text, _LEVEL)).decode()} if compress else {"j": record.text}
    return {"v": VERSION, "a": record.first, "b": record.last, "n": record.rows, **packed}


def from_value(key: str, value: object) -> Record:
    """The record that stands in a link under `key`.

    Raises:
        RecordRefused: it is none.
    """
    try:
        place = StreamKey.parse(key)
    except ValueError as error:
        raise RecordRefused("no key", str(error)) from error
    try:
        stored = msgspec.convert(value, _Stored)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RecordRefused("wrong shape", str(error)) from error
    if stored.v != VERSION:
        raise RecordRefused("unknown version", f"{stored.v}, known: {VERSION}")
    if not (place.first_id == stored.a <= stored.b and stored.n <= stored.b - stored.a + 1):
        raise RecordRefused("wrong range", f"{key}: {stored.a} to {stored.b}, {stored.n} rows")
    if (stored.z is None) == (stored.j is None):
        raise RecordRefused("wrong shape", "one of z and j")
    text = _unpacked(stored.z) if stored.z is not None else cast("str", stored.j)
    if len(text) > MOST_BYTES:
        raise RecordRefused("too large", f"more than {MOST_BYTES} bytes")
    return Record(key, stored.a, stored.b, stored.n, text)


def _unpacked(packed: str) -> str:
    if len(packed) > MOST_BYTES:
        raise RecordRefused("too large", f"more than {MOST_BYTES} bytes")
    opened = zlib.decompressobj()
    try:
        text = opened.decompress(base64.b64decode(packed, validate=True), MOST_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise RecordRefused("not zlib in base64", str(error)) from error
    if len(text) > MOST_BYTES:
        raise RecordRefused("too large", f"more than {MOST_BYTES} bytes")
    if not opened.eof or opened.unused_data:
        raise RecordRefused("not zlib in base64", "cut short" if not opened.eof else "something follows")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise RecordRefused("not UTF-8", str(error)) from error


def decoded(record: Record, shape: Callable[[str], _Value]) -> _Value:
    """The text of a record, of the shape its stream has.

    Raises:
        RecordRefused: it is not JSON or has another shape.
    """
    try:
        return shape(record.text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RecordRefused("wrong shape", str(error)) from error


def counted(record: Record, rows: int) -> None:
    """Hold a record to the number of rows it announced.

    Raises:
        RecordRefused: there are more or fewer.
    """
    if rows != record.rows:
        raise RecordRefused("wrong number of rows", f"{record.key}: {rows}, announced {record.rows}")


def all_plain(value: object, depth: int = 0) -> object:
    """`value` with every text in it, names too, through the gate; what no store keeps is refused.

    Raises:
        RecordRefused: a number beyond 64 bits, or nested too deeply.
    """
    if isinstance(value, str):
        return plain_text(value, _LONGEST_TEXT)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise RecordRefused("wrong shape", "a whole number beyond 64 bits")
    if depth == _DEEPEST:
        raise RecordRefused("wrong shape", "nested too deeply")
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {plain_text(name): all_plain(one, depth + 1) for name, one in items}
    if isinstance(value, list):
        return [all_plain(one, depth + 1) for one in cast("list[object]", value)]
    return value
