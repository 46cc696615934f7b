"""The bank of injected faults: stretches of accepted rows, and the same rows with something wrong on every channel.

Two models are compared on it in pairs: both see the same stretches, the same faults and the same sizes, so what
differs is the models and not the draw. Nothing here is random. Over 24 stretches every channel meets each of six
faults in four sizes; of a satellite with few channels there are more stretches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s
from trainer.context import changes
from trainer.features import WINDOW, RollingRing, breaks

if TYPE_CHECKING:
    from trainer.window import PacketRows, Window

FAULTS = ("spike", "step", "drift", "stuck", "noise", "dropout")
SIZES = (4.0, 8.0, 16.0, 32.0)
"""Of spike, step and drift, in standard deviations of the channel's own noise."""
NOISE_TIMES = 3.0
"""The noise that is added, in the channel's own."""
SPIKE_ROWS = 3
"""Fewer are a matter for the rate rule."""

BEFORE = 72
"""Rows before a fault, so that every window is full of what is usual."""
LASTS = 24
"""Rows of a fault."""
STRETCHES = 24
"""Stretches with faults, at least; twice as many without are there to count alarms on."""
TRIALS = 960
"""Faults of all stretches and channels together, at least: a recall is then good to a point or two."""
MOST_STRETCHES = 240

Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Stretches:
    """s stretches of `BEFORE + LASTS` rows of a packet with k channels."""

    packet: str
    channels: tuple[str, ...]
    context: tuple[str, ...]
    """Context channels of the codes."""
    period_s: float
    t_ns: Int64s
    """Shape (s, rows)."""
    codes: Float64s
    """Context codes, contact last, shape (s, rows, m)."""
    values: Float64s
    """Shape (s, rows, k)."""
    broken: Bools
    """Shape (s, rows): the row does not continue the one before."""

    def __len__(self) -> int:
        return len(self.t_ns)

    def features(self) -> Float64s:
        """Features as the station has them, shape (s, rows, k, 3)."""
        s, rows, k = self.values.shape
        ring = RollingRing(k, self.period_s)
        found, _ = ring.push(self.t_ns.ravel(), self.values.reshape(s * rows, k), self.broken.ravel())
        return found.reshape(s, rows, k, 3)

    def faulty(self) -> Stretches:
        """Every second stretch, with a fault on every channel: the kinds take turns over channels and stretches."""
        chosen = slice(None, None, 2)
        values = self.values[chosen].copy()
        sigma = _noise(self.values)
        for s in range(len(values)):
            for c in range(values.shape[2]):
                kind = FAULTS[(s + c) % len(FAULTS)]
                size = SIZES[(s // len(FAULTS) + c) % len(SIZES)] * sigma[c]
                values[s, BEFORE:, c] = broken_by(kind, values[s, BEFORE - 1 :, c], size, sigma[c])
        return Stretches(
            self.packet,
            self.channels,
            self.context,
            self.period_s,
            self.t_ns[chosen],
            self.codes[chosen],
            values,
            self.broken[chosen],
        )


def broken_by(kind: str, values: Float64s, size: float, sigma: float) -> Float64s:
    """`LASTS` values with a fault in them.

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


def stretches_of(window: Window) -> list[Stretches]:
    """Of every packet, stretches evenly over the rows that nobody doubts, the anchor's among them.

    Rows that an operator accepted are not among them: a model that was told to bear them is not judged by them.
    """
    packets = [packet for packet in window.packets if not packet.contact_only]
    channels = sum(1 for packet in packets for channel in packet.channels if not channel.enum)
    count = min(MOST_STRETCHES, max(STRETCHES, -(-TRIALS // max(1, channels))))
    found = (_stretches(window, packet, 2 * count) for packet in packets)
    return [one for one in found if one is not None]


def _stretches(window: Window, packet: PacketRows, most: int) -> Stretches | None:
    n = len(packet)
    if n < BEFORE + LASTS:
        return None
    codes = window.track.codes(packet.t_ns)
    broken = breaks(packet.t_ns, packet.period_s) | changes(codes, None)
    broken[1:] |= np.diff(packet.boot) != 0
    barred = np.cumsum(packet.quarantined | packet.trusted)
    newest_break = np.maximum.accumulate(np.where(broken, np.arange(n), 0))
    # The last row of a stretch, whose fault and the full window before it lie behind the newest break.
    last = np.arange(BEFORE + LASTS - 1, n)
    whole = last - newest_break[last] >= LASTS + WINDOW - 1
    calm = barred[last] - barred[last - LASTS - WINDOW + 1] == 0
    usable = last[whole & calm]
    if not len(usable):
        return None
    count = min(most, max(1, 2 * len(usable) // LASTS))
    ends = usable[np.linspace(0, len(usable) - 1, count).astype(np.intp)]
    rows = ends[:, None] + np.arange(1 - BEFORE - LASTS, 1)
    starts = broken[rows]
    starts[:, 0] = True
    return Stretches(
        packet.packet,
        tuple(channel.name for channel in packet.channels),
        window.track.channels,
        packet.period_s,
        packet.t_ns[rows],
        codes[rows],
        packet.values[rows],
        starts,
    )


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


def confirmed(flagged: Bools, need: int, of: int) -> Bools:
    """Whether `need` of `of` successive rows are flagged somewhere in a stretch, the newest of them too.

    Args:
        flagged: shape (s, rows, k).

    Returns:
        Shape (s, k).
    """
    count = np.cumsum(flagged, axis=1, dtype=np.int64)
    count[:, of:] = count[:, of:] - count[:, :-of]
    return np.asarray(((count >= need) & flagged).any(axis=1))
