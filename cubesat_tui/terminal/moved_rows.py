"""Rows that stand elsewhere now: a terminal moves them in a few bytes, and they need not be sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from operator import ne
from typing import NamedTuple

LEAST = 3
"""So many rows must have moved alike before it is worth a thought."""
MOVE_BYTES = 25
JUMP_BYTES = 8
"""To where cells changed, and into their colour."""


class Move(NamedTuple):
    """Everything in the rows `top` to `bottom`, both included, went `by` rows down, or up where it is negative."""

    top: int
    bottom: int
    by: int


def moved_rows(before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]) -> Move | None:
    """The move of whole rows that saves most on the way from `before` to `after`; None where none saves anything.

    Both are grids of one size. A row that stands in `before` twice, as blank ones do, tells nothing.
    """
    changed = [y for y in range(len(after)) if before[y] != after[y]]
    if len(changed) < LEAST:
        return None
    places: dict[str, int] = {}
    for y, row in enumerate(before):
        text = "".join(row)
        places[text] = -1 if text in places else y
    came_from = {y: places.get("".join(after[y]), -1) for y in changed}
    ways = Counter(y - source for y, source in came_from.items() if source not in {-1, y})
    by, count = ways.most_common(1)[0] if ways else (0, 0)
    if count < LEAST:
        return None
    moved = [y for y, source in came_from.items() if source >= 0 and y - source == by]
    top, bottom = min(moved[0], moved[0] - by), max(moved[-1], moved[-1] - by)
    rows = range(top, bottom + 1)
    as_is = sum(_bytes(before[y], after[y]) for y in rows)
    after_it = sum(
        _bytes(before[y - by], after[y]) if top <= y - by <= bottom else len("".join(after[y]).rstrip())
        for y in rows
    )
    return Move(top, bottom, by) if after_it + MOVE_BYTES < as_is else None


def _bytes(before: Sequence[str], after: Sequence[str]) -> int:
    """About what it takes to make one row of the other."""
    if before == after:
        return 0
    changed = list(map(ne, before, after))
    jumps = changed[0] + sum(here > left for left, here in pairwise(changed))
    return sum(changed) + JUMP_BYTES * jumps
