"""What a model thought of the newest row of a channel, as the station stored it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from telemetry.store.reader import StoreReader


class Opinion(NamedTuple):
    """Of the newest row that carries a channel; `state` as stored (-1: no model has judged the row)."""

    t_ns: int
    state: int
    score: float
    p: float
    model: int


def opinion(reader: StoreReader, satellite: str, channel: str, newest_ns: int | None) -> Opinion | None:
    """The stored opinion of the row at `newest_ns`, None where there is no such row."""
    if newest_ns is None:
        return None
    _, _, ids = reader.window(satellite, (channel,), newest_ns, newest_ns + 1, 4)
    if not len(ids):
        return None
    found = reader.scores(satellite, None, newest_ns, newest_ns + 1)
    at = np.flatnonzero(np.isin(found.frame, ids))
    if not len(at) or not np.isfinite(found.score[at[-1]]):
        return Opinion(newest_ns, -1, np.nan, np.nan, 0)
    i = int(at[-1])
    return Opinion(newest_ns, int(found.state[i]), float(found.score[i]), float(found.p[i]), int(found.model[i]))
