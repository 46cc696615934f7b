"""The base of small dialogs that ask for a line of text: a box, fields, and one line of keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from cubesat_tui.drawing.inject_rows import keys_row
from cubesat_tui.drawing.rows import EMPTY, Row, folded, row
from cubesat_tui.screens.dialog import Dialog, Line
from cubesat_tui.widgets.lines import Lines
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot

LONGEST = 200
"""Characters of a reason or a note."""
TIGHT = 16
"""Below this many rows a dialog does without blank lines."""


class AskDialog(Dialog[None]):
    """A subclass yields `fields`, draws `about` and `said`, and acts in `submit`.

    Works by keyboard alone and on a terminal as small as 40x12; what does not fit is cut from what explains, never
    from the fields.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "field(1)", show=False, priority=True),
        Binding("up", "field(-1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    AskDialog #about { margin-bottom: 1; }
    AskDialog #foot { margin-top: 1; }
    AskDialog.tight #about { margin-bottom: 0; }
    AskDialog.tight #foot { margin-top: 0; }
    AskDialog .field { height: 1; }
    AskDialog .word { width: 9; height: 1; }
    """
    KEYS: tuple[tuple[str, str], ...] = (("enter", "do it"), ("esc", "leave it"))
    ROOM = 7
    """Rows of the box that are not `about`."""

    def __init__(self, title: str, snapshot: Snapshot) -> None:
        super().__init__()
        self._head = title
        self.snapshot = snapshot
        """The newest; follows the console's while the dialog is open."""

    def fields(self) -> Iterable[tuple[str, Widget]]:
        """(word, widget) of each field."""
        return ()

    def about(self, size: int) -> list[Row]:
        """What it is about, above the fields."""
        raise NotImplementedError

    def said(self) -> tuple[str, str]:
        """(sentence, style) under the fields: what enter will do, or what is missing."""
        raise NotImplementedError

    def submit(self) -> bool:
        """Do it; False where something is missing, and the dialog stays."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Lines(id="about")
            for word, widget in self.fields():
                with Horizontal(classes="field"):
                    head = Lines(classes="word")
                    head.rows = (row((word, "label")),)
                    yield head
                    yield widget
            yield Lines(id="foot")

    def on_mount(self) -> None:
        self.entitle(self._head)
        self.watch(self.app, "snapshot", self._follow, init=False)
        self.lay()
        self.call_after_refresh(self.lay)

    def on_resize(self) -> None:
        self.call_after_refresh(self.lay)

    def _follow(self) -> None:
        newest = self.console_app.snapshot
        if newest is not None and newest.satellite == self.snapshot.satellite:
            self.snapshot = newest
            self.lay()

    def lay(self) -> None:
        """Draw again what changes."""
        if not self.is_mounted or not self.query("#foot"):
            return
        height = self.app.size.height
        self.set_class(height < TIGHT, "tight")
        size = self.width_of_box(min(72, self.app.size.width - 4))
        about = self.about(size)
        self.query_one("#about", Lines).draw(about[: max(1, height - self.ROOM)])
        self.query_one("#foot", Lines).draw((*two_rows(*self.said(), size), keys_row(*self.KEYS)))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.lay()

    def text_of(self, name: str) -> str:
        """What stands in the input `name`."""
        field = self.query_one(f"#{name}", Input)
        return plain_text(field.value.strip(), field.max_length or LONGEST)

    def enter(self) -> None:
        if self.submit():
            self.dismiss()
        else:
            self.lay()
            self.notify(plain_text(self.said()[0]), severity="warning", markup=False, timeout=4)


def line_to_type(name: str, text: str = "", longest: int = LONGEST) -> Line:
    """An input of one row that stands still."""
    return Line(text, id=name, longest=longest)


def two_rows(text: str, style: str, size: int) -> Sequence[Row]:
    """`text` folded into exactly two rows."""
    rows: list[Row] = [row((part, style)) for part in folded(text, size)[:2]]
    return rows + [EMPTY] * (2 - len(rows))
