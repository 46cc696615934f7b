"""Faults by hand: what somebody wishes to break, made into a fault that this simulator can carry out.

A wish says as little as it likes; what it leaves out is the middle of what the catalogue calls usual.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from sim.catalogue import FOR_EVER_S, KINDS, PACKET_KINDS, Fault, FaultRefused, Kind, checked

EVER: Final = "ever"
"""Word for a fault that lasts until somebody ends it."""
HOWS: Final[Mapping[str, tuple[str, ...]]] = {"corrupt": ("nan", "fill", "bit"), "stuck": ("last", "rail")}
"""Kinds that come in several manners, the usual one first."""
UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}
LATEST_S: Final = 86_400
"""A fault by hand begins within a day."""
EXCESS: Final = 10.0
"""In plant and transport a size goes up to so many times the largest usual one: beyond, physics means nothing."""
LARGEST_STEPS: Final = 1e6
PARTS: Final = ("of the face", "of samples", "of packets")
"""Units of sizes that are shares: above 0, up to 1."""


@runtime_checkable
class Injectable(Protocol):
    """A source whose satellites can be broken while it runs; `sim.source.SimSource` is one.

    It need not remember anything beyond its own life: who hands it faults hands them again to its successor, before
    the first frame, and those that are over are without effect.
    """

    @property
    def next_s(self) -> int:
        """UTC second of the next frame to be made: the first that a fault given now acts on."""
        ...

    def inject(self, fault: Fault) -> None:
        """Let `fault` happen; nothing happens where one of that id was given before.

        Raises:
            FaultRefused: this source cannot carry it out.
        """
        ...

    def clear(self, fault_id: str | None) -> None:
        """End the fault given under this id, or all that were given, before the next frame; never a scenario's."""
        ...


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an operator asks for: the body of a request `inject`."""

    kind: str
    satellite: str
    target: str = ""
    """Empty where the kind has one target only; packets: all."""
    size: float | None = None
    lasts_s: int | None = None
    in_s: int = 0
    how: str = ""


def usual_size(kind: Kind) -> float:
    """The middle of the default range, in three digits; 0 for a kind without a size."""
    return float(f"{sum(kind.size) / 2:.3g}")


def usual_lasts_s(kind: Kind) -> int:
    """The middle of the default range; what may last for ever does."""
    shortest, longest = kind.lasts_s
    return FOR_EVER_S if longest >= FOR_EVER_S else (shortest + longest) // 2


def usual_target(kind: Kind) -> str:
    """The target meant where none is named; empty where one must be."""
    return (
        kind.targets[0]
        if kind.targets != ("channel",) and (len(kind.targets) == 1 or "all" in kind.targets)
        else ""
    )


def sizes(kind: Kind) -> str:
    """Which sizes are allowed, in words; empty for a kind without a size."""
    if kind.size == (0, 0):
        return ""
    if kind.unit in PARTS:
        return "above 0, up to 1"
    if kind.layer == "sensor" and kind.unit == "steps":
        return f"from -{LARGEST_STEPS:,.0f} to {LARGEST_STEPS:,.0f}, not 0"
    return f"above 0, up to {_largest(kind):g}"


def seconds_of(text: str) -> int:
    """`60`, `60s`, `5min`, `2h`, `1d` as seconds; `ever` as a time that does not end.

    Raises:
        FaultRefused: `text` is none of these.
    """
    if text.strip() == EVER:
        return FOR_EVER_S
    found = re.fullmatch(r"(\d{1,9})\s*(s|m|min|h|d)?", text.strip())
    if found is None:
        raise FaultRefused(f"{text!r} is no time: allowed: such as 60s, 5min, 2h, 1d or {EVER}")
    return min(FOR_EVER_S, int(found[1]) * UNITS_S[found[2] or "s"])


def seconds_text(seconds: int) -> str:
    """The shortest form that `seconds_of` reads back: `90s`, `5min`, `2h`, `ever`."""
    if seconds >= FOR_EVER_S:
        return EVER
    for unit in ("d", "h", "min"):
        if seconds and seconds % UNITS_S[unit] == 0:
            return f"{seconds // UNITS_S[unit]}{unit}"
    return f"{seconds}s"


def fault_of(
    wish: Wish, fault_id: str, first_s: int, channels: tuple[str, ...], satellites: tuple[str, ...]
) -> Fault:
    """The fault that `wish` asks for, beginning at `first_s` at the earliest.

    Args:
        wish: of an operator.
        fault_id: unique in the mission.
        first_s: UTC second of the first frame it can act on.
        channels: measured ones of the satellite.
        satellites: of the simulator.

    Raises:
        FaultRefused: it cannot be made; one line: field, value, what is allowed.
    """
    kind = KINDS.get(wish.kind)
    if kind is None:
        raise FaultRefused(f"kind: {wish.kind}: allowed: {', '.join(KINDS)}")
    size = usual_size(kind) if wish.size is None else wish.size
    hows = HOWS.get(kind.name, ())
    if wish.how and wish.how not in hows:
        raise FaultRefused(f"how: {wish.how}: allowed: {', '.join(hows) or f'nothing for {kind.name}'}")
    if not _allowed(kind, size):
        raise FaultRefused(f"size: {size:g}: allowed: {sizes(kind) or f'none, {kind.name} has no size'}")
    if not 0 <= wish.in_s <= LATEST_S:
        raise FaultRefused(f"in_s: {wish.in_s}: allowed: 0 to {LATEST_S}")
    start_s = first_s + wish.in_s
    lasts_s = usual_lasts_s(kind) if wish.lasts_s is None else min(wish.lasts_s, FOR_EVER_S)
    how = wish.how or (hows[0] if hows else "")
    target = wish.target or usual_target(kind)
    return checked(
        Fault(fault_id, kind.name, wish.satellite, target, start_s, start_s + lasts_s, size, how),
        channels,
        satellites,
    )


def sentence(fault: Fault, target: str = "", *, timed: bool = True) -> str:
    """`bias of 60 steps on Distance S for 60 s`; `target` as an operator knows it."""
    kind = KINDS[fault.kind]
    amount = ""
    if kind.unit in PARTS:
        amount = f" of {100 * fault.size:.3g} % {kind.unit}"
    elif kind.unit:
        amount = f" of {fault.size:.6g} {kind.unit}"
    how = f" ({fault.how})" if fault.how else ""
    named = target or fault.target
    if kind.targets == PACKET_KINDS:
        named += " packets"
    # Where there is one target only, the kind says it already.
    where = f" on {named}" if len(kind.targets) > 1 or kind.targets == ("channel",) else ""
    lasts = f" {_lasts(fault)}" if timed and kind.lasts_s != (1, 1) else ""
    return f"{fault.kind.replace('_', ' ')}{how}{amount}{where}{lasts}"


def as_body(fault: Fault) -> dict[str, Any]:
    """`fault` for a journal row; `from_body` reads it back."""
    return msgspec.to_builtins(fault)


def from_body(body: object) -> Fault:
    """The fault of a journal row.

    Raises:
        FaultRefused: that is none, or one that only another version of this program knows.
    """
    try:
        fault = msgspec.convert(body, Fault)
    except msgspec.ValidationError as error:
        raise FaultRefused(f"fault: {error}") from None
    if fault.kind not in KINDS:
        raise FaultRefused(f"kind: {fault.kind}: allowed: {', '.join(KINDS)}")
    return fault


def _lasts(fault: Fault) -> str:
    seconds = fault.end_s - fault.start_s
    if seconds >= FOR_EVER_S:
        return "until it is ended"
    if seconds < 120:
        return f"for {seconds} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (0 if hours else rest, "s"))
    return "for " + " ".join(f"{n} {unit}" for n, unit in parts if n)


def _largest(kind: Kind) -> float:
    return EXCESS * max(kind.size)


def _allowed(kind: Kind, size: float) -> bool:
    if not math.isfinite(size):
        return False
    if kind.size == (0, 0):
        return size == 0.0
    if kind.unit in PARTS:
        return 0.0 < size <= 1.0
    if kind.layer == "sensor" and kind.unit == "steps":
        return 0.0 < abs(size) <= LARGEST_STEPS
    return 0.0 < size <= _largest(kind)


def wish_in_words(
    kind: str, satellite: str, target: str, *, size: str = "", lasts: str = "", later: str = "", how: str = ""
) -> Wish:
    """A wish as somebody typed it; what is left empty is the usual.

    Raises:
        FaultRefused: a size that is no number, a time that is none.
    """
    try:
        number = float(size) if size.strip() else None
    except ValueError:
        raise FaultRefused(f"size: {size.strip()!r}: allowed: a number") from None
    lasts_s = seconds_of(lasts) if lasts.strip() else None
    in_s = seconds_of(later) if later.strip() else 0
    return Wish(kind, satellite, target, number, lasts_s, in_s, how.strip())
