"""The isolation forest's score of single frames, beside a fusion's: it is fitted with it and has no vote.

On the scale of a row's score: 0.5 is the forest's own threshold of the row's worst channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Float64s, Int64s
from trainer.context import CONTACT_HOLD_NS, HOLD_NS
from trainer.features import WINDOW, breaks, rolling

if TYPE_CHECKING:
    from telemetry.dictionary import Bus
    from telemetry.store.reader import StoreReader
    from trainer.served import Scorer

KEPT = 64
"""Scores remembered: only the newest frame is another one each time."""


class ForestBeside:
    """Scores of frames by one model at a time. Use it on the reader thread."""

    def __init__(self) -> None:
        self._model: tuple[int, str] = (-1, "")
        self._known: dict[int, float] = {}

    def scores(
        self,
        reader: StoreReader,
        scorer: Scorer,
        bus: Bus,
        packet: str,
        columns: tuple[Int64s, Float64s, Int64s],
        rows: Iterable[int],
    ) -> dict[int, float]:
        """Frame id -> score of `rows`, for a fusion; those whose window is not full are left out.

        `columns`: generation times, values of the packet's judged channels and ids, oldest first.
        """
        if scorer.packets[packet].fusion is None:
            return {}
        if self._model != (scorer.version, scorer.sha256) or len(self._known) > KEPT:
            self._model, self._known = (scorer.version, scorer.sha256), {}
        ids, found = columns[2], {}
        for row in rows:
            number = int(ids[row])
            if number not in self._known:
                self._known[number] = _score(reader, scorer, bus, packet, columns, row)
            if np.isfinite(self._known[number]):
                found[number] = self._known[number]
        return found


def _score(
    reader: StoreReader,
    scorer: Scorer,
    bus: Bus,
    packet: str,
    columns: tuple[Int64s, Float64s, Int64s],
    row: int,
) -> float:
    model, first = scorer.packets[packet], row - WINDOW + 1
    if first < 0:
        return np.nan
    t_ns, values = columns[0][first : row + 1], columns[1][first : row + 1]
    if breaks(t_ns, model.period_s)[1:].any():
        return np.nan
    mean, deviation = rolling(values)
    features = np.stack([values[-1:], mean[-1:], deviation[-1:]], axis=2)
    bins, key = scorer.place(t_ns[-1:], _codes(reader, scorer, bus, int(t_ns[-1])))
    z = scorer.normalise(model, features, bins, key)
    return float(scorer.row_score(model, scorer.isolate(model, z))[0])


def _codes(reader: StoreReader, scorer: Scorer, bus: Bus, t_ns: int) -> Float64s:
    """Context codes at one moment, contact last, shape (1, m)."""
    satellite = scorer.satellite
    codes: list[float] = []
    for name in scorer.manifest.context:
        _, values, _ = reader.window(satellite, (name,), t_ns - HOLD_NS, t_ns + 1)
        sent = values[np.isfinite(values)]
        codes.append(float(sent[-1]) if len(sent) else np.nan)
    in_contact = any(
        len(reader.window(satellite, names[:1], t_ns - CONTACT_HOLD_NS, t_ns + 1, 1)[0])
        for _, names in bus.packets
        if names and all(name in bus.by_name and bus.by_name[name].contact_only for name in names)
    )
    return np.array([[*codes, float(in_contact)]])
