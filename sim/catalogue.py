"""Every kind of thing that goes wrong, where it acts, how large it usually is, and what it is called afterwards.

The kinds and sizes follow failures of real CubeSats; how ESA-ADB would class one is seen by its labels
(`sim.labels.Told`). Sizes of sensor faults are in steps of the channel: the larger of its noise and its resolution.
A routine is no fault: something an operator planned, which must raise nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Layer = Literal["plant", "sensor", "transport", "routine"]
ORBIT_S: Final = 5_740
FOR_EVER_S: Final = 10 * 365 * 86_400
FACES: Final = ("px", "mx", "py", "my", "pz", "mz")
PACKET_KINDS: Final = ("all", "hk", "pld", "thm", "slow", "rf")


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the catalogue."""

    name: str
    layer: Layer
    about: str
    """One sentence for the list in the console."""
    targets: tuple[str, ...]
    """What may be named as its target; "channel" stands for any measured channel."""
    size: tuple[float, float]
    """Smallest and largest default size."""
    unit: str
    """What `size` counts."""
    lasts_s: tuple[int, int]
    """Shortest and longest default time."""
    ramp: bool = False
    """Whether it grows over its time instead of being there at once."""
    needs: str = ""
    """What a satellite must have for it to show."""
    apart: tuple[float, float] | None = None
    """Sizes between these two are never drawn: nobody could see them."""
    drawn: tuple[str, ...] = ()
    """What a scenario that names no target draws from, where that is not all of `targets`."""

    def size_at(self, share: float) -> float:
        """The default size at `share`, 0 to 1, of the way from the smallest to the largest."""
        smallest, largest = self.size
        if self.apart is None:
            return smallest + (largest - smallest) * share
        below, above = self.apart
        if share < 0.5:
            return smallest + (below - smallest) * 2.0 * share
        return above + (largest - above) * (2.0 * share - 1.0)


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("spike", "sensor", "single samples far off", ("channel",), (8, 60), "steps", (1, 3)),
        Kind("stuck", "sensor", "a sensor repeats its last value", ("channel",), (0, 0), "", (60, 2 * ORBIT_S)),
        Kind("bias", "sensor", "a sensor jumps by a constant", ("channel",), (4, 15), "steps", (60, 3_600)),
        Kind(
            "drift",
            "sensor",
            "a sensor walks away slowly",
            ("channel",),
            (10, 20),
            "steps",
            (ORBIT_S // 2, 3 * ORBIT_S),
            ramp=True,
        ),
        Kind("noise_up", "sensor", "a sensor becomes restless", ("channel",), (3, 10), "times", (300, 3_600)),
        Kind(
            "gain",
            "sensor",
            "a sensor's scale changes",
            ("channel",),
            (0.5, 2),
            "times",
            (300, 3_600),
            needs="a value that is not 0",
            apart=(0.8, 1.25),
        ),
        Kind(
            "corrupt",
            "sensor",
            "fill values, NaN or flipped bits",
            ("channel",),
            (0.2, 1),
            "of samples",
            (1, 30),
        ),
        Kind(
            "string_loss",
            "plant",
            "solar cells of one face are lost",
            FACES,
            (0.25, 1),
            "of the face",
            (FOR_EVER_S, FOR_EVER_S),
            needs="cells on that face",
            drawn=FACES[:-1],
        ),
        Kind(
            "cell_degrade",
            "plant",
            "the battery ages: resistance up, capacity down",
            ("battery",),
            (1.5, 3),
            "times resistance",
            (ORBIT_S, 20 * ORBIT_S),
            ramp=True,
        ),
        Kind(
            "heater_stuck_on",
            "plant",
            "the battery heater does not switch off",
            ("heater",),
            (0, 0),
            "",
            (1_800, 2 * ORBIT_S),
        ),
        Kind(
            "heater_stuck_off",
            "plant",
            "the battery heater does not switch on",
            ("heater",),
            (0, 0),
            "",
            (ORBIT_S, 4 * ORBIT_S),
        ),
        Kind(
            "wheel_friction",
            "plant",
            "bearings of the wheels wear",
            ("wheels",),
            (2, 10),
            "times",
            (ORBIT_S, 4 * ORBIT_S),
            ramp=True,
            needs="wheels",
        ),
        Kind(
            "tumble",
            "plant",
            "the satellite is kicked and its attitude control is off",
            ("x", "y", "z"),
            (1, 5),
            "deg/s",
            (300, 1_800),
        ),
        Kind(
            "rf_degrade",
            "plant",
            "the transmitter loses power",
            ("amplifier",),
            (5, 10),
            "dB",
            (ORBIT_S, FOR_EVER_S),
            needs="a pass",
        ),
        Kind(
            "rf_noise",
            "plant",
            "interference at the ground station",
            ("background",),
            (6, 15),
            "dB",
            (300, 1_800),
            needs="a pass",
        ),
        Kind(
            "i2c_hang",
            "plant",
            "a bus hangs: its channels stand still until the watchdog resets",
            ("adcs", "thm", "pld"),
            (0.15, 0.15),
            "A",
            (60, 600),
        ),
        Kind(
            "seu_reboot",
            "plant",
            "a particle hit restarts the computer",
            ("computer",),
            (0, 0),
            "",
            (1, 1),
        ),
        Kind(
            "latchup",
            "plant",
            "a chip draws too much until it is switched off and on",
            ("3v3", "5v"),
            (0.2, 0.6),
            "A",
            (120, 1_800),
        ),
        Kind(
            "mem_leak",
            "plant",
            "a task leaks memory until the computer restarts",
            ("computer",),
            (10, 20),
            "times",
            (ORBIT_S, 4 * ORBIT_S),
        ),
        Kind("gap", "transport", "packets are lost", PACKET_KINDS, (0, 0), "", (10, 1_800)),
        Kind("duplicate", "transport", "packets come twice", PACKET_KINDS, (0.01, 0.2), "of packets", (300, 3_600)),
        Kind("reorder", "transport", "packets overtake", PACKET_KINDS, (0.01, 0.2), "of packets", (300, 3_600)),
        Kind("late", "transport", "packets come late", PACKET_KINDS, (1, 60), "s", (300, 3_600)),
        Kind("clock_jump", "transport", "the clock on board jumps", ("clock",), (1, 3_600), "s", (300, 3_600)),
        Kind(
            "safe_exercise",
            "routine",
            "SAFE mode, as an exercise",
            ("computer",),
            (0, 0),
            "",
            (900, 900),
        ),
        Kind("restart", "routine", "a restart on command", ("computer",), (0, 0), "", (1, 1)),
        Kind("payload_off", "routine", "no imaging for a while", ("payload",), (0, 0), "", (ORBIT_S, 6 * ORBIT_S)),
        Kind(
            "quiet_radio",
            "routine",
            "no sending for a while",
            ("radio",),
            (0, 0),
            "",
            (ORBIT_S, 3 * ORBIT_S),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, active from `start_s` to before `end_s` (UTC seconds)."""

    id: str
    """Unique in a run; its random draws depend on it."""
    kind: str
    satellite: str
    target: str
    """A channel for a sensor fault, else one of the kind's targets."""
    start_s: int
    end_s: int
    size: float
    how: str = ""
    """Of `corrupt`: nan, fill or bit. Of `stuck`: last or rail."""

    @property
    def layer(self) -> Layer:
        return KINDS[self.kind].layer

    def grown(self, t_s: int) -> float:
        """How far a fault that ramps has grown at `t_s`, 0..1; 1 at once for the others."""
        if not KINDS[self.kind].ramp:
            return 1.0
        whole = min(self.end_s - self.start_s, 3 * ORBIT_S)
        return min(1.0, max(0.0, (t_s - self.start_s) / max(1, whole)))

    def active(self, t0_s: int, t1_s: int) -> bool:
        """Whether it acts at some second of t0_s <= t < t1_s."""
        return self.start_s < t1_s and self.end_s > t0_s


class FaultRefused(ValueError):
    """A fault that cannot be made; the message is one line: field, value, what is allowed."""


def checked(fault: Fault, channels: tuple[str, ...], satellites: tuple[str, ...]) -> Fault:
    """`fault` if it can act on this mission.

    Raises:
        FaultRefused: unknown kind, satellite, channel or target, or a size or time that means nothing.
    """
    kind = KINDS.get(fault.kind)
    if kind is None:
        raise FaultRefused(f"kind: {fault.kind}: allowed: {', '.join(KINDS)}")
    if fault.satellite not in satellites:
        raise FaultRefused(f"satellite: {fault.satellite}: allowed: {', '.join(satellites[:20])}")
    if kind.targets == ("channel",):
        if fault.target not in channels:
            raise FaultRefused(f"channel: {fault.target}: allowed: {', '.join(channels)}")
    elif fault.target not in kind.targets:
        raise FaultRefused(f"target: {fault.target}: allowed: {', '.join(kind.targets)}")
    if not fault.start_s < fault.end_s:
        raise FaultRefused(f"lasts_s: {fault.end_s - fault.start_s}: allowed: 1 or more")
    if not abs(fault.size) < 1e9:
        raise FaultRefused(f"size: {fault.size}: allowed: a finite number")
    if fault.kind == "string_loss" and not 0.0 < fault.size <= 1.0:
        raise FaultRefused(f"size: {fault.size}: allowed: above 0, up to 1 (part of the face that is lost)")
    return fault
