"""A terminal emulator for tests: pyte, corrected where it differs from the terminals people use.

Half of a wide character that is written over takes the other half with it, one that has no room is left out or
wrapped whole; erased cells take the background and nothing else; behind the last column the cursor still stands
in it.
"""

from __future__ import annotations

import re
from typing import Any

import pyte
from wcwidth import wcwidth

NOISE = re.compile(
    r"\x1b\[\?\d+\$p|\x1b\[[<>=]\d*u|\x1b\[\?u|\x1b\[>\d*[a-zA-Z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1b\[\d* q|\x1b\[\d+(?:;\d+)*t|\x1b\[\?2026[hl]"
)
"""What pyte would print as text."""


class Emulator(pyte.Screen):
    """`write` takes what a program writes, as it leaves a terminal's line discipline."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows)
        self._stream = pyte.Stream(self)

    def write(self, data: str) -> None:
        self._stream.feed(NOISE.sub("", data).replace("\r\n", "\n").replace("\n", "\r\n"))

    def cells(self) -> list[list[tuple[Any, ...]]]:
        """Every cell as it looks: a space has no letter, so neither has it that letter's colour."""
        return [[look(self.buffer[y][x]) for x in range(self.columns)] for y in range(self.lines)]

    def draw(self, data: str) -> None:
        for character in data:
            width = max(wcwidth(character), 0)
            if width == 2 and self.cursor.x + 2 > self.columns:
                if pyte.modes.DECAWM not in self.mode:
                    continue
                self.carriage_return()
                self.linefeed()
            super().draw(character)
            if width:
                start = self.cursor.x - width
                self._halves(self.cursor.y, start, self.cursor.x)

    def _halves(self, y: int, start: int, end: int) -> None:
        line = self.buffer[y]
        if start > 0 and len(line[start - 1].data) and wcwidth(line[start - 1].data[0]) == 2:
            line[start - 1] = line[start - 1]._replace(data=" ")
        if end < self.columns and line[end].data == "":
            line[end] = line[end]._replace(data=" ")

    def _blank(self, y: int, start: int, end: int) -> None:
        self._halves(y, start, end)
        for x in range(start, end):
            self.buffer[y][x] = self.default_char._replace(bg=self.cursor.attrs.bg)

    def index(self) -> None:
        scrolls = self.cursor.y == self.lines - 1
        super().index()
        if scrolls:
            self._blank(self.cursor.y, 0, self.columns)

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:
        del private
        here = min(self.cursor.x, self.columns - 1)
        self._blank(self.cursor.y, *((here, self.columns), (0, here + 1), (0, self.columns))[how])

    def erase_in_display(self, how: int = 0, *arguments: Any, **options: Any) -> None:
        del arguments, options
        if how < 2:
            self.erase_in_line(how)
        for y in (range(self.cursor.y + 1, self.lines), range(self.cursor.y), range(self.lines))[how]:
            self._blank(y, 0, self.columns)

    def erase_characters(self, count: int | None = None) -> None:
        here = min(self.cursor.x, self.columns - 1)
        self._blank(self.cursor.y, here, min(self.columns, here + (count or 1)))


def look(cell: pyte.screens.Char) -> tuple[Any, ...]:
    if cell.data == " " and not (cell.reverse or cell.underscore or cell.strikethrough):
        return (" ", "default", cell.bg, False, False, False, False, False, False)
    return tuple(cell)
