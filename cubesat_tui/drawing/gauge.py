"""Where a value stands between its limits: `[....|..#.!]`."""

from __future__ import annotations

import math


def gauge_text(
    value: float | None, low: float, high: float, side: int = 0, cells: int = 19, bracketed: bool = True
) -> str:
    """`#` the value between `low` and `high`, `|` the middle, `!` next to it on the `side` whose limit it passed.

    `side`: -1 low, 0 none, 1 high. Blank when there is nothing to stand between; a value outside sits at the end.
    """
    size = cells + 2 if bracketed else cells
    if value is None or not math.isfinite(value) or not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return " " * size
    line = ["."] * cells
    line[cells // 2] = "|"
    part = min(1.0, max(0.0, (value - low) / (high - low)))
    at = round(part * (cells - 1))
    first, last = (1 if side < 0 else 0), (cells - 2 if side > 0 else cells - 1)
    at = min(last, max(first, at))
    line[at] = "#"
    if side:
        line[at + side] = "!"
    text = "".join(line)
    return f"[{text}]" if bracketed else text
