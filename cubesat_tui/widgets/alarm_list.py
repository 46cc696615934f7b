"""What needs the operator: pinned on top at 80 columns, with its why in a box at 140."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.alarm_rows import NOTHING, box_rows, last_return, needs_rows
from cubesat_tui.drawing.rows import EMPTY, Row, framed, row
from cubesat_tui.drawing.signs import SIGNS
from cubesat_tui.drawing.why import alarm_key, alarm_label, share_rows, why_lines
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm


class NeedsYou(Lines):
    """The pinned list."""

    def show(self, alarms: Sequence[Alarm], snapshot: Snapshot, selected: tuple[str, str] | None) -> None:
        """Draw `alarms`, which are as many as fit."""
        self.draw(needs_rows(alarms, snapshot, self.size.width, self.signs, selected))


class AlarmBox(Lines):
    """Alarms, then WHY and the shares of the selected one, in a frame."""

    def show(self, snapshot: Snapshot, selected: Alarm | None) -> None:
        """Draw; the selected alarm is always among those shown, and WHY is its own."""
        size, height = self.size.width, self.size.height
        inner, room = size - 2, height - 2
        alarms = snapshot.alarms
        if not alarms:
            body: list[Row] = [row((f" {NOTHING}", "label")), row((f" {last_return(snapshot)}", "dim"))]
            body += [EMPTY, row((" 5 shows every event, ? the keys.", "dim"))]
            self.draw(framed(row(("ALARMS 0", "title")), body, size, height, self.signs))
            return
        why: list[Row] = []
        if selected is not None:
            why = why_lines(selected, snapshot, inner, 6, self.signs)
            shares = share_rows(selected, snapshot, inner, self.signs, 3)
            why = [EMPTY, row((f" {alarm_label(selected, snapshot)}", "title")), *why, *shares]
            why = why[: max(0, room - 2 * min(2, len(alarms)))]
        fits = max(1, (room - len(why)) // 2)
        first = max(0, alarms.index(selected) - fits + 1) if selected in alarms else 0
        body = [
            line
            for alarm in alarms[first : first + fits]
            for line in box_rows(alarm, snapshot, inner, self.signs, alarm is selected)
        ]
        unacked = sum(alarm.needs_acknowledgement for alarm in alarms)
        sign = SIGNS[alarm_key(alarms[0])]
        title = row(
            (f"ALARMS {len(alarms)}", sign.style), (f" · {unacked} new", sign.style if unacked else "label")
        )
        more = len(alarms) - fits
        foot = row((f"{more} more: 5", "dim")) if more > 0 else ()
        self.draw(framed(title, [*body, *why], size, height, self.signs, foot, sign.style if unacked else "rule"))
