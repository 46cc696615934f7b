"""A cloud of classed points as terminal cells: braille dots, signs on top, names at the centroids.

Pure functions from numbers to characters. The result names, for every cell, what it belongs to; which colour that
is, is decided where it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Bit of a braille pattern by (row, column) of its 4 x 2 dots (Unicode, block 2800).
_BIT = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)

# Owners of cells below zero; zero and above are the classes of the points.
BLANK = -1
ANOMALY = -2
SELECTED = -3
NEWEST = -4
TRAIL = -5
AXES = -6


@dataclass(frozen=True)
class Signs:
    """Glyphs that are not dots; `dots` None draws braille, else one letter per class (few colours, ASCII)."""

    anomaly: str = "◈"
    newest: str = "@"
    trail: str = "+"
    dots: Sequence[str] | None = None


@dataclass(frozen=True)
class Cloud:
    """What is to be drawn; every array has a row per point, `xy` within [-1, 1], right and up."""

    xy: Float64s
    classes: Int64s
    """Index into `names`."""
    anomalous: Bools
    names: Sequence[str]
    trail: Sequence[int] = ()
    """Rows of the newest frames, oldest first; the last one is the newest frame."""
    selected: int | None = None
    """Row of the selected anomaly."""
    axes: Sequence[tuple[str, float, float]] = ()
    """Letter and direction (right, up) of each axis, drawn as a small cross in the lower left corner."""


@dataclass(frozen=True)
class Cells:
    """A drawn picture: both arrays have the shape (rows, columns)."""

    text: npt.NDArray[np.str_]
    owner: npt.NDArray[np.int16]
    runs: list[list[tuple[str, int]]] = field(init=False)
    """Per row the stretches of one owner, ready to become segments."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", [_runs(t, o) for t, o in zip(self.text, self.owner, strict=True)])


def _runs(text: npt.NDArray[np.str_], owner: npt.NDArray[np.int16]) -> list[tuple[str, int]]:
    if not len(text):
        return []
    starts = np.flatnonzero(np.diff(owner, prepend=owner[0] - 1))
    stops = [*starts[1:], len(text)]
    return [("".join(text[a:b]), int(owner[a])) for a, b in zip(starts, stops, strict=True)]


def draw(cloud: Cloud, columns: int, rows: int, signs: Signs | None = None) -> Cells:
    """The picture of `cloud` in `columns` x `rows` cells.

    A cell with dots of several classes takes the class with the most dots there. On top, from the back: trail,
    anomalies, axis cross, names, selection, newest frame, so what is looked for is never hidden by what is usual.
    """
    signs = signs or Signs()
    sheet = _Sheet(columns, rows)
    if columns < 1 or rows < 1:
        return sheet.cells()
    places = _places(cloud.xy, columns, rows)
    usual = ~cloud.anomalous
    sheet.dots(cloud.classes[usual], len(cloud.names), places.of(usual), signs.dots)
    for i in cloud.trail[:-1]:
        sheet.put(places.row[i], places.column[i], signs.trail, TRAIL)
    for i in np.flatnonzero(cloud.anomalous):
        sheet.put(places.row[i], places.column[i], signs.anomaly, ANOMALY)
    _axis_cross(sheet, cloud.axes)
    _names(sheet, cloud, places)
    if cloud.selected is not None:
        row, column = int(places.row[cloud.selected]), int(places.column[cloud.selected])
        sheet.write(row, column - 1, f">{signs.anomaly}<", SELECTED)
    if cloud.trail:
        sheet.put(places.row[cloud.trail[-1]], places.column[cloud.trail[-1]], signs.newest, NEWEST)
    return sheet.cells()


@dataclass(frozen=True)
class _Places:
    """Cell and dot within the cell of every point; four arrays of one length."""

    column: Int64s
    row: Int64s
    dot_column: Int64s
    dot_row: Int64s

    def of(self, mask: Bools) -> _Places:
        return _Places(self.column[mask], self.row[mask], self.dot_column[mask], self.dot_row[mask])


def _places(xy: Float64s, columns: int, rows: int) -> _Places:
    across = np.clip(((xy[:, 0] + 1.0) / 2.0 * columns * 2).astype(np.int64), 0, columns * 2 - 1)
    down = np.clip(((1.0 - xy[:, 1]) / 2.0 * rows * 4).astype(np.int64), 0, rows * 4 - 1)
    return _Places(across // 2, down // 4, across % 2, down % 4)


class _Sheet:
    """The cells while they are being written; writing outside is ignored."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.text = np.full((rows, columns), " ", dtype="<U1")
        self.owner = np.full((rows, columns), BLANK, dtype=np.int16)

    def cells(self) -> Cells:
        return Cells(self.text, self.owner)

    def put(self, row: int, column: int, sign: str, whose: int) -> None:
        if 0 <= row < self.rows and 0 <= column < self.columns:
            self.text[row, column] = sign
            self.owner[row, column] = whose

    def write(self, row: int, column: int, words: str, whose: int) -> None:
        for i, letter in enumerate(words):
            self.put(row, column + i, letter, whose)

    def dots(self, classes: Int64s, count: int, places: _Places, letters: Sequence[str] | None) -> None:
        if not len(classes):
            return
        bits = np.zeros(self.text.shape, dtype=np.uint8)
        np.bitwise_or.at(bits, (places.row, places.column), _BIT[places.dot_row, places.dot_column])
        tally = np.zeros((count, *self.text.shape), dtype=np.int32)
        np.add.at(tally, (classes, places.row, places.column), 1)
        drawn = bits > 0
        self.owner[drawn] = tally.argmax(axis=0)[drawn]
        if letters is None:
            self.text[drawn] = (0x2800 + bits[drawn].astype(np.uint32)).view("<U1")
        else:
            self.text[drawn] = np.array(list(letters), dtype="<U1")[self.owner[drawn]]


def _names(sheet: _Sheet, cloud: Cloud, places: _Places) -> None:
    """Write each class's name at its centroid; a name that would cover another moves to the next free line."""
    taken: list[tuple[int, int, int]] = []
    for k, name in enumerate(cloud.names):
        members = ~cloud.anomalous & (cloud.classes == k)
        if not members.any() or len(name) > sheet.columns:
            continue
        middle = round(float(np.median(places.column[members])))
        left = max(0, min(middle - len(name) // 2, sheet.columns - len(name)))
        centre = round(float(np.median(places.row[members])))
        for step in (0, 1, -1, 2, -2, 3, -3):
            line = centre + step
            clear = all(line != row or left + len(name) < a or left > b for row, a, b in taken)
            if 0 <= line < sheet.rows and clear:
                taken.append((line, left, left + len(name)))
                sheet.write(line, left, name, k)
                break


def _axis_cross(sheet: _Sheet, axes: Sequence[tuple[str, float, float]]) -> None:
    """Three letters around a small origin in the lower left corner, each where its axis points."""
    if sheet.rows < 7 or sheet.columns < 16 or not axes:
        return
    row, column = sheet.rows - 3, 5
    letters = [(letter, row - round(up * 2), column + round(right * 4)) for letter, right, up in axes]
    for _, right, up in axes:
        sheet.put(row - round(up), column + round(right * 2), "·", AXES)
    sheet.put(row, column, "+", AXES)
    for letter, r, c in letters:
        sheet.put(r, c, letter, AXES)
