"""From what a terminal shows to what it is to show, in few bytes."""

from __future__ import annotations

from cubesat_tui.terminal.cell_grid import NARROW, CellGrid
from cubesat_tui.terminal.moved_rows import Move, moved_rows
from cubesat_tui.terminal.pen import NO_LINK, SEEN_ON_SPACE, Pen, change, interned, on_space

UNKNOWN = "\x00"
"""In place of a character: nobody knows what the terminal shows here."""
ERASED_FROM = 5
"""So many blanks at the end of a row are erased, fewer are written."""

SHORT_GAP = 4
PART = 400
"""Bytes after which the end of a row is a place to let what was sent so far be seen."""


class Shown:
    """The cells as the terminal has them. `update` brings them to what is wanted and remembers that.

    `erases`: erased cells take the background of now, as nearly every terminal does.
    """

    def __init__(self, *, erases: bool = True) -> None:
        self._erases = erases
        self._chars: list[list[str]] = []
        self._pens: list[list[Pen]] = []
        self._cursor: tuple[int, int] | None = None
        """Where the next character goes; None where that depends on the terminal."""
        self._pen: Pen | None = None
        self._out: list[str] = []

    def update(self, wanted: CellGrid, between: str = "") -> str:
        """What to write so that the terminal shows `wanted` with the cursor in its place; empty if it does.

        `between` is put between the parts of it that can be seen one after the other.
        """
        if wanted.lost or len(self._chars) != wanted.rows or len(self._chars[0]) != wanted.columns:
            self._forget(wanted.columns, wanted.rows)
            wanted.lost = False
        rows = [wanted.row(y) for y in range(wanted.rows)]
        if (move := moved_rows(self._chars, [chars for chars, _ in rows])) is not None:
            self._move(move)
        done = 0
        for y, (chars, pens) in enumerate(rows):
            if between and sum(map(len, self._out[done:])) > PART:
                self._out.append(between)
                done = len(self._out)
            if self._chars[y] != chars or self._pens[y] != pens:
                self._row(y, chars, pens)
                self._chars[y], self._pens[y] = chars[:], pens[:]
        if self._pen is not None and self._pen.link:
            self._out.append(NO_LINK)
            self._pen = interned(self._pen._replace(link=""))
        self._go(min(wanted.x, wanted.columns - 1), wanted.y)
        out = "".join(self._out)
        self._out.clear()
        return out

    def _forget(self, columns: int, rows: int) -> None:
        self._chars = [[UNKNOWN] * columns for _ in range(rows)]
        blank = on_space(Pen())
        self._pens = [[blank] * columns for _ in range(rows)]
        self._cursor = self._pen = None

    def _move(self, move: Move) -> None:
        """By lines that are inserted or deleted within margins: every terminal knows these."""
        top, bottom, by = move
        count = abs(by)
        self._out.append(f"\x1b[{top + 1};{bottom + 1}r\x1b[{top + 1}H\x1b[{count}{'L' if by > 0 else 'M'}\x1b[r")
        self._cursor = None
        columns, blank = len(self._chars[0]), on_space(Pen())
        for _ in range(count):
            for rows, fill in ((self._chars, UNKNOWN), (self._pens, blank)):
                rows.pop(bottom if by > 0 else top)
                rows.insert(top if by > 0 else bottom, [fill] * columns)  # type: ignore[arg-type]

    def _row(self, y: int, chars: list[str], pens: list[Pen]) -> None:
        columns = len(chars)
        end = columns
        tail = self._blank_tail(y, chars, pens) if self._erases else columns
        old_chars, old_pens = self._chars[y], self._pens[y]
        if tail < columns:
            end = tail
        x = 0
        while x < end:
            if chars[x] and (old_chars[x] != chars[x] or old_pens[x] is not pens[x] or self._half(y, chars, x)):
                self._reach(x, y, chars, pens)
                self._cell(chars[x], pens[x], x, y, columns)
            x += 1
        if tail < columns:
            self._reach(tail, y, chars, pens)
            self._draw_with(pens[tail])
            self._out.append("\x1b[K")

    def _half(self, y: int, chars: list[str], x: int) -> bool:
        """A wide character whose right half the terminal shows as something else."""
        return x + 1 < len(chars) and not chars[x + 1] and self._chars[y][x + 1] != ""

    def _blank_tail(self, y: int, chars: list[str], pens: list[Pen]) -> int:
        """Where the row goes on in blanks of one look until its end, if erasing them is shorter; else its width."""
        start = end = len(chars)
        pen = pens[-1]
        if pen.on & SEEN_ON_SPACE or pen.other or pen.link:
            return end
        while start > 0 and chars[start - 1] == " " and pens[start - 1] is pen:
            start -= 1
        changed = [x for x in range(start, end) if self._chars[y][x] != " " or self._pens[y][x] is not pen]
        return changed[0] if len(changed) >= ERASED_FROM else end

    def _reach(self, x: int, y: int, chars: list[str], pens: list[Pen]) -> None:
        """Bring the cursor to x; over a few cells that stay it is shorter to write them again than to jump."""
        if self._cursor is not None and self._cursor[1] == y and 0 < x - self._cursor[0] <= SHORT_GAP:
            gap = range(self._cursor[0], x)
            text = "".join(chars[x] for x in gap)
            alike = all(pens[x] is self._pen or self._blank_as_is(chars[x], pens[x]) for x in gap)
            if alike and len(text) == len(gap) and NARROW(text):
                self._out.append(text)
                self._cursor = (x, y)
        self._go(x, y)

    def _blank_as_is(self, character: str, pen: Pen) -> bool:
        return character == " " and self._pen is not None and on_space(self._pen) is pen

    def _draw_with(self, pen: Pen) -> None:
        if self._pen is not pen:
            self._out.append(change(self._pen, pen))
            self._pen = pen

    def _cell(self, text: str, pen: Pen, x: int, y: int, columns: int) -> None:
        if not self._blank_as_is(text, pen):
            self._draw_with(pen)
        self._out.append(text)
        certain = NARROW(text) and x + 1 < columns
        self._cursor = (x + 1, y) if certain else None

    def _go(self, x: int, y: int) -> None:
        if self._cursor == (x, y):
            return
        ways = [f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H" if y else "\x1b[H"]
        if self._cursor is not None and self._cursor[1] == y:
            ways.append("\r" if x == 0 else f"\x1b[{x + 1}G")
            if (ahead := x - self._cursor[0]) > 0:
                ways.append(f"\x1b[{ahead}C" if ahead > 1 else "\x1b[C")
        elif self._cursor is not None and x == 0 and y == self._cursor[1] + 1:
            ways.append("\r\n")
        self._out.append(min(ways, key=len))
        self._cursor = (x, y)
