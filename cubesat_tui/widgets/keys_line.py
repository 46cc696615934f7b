"""The bottom line: the keys of this screen that exist, as many as fit."""

from __future__ import annotations

from textual.events import Resize

from cubesat_tui.drawing.rows import Row, width
from cubesat_tui.widgets.lines import Lines


class KeysLine(Lines):
    """One row of ` a acknowledge  enter inspect  ? keys  q quit`; what does not fit is left out, `q` last."""

    DEFAULT_CSS = "KeysLine { height: 1; dock: bottom; background: $panel; }"

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._keys = keys
        self._words: dict[str, str] = {}

    def reword(self, key: str, word: str) -> None:
        """What `key` does at present; a key that is not on the line stays off it."""
        if self._words.get(key) != word:
            self._words[key] = word
            self._lay(self.size.width)

    def on_resize(self, event: Resize) -> None:
        self._lay(event.size.width)

    def _lay(self, size: int) -> None:
        said = ((key, self._words.get(key, word)) for key, word in self._keys)
        keep: list[Row] = [((f" {key}", "key"), (f" {word} ", "label")) for key, word in said]
        while len(keep) > 2 and sum(map(width, keep)) > size:
            keep.pop(-3)
        self.draw((tuple(span for part in keep for span in part),))
