"""Shelve: for how long, and why; and take off the shelf again, and why. A shelf always ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.widget import Widget

from cubesat_tui.drawing.alarm_rows import alarm_head
from cubesat_tui.drawing.rows import Row, folded, row
from cubesat_tui.drawing.why import alarm_label, sentence
from cubesat_tui.operator_acts import as_seen
from cubesat_tui.screens.asking import AskDialog, line_to_type
from cubesat_tui.shelf_time import LEAST_REASON, is_reason, until_words
from cubesat_tui.widgets.shelf_choice import ShelfChoice
from telemetry.limits import Level

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm

WANTED = f"A reason of at least {LEAST_REASON} letters: whoever comes next reads it."


class _ReasonDialog(AskDialog):
    """About one alarm, as it is now; the station is asked with a reason."""

    AUTO_FOCUS: ClassVar[str | None] = "#reason"

    def __init__(self, title: str, snapshot: Snapshot, alarm: Alarm) -> None:
        super().__init__(title, snapshot)
        self._alarm = alarm
        self._warned: int = alarm.severity
        """The severity that the operator knows of."""

    @property
    def alarm(self) -> Alarm | None:
        """The alarm as it is now; None once it is over."""
        seen = self._alarm.key, self._alarm.raised_ns
        return next((a for a in self.snapshot.alarms if (a.key, a.raised_ns) == seen), None)

    def about(self, size: int) -> list[Row]:
        alarm = self.alarm or self._alarm
        signs = self.console_app.signs
        rows = [alarm_head(alarm, self.snapshot, size, signs)]
        rows += [row((part, "label")) for part in folded(sentence(alarm, self.snapshot, signs), size)[:2]]
        return rows

    def problem(self) -> str:
        """Why it cannot be done now; "" where it can."""
        if self.alarm is None:
            return "It is over meanwhile: esc leaves."
        return "" if is_reason(self.text_of("reason")) else WANTED

    def request(self) -> dict[str, Any]:
        """What the station is asked, beside which alarm, as it was seen, and why."""
        return {}

    KIND = ""

    def submit(self) -> bool:
        alarm = self.alarm
        if self.problem() or alarm is None:
            return False
        if alarm.severity > self._warned:
            self._warned = alarm.severity
            self._became_worse = True
            return False
        body = {"satellite": alarm.satellite, "subject": alarm.subject, "reason": self.text_of("reason")}
        self.console_app.ask_about(alarm, self.KIND, body | self.request() | as_seen(alarm))
        return True

    _became_worse = False


class ShelveDialog(_ReasonDialog):
    """`s` on an alarm that is not shelved."""

    KEYS = (("enter", "shelve it"), ("esc", "leave it"), ("tab", "next"), ("← →", "how long"))
    KIND = "shelve"

    def __init__(self, snapshot: Snapshot, alarm: Alarm) -> None:
        super().__init__(f"SHELVE {alarm_label(alarm, snapshot)}", snapshot, alarm)

    def fields(self) -> Iterable[tuple[str, Widget]]:
        yield "For", ShelfChoice(self.snapshot.now_ns, id="length")
        yield "Reason", line_to_type("reason")

    def said(self) -> tuple[str, str]:
        alarm, problem = self.alarm, self.problem()
        try:
            until = until_words(self.query_one(ShelfChoice).until(self.snapshot.now_ns), self.snapshot.now_ns)
        except ValueError as error:
            return str(error), "warning"
        if self._became_worse and alarm is not None:
            word = Level(alarm.severity).name
            return f"It is {word} since you opened this. Enter shelves it all the same {until}.", "critical"
        if problem:
            return f"Silent {until}. {problem}", "label"
        return f"Silent {until}; if it still holds then, or gets worse before, it is NEW again.", "value"

    def problem(self) -> str:
        try:
            self.query_one(ShelfChoice).until(self.snapshot.now_ns)
        except ValueError as error:
            return str(error)
        return super().problem()

    def request(self) -> dict[str, Any]:
        choice = self.query_one(ShelfChoice)
        if choice.minutes is not None:
            return {"minutes": choice.minutes}
        return {"until_ns": choice.until(self.snapshot.now_ns)}

    @on(ShelfChoice.Changed)
    def _chosen(self) -> None:
        self.lay()


class UnshelveDialog(_ReasonDialog):
    """`s` on an alarm that is shelved."""

    KEYS = (("enter", "take it off the shelf"), ("esc", "leave it"))
    KIND = "unshelve"

    def __init__(self, snapshot: Snapshot, alarm: Alarm) -> None:
        super().__init__(f"OFF THE SHELF: {alarm_label(alarm, snapshot)}", snapshot, alarm)

    def fields(self) -> Iterable[tuple[str, Widget]]:
        yield "Reason", line_to_type("reason")

    def about(self, size: int) -> list[Row]:
        alarm = self.alarm or self._alarm
        rows = super().about(size)
        if alarm.shelved_until_ns is not None:
            until = until_words(alarm.shelved_until_ns, self.snapshot.now_ns)
            text = f'Shelved by {alarm.shelved_by or "somebody"} {until}: "{alarm.shelf_reason}"'
            rows += [row((part, "plain")) for part in folded(text, size)[:2]]
        return rows

    def problem(self) -> str:
        alarm = self.alarm
        if alarm is not None and not alarm.shelved:
            return "It is off the shelf meanwhile: esc leaves."
        return super().problem()

    def said(self) -> tuple[str, str]:
        problem = self.problem()
        if problem:
            return problem, "label"
        return "It counts again, as acknowledged by you.", "value"
