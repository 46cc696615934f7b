"""Which channels lie elsewhere than they did: each one's newest orbit against what was accepted before it.

An operator is asked about those that moved ("a new mode?"); nothing is learned or left out because of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s, Int64s
from trainer.drift import LEAST, stability_index

if TYPE_CHECKING:
    from trainer.served import PacketModel, Scorer
    from trainer.window import PacketRows, Window

NEWEST_PART = 5
"""Where no orbit is known, one in so many of a packet's rows are its newest."""
ENOUGH = 2000
"""Rows on either side that are looked at; of more, every so many."""
CHANNEL_DRIFT = "drift"
"""Key of a run's body: channel -> stability index of its deviations."""
MOVED = "moved"
"""Key of a run's body: channel -> part of its newest orbit that lies far out, of those that moved."""
SHIFTED = 0.25
"""Stability index of a shifted distribution, by the convention of credit scoring."""
FAR = 0.99
"""Part of what was accepted that lies closer to its middle than what counts as far."""
ELSEWHERE = 0.4
"""Part of an orbit that lies far out in a channel that moved: 40 times as much as usual."""
KNOWN_ORBITS = 8
"""Orbits of rows before a channel can have moved. The Earth turns below an orbit: while few of them are known,
the magnetic field of the simulated 3U lies elsewhere in each."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ChannelDrift:
    """Of the judged channels of a window."""

    index: dict[str, float] = field(default_factory=dict[str, float])
    """Channel -> stability index of its deviations."""
    moved: dict[str, float] = field(default_factory=dict[str, float])
    """Channel -> part of its newest orbit that lies far out, of those that moved."""


def channel_drift(window: Window, scorer: Scorer) -> ChannelDrift:
    """Of each judged channel, its newest orbit against the accepted rows of the window before that.

    Compared is how far values lie from what `scorer` expects at their place and in their mode: values themselves
    drift with every counter, every pass and every season. Of a stretch shorter than an orbit the index would tell
    where on the orbit it lies, so nothing is said before there are two. Where no orbit is known the newest fifth is
    compared, and no channel has moved. The index alone also counts a shift that
    nobody could see (0 to 13 of 38 channels of a clean day of the simulated 3U exceed `SHIFTED`): a channel moved
    where much of the newest orbit also lies where next to nothing accepted lay.
    """
    found = ChannelDrift()
    names = window.track.channels
    if not set(scorer.manifest.context) <= set(names):
        return found
    columns = [*(names.index(name) for name in scorer.manifest.context), len(names)]
    channels = {info.packet: info.channels for info in scorer.manifest.packets}
    for packet in window.packets:
        if packet.packet in scorer.packets and len(packet):
            _compare(window, packet, scorer, channels[packet.packet], columns, found)
    return found


def _compare(
    window: Window,
    packet: PacketRows,
    scorer: Scorer,
    judged: Sequence[str],
    columns: list[int],
    found: ChannelDrift,
) -> None:
    before, newest = _halves(packet, scorer)
    if not len(before) or not len(newest):
        return
    names = [channel.name for channel in packet.channels]
    known = [name in names for name in judged]
    at = [names.index(name) for name in judged if name in names]
    settled = _orbits(packet, scorer) >= KNOWN_ORBITS
    was, now = (
        _deviations(scorer, scorer.packets[packet.packet], packet.t_ns[rows],
                    window.track.codes(packet.t_ns[rows])[:, columns], packet.values[rows][:, at], known)
        for rows in (before, newest)
    )  # fmt: skip
    for i, name in enumerate(names[one] for one in at):
        reference, new = was[np.isfinite(was[:, i]), i], now[np.isfinite(now[:, i]), i]
        if min(len(reference), len(new)) < LEAST:
            continue
        index = stability_index(reference, new)
        found.index[name] = round(index, 4)
        middle = float(np.median(reference))
        far = float((np.abs(new - middle) > np.quantile(np.abs(reference - middle), FAR)).mean())
        if settled and index > SHIFTED and far >= ELSEWHERE:
            found.moved[name] = round(far, 3)


def _halves(packet: PacketRows, scorer: Scorer) -> tuple[Indices, Indices]:
    """Rows to compare with, and those of the newest orbit, at most `ENOUGH` of each; none where it is too early."""
    clock = scorer.clock
    if clock is None:
        begun = packet.t_ns[len(packet) - len(packet) // NEWEST_PART - 1]
    else:
        begun = packet.t_ns[-1] - clock.period_ns
        if _orbits(packet, scorer) < 2:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    newest = packet.t_ns > begun
    return _some(np.flatnonzero(packet.accepted & ~newest)), _some(np.flatnonzero(newest))


def _orbits(packet: PacketRows, scorer: Scorer) -> float:
    """How many lie between its oldest row and its newest; none where no orbit is known."""
    clock = scorer.clock
    return 0.0 if clock is None else float(packet.t_ns[-1] - packet.t_ns[0]) / clock.period_ns


def _deviations(
    scorer: Scorer, model: PacketModel, t_ns: Int64s, codes: Float64s, values: Float64s, known: list[bool]
) -> Float64s:
    """Distance of values from the usual one in normal spreads, shape (n, c); NaN where no place is known."""
    bins, key = scorer.place(t_ns, codes)
    shape = (len(t_ns), len(known))
    usual = scorer.expected(model, np.zeros(shape), bins, key)[:, known]
    spread = scorer.expected(model, np.ones(shape), bins, key)[:, known] - usual
    z: Float64s = (values - usual) / spread
    if scorer.clock is not None:
        z[bins == 0] = np.nan
    return z


def _some(rows: Indices) -> Indices:
    return rows[:: 1 + len(rows) // ENOUGH]
