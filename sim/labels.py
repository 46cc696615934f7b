"""Ground truth: where a satellite with faults differs from its twin of the same seed without them.

Noise is a function of seed and time, so the twin differs by the faults alone, in every channel they reach and not
in those they are aimed at only. A channel is labelled while it differs by more than three sigma of its noise and
two steps of its resolution, gaps below a minute closed. Routines happen to both twins: they leave no label, and
are told as rare events beside the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from sim.catalogue import Fault
from sim.elementwise import Floats

if TYPE_CHECKING:
    from sim.channels import SimChannel

Bools = npt.NDArray[np.bool_]
SIGMAS: Final = 3.0
STEPS: Final = 2.0
CLOSED_S: Final = 60
"""Gaps shorter than this do not end a label."""


@dataclass(frozen=True, slots=True)
class Label:
    """A channel of a satellite differs because of a fault from `start_s` to before `end_s` (UTC seconds)."""

    fault: str
    satellite: str
    channel: str
    start_s: int
    end_s: int


def deviates(faulty: Floats, twin: Floats, channels: Sequence[SimChannel]) -> Bools:
    """Where values differ by more than noise and resolution allow; same shape, channels last.

    A value that only one of the two has differs.
    """
    least = np.array([max(SIGMAS * channel.sigma, STEPS * channel.resolution) for channel in channels])
    gone = np.isnan(faulty) != np.isnan(twin)
    with np.errstate(invalid="ignore"):
        return gone | (np.abs(faulty - twin) > least + 1e-9)


@dataclass
class Labeller:
    """Collects labels chunk by chunk.

    Args:
        satellites: and channels: the axes of the values, in order.
        faults: what was done; a label belongs to the newest fault that had begun, one aimed at the channel first.
    """

    satellites: Sequence[str]
    channels: Sequence[SimChannel]
    faults: Sequence[Fault]
    _open: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    _done: list[Label] = field(default_factory=list)

    def add(self, t0_s: int, faulty: Floats, twin: Floats) -> None:
        """Values of the seconds from `t0_s`, shape (n, satellites, channels), chunks in order of time."""
        differs = deviates(faulty, twin, self.channels)
        hit = np.argwhere(differs.any(axis=0)).tolist()
        for satellite, channel in hit:
            rows = np.flatnonzero(differs[:, satellite, channel])
            breaks = np.flatnonzero(np.diff(rows) > CLOSED_S)
            for run in np.split(rows, breaks + 1):
                self._extend(satellite, channel, t0_s + int(run[0]), t0_s + int(run[-1]) + 1)

    def finish(self) -> list[Label]:
        """All labels, in order of time."""
        for (satellite, channel), (start, end) in self._open.items():
            self._done.append(self._label(satellite, channel, start, end))
        self._open.clear()
        return sorted(self._done, key=lambda label: (label.start_s, label.satellite, label.channel))

    def _extend(self, satellite: int, channel: int, start_s: int, end_s: int) -> None:
        key = satellite, channel
        before = self._open.get(key)
        if before is not None and start_s - before[1] < CLOSED_S:
            self._open[key] = before[0], end_s
            return
        if before is not None:
            self._done.append(self._label(satellite, channel, *before))
        self._open[key] = start_s, end_s

    def _label(self, satellite: int, channel: int, start_s: int, end_s: int) -> Label:
        name, reached = self.satellites[satellite], self.channels[channel].name
        mine = [f for f in self.faults if f.satellite == name and f.layer != "routine" and f.start_s < end_s]
        aimed = [f for f in mine if f.target == reached and f.active(start_s, end_s)]
        running = [f for f in mine if f.active(start_s, end_s)]
        cause = max(aimed or running or mine, key=lambda f: f.start_s, default=None)
        return Label("" if cause is None else cause.id, name, reached, start_s, end_s)


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
