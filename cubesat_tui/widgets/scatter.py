"""The cloud of frames on screen: points where the model sees them, turned by key, repainted where it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.events import Resize

from cubesat_tui.drawing.projection import Scale, View, cross, plane, scale_of
from cubesat_tui.drawing.rows import Row
from cubesat_tui.drawing.scatter_canvas import (
    ANOMALY,
    AXES,
    BLANK,
    NEWEST,
    SELECTED,
    TRAIL,
    Cloud,
    Signs,
    draw,
)
from cubesat_tui.drawing.signs import SignSet
from cubesat_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from cubesat_tui.feature_space import FeatureSpace

MODE_STYLES = ("trace", "good", "forecast", "label", "spark", "plain")
"""Colours of the modes; never one that means trouble."""
LETTERS = "esabcdfghijklmnopqrtuvwxyz"
_STYLES = {
    ANOMALY: "anomaly",
    AXES: "dim",
    BLANK: "plain",
    NEWEST: "value",
    SELECTED: "selected",
    TRAIL: "value",
}


def mode_style(number: int) -> str:
    """Style of the class `number`."""
    return MODE_STYLES[number % len(MODE_STYLES)]


def mode_letters(names: tuple[str, ...]) -> str:
    """One letter per mode for terminals with few colours: its first free letter, so that it can be guessed."""
    taken: list[str] = []
    for name in names:
        wishes = [c for c in name.lower() if c.isalpha() and c.isascii()]
        taken.append(next((c for c in (*wishes, *LETTERS) if c not in taken), "x"))
    return "".join(taken)


class Scatter(Lines):
    """Shows one feature space through one view."""

    DEFAULT_CSS = "Scatter { height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.view = View()
        self.space: FeatureSpace | None = None
        self.selected_id: int | None = None
        self.beyond = 0
        self._scale: Scale | None = None
        self._scale_of: tuple[object, ...] = ()

    @property
    def few_colours(self) -> bool:
        """Whether modes must be told apart by letters: ASCII, or a terminal of 16 colours or none."""
        return self.signs.ascii or self.app.console.color_system in (None, "standard", "windows")

    def show(self, space: FeatureSpace | None) -> None:
        """Draw other frames. The scale stays while the kind of axes does, so the picture does not jump."""
        self.space = space
        if space is not None:
            kind = (space.packet, space.letters, space.channels, int(space.model.max(initial=0)), space.modes)
            if self._scale is None or kind != self._scale_of:
                self._scale, self._scale_of = scale_of(space.axes[~space.anomalous]), kind
        self.repaint()

    def turn(self, azimuth: float, elevation: float) -> None:
        """Turn the view by degrees."""
        self.view = self.view.turned(azimuth, elevation)
        self.repaint()

    def rescale(self) -> None:
        """Take the scale from the frames shown now."""
        self._scale = None
        self.show(self.space)

    def on_resize(self, event: Resize) -> None:
        del event
        self.repaint()

    def repaint(self) -> None:
        """Draw the cells and repaint the rows that differ."""
        space, scale = self.space, self._scale
        if space is None or scale is None or not self.size.width:
            self.draw(())
            return
        flat = plane(space.axes, self.view, scale)
        self.beyond = int(flat.beyond.sum())
        here = (space.ids == self.selected_id).nonzero()[0]
        cloud = Cloud(
            flat.xy,
            space.mode,
            space.anomalous,
            space.modes if len(space.modes) > 1 else ("",),
            trail=range(max(0, len(space) - 12), len(space)),
            selected=int(here[0]) if len(here) else None,
            axes=[(letter, *end) for letter, end in zip(space.letters, cross(self.view).tolist(), strict=True)],
        )
        cells = draw(cloud, self.size.width, self.size.height, self._canvas_signs(self.signs, space.modes))
        self.draw([_row(runs) for runs in cells.runs])

    def _canvas_signs(self, signs: SignSet, modes: tuple[str, ...]) -> Signs:
        return Signs(anomaly=signs.glyph("anomaly"), dots=mode_letters(modes) if self.few_colours else None)


def _row(runs: list[tuple[str, int]]) -> Row:
    return tuple((text, _STYLES.get(owner) or mode_style(owner)) for text, owner in runs)
