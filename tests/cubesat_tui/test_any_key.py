"""Keys that mean nothing to the console do nothing to it."""

from __future__ import annotations

from collections.abc import Callable

import fabricated
from textual.events import Key

from cubesat_tui.app import ConsoleApp
from cubesat_tui.screens.mission_screen import MissionScreen

NAMES = [
    "at", "number_sign", "dollar_sign", "percent_sign", "ampersand", "asterisk", "left_parenthesis",
    "underscore", "circumflex_accent", "tilde", "vertical_line", "backslash", "semicolon", "quotation_mark",
    "apostrophe", "replacement_character", "f1", "f5", "f12", "insert", "ctrl+at", "ctrl+a", "ctrl+b",
    "ctrl+s", "ctrl+e", "alt+x", "super+k", "space_bar", "unknown",
]  # fmt: skip


async def test_keys_without_a_meaning_do_nothing(console: Callable[..., ConsoleApp]) -> None:
    """Textual looks for `key_<name>` on everything: what is called so, by chance, answers that key."""
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        for mode in "12345":
            await pilot.press(mode)
            screen = app.screen
            for name in NAMES:
                app.post_message(Key(name, None))
            await fabricated.settled(pilot)
            assert app.screen is screen
            assert isinstance(screen, MissionScreen)
