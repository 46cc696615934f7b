"""All satellites of a mission at one moment: what the Fleet screen shows, how it is sorted and filtered."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cubesat_tui.drawing.signs import ORDER
from cubesat_tui.snapshot import ContactNow, Pass

if TYPE_CHECKING:
    from telemetry.alarms import Alarm

STALE_PERIODS = 3.0
STALE_SLACK_S = 2.0
LOST_AFTER_S = 60.0
"""Silence that nothing explains is a loss from here on; also the time a pass has to bring a first frame."""


class Silence(enum.Enum):
    """Whether a satellite is heard, and if not, whether that was to be expected."""

    HEARD = "HEARD"
    NEVER = "NEVER"
    OLD = "OLD"
    QUIET = "QUIET"
    LOST = "LOST"

    @property
    def state(self) -> str:
        """Its place among `RANKS`."""
        return _SILENT_STATES[self]


_SILENT_STATES = {
    Silence.HEARD: "ok",
    Silence.NEVER: "never",
    Silence.OLD: "expired",
    Silence.QUIET: "quiet",
    Silence.LOST: "lost",
}
RANKS = (*ORDER[:3], "lost", *ORDER[3:], "expired", "never", "quiet", "ok")
"""States of a satellite, worst first: signs of alarms, and one that cannot be found right below DISTRESS."""


@dataclass(frozen=True, slots=True)
class ModelOf:
    """The model of one satellite: version and since when it scores (UTC ns), or what it has learned so far.

    `learned`: share of the frames that the first fit needs, None where the station does not tell.
    """

    version: int | None = None
    since_ns: int | None = None
    learned: float | None = None


@dataclass(frozen=True, slots=True)
class SatelliteNow:
    """One satellite. `new`, `active`, `shelved` count its open alarms, those `new` need an acknowledgement.

    `worst`: sign key of its worst open alarm that is not muted, "ok" without one. `age_s`: wall seconds since
    its newest live frame was received, None where there never was one; `heard_ns` that frame's generation time.
    `missed`: the first pass since then that brought nothing. `alarms` most urgent first.
    """

    name: str
    worst: str
    silence: Silence
    new: int = 0
    active: int = 0
    shelved: int = 0
    age_s: float | None = None
    heard_ns: int | None = None
    contact: ContactNow = field(default_factory=ContactNow)
    missed: Pass | None = None
    model: ModelOf = field(default_factory=ModelOf)
    alarms: tuple[Alarm, ...] = ()

    @property
    def state(self) -> str:
        """What is worst about it, of `RANKS`: an alarm, or that it is not heard."""
        return min(self.worst, self.silence.state, key=RANKS.index)


@dataclass(frozen=True, slots=True)
class FleetNow:
    """All satellites in the order of the mission. `counts`: sign key -> (new, active) over all of them."""

    now_ns: int
    wall_ns: int
    satellites: tuple[SatelliteNow, ...]
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def in_contact(self) -> int:
        return sum(one.contact.in_contact for one in self.satellites)

    @property
    def oldest_s(self) -> float | None:
        """The greatest age of data, of those ever heard."""
        return max((one.age_s for one in self.satellites if one.age_s is not None), default=None)

    @property
    def with_model(self) -> int:
        return sum(one.model.version is not None for one in self.satellites)


def silence_of(
    heard_ns: int | None, age_s: float | None, at_ns: int, stale_s: float, passes: Sequence[Pass]
) -> tuple[Silence, Pass | None]:
    """Is a satellite heard, and was its silence to be expected? With the first pass it missed.

    Args:
        heard_ns: generation time of its newest live frame.
        age_s: wall seconds since that was received, at the moment judged.
        at_ns: mission time of that moment.
        stale_s: the age from which it is silent.
        passes: its passes in order of time, past ones included; empty where they do not matter, because its
            telemetry comes at all times or nobody knows them.
    """
    if heard_ns is None or age_s is None:
        return Silence.NEVER, None
    if age_s <= stale_s:
        return Silence.HEARD, None
    unexplained = Silence.LOST if age_s > LOST_AFTER_S else Silence.OLD
    if not passes:
        return unexplained, None
    grace = round(LOST_AFTER_S * 1e9)
    missed = next(
        (p for p in passes if p.acquisition_ns > heard_ns and min(at_ns, p.loss_ns) - p.acquisition_ns >= grace),
        None,
    )
    if missed is not None:
        return Silence.LOST, missed
    if any(p.acquisition_ns <= heard_ns and at_ns < p.loss_ns for p in passes):
        # In a pass that had begun to bring something.
        return unexplained, None
    return Silence.QUIET, None


def _by_worst(one: SatelliteNow) -> tuple[int, int, int, str]:
    return RANKS.index(one.state), -one.new, -one.active, one.name


def _by_name(one: SatelliteNow) -> tuple[str]:
    return (one.name,)


def _by_age(one: SatelliteNow) -> tuple[float, str]:
    return -math.inf if one.age_s is None else -one.age_s, one.name


def _by_pass(one: SatelliteNow) -> tuple[int, float, str]:
    contact = one.contact
    if contact.in_contact:
        return 0, contact.until_ns or 0, one.name
    return 1, math.inf if contact.next_ns is None else contact.next_ns, one.name


SORTS: Mapping[str, Callable[[SatelliteNow], tuple[object, ...]]] = {
    "worst, then new": _by_worst,
    "name": _by_name,
    "oldest data": _by_age,
    "next pass": _by_pass,
}
"""What `S` goes through: words on screen -> sort key."""


def ordered(satellites: Sequence[SatelliteNow], sort: str) -> list[SatelliteNow]:
    """`satellites` in the order named `sort`."""
    return sorted(satellites, key=SORTS[sort])  # pyright: ignore[reportArgumentType]
