"""Which signs a terminal is drawn with, and which keys its multiplexer leaves to the console."""

from __future__ import annotations

import numpy as np
import pytest

from cubesat_tui.drawing.braille import DotCanvas
from cubesat_tui.keymap import KEYS
from cubesat_tui.terminal.sign_width import SIGNS, signs_for

WIDE = len(SIGNS)
EATEN = {"ctrl+a", "ctrl+b", "ctrl+j", "ctrl+o", "ctrl+q", "ctrl+s", "ctrl+z", "ctrl+c", "ctrl+backslash"}
"""By screen, tmux, a line that needs it for enter, flow control, or the shell."""


@pytest.mark.parametrize(
    ("asked", "term", "width", "ascii", "blocks"),
    [
        ("auto", "xterm-256color", WIDE, False, False),
        ("auto", "xterm-256color", None, False, False),
        ("auto", "xterm-256color", 2 * WIDE, True, False),
        ("auto", "linux", WIDE, True, True),
        ("auto", "vt220", None, True, False),
        (None, "screen-256color", WIDE, False, False),
        ("ascii", "xterm", WIDE, True, False),
        ("blocks", "xterm", WIDE, False, True),
        ("unicode", "linux", 2 * WIDE, False, False),
    ],
)
def test_signs_are_what_the_terminal_has(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, term: str, width: int | None, ascii: bool, blocks: bool
) -> None:
    monkeypatch.setattr("cubesat_tui.terminal.sign_width.utf8_output", lambda: True)
    assert signs_for(asked, {"TERM": term}, width) == (ascii, blocks)
    monkeypatch.setattr("cubesat_tui.terminal.sign_width.utf8_output", lambda: False)
    assert signs_for(asked, {"TERM": term}, width) == (True, False)


def test_dots_have_three_forms_of_one_picture() -> None:
    canvas = DotCanvas(3, 1)
    canvas.points(np.array([0, 2, 4, 4]), np.array([0, 3, 0, 3]))
    assert canvas.texts() == ["⠁⡀⡁"]
    assert canvas.texts(blocks=True) == ["▀▄█"]
    assert canvas.texts(ascii_only=True) == ["'.:"]
    assert canvas.texts(ascii_only=True, blocks=True) == ["▀▄█"]


def test_no_key_that_is_eaten_on_the_way_is_the_only_way_to_anything() -> None:
    for key in KEYS:
        names = set(key.keys.split(","))
        others = {name for other in KEYS if other.action == key.action for name in other.keys.split(",")}
        assert not names & EATEN or others - EATEN, key.id
