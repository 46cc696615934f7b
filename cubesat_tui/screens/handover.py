"""The handover of the last eight hours, in a card to read and to copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from cubesat_tui.drawing.rows import Row, folded, row
from cubesat_tui.messages import CopyRequested
from cubesat_tui.screens.reading_card import ReadingCard
from cubesat_tui.shift import read_shift
from cubesat_tui.shift_text import shift_lines
from cubesat_tui.widgets.card import Card

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp

HOURS = 8
NS_PER_HOUR = 3_600_000_000_000
SIZE = 130
TITLE = f"HANDOVER, LAST {HOURS} HOURS"


class HandoverCard(ReadingCard):
    """Read once, when it is opened: what is copied is what was read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", show=False),
        Binding("w", "close", show=False),
    ]
    DEFAULT_CSS = "HandoverCard { align: center middle; background: $background 60%; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []

    def compose(self) -> ComposeResult:
        foot = (("y", "key"), (" copies it  ", "dim"), ("esc closes", "dim"))
        yield Card(TITLE, [row((" reading the journal ...", "dim"))], SIZE, foot=foot)

    def on_mount(self) -> None:
        self._read()

    def on_resize(self) -> None:
        if self._lines:
            self._draw()

    @work(exclusive=True)
    async def _read(self) -> None:
        console = cast("ConsoleApp", self.app)
        snapshot = console.snapshot
        if snapshot is None:
            return
        now_ns, past = snapshot.now_ns, console.past_journal
        since_ns = now_ns - HOURS * NS_PER_HOUR
        shift = await console.view.ask(lambda r: read_shift(r, snapshot.mission, since_ns, now_ns, past))
        if self not in console.screen_stack:
            # Closed while it was read: its widgets go one by one.
            return
        self._lines = shift_lines(shift)
        self._draw()

    def _draw(self) -> None:
        size = min(SIZE, self.app.size.width) - 4
        rows: list[Row] = []
        for line in self._lines[1:]:
            head = not line.startswith(" ")
            for i, part in enumerate(folded(line.strip(), size - 4)):
                indent = " " if head else "   " if i == 0 else "     "
                rows.append(row((indent + part, "title" if head else "value")))
        self.query_one(Card).replace(TITLE, rows)

    def action_copy(self) -> None:
        self.post_message(CopyRequested("\n".join(self._lines), "handover"))
