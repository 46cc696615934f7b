"""Which rows of a batch change nothing in the limit state of their satellites: found for all rows at once.

Nearly every row is one of them. A row is calm when its satellite's monitor is at rest, its context values are those
the monitor knows, and every value is INVALID or inside all bands of the limit set that holds in that context. For
such a row `LimitMonitor.step` finds nothing and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from telemetry.dictionary import Bus
from telemetry.frame import Float64s, FrameBatch, Layout, Quality
from telemetry.limits import LimitMonitor, calm_band

Bools = npt.NDArray[np.bool_]
Context = tuple[float | None, ...]

KEPT = 256
"""Contexts whose bands are remembered."""


class CalmRows:
    """The limit sets of one bus as bands over the columns of one layout, looked up by context."""

    def __init__(self, bus: Bus, layout: Layout) -> None:
        """Bands are worked out when their context is met for the first time."""
        self._bus = bus
        self._columns = [(i, bus.by_name[name]) for i, name in enumerate(layout.names) if name in bus.by_name]
        self._sent = [(i, name) for i, name in enumerate(layout.names) if name in bus.context]
        self._bands: dict[Context, Float64s] = {}
        self._width = len(layout)

    def find(self, batch: FrameBatch, invalid: Bools, monitors: Sequence[LimitMonitor | None]) -> Bools:
        """True for calm rows, shape (n,); once a row of a satellite is not calm, the rest of its rows are not.

        Args:
            batch: frames of this layout, each satellite's in order of generation.
            invalid: which values are INVALID, shape (n, k).
            monitors: of the batch's satellites; the rows of one that is None are not calm.
        """
        rest = np.array([one is not None and one.at_rest for one in monitors], dtype=np.bool_)
        which = batch.satellite
        calm = rest[which] & ((batch.quality & int(Quality.STORED | Quality.LATE)) == 0)
        if not calm.any():
            return calm
        used: dict[Context, int] = {}
        band_of = np.array([used.setdefault(self._context(one), len(used)) for one in monitors], dtype=np.intp)
        bands = np.stack([self._band(context) for context in used])[band_of[which]]
        calm &= (((batch.values >= bands[:, 0]) & (batch.values <= bands[:, 1])) | invalid).all(axis=1)
        if not calm.all():
            first = np.full(len(monitors), len(batch), dtype=np.int64)
            loud = np.flatnonzero(~calm)
            np.minimum.at(first, which[loud], loud)
            calm = np.arange(len(batch)) < first[which]
        return calm

    def _context(self, monitor: LimitMonitor | None) -> Context:
        if monitor is None:
            return ()
        return tuple(monitor.context.get(name) for name in self._bus.context)

    def _band(self, context: Context) -> Float64s:
        """Lowest and highest calm value of each column, shape (2, k); a context value is calm while it stays."""
        band = self._bands.get(context)
        if band is None:
            band = np.full((2, self._width), np.inf)
            band[0] = -np.inf
            known = {
                name: value for name, value in zip(self._bus.context, context, strict=False) if value is not None
            }
            for i, channel in self._columns:
                limits = channel.limit_set(known)
                if limits is not None:
                    band[:, i] = calm_band([limits], channel.labels)
            for i, name in self._sent:
                # Where the value is unknown yet, none is calm.
                low, high = known.get(name, np.inf), known.get(name, -np.inf)
                band[0, i], band[1, i] = max(band[0, i], low), min(band[1, i], high)
            if len(self._bands) >= KEPT:
                self._bands.clear()
            self._bands[context] = band
        return band
