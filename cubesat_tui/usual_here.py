"""The values that are usual for a channel where the satellite is, as the served model knows them.

They come from the model's own tables (centre and spread by place in the orbit and by mode), so the band on
the trend is what the detector compares a value with, also a little ahead of now. Use it on the reader thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Float64s, Int64s
from trainer.context import CONTACT_HOLD_NS, HOLD_NS
from trainer.served import ScorerRefused

if TYPE_CHECKING:
    from cubesat_tui.feature_space import ServedModel
    from cubesat_tui.usual_follower import Asked
    from telemetry.dictionary import Bus
    from telemetry.store.reader import StoreReader
    from trainer.served import PacketModel, Scorer

NS = 1_000_000_000
SPREADS = 3.0
"""Accepted rows of a place lie within this many spreads of its centre (`trainer.usual.ENVELOPE`)."""
FINEST = 24
"""Points of an orbit that a bin may not be longer than a part of: a band over whole orbits says nothing."""
MOST_POINTS = 64
"""Places looked up within one bin, whose band spans all of theirs."""


@dataclass(frozen=True, slots=True, eq=False)
class UsualHere:
    """The band of a channel in b bins; NaN where none is known, and then `words` say why (at its newest bin)."""

    asked: Asked
    low: Float64s
    high: Float64s
    words: str = ""
    judged: bool = True
    """Whether the model judges the channel at all."""
    kind: str = ""
    """Of the model: `fusion`, `isolation_forest`."""
    least_p: float = 0.0
    """The smallest p the model can tell: 1 / (held-out rows + 1)."""

    @property
    def has_band(self) -> bool:
        """Whether the model could be read and knows the channel: room is kept for a band."""
        return self.judged and bool(self.kind)

    def over(self, t0_ns: int, count: int) -> tuple[Float64s, Float64s]:
        """Lower and upper edge in `count` bins from `t0_ns` on, NaN where nothing was asked for."""
        low, high = np.full(count, np.nan), np.full(count, np.nan)
        ahead = t0_ns // self.asked.step_ns - self.asked.first
        here = slice(max(0, -ahead), max(0, min(count, self.asked.bins - ahead)))
        there = slice(here.start + ahead, here.stop + ahead)
        if here.stop > here.start:
            low[here], high[here] = self.low[there], self.high[there]
        return low, high


def usual_here(reader: StoreReader, served: ServedModel, bus: Bus, asked: Asked) -> UsualHere:
    """The band of `asked`. A model that cannot be read, a channel or a place it does not know: no band, and why."""
    nothing = np.full(asked.bins, np.nan)
    try:
        scorer = served.load(asked.version, asked.sha256)
    except ScorerRefused as refused:
        return UsualHere(asked, nothing, nothing, f"v{asked.version} cannot be read: {refused.reason}")
    kind = scorer.manifest.kind
    packet = next((model for model in scorer.packets.values() if asked.channel in model.channels), None)
    why = not_judged(scorer, bus, asked.channel, packet)
    if packet is None or why:
        return UsualHere(asked, nothing, nothing, f"not judged: {why}", judged=False, kind=kind)
    clock = scorer.clock
    if clock is not None and asked.step_ns > clock.period_ns // FINEST:
        return UsualHere(asked, nothing, nothing, "zoom in for what is usual here", kind=kind)
    points = _points(asked, clock.period_ns // clock.bins if clock is not None else asked.step_ns)
    t_ns = points.reshape(-1)
    codes = _codes(reader, bus, scorer, asked, t_ns)
    bins, key = scorer.place(t_ns, codes)
    known = (key > 0) & ((bins > 0) | (clock is None))
    centre, spread = _tables(packet, packet.channels.index(asked.channel), bins, key)
    shape = points.shape
    low = np.where(known, centre - SPREADS * spread, np.nan).reshape(shape)
    high = np.where(known, centre + SPREADS * spread, np.nan).reshape(shape)
    # One unknown point makes its bin unknown.
    words = "" if known[-1] else _unknown(scorer, bus, codes[-1], int(key[-1]))
    least_p = 1 / (len(packet.calibration) + 1)
    return UsualHere(asked, low.min(axis=1), high.max(axis=1), words, kind=kind, least_p=least_p)


def not_judged(scorer: Scorer, bus: Bus, channel: str, packet: PacketModel | None) -> str:
    """Why the model has no opinion on a channel, in its own words; empty where it has one."""
    for info in scorer.manifest.packets:
        if channel in info.excluded:
            return info.excluded[channel]
    if packet is not None:
        return ""
    if channel in bus.by_name and bus.by_name[channel].predicted:
        return "predicted, not sent"
    return "its packet had too few rows"


def _points(asked: Asked, place_ns: int) -> Int64s:
    """Moments looked up in each bin, shape (b, m): its middle, or one for every place of the orbit it spans."""
    m = max(1, min(MOST_POINTS, -(-asked.step_ns // max(1, place_ns))))
    start = (asked.first + np.arange(asked.bins, dtype=np.int64)) * asked.step_ns
    within = (2 * np.arange(m, dtype=np.int64) + 1) * asked.step_ns // (2 * m)
    return start[:, None] + within


def _tables(packet: PacketModel, column: int, bins: np.ndarray, key: np.ndarray) -> tuple[Float64s, Float64s]:
    """Centre and spread of a channel's value, as `Scorer.normalise` uses them."""
    centre = packet.centre[bins, column, 0] + packet.key_offset[key, column, 0]
    return centre, np.maximum(packet.spread[bins, column, 0], packet.key_spread[key, column, 0])


def _codes(reader: StoreReader, bus: Bus, scorer: Scorer, asked: Asked, t_ns: Int64s) -> Float64s:
    """Context codes at each moment, contact last: each holds until the next is heard, the newest also ahead."""
    columns = [_held(reader, asked, name, t_ns, HOLD_NS, np.nan) for name in scorer.manifest.context]
    contact = np.zeros(len(t_ns))
    for channels in (names for _, names in bus.packets if names and all(_contact_only(bus, n) for n in names)):
        contact = np.maximum(contact, _held(reader, asked, channels[0], t_ns, CONTACT_HOLD_NS, 0.0, mark=1.0))
    return np.column_stack([*columns, contact])


def _contact_only(bus: Bus, channel: str) -> bool:
    return channel in bus.by_name and bus.by_name[channel].contact_only


def _held(
    reader: StoreReader,
    asked: Asked,
    channel: str,
    t_ns: Int64s,
    hold_ns: int,
    otherwise: float,
    mark: float | None = None,
) -> Float64s:
    """Last value of each bin (or `mark`), held for `hold_ns` or, after the newest, as far as is asked.

    `otherwise` where nothing is held. Read by bins, so a long stretch costs what its trend costs.
    """
    before = -(-HOLD_NS // asked.step_ns)
    begin, end = (asked.first - before) * asked.step_ns, (asked.first + asked.bins) * asked.step_ns
    series = reader.series(asked.satellite, channel, begin, end, asked.bins + before)
    sent = np.flatnonzero(np.isfinite(series.last))
    if not len(sent):
        return np.full(len(t_ns), otherwise)
    starts = series.t_ns[sent]
    at = np.searchsorted(starts, t_ns, side="right") - 1
    age = t_ns - (starts[np.maximum(at, 0)] + series.bin_ns)
    known = (at >= 0) & ((age <= hold_ns) | (at == len(sent) - 1))
    values = series.last[sent] if mark is None else np.full(len(sent), mark)
    return np.where(known, values[np.maximum(at, 0)], otherwise)


def _unknown(scorer: Scorer, bus: Bus, codes: Float64s, key: int) -> str:
    """Why no place is known at the newest moment."""
    if key:
        return "no usual band: the orbit's clock is not trusted this far from what was learned"
    names = [
        f"{known.label or name} {'not heard' if not np.isfinite(code) else known.number(float(code))}"
        for name, code in zip(scorer.manifest.context, codes.tolist(), strict=False)
        if (known := bus.by_name.get(name)) is not None
    ]
    contact = ["in contact"] if len(codes) and codes[-1] else []
    return f"no usual band: mode not learned ({', '.join([*names, *contact])})"
