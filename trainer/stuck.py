"""Which values stand still longer than mission.toml allows: they are no measurements, and are not learned.

The rule is that of `telemetry.movement`, told of whole runs: a run that is too long is left out from its beginning,
because the alarm came only at its end. Runs of channels without an allowance are the fusion's own voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.clock import NS_PER_S
from telemetry.movement import STUCK_SAMPLES
from telemetry.query_syntax import ChannelTest, holds_rows, leaves

if TYPE_CHECKING:
    from telemetry.dictionary import Channel
    from telemetry.frame import Float64s, Int64s
    from trainer.window import PacketRows

Bools = npt.NDArray[np.bool_]


def marked(packets: Sequence[PacketRows]) -> tuple[PacketRows, ...]:
    """The packets with their stuck values marked; conditions look at channels of all of them."""
    return tuple(replace(packet, stuck=_stuck(packet, packets)) for packet in packets)


def _stuck(packet: PacketRows, packets: Sequence[PacketRows]) -> Bools | None:
    """Shape (n, k); None where no value is stuck."""
    found = np.zeros(packet.values.shape, dtype=np.bool_)
    for i, channel in enumerate(packet.channels):
        if channel.stuck_s is not None:
            found[:, i] = _runs(packet, i, channel, channel.stuck_s, packets)
    return found if found.any() else None


def _runs(packet: PacketRows, i: int, channel: Channel, stuck_s: float, packets: Sequence[PacketRows]) -> Bools:
    """Rows of runs of equal values that last longer than `stuck_s`."""
    out = np.zeros(len(packet), dtype=np.bool_)
    rows = np.flatnonzero(np.isfinite(packet.values[:, i]))
    if len(rows) < STUCK_SAMPLES:
        return out
    t_ns, value, boot = packet.t_ns[rows], packet.values[rows, i], packet.boot[rows]
    step_ns = np.diff(t_ns)
    gap_ns = channel.expiry_periods * channel.period_s * NS_PER_S
    begins = (np.diff(value) != 0) | (np.diff(boot) != 0) | (step_ns > gap_ns)
    if channel.stuck_condition is not None:
        names = {leaf.channel for leaf in leaves(channel.stuck_condition) if isinstance(leaf, ChannelTest)}
        known = {name: _newest(name, t_ns, packets) for name in names}
        off = ~holds_rows(channel.stuck_condition, known)
        begins |= off[1:]
    first = np.flatnonzero(np.concatenate(([True], begins)))
    last = np.append(first[1:], len(rows)) - 1
    long = (t_ns[last] - t_ns[first] > stuck_s * NS_PER_S) & (last - first + 1 >= STUCK_SAMPLES)
    for a, b in zip(first[long].tolist(), last[long].tolist(), strict=True):
        out[rows[a : b + 1]] = True
    return out


def _newest(name: str, t_ns: Int64s, packets: Sequence[PacketRows]) -> Float64s:
    """Newest valid value of a channel at each time; NaN before the first."""
    for packet in packets:
        for i, channel in enumerate(packet.channels):
            if channel.name == name:
                rows = np.flatnonzero(np.isfinite(packet.values[:, i]))
                at = np.searchsorted(packet.t_ns[rows], t_ns, side="right") - 1
                if not len(rows):
                    break
                return np.where(at >= 0, packet.values[rows[np.maximum(at, 0)], i], np.nan)
    return np.full(len(t_ns), np.nan)
