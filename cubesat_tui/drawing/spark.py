"""A sparkline: the last window of a channel in a few cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cubesat_tui.drawing.signs import UNICODE, SignSet


def spark_text(values: Sequence[float], floor_span: float = 0.0, signs: SignSet = UNICODE) -> str:
    """One cell a value, blank where it is NaN.

    Scaled to the smallest and largest value shown, but never finer than `floor_span`: noise of the last digit
    stays flat.
    """
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return " " * len(values)
    low, high = min(finite), max(finite)
    span = max(high - low, floor_span)
    middle = (low + high) / 2
    start = middle - span / 2
    top = len(signs.sparks) - 1

    def cell(value: float) -> str:
        if not math.isfinite(value):
            return " "
        part = (value - start) / span if span > 0 else 0.3
        return signs.sparks[min(top, max(0, round(part * top)))]

    return "".join(map(cell, values))


def floor_span(decimals: int | None, low: float, high: float) -> float:
    """The span below which a curve counts as flat: 8 units of the last digit shown, or 2 % of the limits."""
    digit = 0.0 if decimals is None else 8 * 10.0**-decimals
    limits = (high - low) * 0.02 if math.isfinite(low) and math.isfinite(high) else 0.0
    return max(digit, limits)
