"""A line to type into, at the bottom, for `/`."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FindLine(Input):
    """Hidden until opened; enter posts `Found`, escape closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", show=False)]
    DEFAULT_CSS = """
    FindLine { display: none; dock: bottom; height: 1; border: none; padding: 0 1; background: $cursor; }
    FindLine:focus { border: none; }
    FindLine.open { display: block; }
    """

    class Found(Message):
        """The operator searched for `text`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, select_on_focus=False)
        self.cursor_blink = False

    def open(self) -> None:
        """Show the line and type into it."""
        self.value = ""
        self.add_class("open")
        # At once: the next keys of a fast typist belong to this line.
        self.screen.set_focus(self)

    def action_close(self) -> None:
        self.remove_class("open")
        self.screen.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_close()
        self.post_message(self.Found(event.value))
