"""The card that chooses panels, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cubesat_tui.drawing.rows import EMPTY, Row, chosen, left, row
from cubesat_tui.drawing.signs import SignSet
from cubesat_tui.panel_choice import OWN

if TYPE_CHECKING:
    from cubesat_tui.panel_editor import Line, PanelEditor

KEYS = (
    "space: show or hide a panel; a channel into MINE or out of it",
    "→ ← unfold, fold   shift+↑ ↓ or K J: move the panel   r: reset",
)


def panel_lines(
    editor: PanelEditor, labels: Mapping[str, str], size: int, room: int, signs: SignSet, said: str
) -> list[Row]:
    """At most `room` rows of `size` cells: the lines about the cursor, then the keys, or what was `said`."""
    lines = editor.lines()
    at = lines.index(editor.line)
    tall = max(1, min(len(lines), room - 1 - len(KEYS)))
    top = max(0, min(at - tall // 2, len(lines) - tall))
    rows = [_row(line, labels, size, signs, top + i == at) for i, line in enumerate(lines[top : top + tall])]
    arrows = str.maketrans({"→": ">", "←": "<"}) if signs.ascii else {}
    told = (said, "") if said else KEYS
    style = "warning" if said else "dim"
    return [*rows, EMPTY, *(row((" " + text.translate(arrows), style)) for text in told)]


def _row(line: Line, labels: Mapping[str, str], size: int, signs: SignSet, mark: bool) -> Row:
    start = (signs.pointer if mark else " ", "key")
    if line.channel:
        box = "[+] " if line.on else "[ ] "
        label = labels.get(line.channel) or line.channel
        made = row(start, ("      " + box, "key"), (left(label, 26), "value"), (line.channel, "dim"))
    else:
        box = "[x] " if line.on else "[ ] "
        many = f"{line.channels} channel{'' if line.channels == 1 else 's'}"
        if line.panel == OWN:
            many += ", of your own"
        words = many if line.on else f"{many}, hidden"
        style = "title" if line.on else "dim"
        made = row(start, (" " + box, "key"), (left(line.panel, 26), style), (words, "label" if line.on else "dim"))
    return chosen(made, size) if mark else made
