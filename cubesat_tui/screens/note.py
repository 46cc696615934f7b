"""A note for whoever comes next: on the selected alarm, or on the shift."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from textual.widget import Widget

from cubesat_tui.drawing.alarm_rows import alarm_head
from cubesat_tui.drawing.numbers import clock_text
from cubesat_tui.drawing.rows import Row, crop, row
from cubesat_tui.drawing.why import alarm_label
from cubesat_tui.screens.asking import AskDialog, line_to_type
from cubesat_tui.shelf_time import LEAST_REASON, is_reason

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm


class NoteDialog(AskDialog):
    """`tab` turns from the alarm to the shift and back."""

    AUTO_FOCUS: ClassVar[str | None] = "#note"

    def __init__(self, snapshot: Snapshot, alarm: Alarm | None) -> None:
        super().__init__("NOTE", snapshot)
        self._alarm = alarm
        self._on_alarm = alarm is not None
        if alarm is not None:
            self.KEYS = (("enter", "write it"), ("esc", "leave it"), ("tab", "alarm or shift"))
        else:
            self.KEYS = (("enter", "write it"), ("esc", "leave it"))

    def fields(self) -> Iterable[tuple[str, Widget]]:
        yield "Note", line_to_type("note")

    def about(self, size: int) -> list[Row]:
        if not self._on_alarm or self._alarm is None:
            rows = [row(("On the shift", "title"), ("  it stands in the journal and in the handover", "label"))]
            notes = [(e.at_ns, e.actor, e.text) for e in self.snapshot.events if e.kind == "note.shift"][:2]
        else:
            alarm = next((a for a in self.snapshot.alarms if a.key == self._alarm.key), self._alarm)
            rows = [alarm_head(alarm, self.snapshot, size, self.console_app.signs)]
            notes = [(note.at_ns, note.actor, note.text) for note in reversed(alarm.notes[-2:])]
        for at_ns, actor, text in notes:
            rows.append(crop(row((f"{clock_text(at_ns)}Z ", "dim"), (f"{actor} ", "value"), (text, "plain")), size))
        return rows

    def said(self) -> tuple[str, str]:
        text = self.text_of("note") if self.query("#note") else ""
        if not is_reason(text):
            return f"At least {LEAST_REASON} letters.", "label"
        what = "the shift"
        if self._on_alarm and self._alarm is not None:
            what = alarm_label(self._alarm, self.snapshot)
        return f"Goes into the journal under {what}, as {self.console_app.operator}'s.", "value"

    def submit(self) -> bool:
        text = self.text_of("note")
        if not is_reason(text):
            return False
        alarm = self._alarm if self._on_alarm else None
        body = {
            "satellite": self.snapshot.satellite,
            "subject": "" if alarm is None else alarm.subject,
            "text": text,
        }
        self.console_app.ask_about(alarm, "note", body)
        return True

    def action_field(self, step: int) -> None:
        if self._alarm is not None:
            self._on_alarm = not self._on_alarm
            self.lay()
