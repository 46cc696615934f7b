"""Keeps what the trend of Live shows at hand: what to ask the store, and for how long an answer is good.

Light, so that a screen can hold one from the start. Nothing is asked while the picture would be the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cubesat_tui.drawing.trend_plot import TrendData

if TYPE_CHECKING:
    from cubesat_tui.opinion import Opinion
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from cubesat_tui.store_view import StoreView
    from telemetry.store.flagged import Flagged
    from telemetry.store.reader import StoreReader

FLAGS_EVERY_NS = 5_000_000_000
"""Flagged rows of the same bins are read again this often."""


class Wanted(NamedTuple):
    """What the trend shows: a question to the store, equal while the answer would be the same picture.

    `channels`: the selected one, then those followed beside it. `newest_ns` and `frames` are part of it because the
    answer to an old question changes with what comes.
    """

    satellite: str
    channels: tuple[str, ...]
    bins: int
    t0_ns: int
    t1_ns: int
    newest_ns: int | None
    frames: int


class Trended(NamedTuple):
    """An answer: the curve of each channel wanted, the model's opinion of the selected one, and its flagged rows.

    `rows`: valid values of the selected channel in each bin.
    """

    wanted: Wanted
    curves: tuple[TrendData, ...]
    opinion: Opinion | None
    flagged: Flagged | None
    rows: tuple[int, ...]

    @property
    def data(self) -> TrendData:
        """The selected channel."""
        return self.curves[0]


class TrendFollower:
    """One trend at a time."""

    def __init__(self) -> None:
        self._found: Trended | None = None
        self._asked: Wanted | None = None
        self._reading = False
        self._flags: tuple[tuple[object, ...], int, Flagged] | None = None

    def known(self, wanted: Wanted) -> Trended | None:
        """What is known of the same channels in as many bins, if only at an earlier moment."""
        found = self._found
        return found if found is not None and found.wanted[:3] == wanted[:3] else None

    def due(self, wanted: Wanted) -> bool:
        """Whether the store is to be asked."""
        return wanted != self._asked and not self._reading

    async def read(self, view: StoreView, wanted: Wanted, snapshot: Snapshot) -> None:
        """Ask, on the view's thread."""
        self._asked, self._reading = wanted, True
        channels = tuple(snapshot.channels[name] for name in wanted.channels)
        kept = self._kept(wanted, snapshot.now_ns)
        try:
            self._found = await view.ask(lambda reader: trended(reader, wanted, channels, kept))
        finally:
            self._reading = False
        if kept is None and self._found.flagged is not None:
            self._flags = (_bins_of(wanted), snapshot.now_ns, self._found.flagged)

    def _kept(self, wanted: Wanted, now_ns: int) -> Flagged | None:
        known = self._flags
        if known is None or known[0] != _bins_of(wanted) or abs(now_ns - known[1]) >= FLAGS_EVERY_NS:
            return None
        return known[2]


def _bins_of(wanted: Wanted) -> tuple[object, ...]:
    return (wanted.satellite, wanted.channels[0], wanted.bins, wanted.t0_ns, wanted.t1_ns)


def trended(
    reader: StoreReader, wanted: Wanted, channels: tuple[ChannelNow, ...], kept: Flagged | None = None
) -> Trended:
    """The answer to `wanted`; `channels` are those it names, `kept` the flagged rows where they are known."""
    from cubesat_tui.opinion import opinion

    satellite, _, bins, t0, t1, *_ = wanted
    curves: list[TrendData] = []
    rows: tuple[int, ...] = ()
    for now in channels:
        found = reader.series(satellite, now.channel.name, t0, t1, bins)
        curves.append(TrendData(t0, t1, found.low, found.high, 3 * now.channel.period_s + 1))
        rows = rows or tuple(found.count.tolist())
    first = channels[0]
    flags = kept if kept is not None else reader.flagged(satellite, first.channel.name, t0, t1, bins)
    return Trended(wanted, tuple(curves), opinion(reader, satellite, first.channel.name, first.t_ns), flags, rows)
