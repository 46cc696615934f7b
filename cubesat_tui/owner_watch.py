"""What a replica knows of the owner of its satellites: the report it sent last, and whether it still sends any.

The owner writes its report every few seconds and the link's server stamps it. Silence is judged on the monotonic
clock of the replica, so that no wall clock of anybody can make a dead owner look alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from telemetry.plain_text import plain_text, plain_tree

if TYPE_CHECKING:
    from telemetry.clock import Clock

MONITOR_DOWN = "MONITOR DOWN"
SILENT_S = 30.0
"""Without a new report for so long nobody is known to watch the limits, and acts stay pending."""
SPACING_S = 15.0
"""Reports that arrive closer than this come one by one, as they are written."""
MOST_TEXT = 256 * 1024
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
_Time = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
"""UTC ns: what is computed from it stays within 64 bits."""
_Seconds = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]
_Count = dict[str, _Number]


class ReportRefused(Exception):
    """What stands where the owner's report should is none."""


class _Model(msgspec.Struct):
    version: _Number | None = None
    sha256: str | None = None
    at_ns: _Time | None = None
    retrain: _Number | None = None
    kind: str | None = None


class _Trainer(msgspec.Struct):
    state: str = "off"
    activity: str = ""
    retrain: _Number | None = None
    next_ns: _Time | None = None
    error: str = ""


class _Fault(msgspec.Struct):
    id: str = ""
    satellite: str = ""
    text: str = ""
    start_s: _Seconds | None = None
    end_s: _Seconds | None = None


class _Held(msgspec.Struct):
    until_ns: _Time
    actor: str = ""
    reason: str = ""


class Report(msgspec.Struct):
    """The owner's heartbeat as far as a console draws from it; fields as of `heartbeat.health_body`."""

    link: str = "CONNECTING"
    detail: str = ""
    source: str = ""
    rate: _Seconds | None = 1.0
    live: bool = True
    ended: bool = False
    scenario: str | None = None
    injected: list[_Fault] = []
    refused: _Count = {}
    model: _Model | None = None
    learning: _Count | None = None
    held: dict[str, _Held] = {}
    trainer: _Trainer = msgspec.field(default_factory=_Trainer)
    disk_full: _Number = 0
    mission_ns: _Time | None = None
    operator: str = ""


def read_report(text: str) -> Report:
    """The report in `text` (JSON), everything in it plain.

    Raises:
        ReportRefused: it is none.
    """
    if len(text) > MOST_TEXT:
        raise ReportRefused(f"a report of {len(text)} characters; at most {MOST_TEXT} are read")
    try:
        return msgspec.convert(plain_tree(msgspec.json.decode(text), 400), Report)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ReportRefused(plain_text(str(error))) from error


class OwnerWatch:
    """Hears reports and tells how long there was none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._arrived: float | None = None
        self._stamp_ms: float | None = None
        self.report: Report | None = None
        """The newest one, None before the first."""
        self.refused = 0
        """Reports that could not be read."""

    def hear(self, stamp_ms: float, text: str) -> None:
        """The report that stands there now, stamped by the server (UTC ms); one heard before is no sign of life.

        What was written while the link was down is as old as its stamp is behind the time that went by.
        """
        if stamp_ms == self._stamp_ms:
            return
        try:
            report = read_report(text)
        except ReportRefused:
            self.refused += 1
            return
        now = self._clock.monotonic()
        if self._stamp_ms is None or self._arrived is None:
            # The first: it may have stood there for hours, which only the wall clock can tell.
            written = now - max(0.0, self._clock.now_ns() / 1e9 - stamp_ms / 1e3)
        elif now - self._arrived <= SPACING_S:
            written = now
        else:
            written = self._since + (stamp_ms - self._stamp_ms) / 1e3
        self._since, self._arrived = min(now, written), now
        self._stamp_ms, self.report = stamp_ms, report

    @property
    def silent_s(self) -> float:
        """Seconds since the owner wrote its newest report; since the replica began where there is none."""
        return self._clock.monotonic() - self._since

    @property
    def silent(self) -> bool:
        """Whether nobody is known to monitor."""
        return self.silent_s > SILENT_S
