"""A dot canvas: numbers in, rows of characters out. Pure numpy, one millisecond a frame at 120x40.

Each cell holds 2 x 4 dots (U+2800 block). The ASCII form keeps the columns and halves the rows: `.` low, `'` high,
`:` both. The form of half blocks (`▀`, `▄`, `█`) has as many dots.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WEIGHTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint32)
_SIGNS = np.array([0x20, *range(0x2801, 0x2900)], dtype="<u4")
"""Code point of each dot pattern; an empty cell is a blank."""


class DotCanvas:
    """`width` x `height` cells, dot (0, 0) at the top left, 2 * width by 4 * height dots."""

    def __init__(self, width: int, height: int) -> None:
        self.width = max(0, width)
        self.height = max(0, height)
        self.dots: npt.NDArray[np.bool_] = np.zeros((4 * self.height, 2 * self.width), dtype=np.bool_)

    def points(self, x: npt.NDArray[np.intp], y: npt.NDArray[np.intp]) -> None:
        """Set dots; those outside are dropped."""
        rows, columns = self.dots.shape
        inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        self.dots[y[inside], x[inside]] = True

    def column(self, x: int, y0: int, y1: int) -> None:
        """Set the dots of column `x` from `y0` to `y1`, both included, in either order; clipped."""
        rows, columns = self.dots.shape
        low, high = (y0, y1) if y0 <= y1 else (y1, y0)
        if 0 <= x < columns and high >= 0 and low < rows:
            self.dots[max(0, low) : min(rows, high + 1), x] = True

    def line(self, y: int) -> None:
        """Set every second dot of row `y`: a rule that a curve can be told from."""
        if 0 <= y < self.dots.shape[0]:
            self.dots[y, ::2] = True

    def codes(self) -> npt.NDArray[np.uint32]:
        """Dot pattern of each cell, shape (height, width), 0 where empty."""
        cells = self.dots.reshape(self.height, 4, self.width, 2)
        return np.einsum("hywx,yx->hw", cells.astype(np.uint32), _WEIGHTS)

    def texts(self, ascii_only: bool = False, blocks: bool = False) -> list[str]:
        """One string a row; empty cells are blanks. `blocks`: of half blocks, whatever the rest is drawn with."""
        if ascii_only or blocks:
            halves = np.asarray(self.dots.reshape(self.height, 2, 2, self.width, 2).any(axis=(2, 4)))
            table = np.array([" ", "▀", "▄", "█"] if blocks else [" ", "'", ".", ":"])
            return ["".join(table[halves[r, 0] + 2 * halves[r, 1]]) for r in range(self.height)]
        # As one string and cut afterwards: a call a cell would cost more than all the dots.
        text = _SIGNS[self.codes()].tobytes().decode("utf-32-le")
        return [text[at : at + self.width] for at in range(0, self.width * self.height, self.width)]
