"""The base of small dialogs that ask for a line of text: a box, fields, and one line of keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input

from cubesat_tui.drawing.inject_rows import keys_row
from cubesat_tui.drawing.rows import EMPTY, Row, folded, row
from cubesat_tui.widgets.lines import Lines
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp
    from cubesat_tui.snapshot import Snapshot

LONGEST = 200
"""Characters of a reason or a note."""
TIGHT = 16
"""Below this many rows a dialog does without blank lines."""


class AskDialog(ModalScreen[None]):
    """A subclass yields `fields`, draws `about` and `said`, and acts in `submit`.

    Works by keyboard alone and on a terminal as small as 40x12; what does not fit is cut from what explains, never
    from the fields.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", show=False, priority=True),
        Binding("escape", "close", show=False, priority=True),
        Binding("down,tab", "field(1)", show=False, priority=True),
        Binding("up,shift+tab", "field(-1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    AskDialog { align: center middle; background: $background 60%; }
    AskDialog #box { width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        background: $panel; border: round $line; border-title-color: $accent; border-title-style: bold; }
    AskDialog.ascii #box { border: ascii $line; }
    AskDialog #about { margin-bottom: 1; }
    AskDialog #foot { margin-top: 1; }
    AskDialog.tight #about { margin-bottom: 0; }
    AskDialog.tight #foot { margin-top: 0; }
    AskDialog .field { height: 1; }
    AskDialog .word { width: 9; height: 1; }
    AskDialog Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $cursor; }
    AskDialog Input:focus { border: none; }
    """
    KEYS: tuple[tuple[str, str], ...] = (("enter", "do it"), ("esc", "leave it"))
    ROOM = 7
    """Rows of the box that are not `about`."""

    def __init__(self, title: str, snapshot: Snapshot) -> None:
        super().__init__()
        self._head = title
        self.snapshot = snapshot
        """The newest; follows the console's while the dialog is open."""

    @property
    def console_app(self) -> ConsoleApp:
        """The app, typed."""
        return cast("ConsoleApp", self.app)

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
        self.set_class(self.console_app.signs.ascii, "ascii")
        self.query_one("#box", Vertical).border_title = Content(plain_text(self._head, 70))
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
        size = max(20, self.query_one("#box", Vertical).content_size.width or min(72, self.app.size.width - 4))
        about = self.about(size)
        self.query_one("#about", Lines).draw(about[: max(1, height - self.ROOM)])
        self.query_one("#foot", Lines).draw((*two_rows(*self.said(), size), keys_row(*self.KEYS)))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.lay()

    def text_of(self, name: str) -> str:
        """What stands in the input `name`."""
        return plain_text(self.query_one(f"#{name}", Input).value.strip(), LONGEST)

    def action_submit(self) -> None:
        # Behind the keys that are on their way to the field: who types ahead means the whole text.
        (self.focused or self).call_later(self._submit)

    def _submit(self) -> None:
        if not self.is_current:
            return
        if self.submit():
            self.dismiss()
        else:
            self.lay()
            self.notify(plain_text(self.said()[0]), severity="warning", markup=False, timeout=4)

    def action_field(self, step: int) -> None:
        if step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_close(self) -> None:
        self.dismiss()


def line_to_type(name: str, text: str = "", placeholder: str = "") -> Input:
    """An input of one row that stands still."""
    field = Input(text, placeholder=placeholder, id=name, max_length=LONGEST, select_on_focus=False)
    field.cursor_blink = False
    return field


def two_rows(text: str, style: str, size: int) -> Sequence[Row]:
    """`text` folded into exactly two rows."""
    rows: list[Row] = [row((part, style)) for part in folded(text, size)[:2]]
    return rows + [EMPTY] * (2 - len(rows))
