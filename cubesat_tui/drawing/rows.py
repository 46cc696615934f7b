"""Rows of styled text before any terminal: what the line-API widgets draw and compare.

A row is a tuple of (text, style name); two rows are equal when they look equal, which is what makes repainting only
the changed ones possible. Text is data and stays text: nothing here is ever parsed as markup.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from rich.cells import cell_len, set_cell_size

from cubesat_tui.drawing.signs import UNICODE, SignSet

Span = tuple[str, str]
Row = tuple[Span, ...]
EMPTY: Row = ()
ON_CURSOR = "@"
"""Suffix of a style name: the same style on the ground of the cursor."""


def row(*spans: Span | str) -> Row:
    """A row from spans; a bare string is plain, empty ones vanish."""
    made = ((s, "plain") if isinstance(s, str) else s for s in spans)
    return tuple(s for s in made if s[0])


def width(cells: Row) -> int:
    """Terminal cells a row takes."""
    return sum(cell_len(text) for text, _ in cells)


def left(text: str, size: int) -> str:
    """`text` in exactly `size` cells, cut with an ellipsis, filled on the right."""
    if size <= 0:
        return ""
    if cell_len(text) > size:
        return set_cell_size(text, size - 1) + "…"
    return set_cell_size(text, size)


def right(text: str, size: int) -> str:
    """`text` in exactly `size` cells, filled on the left; what is too long is cut on the right."""
    missing = size - cell_len(text)
    return " " * missing + text if missing >= 0 else left(text, size)


def crop(cells: Row, size: int) -> Row:
    """A row cut to `size` cells, with an ellipsis where something was cut off."""
    if width(cells) <= size:
        return cells
    out: list[Span] = []
    room = size
    for text, style in cells:
        used = cell_len(text)
        if used >= room:
            # The next span is cut off as well, or this one is: either way the last cell says so.
            out.append((set_cell_size(text, room - 1) + "…", style))
            break
        out.append((text, style))
        room -= used
    return tuple(out) if size > 0 else ()


def pad(cells: Row, size: int, style: str = "plain") -> Row:
    """A row of exactly `size` cells."""
    cut = crop(cells, size)
    missing = size - width(cut)
    return (*cut, (" " * missing, style)) if missing > 0 else cut


def spread(start: Row, end: Row, size: int, fill: Span = (" ", "plain")) -> Row:
    """`start` at the left and `end` at the right of `size` cells; `end` gives way first."""
    gap = size - width(start) - width(end)
    if gap < 1:
        return pad(start, size)
    return (*start, (fill[0] * gap, fill[1]), *end)


def restyle(cells: Row, style: str) -> Row:
    """The same text in one style."""
    return ((("".join(text for text, _ in cells)), style),) if cells else cells


def folded(text: str, size: int) -> list[str]:
    """`text` as lines of at most `size` cells, broken at blanks; a widget without a size yet gets narrow ones."""
    return wrap(text, max(8, size))


def chosen(cells: Row, size: int) -> Row:
    """The row under the cursor: the same text and colours on the cursor's ground, over the whole width."""
    return tuple((text, style + ON_CURSOR) for text, style in pad(cells, size))


def changed_cells(old: Row, new: Row, size: int) -> tuple[int, int]:
    """First cell and the one after the last that may differ between two rows shown in `size` cells."""
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    start = width(new[:same])
    total = width(new)
    if width(old) != total:
        return min(start, size), size
    tail = 0
    while tail < min(len(old), len(new)) - same and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return min(start, size), min(size, total - width(new[len(new) - tail :]))


def plain(cells: Row) -> str:
    """The text of a row without its trailing blanks: what is copied."""
    return "".join(text for text, _ in cells).rstrip()


def rule(title: Row, size: int, signs: SignSet = UNICODE, end: Row = ()) -> Row:
    """A heading that runs to the right edge: ` POWER OK ------ 1 of 6 (tab) -`."""
    tail: Row = ((" ", "rule"), *end, (" ", "rule"), (signs.rule, "rule")) if end else ()
    head: Row = ((" ", "rule"), *title, (" ", "rule"))
    gap = size - width(head) - width(tail)
    if gap < 0:
        return pad(head, size, "rule")
    return (*head, (signs.rule * gap, "rule"), *tail)


def framed(
    title: Row,
    body: Iterable[Row],
    size: int,
    height: int,
    signs: SignSet = UNICODE,
    foot: Row = (),
    style: str = "rule",
) -> tuple[Row, ...]:
    """`body` inside a frame of `size` x `height` cells, title in the upper edge, `foot` in the lower one."""
    top_left, top_right, bottom_left, bottom_right, flat, upright = signs.frame
    inner = max(0, size - 2)
    head: Row = ((top_left + flat + " ", style), *crop(title, max(0, inner - 4)), (" ", style))
    head = (*head, (flat * max(0, size - 1 - width(head)) + top_right, style))
    tail: Row = (*foot, (" " + flat, style)) if foot else ()
    tail = ((" ", style), *tail) if foot else tail
    low: Row = (
        (bottom_left + flat * max(0, size - 2 - width(tail)), style),
        *tail,
        (bottom_right, style),
    )
    lines = list(body)[: max(0, height - 2)]
    lines += [EMPTY] * (height - 2 - len(lines))
    return (
        crop(head, size),
        *(((upright, style), *pad(line, inner), (upright, style)) for line in lines),
        crop(low, size),
    )[:height]
