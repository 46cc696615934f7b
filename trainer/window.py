"""What a model is trained on: rows of every packet, with their context, and which of them were accepted.

Quarantine: rows above the threshold and those within one window of them, rows most of the way to it, values outside
their soft limits, and values that stand still for longer than is allowed, are not trained on, so that a fault that
lasts is not learned as the new normal. Invalid values, gaps and the first rows of a mode have no full window, and
are left out by that. An operator may accept rows of some channels as nominal: these are trained on nevertheless,
but never a value beyond its hard limits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, FrameBatch, Int64s, Layout
from telemetry.freshness import invalid_mask
from telemetry.limits import Level, levels
from trainer.context import ContextTrack, contact_packet, context_channels, packet_period
from trainer.features import WINDOW
from trainer.stuck import marked

if TYPE_CHECKING:
    from telemetry.dictionary import Bus, Channel
    from trainer.acceptances import Acceptance

Bools = npt.NDArray[np.bool_]

REACH = 32
"""Rows on either side of a row above the threshold that are quarantined with it: the longest window."""

DOUBTFUL = 0.4
"""Score of a row whose worst channel is two thirds of the way to its threshold (`trainer.served.row_scores`).

Half of the way would leave out one row in six of a clean day, because the worst of 26 channels counts; this leaves
out one in fifty (22,944 rows of the simulated 3U)."""


@dataclass(frozen=True, eq=False)
class PacketRows:
    """n rows of one packet of one satellite, oldest first."""

    packet: str
    channels: tuple[Channel, ...]
    period_s: float
    contact_only: bool
    ids: Int64s
    """Store ids; row numbers where there is no store."""
    t_ns: Int64s
    boot: Int64s
    values: Float64s
    """Shape (n, k), as sent; NaN where INVALID."""
    state: Int64s
    """State the live model gave the row: 0 nominal, 1 above the threshold, 2 confirmed anomaly."""
    quarantined: Bools
    """Rows the live model thought unusual, and those around them."""
    vouched: Bools
    """Shape (n, k): an operator has accepted the value as nominal."""
    stuck: Bools | None = None
    """Shape (n, k): the value stands still for longer than is allowed; None where none does."""

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def accepted(self) -> Bools:
        """Rows to train on: those out of quarantine, and those accepted by an operator."""
        return ~self.quarantined | self.trusted

    @property
    def moving(self) -> Float64s:
        """The values, NaN where one is stuck."""
        return self.values if self.stuck is None else np.where(self.stuck & ~self.vouched, np.nan, self.values)

    @property
    def trusted(self) -> Bools:
        """Rows of which an operator has accepted some channel: always learned from, never held out."""
        return np.asarray(self.vouched.any(axis=1))

    def unusable(self, i: int) -> Bools:
        """Rows whose window must not be learned for channel `i`.

        Its value is outside its soft limits (of an accepted row: the hard ones) or stuck, or the row is in
        quarantine and was accepted for other channels only.
        """
        vouched = self.vouched[:, i]
        outside = outside_limits(self.channels[i], self.values[:, i], Level.WARNING)
        if self.stuck is not None:
            outside |= self.stuck[:, i]
        if vouched.any():
            outside &= ~vouched | outside_limits(self.channels[i], self.values[:, i], Level.CRITICAL)
        return spread_out(outside, WINDOW) | (self.quarantined & ~vouched)

    def take(self, rows: slice | npt.NDArray[np.intp]) -> PacketRows:
        """Some of the rows."""
        return replace(
            self,
            ids=self.ids[rows],
            t_ns=self.t_ns[rows],
            boot=self.boot[rows],
            values=self.values[rows],
            state=self.state[rows],
            quarantined=self.quarantined[rows],
            vouched=self.vouched[rows],
            stuck=None if self.stuck is None else self.stuck[rows],
        )


@dataclass(frozen=True, eq=False)
class Window:
    """The packets of one satellite over one stretch of time, and the context of any row in it."""

    satellite: str
    packets: tuple[PacketRows, ...]
    track: ContextTrack
    hash: str
    last_id: int
    spans: tuple[tuple[int, int], ...]
    """Stretches of generation time it covers, ns."""
    acts: int = 0
    """Newest journal row of the operators' acts it takes account of."""

    @property
    def rows(self) -> int:
        return sum(len(packet) for packet in self.packets)

    @property
    def excluded(self) -> int:
        return sum(int((~packet.accepted).sum()) for packet in self.packets)

    @property
    def bounds_ns(self) -> tuple[int, int]:
        """Generation times of the oldest and the newest row."""
        full = [packet.t_ns for packet in self.packets if len(packet)]
        return int(min(t[0] for t in full)), int(max(t[-1] for t in full))


def spread_out(rows: Bools, reach: int) -> Bools:
    """True within `reach` rows of a True row."""
    if not rows.any():
        return rows
    kernel = np.ones(2 * reach + 1)
    return np.convolve(rows, kernel, mode="same")[: len(rows)] > 0 if len(rows) > 2 * reach else np.ones_like(rows)


def make_window(
    satellite: str,
    bus: Bus,
    packets: Iterable[PacketRows],
    spans: tuple[tuple[int, int], ...] = (),
    acts: int = 0,
) -> Window:
    """Order the packets and derive context and hash."""
    kept = marked([packet for packet in packets if len(packet)])
    track = ContextTrack(context_channels(bus), kept=1_000_000)
    digest = hashlib.sha256()
    last_id = 0
    for packet in kept:
        position = {channel.name: i for i, channel in enumerate(packet.channels)}
        for name in track.channels:
            if name in position:
                track.observe(name, packet.t_ns, packet.values[:, position[name]])
        if packet.contact_only:
            track.observe_contact(packet.t_ns, packet.period_s)
        digest.update(packet.packet.encode())
        accepted = packet.accepted
        digest.update(np.ascontiguousarray(packet.ids[accepted]).tobytes())
        digest.update(np.ascontiguousarray(packet.values[accepted]).tobytes())
        last_id = max(last_id, int(packet.ids.max()))
    return Window(satellite, kept, track, digest.hexdigest(), last_id, spans, acts)


def packet_rows(
    bus: Bus,
    layout: Layout,
    ids: Int64s,
    t_ns: Int64s,
    boot: Int64s,
    values: Float64s,
    state: Int64s,
    score: Float64s | None = None,
    acceptances: Iterable[Acceptance] = (),
) -> PacketRows:
    """Rows of one layout in order of generation time; INVALID becomes NaN, repeated times are dropped.

    `score`: of each row, NaN where no model judged it.
    """
    channels = bus.channels_of(layout)
    order = np.argsort(t_ns, kind="stable")
    order = order[np.diff(t_ns[order], prepend=np.int64(-(1 << 62))) > 0]
    chosen = values[order]
    chosen = np.where(invalid_mask(channels, chosen), np.nan, chosen)
    known = bus.by_name
    unusual = spread_out(state[order] > 0, REACH)
    if score is not None:
        with np.errstate(invalid="ignore"):
            unusual = unusual | (score[order] >= DOUBTFUL)
    return PacketRows(
        layout.packet,
        channels,
        packet_period(channels),
        contact_packet(layout, known),
        ids[order],
        t_ns[order],
        boot[order],
        chosen,
        state[order],
        unusual,
        _vouched(layout, t_ns[order], acceptances),
    )


def _vouched(layout: Layout, t_ns: Int64s, acceptances: Iterable[Acceptance]) -> Bools:
    vouched = np.zeros((len(t_ns), len(layout)), dtype=np.bool_)
    for one in acceptances:
        columns = [layout.positions[name] for name in one.channels if name in layout.positions]
        vouched[:, columns] |= ((t_ns >= one.t0_ns) & (t_ns <= one.t1_ns))[:, None]
    return vouched


def from_batches(satellite: str, bus: Bus, batches: Iterable[FrameBatch]) -> Window:
    """A window of frames that are in no store (tests, measurements)."""
    parts: dict[str, list[FrameBatch]] = {}
    for batch in batches:
        if satellite in batch.satellites:
            parts.setdefault(batch.layout.digest, []).append(
                batch.take(batch.satellite == batch.satellites.index(satellite))
            )
    made: list[PacketRows] = []
    for group in parts.values():
        t_ns = np.concatenate([batch.t_ns for batch in group])
        n = len(t_ns)
        made.append(
            packet_rows(
                bus,
                group[0].layout,
                np.arange(1, n + 1, dtype=np.int64),
                t_ns,
                np.concatenate([batch.boot for batch in group]),
                np.concatenate([batch.values for batch in group]),
                np.zeros(n, dtype=np.int64),
            )
        )
    return make_window(satellite, bus, made)


def outside_limits(channel: Channel, values: Float64s, level: Level) -> Bools:
    """True where a value violates `level` or worse in every limit set of the channel: abnormal by definition."""
    if not channel.limits:
        return np.zeros(len(values), dtype=np.bool_)
    outside = np.ones(len(values), dtype=np.bool_)
    for limits in channel.limits:
        outside &= levels(limits, values) >= level
    return outside
