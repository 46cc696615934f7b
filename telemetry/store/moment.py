"""What was newest at a moment of the past, in a store of any length."""

from __future__ import annotations

import numpy as np

from telemetry.frame import Frame
from telemetry.store import blocks
from telemetry.store.catalog import Catalog, TrackRow
from telemetry.store.connection import Row


def newest_at(catalog: Catalog, satellite: str, t_ns: int) -> dict[str, Frame]:
    """See `StoreReader.newest_at`."""
    found: dict[str, tuple[int, int, Frame]] = {}
    number = catalog.satellite(satellite)
    for track in catalog.tracks(number) if number is not None else []:
        row = _newest_of(catalog, track, t_ns)
        if row is None:
            continue
        layout = catalog.layout(track.layout)
        key, t, boot, seq, received_ns, quality, blob = row
        frame = Frame(satellite, boot, seq, t, received_ns, quality, layout, np.frombuffer(blob, dtype="<f8"))
        before = found.get(layout.packet)
        if before is None or (t, key) > before[:2]:
            found[layout.packet] = (t, key, frame)
    return {packet: frame for packet, (_, _, frame) in found.items()}


def first_ns(catalog: Catalog, satellite: str) -> int | None:
    """See `StoreReader.first_ns`."""
    number = catalog.satellite(satellite)
    if number is None:
        return None
    first = catalog.connection.value("SELECT min(t_ns) FROM frame WHERE satellite = ?", (number,))
    return None if first is None else int(first)


def _newest_of(catalog: Catalog, track: TrackRow, t_ns: int) -> Row | None:
    """The newest frame of a track at or before `t_ns`.

    Between the begin of the last block (or of the frames no block holds yet) that begins by then and `t_ns` there
    is at least one. Without that bound a layout that is no longer sent would be looked for through every frame of
    the others; without the upper one, which the ends of the blocks about it give, from `t_ns` down to its last.
    """
    least, last = _bounds(catalog, track, t_ns)
    if least is None:
        return None
    return catalog.connection.one(
        "SELECT id, t_ns, boot, seq, received_ns, quality, v FROM frame INDEXED BY frame_time"
        " WHERE satellite = ? AND t_ns BETWEEN ? AND ? AND layout = ? AND quality & 1 = ?"
        " ORDER BY t_ns DESC, id DESC LIMIT 1",
        (track.satellite, least, min(t_ns, last), track.layout, track.stored),
    )


def _bounds(catalog: Catalog, track: TrackRow, t_ns: int) -> tuple[int | None, int]:
    """Times between which the newest frame at or before `t_ns` lies; the first is None where there is no such."""
    place = (track.satellite, track.layout, track.stored, blocks.FINE)
    where = "FROM block WHERE satellite = ? AND layout = ? AND stored = ? AND level = ?"
    begin = catalog.connection.value(f"SELECT max(t0) {where} AND t0 <= ?", (*place, t_ns))
    least, last = begin, -(2**63)
    if begin is not None:
        # A frame after `begin` may be in a block that began earlier, by a block's length at most.
        ends = "AND t0 BETWEEN ? AND ?"
        longest = catalog.connection.value(
            f"SELECT max(t1) {where} {ends}", (*place, max(begin - track.fine_span, -(2**63)), t_ns)
        )
        last = int(longest)
    if track.open_t0 is not None and track.open_t1 is not None and track.open_t0 <= t_ns:
        least = track.open_t0 if least is None else max(least, track.open_t0)
        last = max(last, track.open_t1)
    return least, last
