"""What may go wrong, as the flight sees it: three places where a plan of faults can act.

The flight asks and does not know what faults there are; `NO_FAULTS` answers nothing and costs nothing. A plan is a
pure function of time: what it does to a second does not depend on how the seconds are cut into chunks. What it must
remember (the value a stuck sensor stands at) lies in `held`, which the flight keeps with its state in the cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from sim.elementwise import Floats

if TYPE_CHECKING:
    from sim.state import Knobs
    from telemetry.frame import FrameBatch

Held = dict[str, float]
"""A plan's memory from one second to the next; keys are the plan's own. Kept in the cursor, so keep it small."""


class Plan(Protocol):
    """Faults of the satellites of one flight; a satellite is its index in `Flight.satellites`."""

    def touched(self, t0_s: int, t1_s: int) -> Sequence[int]:
        """Satellites for which `knobs` is asked in t0_s <= t < t1_s (UTC seconds); all others are healthy."""
        ...

    def knobs(self, satellite: int, t_s: int) -> Knobs[float] | None:
        """What is turned in the plant in the second that begins at `t_s`, whose frames say `t_s`; None: nothing."""
        ...

    def senses(self, t0_s: int, t1_s: int) -> bool:
        """Whether `sense` or `corrupt` has anything to do in t0_s <= t < t1_s."""
        ...

    def sense(self, values: Floats, noise: Floats, t0_s: int, held: Held) -> None:
        """Change, in place, what sensors measure before it is rounded and limited to the sensor's range.

        `values` (n seconds from `t0_s`, satellites, channels of the flight's table), `noise` the part of them that
        is sensor noise, same shape and units: a gain acts on values - noise, more noise on noise.
        """
        ...

    def corrupt(self, values: Floats, t0_s: int, held: Held) -> None:
        """Change, in place, what is sent: stuck values, fill values, NaN, flipped bits. Called for every chunk in
        which `senses` is true, after rounding; same shape as in `sense`."""
        ...

    def transport(self, batches: list[FrameBatch], t0_s: int, t1_s: int) -> list[FrameBatch]:
        """What becomes of the packets of t0_s <= t < t1_s on their way: lost, doubled, late, with a wrong clock.

        The plan may hold packets back and return them with a later call.
        """
        ...


class NoFaults:
    """The plan in which nothing goes wrong."""

    def touched(self, t0_s: int, t1_s: int) -> Sequence[int]:
        del t0_s, t1_s
        return ()

    def knobs(self, satellite: int, t_s: int) -> Knobs[float] | None:
        del satellite, t_s

    def senses(self, t0_s: int, t1_s: int) -> bool:
        del t0_s, t1_s
        return False

    def sense(self, values: Floats, noise: Floats, t0_s: int, held: Held) -> None:
        del values, noise, t0_s, held

    def corrupt(self, values: Floats, t0_s: int, held: Held) -> None:
        del values, t0_s, held

    def transport(self, batches: list[FrameBatch], t0_s: int, t1_s: int) -> list[FrameBatch]:
        del t0_s, t1_s
        return batches


NO_FAULTS: Final = NoFaults()
