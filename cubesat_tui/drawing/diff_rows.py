"""Two runs beside each other as rows: the whole of it for a card, the few figures that matter for a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.drawing.rows import EMPTY, Row, left, right, row
from cubesat_tui.run_diff import Pair, beside, diff

if TYPE_CHECKING:
    from telemetry.store.rows import RunRow

NARROW = 70
"""Below so many cells times are told without their year."""


def run_name(run: RunRow, champion: int | None) -> str:
    """`* v17 #176` for the champion, `v16 #171`, `#182`."""
    mark = "* " if run.version is not None and run.version == champion else ""
    return f"{mark}#{run.retrain}" if run.version is None else f"{mark}v{run.version} #{run.retrain}"


def diff_rows(mine: RunRow, other: RunRow, champion: int | None, size: int) -> list[Row]:
    """Rows of `size` cells: section by section, what differs standing out."""
    out = [_head(mine, other, champion, size)]
    for section in diff(mine, other):
        out += [EMPTY, row((f" {section.title}", "title"))]
        out += [_row(pair, size) for pair in section.pairs]
    return out


def beside_rows(mine: RunRow, other: RunRow, champion: int | None, size: int) -> list[Row]:
    """The champion beside a challenger in `size` cells."""
    return [_head(mine, other, champion, size), *(_row(pair, size) for pair in beside(mine, other))]


def _widths(size: int) -> tuple[int, int, int]:
    """Cells of the name, of a value and of the change."""
    value, change = (11, 8) if size < NARROW else (19, 11)
    return max(8, size - 2 * value - change - 4), value, change


def _head(mine: RunRow, other: RunRow, champion: int | None, size: int) -> Row:
    name, value, change = _widths(size)
    return row(
        (" " * (name + 1), "label"),
        (right(run_name(mine, champion), value) + " ", "title"),
        (right(run_name(other, champion), value) + " ", "title"),
        (right("change", change), "label"),
    )


def _row(pair: Pair, size: int) -> Row:
    name, value, change = _widths(size)
    style = "label" if pair.same else "value"
    return row(
        (left(f" {pair.name}", name + 1), "label"),
        (right(pair.left, value) + " ", style),
        (right(pair.right, value) + " ", style),
        (right(pair.change, change), "dim" if pair.change == "=" else "plain"),
    )
