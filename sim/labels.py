"""Ground truth: where a satellite with faults differs from its twin of the same seed without them.

Noise is a function of seed and time, so the twin differs by the faults alone, in every channel they reach and not
in those they are aimed at only. A channel is labelled while what is sent of it differs by more than three sigma of
its noise and two steps of its resolution, gaps below a minute closed. Routines happen to both twins: they leave no
label, and are told as rare events beside the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.catalogue import Fault
from sim.computer import MEMORY_SWING
from sim.elementwise import Floats

if TYPE_CHECKING:
    from sim.channels import SimChannel

Bools = npt.NDArray[np.bool_]
SIGMAS: Final = 3.0
STEPS: Final = 2.0
CLOSED_S: Final = 60
"""Gaps shorter than this do not end a label."""
SAWTOOTH: Final = ("obc.mem", "obc.uptime", 100.0 * MEMORY_SWING)
"""A channel, the clock its sawtooth follows, and how far it swings. A restart shifts the sawtooth for ever, which
nobody could or should notice: while the clocks of the twins differ, so may the channel, by its swing."""
ATTITUDE: Final = "adcs.q_"
"""A quaternion and its negative are the same attitude."""


@dataclass(frozen=True, slots=True)
class Label:
    """A channel of a satellite differs because of a fault from `start_s` to before `end_s` (UTC seconds)."""

    fault: str
    satellite: str
    channel: str
    start_s: int
    end_s: int


class Span(NamedTuple):
    """Indices of a satellite and a channel, and the UTC seconds start_s <= t < end_s."""

    satellite: int
    channel: int
    start_s: int
    end_s: int


def counts(channel: SimChannel) -> bool:
    """Whether it is a counter: it grows until a restart, and only how it grows can be compared."""
    return channel.packet == "slow" and channel.sigma == 0.0


def tolerances(channels: Sequence[SimChannel]) -> Floats:
    """How far each channel may be from its twin without a label; codes and counters not at all."""
    return np.array(
        [
            0.0 if channel.enum or counts(channel) else max(SIGMAS * channel.sigma, STEPS * channel.resolution)
            for channel in channels
        ]
    )


def sent(channels: Sequence[SimChannel], boot_s: int, t0_s: int, contact: Bools) -> Bools:
    """Which values of the seconds from `t0_s` are sent; `contact` (n, satellites), result with channels besides."""
    since = t0_s - boot_s + np.arange(len(contact))
    periods = np.array([channel.period_s for channel in channels])
    only = np.array([channel.contact_only for channel in channels])
    due = (since[:, None] % periods == 0)[:, None, :]
    return due & (contact[:, :, None] | ~only)


class Labeller:
    """Collects labels, chunk by chunk; how time is cut into chunks does not change them.

    Args:
        satellites: number of them, the second axis of the values.
        channels: the third axis.
        boot_s: UTC second the packets are counted from, which says when a slow one is due.
    """

    def __init__(self, satellites: int, channels: Sequence[SimChannel], boot_s: int) -> None:
        self._channels = tuple(channels)
        self._boot_s = boot_s
        self._allowed = tolerances(channels) + 1e-9
        self._counters = np.array([i for i, one in enumerate(channels) if counts(one)], dtype=np.intp)
        self._attitude = np.array(
            [i for i, one in enumerate(channels) if one.name.startswith(ATTITUDE)], dtype=np.intp
        )
        column = {channel.name: i for i, channel in enumerate(channels)}
        name, clock, self._swing = SAWTOOTH
        self._sawtooth = (column[name], column[clock]) if name in column and clock in column else None
        self._counted = np.full((2, satellites, len(self._counters)), np.nan)
        self._open: dict[tuple[int, int], tuple[int, int]] = {}
        self._done: list[Span] = []

    def add(self, t0_s: int, faulty: Floats, twin: Floats, contact: Bools) -> list[Span]:
        """Values of the seconds from `t0_s` on, shape (n, satellites, channels), chunks in order of time.

        Returns what is labelled now that was not before: also seconds of earlier chunks, up to a minute back,
        where a gap was closed.
        """
        visible = sent(self._channels, self._boot_s, t0_s, contact)
        differs = self._differs(faulty, twin, visible)
        fresh: list[Span] = []
        for satellite, channel in np.argwhere(differs.any(axis=0)).tolist():
            rows = np.flatnonzero(differs[:, satellite, channel])
            breaks = np.flatnonzero(np.diff(rows) > CLOSED_S)
            for run in np.split(rows, breaks + 1):
                span = Span(satellite, channel, t0_s + int(run[0]), t0_s + int(run[-1]) + 1)
                fresh.append(self._extended(span))
        return fresh

    def agree(self) -> None:
        """The twins are one satellite in seconds that are not added: whatever they counted, they counted alike."""
        self._counted[:] = np.nan

    def spans(self) -> list[Span]:
        """All labels so far, in order of time."""
        still = [Span(*key, *times) for key, times in self._open.items()]
        return sorted((*self._done, *still), key=lambda span: (span.start_s, span.satellite, span.channel))

    def labels(self, satellites: Sequence[str], faults: Sequence[Fault]) -> list[Label]:
        """All labels so far, each with the fault that caused it."""
        return [self._label(span, satellites[span.satellite], faults) for span in self.spans()]

    def _differs(self, faulty: Floats, twin: Floats, visible: Bools) -> Bools:
        with np.errstate(invalid="ignore"):
            apart = np.abs(faulty - twin)
            if self._attitude.size:
                same = np.abs(faulty[:, :, self._attitude] + twin[:, :, self._attitude])
                turned = (faulty * twin)[:, :, self._attitude].sum(axis=2, keepdims=True) < 0.0
                apart[:, :, self._attitude] = np.where(turned, same, apart[:, :, self._attitude])
            differs = apart > self._allowed
            if self._sawtooth is not None:
                here, clock = self._sawtooth
                differs[:, :, here] &= (apart[:, :, clock] == 0.0) | (apart[:, :, here] > self._swing)
        differs |= np.isnan(faulty) != np.isnan(twin)
        for place, column in enumerate(self._counters.tolist()):
            due = np.flatnonzero(visible[:, 0, column])
            if not due.size:
                continue
            differs[:, :, column] = False
            pair = np.stack((faulty[due, :, column], twin[due, :, column]))
            before = np.concatenate((self._counted[:, None, :, place], pair[:, :-1]), axis=1)
            growth = pair - before
            # Where nothing was counted yet, both counted the same: the twins begin as one.
            known = np.isnan(before[0]) == np.isnan(before[1])
            differs[due, :, column] = known & (growth[0] != growth[1]) & (pair[0] != pair[1])
            self._counted[:, :, place] = pair[:, -1]
        return differs & visible

    def _extended(self, span: Span) -> Span:
        """Take up a span that follows all others of its channel; it, with the gap that it closes."""
        key = span.satellite, span.channel
        before = self._open.get(key)
        if before is not None and span.start_s - before[1] < CLOSED_S:
            self._open[key] = before[0], span.end_s
            return span._replace(start_s=before[1])
        if before is not None:
            self._done.append(Span(*key, *before))
        self._open[key] = span.start_s, span.end_s
        return span

    def _label(self, span: Span, satellite: str, faults: Sequence[Fault]) -> Label:
        """A fault of the channel's own sensor is the cause, else the newest in the plant when it began.

        One that was there then comes before one that was gone.
        """
        reached = self._channels[span.channel].name
        mine = [f for f in faults if f.satellite == satellite and f.start_s < span.end_s]
        aimed = [
            f for f in mine if f.layer == "sensor" and f.target == reached and f.active(span.start_s, span.end_s)
        ]
        plant = [f for f in mine if f.layer == "plant" and f.start_s <= span.start_s]
        running = [f for f in plant if f.active(span.start_s - 1, span.start_s + 1)]
        cause = max(aimed or running or plant, key=lambda f: f.start_s, default=None)
        return Label("" if cause is None else cause.id, satellite, reached, span.start_s, span.end_s)


def silences(faults: Iterable[Fault], channels: Sequence[SimChannel]) -> list[Label]:
    """Labels of lost packets: every channel of the packet, while it is missing."""
    return [
        Label(fault.id, fault.satellite, channel.name, fault.start_s, fault.end_s)
        for fault in faults
        if fault.kind == "gap"
        for channel in channels
        if fault.target in ("all", channel.packet)
    ]


@dataclass(frozen=True, slots=True)
class Told:
    """A fault as it was seen: when it could first be noticed, where, and how ESA-ADB would class it."""

    fault: Fault
    observable_s: int | None
    """First labelled second; None where it left no trace."""
    last_s: int | None
    channels: tuple[str, ...]
    """In the order in which it reached them."""

    @property
    def category(self) -> str:
        if self.fault.layer == "routine":
            return "Rare Event"
        return "Communication Gap" if self.fault.kind == "gap" else "Anomaly"

    @property
    def dimensionality(self) -> str:
        return "Multivariate" if len(self.channels) > 1 else "Univariate"

    @property
    def locality(self) -> str:
        return "Global" if len({name.split(".")[0] for name in self.channels}) > 1 else "Local"

    @property
    def length(self) -> str:
        if self.observable_s is None or self.last_s is None:
            lasts = self.fault.end_s - self.fault.start_s
        else:
            lasts = self.last_s - self.observable_s
        return "Point" if lasts <= 30 else "Subsequence"


def told(faults: Sequence[Fault], labels: Sequence[Label]) -> list[Told]:
    """Every fault and routine with what it left, in order of onset."""
    found: list[Told] = []
    for fault in sorted(faults, key=lambda f: f.start_s):
        mine = [label for label in labels if label.fault == fault.id]
        found.append(
            Told(
                fault,
                min((label.start_s for label in mine), default=None),
                max((label.end_s for label in mine), default=None),
                tuple(dict.fromkeys(label.channel for label in mine)),
            )
        )
    return found


def prevalence(labels: Sequence[Label], channels: int, seconds: int) -> float:
    """Part of all samples (at one a second) that is labelled, 0..1."""
    return sum(label.end_s - label.start_s for label in labels) / max(1, channels * seconds)
