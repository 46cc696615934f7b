"""Channels beside the selected one in its plot: each with a glyph of its own, each unit on its own scale.

The glyphs are plain ASCII and the same in every set of signs: they are told apart without colour, and from the dots
of the selected channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from cubesat_tui.drawing.rows import Row, row

if TYPE_CHECKING:
    import numpy.typing as npt

    from cubesat_tui.drawing.trend_plot import TrendData

GLYPHS = "ox+"
"""Of the second, third and fourth curve; the selected one is dots."""
MOST = 1 + len(GLYPHS)
"""Curves in one trend."""
SELF = ":"
"""Stands for the dots of the selected channel beside its name."""


class CurveName(NamedTuple):
    """What a channel is called in the plot; `unit` as shown, `decimals` as of its dictionary entry."""

    label: str
    unit: str
    decimals: int | None


class Curve(msgspec.Struct, frozen=True, eq=False):
    """A channel followed beside the selected one; `unit` as shown, `decimals` as of its dictionary entry."""

    glyph: str
    label: str
    unit: str
    decimals: int | None
    data: TrendData


def finite_range(data: TrendData) -> tuple[float, float] | None:
    """Least and greatest finite value; None where there is none."""
    finite = np.concatenate([data.low[np.isfinite(data.low)], data.high[np.isfinite(data.high)]])
    return (float(finite.min()), float(finite.max())) if finite.size else None


def scales(curves: Sequence[Curve], unit: str, main: tuple[float, float]) -> list[tuple[float, float]]:
    """The scale of each curve: that of the axis (`main`) for its unit, else one for all curves of a unit."""
    own: dict[str, tuple[float, float]] = {}
    for curve in curves:
        found = finite_range(curve.data)
        if curve.unit != unit and found is not None:
            low, high = own.get(curve.unit, found)
            own[curve.unit] = (min(low, found[0]), max(high, found[1]))
    out: list[tuple[float, float]] = []
    for curve in curves:
        low, high = main if curve.unit == unit else own.get(curve.unit, (0.0, 1.0))
        margin = 0.0 if curve.unit == unit else 0.06 * max(high - low, abs(high) * 1e-3, 1e-9)
        out.append((low - margin, high + margin))
    return out


def _number(value: float, curve: Curve) -> str:
    return f"{value:.4g}" if curve.decimals is None else f"{value:.{min(curve.decimals, 3)}f}"


def scales_row(curves: Sequence[Curve], unit: str) -> Row:
    """`own scales: o 7.881 to 8.012 V  x 40.1 to 72.1 °C   same scale: +`: what a height means for each curve."""
    own: list[str] = []
    shared = [curve.glyph for curve in curves if curve.unit == unit]
    for name in dict.fromkeys(curve.unit for curve in curves if curve.unit != unit):
        of = [curve for curve in curves if curve.unit == name]
        ends = [found for curve in of if (found := finite_range(curve.data)) is not None]
        glyphs = " ".join(curve.glyph for curve in of)
        if ends:
            low, high = min(e[0] for e in ends), max(e[1] for e in ends)
            own.append(f"{glyphs} {_number(low, of[0])} to {_number(high, of[0])} {name}".rstrip())
        else:
            own.append(f"{glyphs} no value")
    spans = [f"own scale{'s' if len(own) > 1 else ''}: {'  '.join(own)}"] if own else []
    spans += [f"same scale: {' '.join(shared)}"] if shared else []
    return row(("  ".join(spans), "label"))


def covered(cells: Sequence[npt.NDArray[np.bool_]], taken: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Which curve each cell shows, counted from 1; 0 where none does. `taken`: cells of the selected channel."""
    shown = np.zeros(taken.shape, dtype=np.intp)
    for number, mask in enumerate(cells, 1):
        shown[mask & ~taken & (shown == 0)] = number
    return shown


def placed(wishes: Sequence[float | None], height: int, busy: set[int]) -> list[int | None]:
    """A row of its own for each name, as near as can be to where its curve ends; rows in `busy` only at need."""
    rows: list[int | None] = []
    taken: set[int] = set()
    for wish in wishes:
        free = [y for y in range(height) if y not in taken]
        if wish is None or not free:
            rows.append(None)
            continue
        costs = {y: abs(y - wish) + (2.5 if y in busy else 0.0) for y in free}
        best = min(free, key=costs.__getitem__)
        taken.add(best)
        rows.append(best)
    return rows


def last_value(data: TrendData) -> float | None:
    """The middle of the newest bin that has a finite value."""
    known = np.flatnonzero(np.isfinite(data.low) & np.isfinite(data.high))
    return float(data.low[known[-1]] + data.high[known[-1]]) / 2 if len(known) else None
