"""Dialogs that are opened and left faster than they are built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fabricated
import pytest
from textual.command import CommandList
from textual.events import Key
from textual.widgets import Input

from cubesat_tui.app import ConsoleApp
from cubesat_tui.screens.mission_screen import MissionScreen
from cubesat_tui.screens.quit import QuitDialog


@pytest.mark.parametrize("key", ["m", "g", "f", "i", "e", "w", "question_mark", "o", "s", "p"])
async def test_opened_and_left_in_one_breath(console: Callable[..., ConsoleApp], key: str) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        for mode in "15":
            await pilot.press(mode)
            for _ in range(5):
                for name in (key, "escape", "escape"):
                    app.post_message(Key(name, None))
            await pilot.pause()
            while not isinstance(app.screen, MissionScreen):
                await pilot.press("escape")
        assert app.return_code is None


async def test_a_palette_that_is_answered_with_enter_held_down(console: Callable[..., ConsoleApp]) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("ctrl+p")
        await fabricated.settled(pilot)
        await pilot.press("down")
        for _ in range(30):
            app.post_message(Key("enter", "\r"))
        await fabricated.settled(pilot)
        assert app.return_code is None


async def test_a_palette_that_is_left_while_it_searches(console: Callable[..., ConsoleApp]) -> None:
    """Its parts are gone before the search, and the countdown to "No matches found", have come to their end."""
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("ctrl+p")
        await fabricated.settled(pilot)
        palette: Any = app.screen
        listed = palette.query_one(CommandList)
        await pilot.press(*"zzzz")
        await fabricated.settled(pilot, lambda: palette._no_matches_timer is not None)
        await palette.remove_children()
        await fabricated.settled(pilot, lambda: listed.option_count > 0 or app.return_code is not None)
        palette.post_message(Input.Changed(Input(), "ack"))
        await fabricated.settled(pilot)
        await pilot.press("escape")
        await fabricated.settled(pilot, lambda: isinstance(app.screen, MissionScreen))
        assert app.return_code is None


@pytest.mark.parametrize("key", ["ctrl+p", "m"])
async def test_one_that_is_answered_behind_another_takes_nothing_with_it(
    console: Callable[..., ConsoleApp], key: str
) -> None:
    """What was typed before `ctrl+c` may be taken in after it: it must not leave the dialog that came meanwhile."""
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", key)
        await fabricated.settled(pilot)
        behind = app.screen
        await pilot.press("ctrl+c")
        await fabricated.settled(pilot)
        assert isinstance(app.screen, QuitDialog)
        for _ in range(2):
            behind.dismiss()
            await fabricated.settled(pilot)
            assert isinstance(app.screen, QuitDialog)
        await pilot.press("escape")
        await fabricated.settled(pilot)
        assert app.screen is behind
        await pilot.press("escape")
        await fabricated.settled(pilot, lambda: isinstance(app.screen, MissionScreen))
        assert app.return_code is None


@pytest.mark.parametrize("mode", ["clusters", "models", "ledger", "events"])
async def test_a_screen_acts_from_when_its_widgets_are_there(console: Callable[..., ConsoleApp], mode: str) -> None:
    """`g` in one lump with the key that opens a screen for the first time asks it for the moment of its row."""
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        opened = app.switch_mode(mode)
        assert app.mission_screen is None
        assert not app.screen.check_action("search", ())
        await opened
        await fabricated.settled(pilot)
        assert app.mission_screen is app.screen
        assert app.screen.check_action("search", ())


async def test_a_dialog_that_misses_its_widgets_ends_nothing(console: Callable[..., ConsoleApp]) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("g")
        await fabricated.settled(pilot)
        await app.screen.query_one("#said").remove()
        app.post_message(Key("1", "1"))
        await fabricated.settled(pilot, lambda: isinstance(app.screen, MissionScreen))
        assert app.return_code is None
