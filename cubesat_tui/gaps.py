"""Where data is missing: the silence between two frames of a satellite, told once, filled with nothing."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.alarms import Event
from telemetry.dictionary import Bus
from telemetry.limits import Level

PERIODS = 3
"""As for freshness: so many periods may pass before silence is a gap."""
SLACK_NS = 2_000_000_000


def pulse(bus: Bus) -> tuple[frozenset[str], int]:
    """The packets that come most often, and the generation time (ns) that may pass between two of them.

    Only these tell of a gap: slower ones may arrive before or after the quick ones of the same seconds.
    """
    periods = {
        packet: min((bus.by_name[name].period_s for name in names), default=1.0)
        for packet, names in bus.packets
        if not all(bus.by_name[name].contact_only for name in names)
    }
    shortest = min(periods.values(), default=1.0)
    quick = frozenset(packet for packet, period in periods.items() if period <= shortest)
    return quick, int(PERIODS * shortest * 1e9) + SLACK_NS


def in_words(seconds: float) -> str:
    """`8 s`, `12 min`, `3.0 h`, `3.0 days`: the largest unit that fits."""
    for size, unit in ((86_400, "days"), (3_600, "h")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


@dataclass
class GapFinder:
    """Follows the generation time of one satellite's newest frame; `step` with each frame that was sent live.

    Newest is the highest boot and sequence number where the satellite sends them: its clock may jump ahead and
    back again, which is no silence and must not hide the silences that follow.
    """

    satellite: str
    packets: frozenset[str]
    silence_ns: int
    newest_ns: int | None = None
    place: tuple[int, int] | None = None
    """Boot and sequence number of the newest frame; None before the first, and where frames have none."""
    lead_ns: int | None = None
    """Generation time of that frame minus its reception time."""

    def step(self, packet: str, t_ns: int, at_ns: int, place: tuple[int, int] | None = None) -> Event | None:
        """The gap that a frame of generation time `t_ns`, received at `at_ns`, ends; None where there is none.

        `place`: its boot and sequence number, None where the satellite sends none and time is all there is.
        """
        if packet not in self.packets:
            return None
        before = self.newest_ns
        if place is None:
            if before is not None and t_ns <= before:
                return None
        elif self.place is not None and place <= self.place:
            return None
        jumped = place is not None and self._jumped(t_ns - at_ns)
        self.newest_ns = t_ns
        if place is not None:
            self.place, self.lead_ns = place, t_ns - at_ns
        if before is None or t_ns - before <= self.silence_ns or jumped:
            return None
        seconds = (t_ns - before) / 1e9
        return Event(
            at_ns=at_ns,
            satellite=self.satellite,
            kind="gap.found",
            severity=int(Level.WATCH),
            subject=self.satellite,
            body={"t0_ns": before, "t1_ns": t_ns, "seconds": seconds, "text": f"no data for {in_words(seconds)}"},
        )

    def _jumped(self, lead_ns: int) -> bool:
        """Whether the clock on board left the present: a frame of the future after one that was not.

        Where frames always run ahead (a simulator faster than time) their lead tells of no clock.
        """
        return self.lead_ns is not None and self.lead_ns <= self.silence_ns < lead_ns
