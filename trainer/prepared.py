"""The rows of one packet made ready for a fit: which channels, which rows, and what is usual where.

A fit of some channels (`due`) stands on the clock and the modes of the model before it, so that what the other
channels know of places stays true.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from telemetry.frame import Float64s
from trainer.calibration import held_out
from trainer.context import ContextTrack, OrbitClock, changes
from trainer.features import RollingRing, breaks
from trainer.served import Indices, Scorer
from trainer.usual import BIN_S, Place, Usual, learn_clock, learn_keys, learn_usual, resolution, unjudged, where
from trainer.window import Bools, PacketRows, Window

if TYPE_CHECKING:
    from telemetry.dictionary import Channel

THINNED = 12_000
"""Rows of a packet that places and forests are learned from; longer windows are thinned evenly."""

LEAST_SEEN = 5
"""Rows of a mode at a place, of all packets, that make it seen there."""

LEAST_TRAIN, LEAST_HELD = 100, 30
"""Rows of a packet without which it is not judged."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What places and modes are counted by."""

    clock_channel: str
    clock: OrbitClock | None
    context: tuple[str, ...]
    """Channels whose codes make a mode."""
    columns: tuple[int, ...]
    """Where their codes lie in those of the window, contact last."""
    keys: Float64s
    """Known modes, shape (k, len(columns))."""
    turns: float = np.inf
    """Orbits that the window shows; infinite where nothing in it returns."""
    seen: Bools | None = None
    """Whether each mode was seen at each place, shape (keys, bins)."""

    @property
    def bins(self) -> int:
        return 0 if self.clock is None else self.clock.bins


@dataclass(frozen=True, eq=False)
class Sampled:
    """A packet of n rows, with what is known of them as soon as somebody asks."""

    rows: PacketRows
    track: ContextTrack

    @cached_property
    def codes(self) -> Float64s:
        """Context codes, shape (n, m + 1)."""
        return self.track.codes(self.rows.t_ns)

    @cached_property
    def broken(self) -> Bools:
        """Rows no window may reach back over: after a gap, at a start of the computer, at a change of context."""
        separate = changes(self.codes, None)
        separate[1:] |= np.diff(self.rows.boot) != 0
        return breaks(self.rows.t_ns, self.rows.period_s) | separate

    def features(self, positions: list[int]) -> Float64s:
        """Features of some channels, as the station has them, shape (n, len(positions), 3)."""
        ring = RollingRing(len(positions), self.rows.period_s)
        return ring.push(self.rows.t_ns, self.rows.values[:, positions], self.broken)[0]


@dataclass(frozen=True, eq=False)
class Part:
    """A packet, n rows, of which c channels are fitted."""

    rows: PacketRows
    channels: tuple[Channel, ...]
    positions: tuple[int, ...]
    """Column of each of them in the rows."""
    excluded: dict[str, str]
    features: Float64s
    """Shape (n, c, 3); NaN where not to be learned."""
    bins: Indices
    key: Indices
    broken: Bools
    """Rows that do not continue the row before them: gap, restart, change of context."""
    train: Bools
    """Rows to learn from."""
    thinned: Bools
    """Those of them that places and forests are learned from."""
    held: Bools
    """Rows kept from learning, for the thresholds."""
    usual: Usual

    def normalised(self, rows: Indices | Bools) -> Float64s:
        """Deviations of some rows in normal spreads, shape (m, c, 3)."""
        usual, bins, key = self.usual, self.bins[rows], self.key[rows]
        spread = np.maximum(usual.spread[bins], usual.key_spread[key])
        return (self.features[rows] - usual.centre[bins] - usual.key_offset[key]) / spread

    def take(self, kept: list[int], excluded: dict[str, str]) -> Part:
        """The same with fewer channels."""
        usual = Usual(
            self.usual.centre[:, kept],
            self.usual.spread[:, kept],
            self.usual.key_offset[:, kept],
            self.usual.key_spread[:, kept],
        )
        return replace(
            self,
            channels=tuple(self.channels[i] for i in kept),
            positions=tuple(self.positions[i] for i in kept),
            excluded=excluded,
            features=self.features[:, kept],
            usual=usual,
        )


def sampled(window: Window) -> list[Sampled]:
    """The packets that are judged: what is sent only in contact is not."""
    return [Sampled(rows, window.track) for rows in window.packets if not rows.contact_only]


def learn_setting(window: Window, packets: list[Sampled], *, pairs: bool) -> Setting:
    """Clock and modes of the window; `pairs`: and which of these were seen where."""
    learned = learn_clock(window.track)
    clock_channel, clock = ("", None) if learned is None else learned
    return _setting(window, packets, clock_channel, clock, pairs=pairs)


def _setting(
    window: Window, packets: list[Sampled], clock_channel: str, clock: OrbitClock | None, *, pairs: bool
) -> Setting:
    names = window.track.channels
    # The clock's own channel too: what it says is usual only while it says it when it should.
    context = names if pairs else tuple(name for name in names if name != clock_channel)
    columns = (*(names.index(name) for name in context), len(names))
    keys = np.empty((0, len(columns)))
    if packets:
        keys = learn_keys(np.concatenate([packet.codes[:, columns] for packet in packets]))
    seen = _seen(packets, columns, keys, clock) if pairs and clock is not None else None
    return Setting(clock_channel, clock, context, columns, keys, _turns(window, clock), seen)


def _seen(packets: list[Sampled], columns: tuple[int, ...], keys: Float64s, clock: OrbitClock) -> Bools:
    """Modes at places with enough accepted rows, and at the places next to these."""
    counts = np.zeros((len(keys) + 1, clock.bins + 1), dtype=np.int64)
    for packet in packets:
        accepted = packet.rows.accepted
        place = where(clock, keys, packet.rows.t_ns[accepted], packet.codes[accepted][:, columns])
        np.add.at(counts, (place.key, place.bins), 1)
    seen: Bools = counts[1:, 1:] >= LEAST_SEEN
    seen = seen | np.roll(seen, 1, axis=1) | np.roll(seen, -1, axis=1)
    # A pass comes at another place each time: where the same mode was seen without contact, it is known with it.
    for i, without in _without_contact(keys):
        seen[i] |= seen[without].any(axis=0)
    return seen


def _without_contact(keys: Float64s) -> list[tuple[int, Bools]]:
    """Modes in contact, and of each which modes, it among them, are the same but for the contact."""
    return [(i, (keys[:, :-1] == keys[i, :-1]).all(axis=1)) for i in np.flatnonzero(keys[:, -1] == 1).tolist()]


def _turns(window: Window, clock: OrbitClock | None) -> float:
    """How often what returns was seen: whole and part orbits, or, without a clock, the starts of a code."""
    if clock is not None:
        rows = max(window.packets, key=len)
        shown_ns = len(rows) * rows.period_s * 1e9
        return max(1.0, shown_ns / clock.period_ns)
    starts = [np.unique(window.track.steps(name)[1], return_counts=True)[1] for name in window.track.channels]
    most = max((int(count.max()) for count in starts if len(count) > 1), default=0)
    return float(most) if most else np.inf


def carried_setting(parent: Scorer, window: Window, packets: list[Sampled]) -> Setting | None:
    """Clock and modes of `parent`, the modes it does not know behind them; None where these no longer hold.

    A clock holds while it puts the newest row within one place of where the window's own clock does.
    """
    clock, learned = parent.clock, learn_clock(window.track)
    newest_ns = window.bounds_ns[1]
    if clock is None:
        if learned is not None:
            return None
    elif learned is None:
        if newest_ns > clock.valid_until_ns:
            return None
    else:
        fresh = learned[1]
        begun = newest_ns - (newest_ns - fresh.epoch_ns) % fresh.period_ns
        half = clock.period_ns // 2
        if abs((begun - clock.epoch_ns + half) % clock.period_ns - half) > BIN_S * 1e9:
            return None
        clock = replace(clock, valid_until_ns=max(clock.valid_until_ns, fresh.valid_until_ns))
    channel = "" if parent.manifest.clock is None else parent.manifest.clock.channel
    found = _setting(window, packets, channel, clock, pairs=True)
    if found.context != parent.manifest.context:
        return None
    known = {tuple(key) for key in parent.keys.tolist()}
    more = np.array([tuple(key) not in known for key in found.keys.tolist()], dtype=np.bool_)
    keys = np.concatenate((parent.keys, found.keys[more]))
    seen = None if clock is None else _seen(packets, found.columns, keys, clock)
    return replace(found, keys=keys, seen=seen)


def prepare(
    packet: Sampled, setting: Setting, bounds_ns: tuple[int, int], due: Collection[str] | None, *, exact: bool
) -> Part | None:
    """Choose the packet's channels (of the `due` ones, where given), split its rows and learn what is usual.

    None when nothing can be judged. `exact`: see `learn_usual`.
    """
    rows = packet.rows
    accepted = rows.accepted
    excluded: dict[str, str] = {}
    positions: list[int] = []
    for i, channel in enumerate(rows.channels):
        if due is not None and channel.name not in due:
            continue
        reason = unjudged(channel, rows.values[accepted, i])
        if reason is None:
            positions.append(i)
        else:
            excluded[channel.name] = reason
    if not positions:
        return None
    held = held_out(rows.t_ns, setting.clock, *bounds_ns) & ~rows.trusted
    train = accepted & ~held
    if train.sum() < LEAST_TRAIN or (accepted & held).sum() < LEAST_HELD:
        return None
    chosen = inside_limits(rows, packet.features(positions), positions)
    place = where(setting.clock, setting.keys, rows.t_ns, packet.codes[:, setting.columns])
    taken = np.flatnonzero(train)
    taken = np.union1d(taken[:: max(1, -(-len(taken) // THINNED))], np.flatnonzero(train & rows.trusted))
    step = resolution(rows.values[taken][:, positions])
    sample = Place(place.bins[taken], place.key[taken], place.turn[taken])
    kin = np.zeros(len(setting.keys) + 1, dtype=np.bool_)
    for i, without in _without_contact(setting.keys):
        kin[i + 1] = without.sum() > 1
    usual = learn_usual(chosen[taken], sample, setting.bins, len(setting.keys), step, exact=exact, kin=kin)
    thinned = np.zeros(len(rows), dtype=np.bool_)
    thinned[taken] = True
    return Part(
        rows,
        tuple(rows.channels[i] for i in positions),
        tuple(positions),
        excluded,
        chosen,
        place.bins,
        place.key,
        packet.broken,
        train,
        thinned,
        accepted & held,
        usual,
    )


def inside_limits(rows: PacketRows, values: Float64s, positions: list[int]) -> Float64s:
    """`values` of some channels, shape (n, len(positions), ...), with NaN where one must not be learned
    (`PacketRows.unusable`); changed in place."""
    for column, i in enumerate(positions):
        values[rows.unusable(i), column] = np.nan
    return values
