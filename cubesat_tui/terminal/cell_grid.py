"""What a terminal would show of the bytes written to it, as a grid of cells.

Understands what a full-screen program writes: SGR, cursor moves, erasing, line feeds that scroll, wide and
combining characters. What is for the terminal itself (modes, titles, the clipboard, questions, the bell) is kept
in `passed`, in order. A sequence that is not understood is passed on as well, and from then on nobody knows what
the terminal shows (`lost`). Outside the alternate screen nothing is kept: everything is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rich.cells import get_character_cell_size

from cubesat_tui.terminal.pen import PLAIN, RESET, Pen, after_sgr, interned, on_space, with_link

SEQUENCE = re.compile(
    r"\x1b\[(?P<private>[<-?]*)(?P<parameters>[\d:;]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b[PX^_][^\x1b]*\x1b\\"
    r"|\x1b[ -/]+[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f-\x9f])"
)
NARROW = re.compile("[ -~\xa0-\xac\xae-\u02ff\u0370-\u0482\u2500-\u25fc\u2800-\u28ff]*").fullmatch
"""Text of which every character is one cell wide, whatever terminal draws it."""
ALTERNATE_SCREEN = frozenset({"47", "1047", "1049"})
SILENT_FINALS = frozenset("cnqtu")
"""Finals of unprefixed sequences that ask or set something and draw nothing."""
TAB = 8


class CellGrid:
    """`chars[y][x]`: what is drawn in a cell ("" behind a wide character); `pens[y][x]`: how, interned.

    Rows may be longer than `columns` and there may be more than `rows`: what a smaller terminal cannot show comes
    back when it grows again before anybody has drawn.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.x = 0
        """Up to `columns`: behind the last column the next character wraps, or is drawn over it."""
        self.y = 0
        self.alternate = False
        self.drawn = False
        """Whether anything was drawn on the alternate screen."""
        self.holding = False
        """Between the begin and the end of a synchronised update."""
        self.synchronised = False
        """Whether updates come between those two at all."""
        self.lost = True
        """What the terminal shows is not known any more; set back by who has painted everything."""
        self.passed: list[str] = []
        self._pen = PLAIN
        self._wraps = True
        self._rest = ""
        self.chars: list[list[str]] = []
        self.pens: list[list[Pen]] = []
        self._clear()

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has this size now; what it makes of its old cells is its own affair."""
        self.columns, self.rows = columns, rows
        self._fit()
        self.x, self.y = min(self.x, columns), min(self.y, rows - 1)
        self.lost = True

    def row(self, y: int) -> tuple[list[str], list[Pen]]:
        """Characters and pens of the row that is `y` down, as wide as the terminal."""
        chars, pens = self.chars[y], self.pens[y]
        if len(chars) > self.columns:
            chars, pens = chars[: self.columns], pens[: self.columns]
        return chars, pens

    def feed(self, data: str) -> None:
        """Draw what a program wrote; an unfinished sequence at its end waits for the next call."""
        data = self._rest + data
        self._rest = ""
        at = 0
        for found in SEQUENCE.finditer(data):
            if found.start() > at:
                self._text(data[at : found.start()])
            at = found.end()
            self._sequence(found)
        tail = data[at:]
        start = tail.find("\x1b")
        if start >= 0:
            tail, self._rest = tail[:start], tail[start:]
        if tail:
            self._text(tail)

    def _sequence(self, found: re.Match[str]) -> None:
        final = found["final"]
        if not self.alternate and not (found["private"] == "?" and final == "h"):
            self.passed.append(found[0])
        elif found["control"]:
            self._control(found["control"])
        elif found["osc"] is not None:
            if found["osc"].startswith("8;"):
                self._pen = with_link(self._pen, found["osc"][2:])
            else:
                self.passed.append(found[0])
        elif final is None:
            self._not_understood(found[0])
        elif found["private"] == "?" and final in "hl" and not found["between"]:
            self._modes(found["parameters"].split(";"), on=final == "h")
        elif found["private"] or found["between"] or final in SILENT_FINALS:
            self.passed.append(found[0])
        elif final == "m":
            self._pen = after_sgr(self._pen, found["parameters"])
        elif (act := ACTS.get(final)) is not None:
            act(self, [int(part or 0) for part in re.split("[:;]", found["parameters"])])
        else:
            self._not_understood(found[0])

    def _not_understood(self, sequence: str) -> None:
        self.passed.append(sequence)
        self.lost = True

    def _modes(self, modes: list[str], *, on: bool) -> None:
        for mode in modes:
            if mode == "2026":
                self.holding, self.synchronised = on, True
                continue
            if mode == "7":
                self._wraps = on
            if mode in ALTERNATE_SCREEN:
                self._alternate(on=on)
            self.passed.append(f"\x1b[?{mode}{'h' if on else 'l'}")

    def _alternate(self, *, on: bool) -> None:
        if self.alternate and not on:
            # Who draws next knows nothing of the colours the last cell was drawn in.
            self.passed.append(RESET)
        self.alternate, self.lost, self.holding = on, True, False
        self._pen = PLAIN
        self.drawn = False
        self._clear()

    def _clear(self) -> None:
        self.chars, self.pens = [], []
        self._fit()

    def _fit(self) -> None:
        for chars, pens in zip(self.chars, self.pens, strict=True):
            chars.extend([" "] * (self.columns - len(chars)))
            pens.extend([PLAIN] * (self.columns - len(pens)))
        while len(self.chars) < self.rows:
            self.chars.append([" "] * self.columns)
            self.pens.append([PLAIN] * self.columns)

    def _control(self, control: str) -> None:
        if control in "\n\v\f":
            # The terminal's line discipline makes a return and a line feed of it.
            self.x = 0
            self._down()
        elif control == "\r":
            self.x = 0
        elif control == "\b":
            self.x = max(0, min(self.x, self.columns - 1) - 1)
        elif control == "\t":
            self.x = min(self.columns - 1, self.x // TAB * TAB + TAB)
        elif control == "\x07":
            if control not in self.passed:
                self.passed.append(control)
        elif control not in "\x00\x7f":
            self._not_understood(control)

    def _down(self) -> None:
        if self.y < self.rows - 1:
            self.y += 1
        else:
            self.scroll(1)

    def scroll(self, lines: int) -> None:
        """Everything up by `lines`, or down where it is negative; blank rows come in."""
        lines = max(-self.rows, min(self.rows, lines))
        for rows, fill in ((self.chars, " "), (self.pens, self._background())):
            for _ in range(abs(lines)):
                gone = rows.pop(0 if lines > 0 else self.rows - 1)
                rows.insert(self.rows - 1 if lines > 0 else 0, [fill] * len(gone))  # type: ignore[arg-type]

    def _background(self) -> Pen:
        return interned(Pen(bg=self._pen.bg))

    def erase(self, y: int, start: int, end: int) -> None:
        """Blank the cells of a row in [start, end), in the background of now."""
        self.drawn = True
        self._part(y, start, end)
        self.chars[y][start:end] = [" "] * (end - start)
        self.pens[y][start:end] = [self._background()] * (end - start)

    def _part(self, y: int, start: int, end: int) -> None:
        """What a wide character loses that is only half in [start, end): all of it."""
        chars, pens = self.chars[y], self.pens[y]
        if start < self.columns and not chars[start]:
            chars[start - 1], pens[start - 1] = " ", on_space(pens[start - 1])
        if end < self.columns and not chars[end]:
            chars[end], pens[end] = " ", on_space(pens[end])

    def _text(self, text: str) -> None:
        if not self.alternate:
            self.passed.append(text)
            return
        self.drawn = True
        if NARROW(text):
            self._narrow(text)
        else:
            for character in text:
                width = 1 if NARROW(character) else get_character_cell_size(character)
                if width == 1:
                    self._narrow(character)
                elif width == 2:
                    self._wide(character)
                else:
                    self._combine(character)

    def _narrow(self, text: str) -> None:
        while self.x + len(text) > self.columns:
            room = self.columns - self.x
            if not self._wraps:
                # The last column takes what comes, one over the other.
                self._put(text[: room - 1] + text[-1] if room > 0 else text[-1], min(self.x, self.columns - 1))
                return
            self._put(text[:room], self.x)
            text = text[room:]
            self.x = 0
            self._down()
        self._put(text, self.x)

    def _put(self, text: str, x: int) -> None:
        if not text:
            return
        end = x + len(text)
        self._part(self.y, x, end)
        self.chars[self.y][x:end] = text
        pens = [self._pen] * len(text)
        if " " in text:
            blank = on_space(self._pen)
            pens = [blank if character == " " else self._pen for character in text]
        self.pens[self.y][x:end] = pens
        self.x = end

    def _wide(self, character: str) -> None:
        if self.x + 2 > self.columns:
            if not self._wraps or self.columns < 2:
                # There is no half a character: it is left out, as tmux does.
                return
            self.x = 0
            self._down()
        self._part(self.y, self.x, self.x + 2)
        self.chars[self.y][self.x : self.x + 2] = [character, ""]
        self.pens[self.y][self.x : self.x + 2] = [self._pen, self._pen]
        self.x += 2

    def _combine(self, character: str) -> None:
        if self.x == 0:
            return
        chars, pens = self.chars[self.y], self.pens[self.y]
        at = self.x - 1 if chars[self.x - 1] or self.x < 2 else self.x - 2
        if chars[at] == " ":
            pens[at] = self._pen
        chars[at] += character

    def move_to(self, x: int, y: int) -> None:
        """Put the cursor there, or as near as the screen allows."""
        self.x, self.y = max(0, min(self.columns - 1, x)), max(0, min(self.rows - 1, y))


def _by(dx: int, dy: int, *, to_first: bool = False) -> Callable[[CellGrid, list[int]], None]:
    def act(grid: CellGrid, n: list[int]) -> None:
        many = n[0] or 1
        x = 0 if to_first else grid.x if dx == 0 else min(grid.x, grid.columns - 1) + many * dx
        pending = dx == 0 and not to_first and grid.x == grid.columns
        grid.move_to(x, grid.y + many * dy)
        if pending:
            grid.x = grid.columns

    return act


def _erase_line(grid: CellGrid, n: list[int]) -> None:
    here = min(grid.x, grid.columns - 1)
    start, end = ((here, grid.columns), (0, here + 1), (0, grid.columns))[min(n[0], 2)]
    grid.erase(grid.y, start, end)


def _erase_screen(grid: CellGrid, n: list[int]) -> None:
    if n[0] < 2:
        _erase_line(grid, n)
    rows = (range(grid.y + 1, grid.rows), range(grid.y), range(grid.rows), range(0))[min(n[0], 3)]
    for y in rows:
        grid.erase(y, 0, grid.columns)


def _erase_characters(grid: CellGrid, n: list[int]) -> None:
    here = min(grid.x, grid.columns - 1)
    grid.erase(grid.y, here, min(grid.columns, here + (n[0] or 1)))


def _to(grid: CellGrid, n: list[int]) -> None:
    grid.move_to((n[1] if len(n) > 1 else 0) - 1, n[0] - 1)


ACTS: dict[str, Callable[[CellGrid, list[int]], None]] = {
    "A": _by(0, -1),
    "B": _by(0, 1),
    "C": _by(1, 0),
    "D": _by(-1, 0),
    "E": _by(0, 1, to_first=True),
    "F": _by(0, -1, to_first=True),
    "G": lambda grid, n: grid.move_to(n[0] - 1, grid.y),
    "`": lambda grid, n: grid.move_to(n[0] - 1, grid.y),
    "H": _to,
    "f": _to,
    "J": _erase_screen,
    "K": _erase_line,
    "S": lambda grid, n: grid.scroll(n[0] or 1),
    "T": lambda grid, n: grid.scroll(-(n[0] or 1)),
    "X": _erase_characters,
    "d": lambda grid, n: grid.move_to(grid.x, n[0] - 1),
}
