"""Go to a moment of the past: one line, in UTC, which says what it was understood as while it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from cubesat_tui.conductor import ALLOWED, NoMoment, moment_of
from cubesat_tui.drawing.inject_rows import keys_row, said_rows
from cubesat_tui.drawing.numbers import age_text, date_clock_text
from cubesat_tui.drawing.rows import EMPTY, Row, row
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import iso
from telemetry.plain_text import plain_text


class GoToDialog(ModalScreen[int | None]):
    """Answers the moment in UTC ns, or None to stay."""

    AUTO_FOCUS = "#moment"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go", show=False, priority=True),
        Binding("escape", "close", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    GoToDialog { align: center middle; background: $background 60%; }
    GoToDialog #box { width: 72; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        background: $panel; border: round $line; border-title-color: $accent; border-title-style: bold; }
    GoToDialog.ascii #box { border: ascii $line; }
    GoToDialog Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $cursor; }
    GoToDialog Input:focus { border: none; }
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
            line = Input(self._proposed, id="moment", placeholder=ALLOWED, max_length=40)
            line.cursor_blink = False
            yield line
            yield Lines(id="said")

    def on_mount(self) -> None:
        signs = getattr(self.app, "signs", None)
        self.set_class(signs is not None and signs.ascii, "ascii")
        self.query_one("#box", Vertical).border_title = Content("GO TO TIME (UTC)")
        self.call_after_refresh(self._say)

    def on_resize(self) -> None:
        self.call_after_refresh(self._say)

    def _say(self) -> None:
        if not self.is_mounted:
            return
        size = max(20, self.query_one("#box", Vertical).content_size.width or 66)
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

    def action_go(self) -> None:
        # Behind the keys that are on their way to the line: who types ahead means the whole time.
        (self.focused or self).call_later(self._go)

    def _go(self) -> None:
        if not self.is_current:
            return
        try:
            moment = moment_of(self.query_one("#moment", Input).value, self._now_ns, self._first_ns)
        except NoMoment:
            self._refused = True
            self._say()
            return
        self.dismiss(moment)

    def action_close(self) -> None:
        self.dismiss(None)
