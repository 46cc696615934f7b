"""Frames as the text of a record: one object of columns for each layout, in append order within a layout.

    [{"layout": "<digest>", "n": 60, "satellites": ["KESTREL-1"], "boot": [1790000000], "seq": [17, 2],
      "t_ns": [1790000017000000000, 1000000000], "delay_ns": [137412331], "quality": [8], "values": [[7.91], ...]}]

Values stand in the layout's order, or under the names of its channels where a person is meant to read them. The
layout itself travels once, as its canonical text, and is known by its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np

from telemetry.frame import FrameBatch, Int64s, Layout
from telemetry.links.link_keys import MOST_ROWS
from telemetry.links.record import Record, RecordRefused, counted, decoded
from telemetry.links.record_columns import Integers, Values, integers, integers_of, values, values_of
from telemetry.plain_text import is_plain, plain_text

MOST_COLUMNS = 4096
"""Channels of one packet, at most."""
_MOST_QUALITY = 2**31


class _FramesText(msgspec.Struct, omit_defaults=True):
    layout: Annotated[str, msgspec.Meta(max_length=64)]
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)]
    satellites: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_ROWS)]
    boot: Integers
    seq: Integers
    t_ns: Integers
    delay_ns: Integers
    quality: Integers
    values: list[Values] | dict[str, Values]
    satellite: Integers | None = None
    """Which of `satellites`; None for rows of one."""
    packet: str = ""


class _Uses(msgspec.Struct):
    layout: str


_FRAMES = msgspec.json.Decoder(list[_FramesText])
_USES = msgspec.json.Decoder(list[_Uses])


def frames_text(batches: Sequence[FrameBatch], *, readable: bool = False) -> str:
    """Frames as one text; `readable` for people, longer, with names of channels and plain decimals."""
    return msgspec.json.encode([_written(batch, readable) for batch in batches if len(batch)]).decode()


def frames_of(record: Record, layouts: Mapping[str, Layout], cursor: str | None = None) -> list[FrameBatch]:
    """The batches of a record, one for each layout; the last carries `cursor`.

    Args:
        layouts: digest -> layout, at least those of `digests_of`.

    Raises:
        RecordRefused: the text is no list of frames, or does not fit its layouts.
    """
    found = decoded(record, _FRAMES.decode)
    counted(record, sum(one.n for one in found))
    batches: list[FrameBatch] = []
    for number, one in enumerate(found, 1):
        layout = layouts.get(one.layout)
        if layout is None:
            raise RecordRefused("unknown layout", one.layout)
        batches.append(_batch(one, layout, cursor if number == len(found) else None))
    return batches


def digests_of(record: Record) -> set[str]:
    """Digests of the layouts without which the record cannot be read.

    Raises:
        RecordRefused: the text is no list of frames.
    """
    return {one.layout for one in decoded(record, _USES.decode)}


def layout_of(digest: str, text: object) -> Layout:
    """The layout that stands in a link under `digest`.

    Raises:
        RecordRefused: it is none, or another one.
    """
    if not isinstance(text, str) or len(text) > 2**20:
        raise RecordRefused("no layout", digest)
    try:
        body = text.encode()
        layout = Layout.from_body(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RecordRefused("no layout", str(error)) from error
    if digest != layout.digest or hashlib.sha256(body).hexdigest() != digest:
        raise RecordRefused("another layout", digest)
    names = [layout.packet, *(text for column in layout.columns for text in (column.name, column.unit))]
    names += [label for column in layout.columns for _, label in column.enum]
    if not 1 <= len(layout) <= MOST_COLUMNS or len(layout.positions) != len(layout):
        raise RecordRefused("no layout", f"{len(layout)} channels, one name each, at most {MOST_COLUMNS}")
    if not all(map(is_plain, names)):
        raise RecordRefused("no layout", "a name in it is no plain text")
    return layout


def _written(batch: FrameBatch, readable: bool) -> _FramesText:
    columns = values(batch.values, readable=readable)
    used, satellite = np.unique(batch.satellite, return_inverse=True)
    return _FramesText(
        layout=batch.layout.digest,
        n=len(batch),
        satellites=[batch.satellites[number] for number in used.tolist()],
        boot=integers(batch.boot),
        seq=integers(batch.seq),
        t_ns=integers(batch.t_ns),
        delay_ns=integers(batch.received_ns - batch.t_ns),
        quality=integers(batch.quality),
        values=dict(zip(batch.layout.names, columns, strict=True)) if readable else columns,
        satellite=integers(satellite.astype(np.int64)) if len(used) > 1 else None,
        packet=batch.layout.packet if readable else "",
    )


def _batch(one: _FramesText, layout: Layout, cursor: str | None) -> FrameBatch:
    columns = one.values
    if isinstance(columns, dict):
        if columns.keys() != layout.positions.keys():
            raise RecordRefused("other channels than the layout's", layout.digest)
        columns = [columns[name] for name in layout.names]
    if len(columns) != len(layout):
        raise RecordRefused("other channels than the layout's", f"{len(columns)}, the layout has {len(layout)}")
    try:
        t_ns = integers_of(one.t_ns, one.n)
        return FrameBatch(
            layout,
            satellites_of(one.satellites),
            satellite_of(one.satellite, one.n, len(one.satellites)),
            integers_of(one.boot, one.n),
            integers_of(one.seq, one.n),
            t_ns,
            t_ns + integers_of(one.delay_ns, one.n),
            _bounded(integers_of(one.quality, one.n), _MOST_QUALITY),
            values_of(columns, one.n),
            cursor,
        )
    except ValueError as error:
        raise RecordRefused("wrong shape", str(error)) from error


def satellites_of(names: Sequence[str]) -> tuple[str, ...]:
    """Names of satellites through the gate.

    Raises:
        ValueError: one is empty.
    """
    plain = tuple(plain_text(name) for name in names)
    if not all(name.strip() for name in plain):
        raise ValueError("a satellite without a name")
    return plain


def satellite_of(listed: Sequence[int] | None, n: int, count: int) -> Int64s:
    """The column that points into `count` names.

    Raises:
        ValueError: it points elsewhere.
    """
    return _bounded(integers_of(listed or [0], n), count)


def _bounded(column: Int64s, end: int) -> Int64s:
    if bool(((column < 0) | (column >= end)).any()):
        raise ValueError(f"allowed: 0 to {end - 1}")
    return column
