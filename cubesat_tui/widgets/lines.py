"""The base of everything that moves: rows of text that repaint only where they changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from textual.geometry import Region, Spacing
from textual.strip import Strip
from textual.widget import Widget

from cubesat_tui.drawing.rows import EMPTY, ON_CURSOR, Row, changed_cells
from cubesat_tui.drawing.signs import UNICODE, SignSet
from cubesat_tui.themes import rich_styles

if TYPE_CHECKING:
    from cubesat_tui.app import ConsoleApp

_TO_ASCII = str.maketrans(
    {"…": ".", "°": "d", "·": "-", "×": "x", "│": "|", "↓": "v", "↑": "^", "←": "<", "→": ">", "±": "~"}
)
"""Signs of our own sentences, cell for cell; signs of states have their ASCII forms in the table of signs."""

NO_GUTTER = Spacing(0, 0, 0, 0)


class Lines(Widget):
    """Draws `rows`; `draw` is the one way to change them."""

    DEFAULT_CSS = "Lines { height: auto; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self.rows: tuple[Row, ...] = ()
        self._look: tuple[object, ...] = ()
        self._strips: dict[int, tuple[Row, Strip]] = {}

    @property
    def signs(self) -> SignSet:
        """The sign set of the app, Unicode outside one."""
        return cast("ConsoleApp", self.app).signs if self.is_attached else UNICODE

    def draw(self, rows: Sequence[Row]) -> None:
        """Show `rows`, repainting only those that differ from what is on screen."""
        before, after = self.rows, tuple(rows)
        self.rows = after
        if len(before) != len(after) and self.styles.height is not None and self.styles.height.is_auto:
            self.refresh(layout=True)
            return
        last = min(self.size.height, max(len(before), len(after)))
        changed: list[Region] = []
        for y in range(last):
            old = before[y] if y < len(before) else EMPTY
            new = after[y] if y < len(after) else EMPTY
            if old != new:
                start, end = changed_cells(old, new, self.size.width)
                changed.append(Region(start, y, max(1, end - start), 1))
        if changed:
            self.refresh(*changed)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self.rows)

    def render_lines(self, crop: Region) -> list[Strip]:
        """As `Widget`, without a pass over styles, borders and filters for rows that are as they were."""
        if self.styles.gutter != NO_GUTTER:
            return super().render_lines(crop)
        theme, filters = self.app.current_theme, self.get_line_filters()
        look = (self.visual_style, theme, self.signs, self.size.width, filters)
        if look != self._look:
            self._look = look
            self._strips.clear()
        strips: list[Strip] = []
        for y in crop.line_range:
            row = self.rows[y] if y < len(self.rows) else EMPTY
            known = self._strips.get(y)
            if known is None or known[0] != row:
                strip = self.render_line(y)
                for one in filters:
                    strip = strip.apply_filter(one, self.background_colors[1])
                known = self._strips[y] = (row, strip)
            strips.append(known[1])
        if crop.column_span != (0, self.size.width):
            return [strip.crop(*crop.column_span) for strip in strips]
        return strips

    def render_line(self, y: int) -> Strip:
        base = self.visual_style.rich_style
        if y >= len(self.rows):
            return Strip.blank(self.size.width, base)
        ascii_only = self.signs.ascii
        styles = rich_styles(self.app.current_theme)
        cursor = styles["cursor"]
        segments: list[Segment] = []
        for text, name in self.rows[y]:
            style = base + styles[name.removesuffix(ON_CURSOR)]
            segments.append(
                Segment(
                    text.translate(_TO_ASCII) if ascii_only else text,
                    style + cursor if name.endswith(ON_CURSOR) else style,
                )
            )
        return Strip(segments).simplify().adjust_cell_length(self.size.width, base)
