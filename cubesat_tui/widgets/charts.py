"""The slow charts of Models. The only module that knows plotext; it is imported when that screen opens.

plotext's own frame is not drawn: the box around a chart is the terminal's, so that nothing can cross it, and its
size is what is left inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Any, ClassVar

from rich.text import Text
from textual.color import Color
from textual_plotext import PlotextPlot
from textual_plotext.plot import Plot

from cubesat_tui.drawing.numbers import nice_step
from cubesat_tui.drawing.run_history import Curve, time_ticks

_TO_ASCII = str.maketrans("│┤├─┬┴┼┌┐└┘", "|||-+++++++")

TICK_COLUMNS = 10
"""Columns of the chart that a time label gets."""


def mark_signs(ascii_signs: bool) -> tuple[str, str]:
    """Signs of a promotion and of a roll-back, told apart by their shape: down to its time, and back."""
    return ("v", "<") if ascii_signs else ("▾", "◂")


def y_ticks(low: float, high: float, most: int) -> list[float]:
    """Round values within [low, high]: about `most` of them, more rather than a single one."""
    if high <= low:
        return [low]
    ticks: list[float] = []
    for wish in range(max(1, most), 2 * most + 3):
        step = nice_step((high - low) / wish)
        first, last = math.ceil(low / step), math.floor(high / step + 1e-9)
        ticks = [round(k * step, 12) + 0.0 for k in range(first, last + 1)]
        if len(ticks) > 1:
            break
    return ticks or [low]


def y_range(curve: Curve) -> tuple[float, float]:
    """What the vertical axis spans: bars stand on zero, and the line to compare with is always in the picture."""
    values = [*curve.y, *(() if curve.level is None else (curve.level,))]
    low, high = min(values), max(values)
    if curve.kind == "bars":
        low = min(0.0, low)
    if high <= low:
        room = abs(high) * 0.1 or 1.0
        low, high = (low, high + room) if curve.kind == "bars" else (low - room, high + room)
    margin = (high - low) * 0.05
    return (low if curve.kind == "bars" else low - margin), high + margin


def bars(x: Sequence[float], y: Sequence[float], dot: float) -> list[tuple[float, float]]:
    """Upright lines (at, height), `dot` wide, that make each bar as wide as 0.7 of the usual distance."""
    distance = median(b - a for a, b in pairwise(x)) if len(x) > 1 else 0.0
    wide = max(1, int(0.7 * distance / dot)) if dot > 0 else 1
    # A bar of nothing would look like one of little. Half a dot apart, so that rounding leaves no stripes in a bar.
    tall = [(at, value) for at, value in zip(x, y, strict=True) if value]
    return [(at + j * dot / 2, value) for at, value in tall for j in range(2 * wide - 1)]


class TrendChart(PlotextPlot):
    """One curve over UTC; drawn again only when the curve, the size or the theme changed."""

    ALLOW_SELECT: ClassVar[bool] = False
    DEFAULT_CSS = "TrendChart { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.curve: Curve | None = None
        self._drawn: tuple[Any, ...] | None = None
        self._text = Text()

    def show(self, curve: Curve) -> None:
        """Draw another curve."""
        if curve != self.curve:
            self.curve = curve
            self.refresh()

    def render(self) -> Text:
        size = self.content_size
        curve = self.curve
        if curve is None or size.width < 20 or size.height < 4:
            return Text("")
        if not curve.x:
            return Text(curve.empty, style=str(self._colour("label").rich_color.name))
        state = (curve, size, self.app.theme, self.app.console.color_system)
        if state != self._drawn:
            self._text = self._build(curve, size.width, size.height)
            self._drawn = state
        return self._text

    def _colour(self, name: str) -> Color:
        return Color.parse(self.app.theme_variables.get(name, "#888888"))

    def _build(self, curve: Curve, width: int, height: int) -> Text:
        plot: Plot = self.plt
        plot.clear_figure()
        trace, level = self._colour("trace").rgb, self._colour("caution").rgb
        x_range = curve.x_range or (curve.x[0], curve.x[-1])
        if x_range[1] <= x_range[0]:
            x_range = (x_range[0] - 30.0, x_range[0] + 30.0)
        low, high = y_range(curve)
        if curve.promoted or curve.rolled_back:
            # The marks have the uppermost line of cells to themselves.
            high += (high - low) / max(2, height - 3)
        # Seconds since the start of the axis: plotext measures with floats of the size of what it is given.
        start = x_range[0]
        x = [at - start for at in curve.x]
        marker = "*" if self._ascii else "hd"
        if curve.kind == "bars":
            for at, value in bars(x, curve.y, (x_range[1] - start) / (2 * (width - 6))):
                plot.plot([at, at], [0.0, value], marker=marker, color=trace)
        elif len(x) == 1 or curve.kind == "points":
            plot.scatter(x, list(curve.y), marker=marker, color=trace)
        else:
            plot.plot(x, list(curve.y), marker=marker, color=trace)
        if curve.level is not None:
            plot.plot([0.0, x_range[1] - start], [curve.level] * 2, marker="-" if self._ascii else "─", color=level)
        styles = zip((curve.promoted, curve.rolled_back), mark_signs(self._ascii), ("good", "caution"), strict=True)
        for marks, sign, name in styles:
            if marks:
                at_top = [m - start for m in marks], [high] * len(marks)
                plot.scatter(*at_top, marker=sign, color=self._colour(name).rgb)
        at, labels = time_ticks(x_range, max(1, (width - 8) // TICK_COLUMNS))
        plot.xticks([t - start for t in at], labels)
        ticks = y_ticks(low, high, max(2, height // 3))
        plot.yticks(ticks, [f"{value:.4g}" for value in ticks])
        plot.xlim(0.0, x_range[1] - start)
        plot.ylim(low, high)
        plot.xaxes(True, False)
        plot.yaxes(True, False)
        plot.plotsize(width, height)
        plot._set_size(width, height)
        name = self._get_plotext_theme_name(self.app.theme)
        self._register_theme(self.app.theme)
        plot.theme(name)
        drawn = plot.build()
        text = Text.from_ansi(drawn.translate(_TO_ASCII) if self._ascii else drawn)
        text.no_wrap = True
        return text

    @property
    def _ascii(self) -> bool:
        signs = getattr(self.app, "signs", None)
        return bool(signs is not None and signs.ascii)
