"""Accept as nominal: what an operator declares to be as it should be, checked and journaled by the station.

The trainer reads the journal and learns the rows with its next fit; hard limits stay what they are. An acceptance
cannot be taken back: a release of the anchor, or simply newer rows, is how a model is taught otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from cubesat_tui.faults_by_hand import Refused
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S, iso
from telemetry.limits import Level
from telemetry.plain_text import plain_text
from trainer.acceptances import ACCEPTED, RELEASED

if TYPE_CHECKING:
    from telemetry.alarms import Alarm
    from telemetry.dictionary import Mission
    from telemetry.store.inbox import Request

LEAST_REASON = 3
LONGEST_NS = 86_400 * NS_PER_S
"""Of a span, and how far it may reach into the future."""
BEFORE_NS = 60 * NS_PER_S
"""A span begins so long before its anomaly: what confirmed it lies before the alarm."""
NAMED = 3
"""Channels a sentence names before it counts."""


class Nominal(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a request `accept`. Times are generation times, UTC ns, both inclusive.

    With `release` the anchor is let go of instead and begins anew at `t0_ns`; the rest says nothing then.
    """

    satellite: str
    reason: str
    t0_ns: int
    t1_ns: int = 0
    channels: tuple[str, ...] = ()
    release: bool = False


class Accepts(Protocol):
    """Journals what an operator declares nominal; `NominalByHand` is the real one."""

    def accept(self, request: Request) -> Event:
        """Do what a request `accept` says.

        Raises:
            Refused: nothing was changed; the sentence says why.
        """
        ...


class NominalByHand:
    """Checks a request against the mission and makes it an event."""

    def __init__(self, mission: Mission, now_ns: Callable[[], int]) -> None:
        """`now_ns`: mission time."""
        self._mission = mission
        self._now_ns = now_ns

    def accept(self, request: Request) -> Event:
        """The event of a request `accept`.

        Raises:
            Refused: nothing was changed; the sentence says why.
        """
        try:
            wish = checked(msgspec.convert(request.body, Nominal), self._mission, self._now_ns())
        except msgspec.ValidationError as error:
            raise Refused(f"the request cannot be read: {plain_text(str(error))}") from None
        actor = plain_text(request.actor, 40).strip()
        if not actor:
            raise Refused("accepting something needs the operator's name")
        body: dict[str, Any] = {
            "text": f"{actor} {sentence(wish, self._mission)}",
            "reason": wish.reason,
            "request": request.id,
        }
        if wish.release:
            body |= {"from_ns": wish.t0_ns}
        else:
            body |= {"channels": list(wish.channels), "t0_ns": wish.t0_ns, "t1_ns": wish.t1_ns}
        return Event(
            at_ns=request.at_ns,
            satellite=wish.satellite,
            kind=RELEASED if wish.release else ACCEPTED,
            severity=int(Level.IN_LIMITS),
            subject="anchor" if wish.release else wish.channels[0],
            actor=actor,
            body=body,
        )


def checked(wish: Nominal, mission: Mission, now_ns: int) -> Nominal:
    """The wish with a clean reason.

    Raises:
        Refused: it cannot be done, and why.
    """
    reason = " ".join(plain_text(wish.reason, 200).split())
    if len(reason) < LEAST_REASON:
        raise Refused(f"a reason of at least {LEAST_REASON} letters is needed: it is what the audit will say")
    if wish.satellite not in mission.by_name:
        allowed = ", ".join(mission.by_name)
        raise Refused(f"satellite {plain_text(wish.satellite, 40)!r}: allowed: {plain_text(allowed, 200)}")
    if wish.t0_ns > now_ns:
        raise Refused(f"from {_when(wish.t0_ns)}: that has not happened yet")
    if not wish.release:
        known = mission.bus_of(wish.satellite).by_name
        unknown = next((name for name in wish.channels if name not in known), None)
        if unknown is not None:
            raise Refused(f"channel {plain_text(unknown, 80)!r}: {wish.satellite} has none of this name")
        if not wish.channels:
            raise Refused("name at least one channel")
        if wish.t1_ns <= wish.t0_ns:
            raise Refused(f"from {_when(wish.t0_ns)} to {_when(wish.t1_ns)}: the end must be later")
        if wish.t1_ns - wish.t0_ns > LONGEST_NS or wish.t1_ns > now_ns + LONGEST_NS:
            raise Refused("a span is at most 24 hours long, and reaches at most 24 hours ahead")
    channels = tuple(dict.fromkeys(wish.channels))
    return msgspec.structs.replace(wish, reason=reason, channels=channels)


def of_alarm(alarm: Alarm, now_ns: int) -> Nominal:
    """What accepting an anomaly means, before its reason is known: its channels, from its start until it ended."""
    started = alarm.body.get("started_ns")
    begun = min(started, alarm.raised_ns) if isinstance(started, int) else alarm.raised_ns
    until = now_ns if alarm.returned_ns is None else alarm.returned_ns
    return Nominal(
        satellite=alarm.satellite,
        reason="",
        t0_ns=begun - BEFORE_NS,
        t1_ns=max(until, begun + NS_PER_S),
        channels=alarm.channels or (alarm.channel,),
    )


def sentence(wish: Nominal, mission: Mission) -> str:
    """`accepted Distance S as nominal, 2026-11-22T07:12:20Z to 2026-11-22T07:20:00Z: reason`."""
    if wish.release:
        return f"released the anchor, it begins at {_when(wish.t0_ns)}: {wish.reason}"
    known: Mapping[str, Any] = mission.bus_of(wish.satellite).by_name
    labels = [plain_text(known[name].label, 60) for name in wish.channels[:NAMED]]
    more = len(wish.channels) - len(labels)
    what = ", ".join(labels) + (f" and {more} more" if more else "")
    return f"accepted {what} as nominal, {_when(wish.t0_ns)} to {_when(wish.t1_ns)}: {wish.reason}"


def _when(t_ns: int) -> str:
    try:
        return iso(t_ns // NS_PER_S * NS_PER_S)
    except ValueError:
        return f"{t_ns} ns"
