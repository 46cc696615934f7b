"""Up to four channels over time, drawn with our own dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.flag_strip import flag_share
from cubesat_tui.drawing.rows import EMPTY, Row, crop, framed, row, rule
from cubesat_tui.drawing.trend_curves import GLYPHS, Curve, CurveName, scales_row
from cubesat_tui.drawing.trend_plot import Band, LimitLine, TrendData, TrendTitle, bins_for, trend_rows
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.trend_follower import Trended
    from cubesat_tui.usual_here import UsualHere


class Trend(Lines):
    """A framed plot at 140 columns, one under a rule at 80. It draws what it is given and asks nobody."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[object, ...] = ()

    def bins(self, boxed: bool, many: bool = False) -> int:
        """Bins that fit the present width; `many`: of several curves."""
        return bins_for(self.size.width - (2 if boxed else 0), many)

    def show(
        self,
        title: TrendTitle,
        found: Trended | None,
        lines: Sequence[LimitLine],
        *,
        names: Sequence[CurveName],
        boxed: bool,
        packet: str = "",
        opinion: Row = EMPTY,
        usual: UsualHere | None = None,
        marks: tuple[int, ...] = (),
        said: str = "",
    ) -> None:
        """Draw what was `found`; None while it is being read.

        `names`: of the selected channel, then of those followed beside it. `packet`: of the selected one.
        `opinion`: what the model thinks, in a line of its own where there is room, else beside the title. `usual`:
        what it expects. `marks`: ends of a window that is being marked, and `said` what to press, in the title's
        place.
        """
        size, height = self.size.width, self.size.height
        shown = (
            title, found, tuple(lines), tuple(names), boxed, packet, opinion, usual, marks, said, size, height,
            self.signs,
        )  # fmt: skip
        if shown == self._shown:
            return
        self._shown = shown
        curves = _curves(found, names)
        unit = names[0].unit
        head = row((title.left, "title"))
        if said:
            head = row((said, "key"))
        elif curves:
            head = (*head, ("  ", "plain"), *scales_row(curves, unit))
        end = row((title.right, "label"))
        room, tall = (size - 2, height - 3) if boxed else (size, height - 1)
        if not boxed and opinion and not curves and not said:
            head = crop((*head, ("  ", "plain"), *opinion), size - 3)
        body: tuple[Row, ...] = (EMPTY, row(("   reading ...", "dim")))
        if found is not None and found.data.empty and all(curve.data.empty for curve in curves):
            body = (EMPTY, row(("   No value in this span: ] for a longer one, < for an earlier one.", "dim")))
        elif found is not None:
            cells = bins_for(room, bool(curves)) // 2
            flags = found.flagged
            body = trend_rows(
                found.data,
                lines,
                room,
                tall,
                self.signs,
                band=_band(found.data, usual),
                unit=unit,
                label=names[0].label,
                curves=curves,
                share=flag_share(flags, found.rows, packet, cells) if flags is not None else None,
                strip=True,
                marks=marks,
            )
        if boxed:
            told = crop(((" ", "plain"), *opinion), room) if opinion else EMPTY
            self.draw(framed(head, (told, *body), size, height, self.signs, end))
        else:
            self.draw((rule(crop(head, size - 3), size, self.signs, end), *body)[:height])


def _curves(found: Trended | None, names: Sequence[CurveName]) -> tuple[Curve, ...]:
    if found is None:
        return ()
    return tuple(
        Curve(glyph, name.label, name.unit, name.decimals, data)
        for glyph, name, data in zip(GLYPHS, names[1:], found.curves[1:], strict=False)
    )


def _band(data: TrendData, usual: UsualHere | None) -> Band | None:
    """The part of what is usual that belongs to `data`; None where it was asked for other bins."""
    count = data.low.shape[0]
    if usual is None or usual.asked.step_ns * count != data.t1_ns - data.t0_ns:
        return None
    return Band(*usual.over(data.t0_ns, count))
