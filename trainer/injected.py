"""The bank of injected faults: stretches of accepted rows, and the same rows with something wrong on every channel.

Two models are compared on it in pairs: both see the same stretches, the same faults and the same sizes, so what
differs is the models and not the draw. Nothing here is random. Over the stretches every channel meets each of six
faults in several sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s
from trainer.context import changes
from trainer.features import WINDOW, breaks

if TYPE_CHECKING:
    from trainer.window import PacketRows, Window

FAULTS = ("spike", "step", "drift", "stuck", "noise", "dropout")
SIZES = (4.0, 8.0, 16.0, 32.0)
"""Of spike, step and drift, in standard deviations of the channel's own noise."""
NOISE_TIMES = 3.0
"""The noise that is added, in the channel's own."""
SPIKE_ROWS = 3
"""Fewer are a matter for the rate rule."""

BEFORE = 8
"""Rows before a fault that a forest wants: its windows are then full of what is usual."""
BEFORE_FUSION = 48
"""The same for the fusion, whose longest window has 32 rows, and whose scores are smoothed."""
LASTS = 24
"""Rows of a fault."""
LASTS_FUSION = 48
"""The same for the fusion, which believes what is faint only after 24."""
STRETCHES = 24
"""Stretches with faults, at least; twice as many without are there to count alarms on."""
STRETCHES_FUSION = 8
"""The fusion takes five times as long for a row, and its recall differs less from fit to fit."""
TRIALS_OF_A_STRETCH = 40
"""Faults of one stretch; of a satellite with fewer channels there are more stretches."""
MOST_STRETCHES = 240


@dataclass(frozen=True, eq=False)
class Stretches:
    """s stretches of `before + lasts` rows of a packet with k channels, one behind the other."""

    rows: PacketRows
    """Each stretch has a boot of its own, so that no window reaches from one into the next."""
    count: int
    before: int
    lasts: int
    sigma: Float64s
    """Noise of each channel, shape (k,)."""

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(channel.name for channel in self.rows.channels)

    def newest(self, found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Of something that every row has, what the last `lasts` rows of each stretch have: (s, lasts, k)."""
        return found.reshape(self.count, self.before + self.lasts, -1)[:, self.before :]

    def faulty(self) -> Stretches:
        """Every second stretch, with a fault on every channel: the kinds take turns over channels and stretches."""
        size = self.before + self.lasts
        chosen = np.arange(len(self.rows)).reshape(self.count, size)[::2]
        values = self.rows.values[chosen]
        for s in range(len(values)):
            for c, sigma in enumerate(self.sigma.tolist()):
                kind = FAULTS[(s + c) % len(FAULTS)]
                height = SIZES[(s // len(FAULTS) + c) % len(SIZES)] * sigma
                values[s, self.before :, c] = broken_by(kind, values[s, self.before - 1 :, c], height, sigma)
        rows = replace(self.rows.take(chosen.ravel()), values=values.reshape(-1, values.shape[2]))
        return Stretches(rows, len(values), self.before, self.lasts, self.sigma)


def broken_by(kind: str, values: Float64s, size: float, sigma: float) -> Float64s:
    """The values of a stretch with a fault in them.

    Args:
        kind: one of `FAULTS`.
        values: the value before, and the healthy ones.
        size: of spike, step and drift, in the channel's unit.
        sigma: the channel's noise.
    """
    before, made = values[0], values[1:].copy()
    n = len(made)
    match kind:
        case "spike":
            made[:SPIKE_ROWS] += size
        case "step":
            made += size
        case "drift":
            made += 2 * size * np.arange(1, n + 1) / n
        case "stuck":
            made[:] = before
        case "noise":
            made += NOISE_TIMES * sigma * np.random.default_rng(n).standard_normal(n)
        case _:
            made[:] = 0.0
    return made


def stretches_of(window: Window, *, fusion: bool) -> list[Stretches]:
    """Of every packet, stretches evenly over the rows that nobody doubts, the anchor's among them.

    Rows that an operator accepted are not among them: a model that was told to bear them is not judged by them.
    """
    packets = [packet for packet in window.packets if not packet.contact_only]
    channels = sum(1 for packet in packets for channel in packet.channels if not channel.enum)
    least = STRETCHES_FUSION if fusion else STRETCHES
    count = min(MOST_STRETCHES, max(least, -(-least * TRIALS_OF_A_STRETCH // max(1, channels))))
    before, lasts = (BEFORE_FUSION, LASTS_FUSION) if fusion else (BEFORE, LASTS)
    found = (_stretches(window, packet, 2 * count, before, lasts) for packet in packets)
    return [one for one in found if one is not None]


def _stretches(window: Window, packet: PacketRows, most: int, before: int, lasts: int) -> Stretches | None:
    n, size = len(packet), before + lasts
    if n < size:
        return None
    codes = window.track.codes(packet.t_ns)
    broken = breaks(packet.t_ns, packet.period_s) | changes(codes, None)
    broken[1:] |= np.diff(packet.boot) != 0
    barred = np.cumsum(packet.quarantined | packet.trusted)
    newest_break = np.maximum.accumulate(np.where(broken, np.arange(n), 0))
    # The last row of a stretch, whose fault and the full window before it lie behind the newest break.
    last = np.arange(size - 1, n)
    whole = last - newest_break[last] >= lasts + WINDOW - 1
    calm = barred[last] - barred[last - lasts - WINDOW + 1] == 0
    usable = last[whole & calm]
    if not len(usable):
        return None
    count = min(most, max(1, 2 * len(usable) // lasts))
    ends = usable[np.linspace(0, len(usable) - 1, count).astype(np.intp)]
    rows = ends[:, None] + np.arange(1 - size, 1)
    taken = replace(packet.take(rows.ravel()), boot=np.repeat(np.arange(count, dtype=np.int64), size))
    return Stretches(taken, count, before, lasts, _noise(packet.values[rows]))


def _noise(values: Float64s) -> Float64s:
    """Standard deviation of each channel's noise, from its successive differences, shape (k,); never 0."""
    step = np.abs(np.diff(values, axis=1)).reshape(-1, values.shape[2])
    flat = values.reshape(-1, values.shape[2])
    known = np.isfinite(step).any(axis=0)
    sigma = 1.4826 * np.nanmedian(np.where(known, step, 0.0), axis=0) / np.sqrt(2)
    # A coarse reading repeats itself: its noise is then what is left of its swing within a stretch.
    swing = np.nan_to_num(np.nanmedian(np.nanstd(np.where(known, values, 0.0), axis=1), axis=0))
    scale = np.nan_to_num(np.nanmax(np.abs(np.where(known, flat, 0.0)), axis=0))
    return np.maximum(np.maximum(sigma, swing / 5), 1e-9 * scale + 1e-12)
