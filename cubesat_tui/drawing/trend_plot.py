"""Channels over time: dots, limit lines with their names at the right end, gaps as gaps, clock times below."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from itertools import groupby

import msgspec
import numpy as np
import numpy.typing as npt

from cubesat_tui.drawing.braille import DotCanvas
from cubesat_tui.drawing.flag_strip import FlagShare, strip_row
from cubesat_tui.drawing.numbers import nice_step, tick_text, time_step_ns
from cubesat_tui.drawing.rows import Row, Span, left, right
from cubesat_tui.drawing.signs import UNICODE, SignSet
from cubesat_tui.drawing.trend_curves import SELF, Curve, covered, last_value, placed, scales

AXIS = 8
"""Cells of the value axis, its upright included."""
NAMES = 11
"""Cells at the right end for the names of the limit lines."""
NAMES_OF_MANY = 17
"""The same where several curves are named there as well."""
STRIP_FROM = 5
"""Rows, the time axis included, from which on there is room for the strip of flagged rows."""
USUAL = "usual here"
"""Name of the band."""
BAND_STYLE = "forecast"


class LimitLine(msgspec.Struct, frozen=True):
    """A horizontal line at `value`, named `crit 2000`, in a severity's style."""

    value: float
    name: str
    style: str


class TrendTitle(msgspec.Struct, frozen=True):
    """Left: channel and unit; right: span."""

    left: str
    right: str


class TrendData(msgspec.Struct, frozen=True, eq=False):
    """Bins of equal width over [t0_ns, t1_ns): least and greatest value, NaN where a bin is empty.

    An infinite value is one: it is drawn to the edge and named there.

    `join_s`: neighbouring values further apart than this are a gap, not a line.
    """

    t0_ns: int
    t1_ns: int
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    join_s: float

    @property
    def empty(self) -> bool:
        """Whether no bin holds a value."""
        return bool(np.isnan(self.low).all())


class Band(msgspec.Struct, frozen=True, eq=False):
    """What is usual in each bin of a `TrendData`: lower and upper edge, NaN where nothing is known of it."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def bins_for(width: int, many: bool = False) -> int:
    """Bins a plot of `width` cells has room for; `many`: of several curves."""
    return max(2, 2 * (width - AXIS - (NAMES_OF_MANY if many else NAMES)))


def aligned(end_ns: int, span_ns: int, bins: int) -> tuple[int, int]:
    """[t0, t1) of `bins` whole bins that ends at or right after `end_ns`; bin edges are multiples of their width,
    so a bin never changes its shape while time goes on."""
    step = max(1, -(-span_ns // bins))
    t1 = (end_ns // step + 1) * step
    return t1 - bins * step, t1


def value_range(
    data: TrendData, lines: Sequence[LimitLine], band: Band | None = None, also: Sequence[TrendData] = ()
) -> tuple[float, float]:
    """Least and greatest value to show: the data with a margin, the limits that are near it, and of the band what
    leaves half of the height to the data. `also`: other channels on the same scale."""
    ends = [edge[np.isfinite(edge)] for one in (data, *also) for edge in (one.low, one.high)]
    finite = np.concatenate(ends)
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    span = max(high - low, abs(high) * 1e-3, 1e-9)
    near = [line.value for line in lines if low - span <= line.value <= high + span]
    below, above = low - span / 2, high + span / 2
    low, high = min([low, *near]), max([high, *near])
    known = np.isfinite(band.low) if band is not None else np.zeros(0, dtype=np.bool_)
    if band is not None and known.any():
        low, high = min(low, max(below, band.low[known].min())), max(high, min(above, band.high[known].max()))
    margin = 0.06 * max(high - low, span)
    return low - margin, high + margin


def trend_rows(
    data: TrendData,
    lines: Sequence[LimitLine],
    width: int,
    height: int,
    signs: SignSet = UNICODE,
    style: str = "trace",
    band: Band | None = None,
    *,
    unit: str = "",
    label: str = "",
    curves: Sequence[Curve] = (),
    share: FlagShare | None = None,
    strip: bool = False,
    marks: Sequence[int] = (),
) -> tuple[Row, ...]:
    """`height` rows of `width` cells: the plot, the strip of flagged rows where there is room, and the time axis.

    The band keeps to cells that are free. `curves`: channels beside the one of `label` and `unit`. `share`: of
    flagged rows, `strip` whether room is kept for it. `marks`: moments to draw an upright at.
    """
    names = NAMES_OF_MANY if curves else NAMES
    strip = strip and height >= STRIP_FROM
    inner, tall = width - AXIS - names, height - 1 - strip
    if inner < 4 or tall < 1:
        return ()
    low, high = value_range(data, lines, band, [one.data for one in curves if one.unit == unit])
    curve = DotCanvas(inner, tall)
    gaps = _draw_curve(curve, data, _height(low, high, tall))
    taken = curve.codes() > 0
    others = _others(curves, unit, (low, high), inner, tall)
    shown = covered([canvas.codes() > 0 for canvas in others], taken)
    rules: dict[int, LimitLine] = {}
    for line in lines:
        if low <= line.value <= high:
            rules.setdefault(min(tall - 1, _height(low, high, tall)(line.value) // 4), line)
    for line in rules.values():
        curve.line(_height(low, high, tall)(line.value))
    texts = curve.texts(signs.ascii, signs.blocks)
    upright = "|" if signs.ascii else "│"
    labels = _value_labels(low, high, tall)
    edges = _edges(band, inner, low, high, tall) if band is not None else _Edges({}, None)
    named = _named_row(edges, rules, tall)
    titled = _titles(data, label, curves, unit, (low, high), tall, rules)
    uprights = _mark_cells(data, marks, inner)
    out: list[Row] = []
    for y in range(tall):
        line = rules.get(y)
        axis: Span = (right(labels.get(y, ""), AXIS - 2) + " " + upright, "dim")
        name: Span = (" " + left(line.name if line else "", names - 1), line.style if line else "dim")
        if y in titled:
            name = (" " + left(titled[y], names - 1), "value")
        elif y == named:
            name = (" " + left(USUAL, names - 1), BAND_STYLE)
        elif line is None and y in (0, tall - 1) and y not in (edges.newest or ()):
            beyond = _beyond(lines, low, high, y == 0)
            point = (signs.above if y == 0 else signs.below) if beyond else " "
            name = (point + left(beyond, names - 1), "dim")
        body = texts[y]
        if line is None and gaps and y == tall - 1:
            body = _name_gaps(body, gaps)
        if y in (0, tall - 1):
            body = _name_infinite(body, data, y == 0)
        drawn = ((body, line.style),) if line else _with_band(body, style, edges.cells.get(y, []), signs)
        if curves or uprights:
            drawn = _over(drawn, shown[y], curves, uprights, upright)
        out.append((axis, *drawn, name))
    if strip:
        out.append(strip_row(share, AXIS, inner, names, signs))
    out.append(((_time_axis(data, inner, names), "dim"),))
    return tuple(out)


def _height(low: float, high: float, tall: int) -> Callable[[float], int]:
    """Value -> row of dots, 0 on top; what lies beyond ends at the edge, an infinite value too."""
    dots = 4 * tall

    def at(value: float) -> int:
        part = (high - value) / (high - low)
        return round(min(1.0, max(0.0, part)) * (dots - 1))

    return at


def _others(
    curves: Sequence[Curve], unit: str, main: tuple[float, float], inner: int, tall: int
) -> list[DotCanvas]:
    """The other channels, each on a canvas of its own."""
    made: list[DotCanvas] = []
    for one, (low, high) in zip(curves, scales(curves, unit, main), strict=True):
        canvas = DotCanvas(inner, tall)
        _draw_curve(canvas, one.data, _height(low, high, tall))
        made.append(canvas)
    return made


def _titles(
    data: TrendData,
    label: str,
    curves: Sequence[Curve],
    unit: str,
    main: tuple[float, float],
    tall: int,
    rules: Container[int],
) -> dict[int, str]:
    """Row -> the glyph and the name of the curve that ends nearest to it."""
    if not curves:
        return {}
    told = [(f"{SELF} {label}", data, main)]
    told += [
        (f"{one.glyph} {one.label}", one.data, scale)
        for one, scale in zip(curves, scales(curves, unit, main), strict=True)
    ]
    wishes: list[float | None] = []
    for _, of, (low, high) in told:
        value = last_value(of)
        wishes.append(None if value is None else _height(low, high, tall)(value) / 4)
    busy = {y for y in range(tall) if y in rules}
    found = zip(placed([w if w is not None else tall - 1 for w in wishes], tall, busy), told, strict=True)
    return {y: text for y, (text, _, _) in found if y is not None}


def _mark_cells(data: TrendData, marks: Sequence[int], inner: int) -> set[int]:
    span = data.t1_ns - data.t0_ns
    return {min(inner - 1, (t - data.t0_ns) * inner // span) for t in marks if data.t0_ns <= t <= data.t1_ns}


def _over(
    drawn: Sequence[Span], shown: npt.NDArray[np.intp], curves: Sequence[Curve], uprights: set[int], upright: str
) -> tuple[Span, ...]:
    """One row of the plot with the glyphs of other curves, and the uprights of a window that is being marked."""
    cells = [(char, style) for text, style in drawn for char in text]
    for x in np.flatnonzero(shown).tolist():
        cells[x] = (curves[shown[x] - 1].glyph, "value")
    for x in uprights:
        cells[x] = (upright, "key")
    return tuple(
        ("".join(char for char, _ in run), style)
        for style, run in ((style, list(run)) for style, run in groupby(cells, key=lambda cell: cell[1]))
    )


def _name_infinite(text: str, data: TrendData, above: bool) -> str:
    """`+inf` or `-inf` at the edge that such a value was drawn to."""
    edge = data.high if above else data.low
    at = np.flatnonzero(np.isposinf(edge) if above else np.isneginf(edge))
    if not len(at):
        return text
    word = "+inf" if above else "-inf"
    start = max(0, min(len(text) - len(word), int(at[-1]) * len(text) // len(edge) - len(word)))
    return text[:start] + word + text[start + len(word) :]


def _draw_curve(canvas: DotCanvas, data: TrendData, at: Callable[[float], int]) -> list[tuple[int, int]]:
    """Draw; returns the cells [first, last] of gaps between values."""
    count = data.low.shape[0]
    step_s = (data.t1_ns - data.t0_ns) / count / 1e9
    columns = canvas.dots.shape[1]
    known = np.flatnonzero(~np.isnan(data.low) & ~np.isnan(data.high))
    gaps: list[tuple[int, int]] = []
    before: tuple[int, int, int] | None = None
    for b in known.tolist():
        x = b * columns // count
        top, bottom = at(float(data.high[b])), at(float(data.low[b]))
        if before is not None:
            b0, top0, bottom0 = before
            if (b - b0) * step_s <= data.join_s + step_s:
                _join(canvas, (b0 * columns // count, top0, bottom0), (x, top, bottom))
            else:
                gaps.append((b0 * columns // count // 2 + 1, x // 2 - 1))
        canvas.column(x, top, bottom)
        before = (b, top, bottom)
    return gaps


def _join(canvas: DotCanvas, start: tuple[int, int, int], end: tuple[int, int, int]) -> None:
    x0, top0, bottom0 = start
    x1, top1, bottom1 = end
    if x1 - x0 <= 1:
        if top1 > bottom0:
            canvas.column(x1, bottom0, top1)
        elif bottom1 < top0:
            canvas.column(x1, bottom1, top0)
        return
    middle0, middle1 = (top0 + bottom0) / 2, (top1 + bottom1) / 2
    xs = np.arange(x0, x1 + 1)
    ys = np.rint(np.interp(xs, [x0, x1], [middle0, middle1])).astype(np.intp)
    for x, y, y_next in zip(xs[:-1].tolist(), ys[:-1].tolist(), ys[1:].tolist(), strict=True):
        canvas.column(x, y, y_next)


class _Edges(msgspec.Struct, frozen=True):
    """Where a band's edges lie: row -> its cells, and the rows [top, bottom] of the newest of them."""

    cells: dict[int, list[int]]
    newest: tuple[int, int] | None


def _edges(band: Band, inner: int, low: float, high: float, tall: int) -> _Edges:
    """The edges of a band in `inner` x `tall` cells that show [low, high]."""
    count = band.low.shape[0]
    first = np.arange(inner) * count // inner
    last = np.maximum(first, (np.arange(1, inner + 1) * count - 1) // inner)
    bounds = np.maximum(band.high[first], band.high[last]), np.minimum(band.low[first], band.low[last])
    known = np.flatnonzero(np.isfinite(bounds[0]) & np.isfinite(bounds[1]))
    if not len(known):
        return _Edges({}, None)
    top, bottom = (np.floor((high - bound[known]) / (high - low) * tall) for bound in bounds)
    cells: dict[int, list[int]] = {}
    for x, upper, lower in zip(known.tolist(), top.tolist(), bottom.tolist(), strict=True):
        for y in {int(upper), int(lower)}:
            cells.setdefault(y, []).append(x)
    return _Edges(cells, (int(top[-1]), int(bottom[-1])))


def _named_row(edges: _Edges, taken: Container[int], tall: int) -> int | None:
    """The row at whose end the band is named: beside its newest middle, or its edges, where no limit is named."""
    if edges.newest is None:
        return None
    top, bottom = (max(0, min(tall - 1, y)) for y in edges.newest)
    wishes = [(top + bottom) // 2, *range(top, bottom + 1)]
    return next((y for y in wishes if y not in taken), None)


def _with_band(body: str, style: str, cells: list[int], signs: SignSet) -> tuple[Span, ...]:
    """One row of the plot with the band's edges in those of `cells` that are free."""
    spans: list[Span] = []
    done = 0
    for _, run in groupby(enumerate(x for x in cells if body[x] == " "), key=lambda cell: cell[1] - cell[0]):
        at = [x for _, x in run]
        spans += [(body[done : at[0]], style), (signs.band * len(at), BAND_STYLE)]
        done = at[-1] + 1
    return tuple(span for span in (*spans, (body[done:], style)) if span[0])


def _name_gaps(text: str, gaps: list[tuple[int, int]]) -> str:
    cells = list(text)
    for first, last in gaps:
        if last - first >= 4:
            middle = (first + last) // 2
            cells[middle - 1 : middle + 2] = list("gap")
    return "".join(cells)


def _value_labels(low: float, high: float, tall: int) -> dict[int, str]:
    step = nice_step((high - low) / max(1.0, tall / 2.5))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    labels: dict[int, str] = {}
    value = math.ceil(low / step) * step
    while value <= high:
        y = min(tall - 1, int((high - value) / (high - low) * (4 * tall - 1)) // 4)
        labels[y] = f"{value + 0.0:.{decimals}f}" if abs(value) > step * 1e-6 else f"{0:.{decimals}f}"
        value += step
    return labels


def _beyond(lines: Sequence[LimitLine], low: float, high: float, above: bool) -> str:
    outside = [line for line in lines if (line.value > high if above else line.value < low)]
    if not outside:
        return ""
    nearest = min(outside, key=lambda line: line.value) if above else max(outside, key=lambda line: line.value)
    return nearest.name


def _time_axis(data: TrendData, inner: int, names: int) -> str:
    step = time_step_ns(data.t1_ns - data.t0_ns, max(1, inner // 13))
    cells = [" "] * (AXIS + inner + names)
    t = -(-data.t0_ns // step) * step
    while t < data.t1_ns:
        at = AXIS + int((t - data.t0_ns) / (data.t1_ns - data.t0_ns) * inner)
        text = tick_text(t, step)
        start = at - len(text) // 2
        if (
            start >= 0
            and start + len(text) <= len(cells)
            and all(c == " " for c in cells[start - 1 : start + len(text) + 1])
        ):
            cells[start : start + len(text)] = list(text)
        t += step
    return "".join(cells)
