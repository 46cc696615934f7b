"""Are these all meant? Asked before something is done to many alarms at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.alarm_rows import alarm_head
from cubesat_tui.drawing.rows import EMPTY, Row, row
from cubesat_tui.drawing.signs import ORDER, SIGNS, SignSet
from cubesat_tui.drawing.why import alarm_key, alarm_label
from cubesat_tui.screens.modal import Modal
from cubesat_tui.widgets.card import Card
from telemetry.limits import Level

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm

_SIZE = 72


def confirm_rows(
    alarms: Sequence[Alarm], snapshot: Snapshot, signs: SignSet, most: int, filtered: str
) -> list[Row]:
    """How many, how bad, which; `most` of them by name. `filtered`: what the list was narrowed to."""
    counts = Counter(alarm_key(alarm) for alarm in alarms)
    grave = sorted(alarms, key=lambda a: ORDER.index(alarm_key(a)))
    worst = grave[0]
    word = "an anomaly" if worst.kind == "anomaly" else Level(worst.severity).name
    many = f"{len(alarms)} alarms, the worst " if len(alarms) > 1 else ""
    spans = [
        (f" {signs.glyph(key)} {counts[key]} {SIGNS[key].word} ", SIGNS[key].style) for key in ORDER if counts[key]
    ]
    rows: list[Row] = [
        row(
            (f" Acknowledge {many}", "value"),
            (word, SIGNS[alarm_key(worst)].style),
            (f" {alarm_label(worst, snapshot)}?", "value"),
        ),
        row(*spans),
    ]
    if filtered:
        rows.append(row((f" Only what is listed: {filtered}", "warning")))
    rows.append(EMPTY)
    rows += [alarm_head(alarm, snapshot, _SIZE - 2, signs, lead=" ") for alarm in grave[:most]]
    if len(grave) > most:
        rows.append(row((f" and {len(grave) - most} more", "label")))
    return [
        *rows,
        EMPTY,
        row((" One that becomes worse before it is done is left as it is.", "label")),
        row((" enter ", "key"), ("acknowledge them", "plain"), ("   esc ", "key"), ("leave them", "plain")),
    ]


class ConfirmAcknowledge(Modal[bool]):
    """Answers whether."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "answer(True)", show=False),
        Binding("escape,n,q", "answer(False)", show=False),
    ]
    DEFAULT_CSS = "ConfirmAcknowledge { align: center middle; background: $background 60%; }"

    def __init__(self, alarms: Sequence[Alarm], snapshot: Snapshot, filtered: str = "") -> None:
        super().__init__()
        self._alarms = tuple(alarms)
        self._snapshot = snapshot
        self._filtered = filtered

    def compose(self) -> ComposeResult:
        # Title, question, counts, filter, blanks, warning, keys: the list has what is left.
        most = max(1, min(8, self.app.size.height - 11))
        signs = cast("ConsoleApp", self.app).signs
        yield Card("ACKNOWLEDGE", confirm_rows(self._alarms, self._snapshot, signs, most, self._filtered), _SIZE)

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
