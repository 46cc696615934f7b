"""Go to a moment of the past: one line, in UTC, which says what it was understood as while it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from cubesat_tui.conductor import ALLOWED, NoMoment, moment_of
from cubesat_tui.drawing.inject_rows import keys_row, said_rows
from cubesat_tui.drawing.numbers import age_text, date_clock_text
from cubesat_tui.drawing.rows import EMPTY, Row, row
from cubesat_tui.screens.dialog import Dialog, Line
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import iso
from telemetry.plain_text import plain_text


class GoToDialog(Dialog[int]):
    """Answers the moment in UTC ns, or None to stay."""

    AUTO_FOCUS: ClassVar[str | None] = "#moment"
    DEFAULT_CSS = """
    GoToDialog #box { width: 72; }
    GoToDialog #said { height: auto; margin-top: 1; }
    """

    def __init__(self, now_ns: int, first_ns: int | None, moment_ns: int | None) -> None:
        """`first_ns`: of the oldest stored frame; `moment_ns`: what is proposed, if anything."""
        super().__init__()
        self._now_ns = now_ns
        self._first_ns = first_ns
        self._proposed = "" if moment_ns is None else iso(moment_ns)
        self._refused = False

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Line(self._proposed, ALLOWED, id="moment", longest=40, select_on_focus=True)
            yield Lines(id="said")

    def on_mount(self) -> None:
        self.entitle("GO TO TIME (UTC)")
        self.call_after_refresh(self._say)

    def on_resize(self) -> None:
        self.call_after_refresh(self._say)

    def _say(self) -> None:
        if not self.is_mounted:
            return
        size = self.width_of_box(66)
        text = self.query_one("#moment", Input).value
        said: Sequence[Row]
        if not text.strip():
            said = said_rows(f"Write a time: {ALLOWED}", size, "warning" if self._refused else "label")
        else:
            try:
                t_ns = moment_of(text, self._now_ns, self._first_ns)
            except NoMoment as refused:
                said = said_rows(plain_text(str(refused), 200), size, "warning" if self._refused else "label")
            else:
                ago = age_text((self._now_ns - t_ns) / 1e9)
                said = (row((date_clock_text(t_ns), "value"), (f", {ago} ago: all screens as of then", "label")),)
        stored = "" if self._first_ns is None else f"Stored from {date_clock_text(self._first_ns)}. "
        bounds = row((f"{stored}Now is {date_clock_text(self._now_ns)}.", "dim"))
        # Three lines whatever is said: a box that jumps while one types is hard to read.
        filled = [*said, *([EMPTY] * (2 - len(said)))][:2]
        keys = keys_row(("enter", "go there"), ("esc", "stay"))
        self.query_one("#said", Lines).draw((*filled, bounds, EMPTY, keys))

    @on(Input.Changed, "#moment")
    def _typed(self) -> None:
        self._refused = False
        self._say()

    def enter(self) -> None:
        try:
            moment = moment_of(self.query_one("#moment", Input).value, self._now_ns, self._first_ns)
        except NoMoment:
            self._refused = True
            self._say()
            return
        self.dismiss(moment)
