"""One channel over time, drawn with our own dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.rows import EMPTY, Row, crop, framed, row, rule
from cubesat_tui.drawing.trend_plot import Band, LimitLine, TrendData, TrendTitle, bins_for, trend_rows
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.usual_here import UsualHere


class Trend(Lines):
    """A framed plot at 140 columns, one under a rule at 80. It draws what it is given and asks nobody."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[object, ...] = ()

    def bins(self, boxed: bool) -> int:
        """Bins that fit the present width."""
        return bins_for(self.size.width - (2 if boxed else 0))

    def show(
        self,
        title: TrendTitle,
        data: TrendData | None,
        lines: Sequence[LimitLine],
        *,
        boxed: bool,
        opinion: Row = EMPTY,
        usual: UsualHere | None = None,
    ) -> None:
        """Draw `data`; None while it is being read.

        `opinion`: what the model thinks, in a line of its own where there is room, else beside the title. `usual`:
        what it expects.
        """
        size, height = self.size.width, self.size.height
        shown = (title, data, tuple(lines), boxed, opinion, usual, size, height, self.signs)
        if shown == self._shown:
            return
        self._shown = shown
        head = row((title.left, "title"), (f"  {title.past}", "reverse") if title.past else "")
        end = row((title.right, "label"))
        room, tall = (size - 2, height - 3) if boxed else (size, height - 1)
        if not boxed and opinion:
            head = crop((*head, ("  ", "plain"), *opinion), size - 3)
        body: tuple[Row, ...] = (
            (EMPTY, row(("   reading ...", "dim")))
            if data is None
            else trend_rows(data, lines, room, tall, self.signs, band=_band(data, usual))
        )
        if data is not None and data.empty:
            body = (EMPTY, row(("   No value in this span: ] for a longer one, < for an earlier one.", "dim")))
        if boxed:
            self.draw(
                framed(
                    head,
                    (crop(((" ", "plain"), *opinion), room) if opinion else EMPTY, *body),
                    size,
                    height,
                    self.signs,
                    end,
                )
            )
        else:
            self.draw((rule(head, size, self.signs, end), *body)[:height])


def _band(data: TrendData, usual: UsualHere | None) -> Band | None:
    """The part of what is usual that belongs to `data`; None where it was asked for other bins."""
    count = data.low.shape[0]
    if usual is None or usual.asked.step_ns * count != data.t1_ns - data.t0_ns:
        return None
    return Band(*usual.over(data.t0_ns, count))
