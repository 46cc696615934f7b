"""Accept as nominal: which channels, over which time, and why; the next fit learns it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.widget import Widget

from cubesat_tui import messages
from cubesat_tui.drawing.inject_rows import said_rows
from cubesat_tui.drawing.rows import Row
from cubesat_tui.drawing.why import alarm_label
from cubesat_tui.nominal import LEAST_REASON, Nominal, checked, of_alarm, sentence
from cubesat_tui.screens.asking import AskDialog, line_to_type
from telemetry.clock import NS_PER_S, iso, parse_iso
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm

ABOUT = (
    "These rows leave quarantine and are learned with the next fit; what looks like them is no anomaly then."
    " Hard limits are never learned. This cannot be undone."
)
LONGEST_LIST = 1000
"""Characters of the list of channels."""


class AcceptDialog(AskDialog):
    """Posts `AcceptRequested`; the station decides."""

    AUTO_FOCUS: ClassVar[str | None] = "#reason"
    DEFAULT_CSS = "AcceptDialog .word { width: 10; }"
    KEYS = (("tab", "next field"), ("enter", "accept it"), ("esc", "leave it"))
    ROOM = 11

    def __init__(self, snapshot: Snapshot, alarm: Alarm) -> None:
        """`alarm`: the anomaly that is to be accepted; channels and span are its own to begin with."""
        super().__init__(f"ACCEPT AS NOMINAL: {plain_text(alarm_label(alarm, snapshot), 40)}", snapshot)
        self._first = of_alarm(alarm, snapshot.now_ns)

    def fields(self) -> Iterable[tuple[str, Widget]]:
        first = self._first
        yield "Channels", line_to_type("channels", plain_text(" ".join(first.channels), LONGEST_LIST), LONGEST_LIST)
        yield "From", line_to_type("from", iso(first.t0_ns // NS_PER_S * NS_PER_S))
        yield "To", line_to_type("to", iso(-(-first.t1_ns // NS_PER_S) * NS_PER_S))
        yield "Reason", line_to_type("reason")

    def about(self, size: int) -> list[Row]:
        return said_rows(ABOUT, size)[:3]

    def said(self) -> tuple[str, str]:
        try:
            wish = self._wish()
        except ValueError as error:
            if len(self.text_of("reason")) < LEAST_REASON:
                return f"A reason of at least {LEAST_REASON} letters: the audit will say it.", "label"
            return plain_text(str(error), 300), "warning"
        return plain_text(sentence(wish, self.snapshot.mission), 300), "value"

    def submit(self) -> bool:
        try:
            wish = self._wish()
        except ValueError:
            return False
        self.console_app.post_message(messages.AcceptRequested(msgspec.to_builtins(wish)))
        return True

    def _wish(self) -> Nominal:
        """What the fields say.

        Raises:
            ValueError: it cannot be, or a time is none.
        """
        wish = msgspec.structs.replace(
            self._first,
            reason=self.text_of("reason"),
            channels=tuple(self.text_of("channels").replace(",", " ").split()),
            t0_ns=parse_iso(self.text_of("from")),
            t1_ns=parse_iso(self.text_of("to")),
        )
        return checked(wish, self.snapshot.mission, self.snapshot.now_ns)
