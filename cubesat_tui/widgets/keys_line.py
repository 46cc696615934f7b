"""The bottom line: the keys of this screen that exist, as many as fit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Resize

from cubesat_tui.drawing.rows import Row, width
from cubesat_tui.widgets.lines import Lines


class KeysLine(Lines):
    """One row of ` a acknowledge  enter inspect  ? keys  q quit`; what does not fit is left out, `q` last."""

    DEFAULT_CSS = "KeysLine { height: 1; dock: bottom; background: $panel; }"

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._keys = keys
        self._first: tuple[tuple[str, str], ...] = ()

    def begin_with(self, first: Sequence[tuple[str, str]]) -> None:
        """What matters more than the rest at present, whether it has a place of its own on the line or not."""
        if self._first != tuple(first):
            self._first = tuple(first)
            self._lay(self.size.width)

    def on_resize(self, event: Resize) -> None:
        self._lay(event.size.width)

    def _lay(self, size: int) -> None:
        leading = [key for key, _ in self._first]
        said = (*self._first, *((key, word) for key, word in self._keys if key not in leading))
        keep: list[Row] = [((f" {key}", "key"), (f" {word} ", "label")) for key, word in said]
        while len(keep) > 2 and sum(map(width, keep)) > size:
            keep.pop(-3)
        self.draw((tuple(span for part in keep for span in part),))
