"""The base of all dialogs with something to fill in: a box, and an `enter` that means all that was typed before it.

A slow line brings keys in a lump. Textual hands printable keys to the field that has the focus, which takes them in
its own time, while bindings of a dialog act at once and bindings of a field last of all. Here `enter` waits until
the field has taken what came before it, a field runs its own bindings in the order of the keys, and what comes
after `enter` goes to the field that has the focus then.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.widget import Widget
from textual.widgets import Checkbox, Input, RadioSet

from cubesat_tui.screens.modal import Modal, on_top
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp

Answer = TypeVar("Answer")

PATIENCE_S = 1.0
"""A field that takes longer over its keys is not waited for."""


class Dialog(Modal[Answer | None]):
    """A subclass composes a `Vertical` with the id `box` and acts in `enter`; `esc` answers None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "enter", show=False, priority=True),
        Binding("escape", "back", show=False, priority=True),
        Binding("tab", "field(1)", show=False, priority=True),
        Binding("shift+tab", "field(-1)", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog #box { width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
        background: $panel; border: round $line; border-title-color: $accent; border-title-style: bold; }
    Dialog.ascii #box { border: ascii $line; }
    Dialog Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $cursor; }
    Dialog Input:focus { border: none; }
    """

    @property
    def console_app(self) -> ConsoleApp:
        """The app, typed."""
        return cast("ConsoleApp", self.app)

    def enter(self) -> None:
        """What `enter` does, once all that was typed before it has been taken."""
        raise NotImplementedError

    def on_mount(self) -> None:
        signs = getattr(self.app, "signs", None)
        self.set_class(signs is not None and signs.ascii, "ascii")

    def entitle(self, text: str) -> None:
        """Write the title of the box."""
        self.query_one("#box", Vertical).border_title = Content(plain_text(text, 70))

    def width_of_box(self, otherwise: int) -> int:
        """Cells of its inside; before it is laid out, `otherwise`."""
        return max(20, self.query_one("#box", Vertical).content_size.width or otherwise)

    async def action_enter(self) -> None:
        # In the app's own turn: the next key is looked at after this.
        if self.focused is not None:
            await _taken(self.focused)
        if on_top(self):
            self.enter()

    def action_field(self, step: int) -> None:
        if step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_back(self) -> None:
        self.dismiss(None)


async def _taken(field: Widget) -> None:
    """Wait until `field` has handled the keys it was given, and what its parts then told it."""
    for one in (field, *field.query("*"), field):
        handled = asyncio.Event()
        if one.call_later(handled.set):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(handled.wait(), PATIENCE_S)


class _KeysInOrder:
    """A widget whose own bindings run when their keys come, not after all the others."""

    async def _on_key(self, event: Key) -> None:
        assert isinstance(self, Widget)
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if await self.app.run_action(binding.action, self):
                event.stop()
                event.prevent_default()
                return


class Line(_KeysInOrder, Input):
    """One row to type into, without a blinking cursor."""

    def __init__(
        self,
        text: str = "",
        placeholder: str = "",
        *,
        id: str,
        longest: int = 0,
        select_on_focus: bool = False,
    ) -> None:
        """`longest`: how many characters it takes; 0 for any number."""
        super().__init__(text, placeholder, id=id, max_length=longest, select_on_focus=select_on_focus)
        self.cursor_blink = False


class Choice(_KeysInOrder, RadioSet):
    """One of several."""


class Tick(_KeysInOrder, Checkbox):
    """Yes or no."""
