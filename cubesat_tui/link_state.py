"""Is the link alive? Judged by when a frame was last received, never by what it says about time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from telemetry.clock import NS_PER_S, Clock
from telemetry.dictionary import Mission
from telemetry.frame import FrameBatch, Quality
from telemetry.links.source import Source

if TYPE_CHECKING:
    from cubesat_tui.contacts import ContactWatch
    from telemetry.links.link import LinkReport

CONNECTING, LIVE, STALE, DOWN, REPLAY = "CONNECTING", "LIVE", "STALE", "DOWN", "REPLAY"
REFUSED = "REFUSED"
"""A link that lets nobody in, or not this station."""
QUIET = "QUIET"
"""Nothing is received and nothing can be: no satellite is in view of a station, or it is not known when one is."""
STALE_PERIODS = 3.0
STALE_SLACK_S = 2.0
DOWN_AFTER_S = 60.0
GRACE_NS = 60 * NS_PER_S
"""Time that a pass has to bring its first frame."""


@dataclass
class _Newest:
    """Newest frame of a packet: generation and reception time (UTC ns), and reception on the monotonic clock."""

    t_ns: int
    received_ns: int
    heard: float


class LinkState:
    """State of the source as a station sees it.

    `contacts` explains the silence of satellites that are heard in passes only.
    """

    def __init__(self, mission: Mission, clock: Clock, contacts: ContactWatch | None = None) -> None:
        periods = [
            channel.period_s
            for bus in mission.buses.values()
            for channel in bus.channels
            if not channel.contact_only
        ]
        self._period_s = min(periods, default=1.0)
        self._clock = clock
        self._contacts = contacts if not mission.source.visible else None
        self._packets: dict[str, dict[str, _Newest]] = {}
        self._heard: float | None = None
        self._reason = ""
        self._ended = False
        self.live = True
        self.rate = 1.0
        self._told = CONNECTING
        self._source: Source | None = None

    def use(self, source: Source) -> None:
        """A source was made: judge by its rate."""
        self._source = source
        self.live = source.live
        self.rate = source.rate
        self._reason = ""

    def received(self, batch: FrameBatch) -> None:
        """`batch` is stored; called in the order of arrival. Frames recorded on board do not make a link live."""
        now = self._clock.monotonic()
        self._reason = ""
        rows = np.flatnonzero((batch.quality & int(Quality.STORED)) == 0)
        if not len(rows):
            return
        self._heard = now
        # Of each satellite its newest row, the first of equal ones.
        order = rows[np.lexsort((-rows, batch.t_ns[rows], batch.satellite[rows]))]
        last = order[np.flatnonzero(np.diff(batch.satellite[order], append=-1))]
        packet = batch.layout.packet
        columns = (batch.satellite[last], batch.t_ns[last], batch.received_ns[last])
        for index, t_ns, received_ns in zip(*(column.tolist() for column in columns), strict=True):
            packets = self._packets.setdefault(batch.satellites[index], {})
            known = packets.get(packet)
            if known is None or t_ns >= known.t_ns:
                packets[packet] = _Newest(t_ns, received_ns, now)

    def lost(self, reason: str) -> None:
        """The source died."""
        self._reason = reason or "the source died"

    def over(self) -> None:
        """The source has no more frames."""
        if self.live:
            self._reason = "the source has no more frames"

    def end(self) -> None:
        """The station is ending."""
        self._ended = True

    @property
    def cut(self) -> bool:
        """Whether nothing can come: the source died or has ended, its link is down, or the station is ending."""
        carried = self._carried()
        return self._ended or bool(self._reason) or (carried is not None and carried[0] in (DOWN, REFUSED))

    @property
    def state(self) -> tuple[str, str]:
        """(CONNECTING, LIVE, QUIET, STALE, DOWN or REPLAY, a reason in words or an empty text)."""
        if self._ended:
            return DOWN, "the station has ended"
        if self._reason:
            return DOWN, self._reason
        if not self.live:
            return REPLAY, "" if math.isinf(self.rate) else f"x{self.rate:g}"
        carried = self._carried()
        if carried is not None:
            return carried
        if self._heard is None:
            return (QUIET, self._why_quiet("no pass yet")) if self._is_quiet() else (CONNECTING, "")
        silence = self._clock.monotonic() - self._heard
        is_silent = silence > STALE_PERIODS * self._period_s / max(self.rate, 1e-9) + STALE_SLACK_S
        if is_silent and self._is_quiet():
            return QUIET, self._why_quiet("between passes")
        if silence > DOWN_AFTER_S:
            return DOWN, f"nothing received for {silence:.0f} s"
        if is_silent:
            return STALE, f"nothing received for {silence:.0f} s"
        return LIVE, ""

    def _carried(self) -> tuple[str, str] | None:
        """What a source that comes over a link says of it, where that alone decides."""
        report: LinkReport | None = getattr(self._source, "report", None)
        return None if report is None or report.state in (LIVE, STALE) else (report.state, report.detail)

    def _is_quiet(self) -> bool:
        return self._contacts is not None and not self._contacts.expected(self._clock.now_ns(), GRACE_NS)

    def _why_quiet(self, words: str) -> str:
        return "no pass known" if self._contacts is not None and self._contacts.none_known else words

    def step(self) -> tuple[str, str] | None:
        """The state and its reason when the state changed since the last step, else None."""
        state, detail = self.state
        if state == self._told:
            return None
        self._told = state
        return state, detail

    def packets(self) -> dict[str, dict[str, dict[str, Any]]]:
        """For the heartbeat: satellite -> packet -> newest generation and reception time (UTC ns) and age (s)."""
        now = self._clock.monotonic()
        return {
            satellite: {
                packet: {"t_ns": one.t_ns, "received_ns": one.received_ns, "age_s": round(now - one.heard, 3)}
                for packet, one in packets.items()
            }
            for satellite, packets in self._packets.items()
        }
