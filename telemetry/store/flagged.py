"""How many rows of a channel's packet a model flagged over time, without reading the rows it did not flag.

An opinion is about a whole row: the table of scores has no channel (those of an anomaly are in its event). So this
counts rows of every packet that carries the channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from telemetry.frame import Int64s
    from telemetry.store.catalog import Catalog
    from telemetry.store.rows import Bools


class Flagged(msgspec.Struct, frozen=True, eq=False):
    """Flagged rows in b bins; bin i holds generation times in [t0_ns + i bin_ns, t0_ns + (i + 1) bin_ns)."""

    t0_ns: int
    bin_ns: int
    count: Int64s
    """Rows with a state above 0: beyond the threshold, or confirmed."""
    judged: Bools
    """Whether the newest row of the bin was judged by a model; False where there is no row."""


def flagged(catalog: Catalog, satellite: str, channel: str, span: tuple[int, int], bins: int) -> Flagged:
    """See `StoreReader.flagged`; `span` is [t0, t1)."""
    t0, t1 = span
    if t1 <= t0 or bins < 1:
        raise ValueError("flagged rows need a span and at least one bin")
    width = -(-(t1 - t0) // bins)
    count, judged = np.zeros(bins, dtype=np.int64), np.zeros(bins, dtype=np.bool_)
    number = catalog.satellite(satellite)
    tracks = catalog.tracks(number) if number is not None else []
    layouts = sorted({t.layout for t in tracks if channel in catalog.layout(t.layout).positions})
    if layouts:
        among = ", ".join(map(str, layouts))
        # Only flagged rows are in the index; their packet is looked up one by one.
        rows = catalog.connection.rows(
            f"SELECT (s.t_ns - ?) / ?, count(*) FROM score s INDEXED BY score_anomaly CROSS JOIN frame f"
            f" ON f.id = s.frame WHERE s.satellite = ? AND s.t_ns >= ? AND s.t_ns < ? AND s.state > 0"
            f" AND f.layout IN ({among}) GROUP BY 1",
            (t0, width, number, t0, t1),
        )
        for at, found in rows:
            count[at] = found
        for at in range(bins):
            begin = t0 + at * width
            judged[at] = count[at] > 0 or bool(
                catalog.connection.value(
                    f"SELECT EXISTS(SELECT 1 FROM score WHERE frame = ("
                    f"SELECT id FROM frame INDEXED BY frame_time WHERE satellite = ? AND t_ns >= ? AND t_ns < ?"
                    f" AND layout IN ({among}) ORDER BY t_ns DESC, id DESC LIMIT 1))",
                    (number, begin, min(t1, begin + width)),
                )
            )
    return Flagged(t0, width, count, judged)
