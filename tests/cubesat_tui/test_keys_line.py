"""The keys line at 80 columns: what matters at present leads it."""

from __future__ import annotations

from typing import Any

import fabricated
import pytest

from cubesat_tui.keymap import KEYS
from cubesat_tui.screens.accept import AcceptDialog

SMALL = (80, 24)


def keys_of(app: Any) -> str:
    return fabricated.screen_text(app).splitlines()[-1]


@pytest.mark.parametrize("mode", ["1", "2", "3", "4", "5"])
async def test_the_way_back_to_now_leads_it_in_the_past_and_in_a_pause(console, mode: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await fabricated.settled(pilot)
        await pilot.press(mode)
        await fabricated.settled(pilot)
        assert "space live" not in keys_of(app)
        await pilot.press("less_than_sign")
        await fabricated.settled(pilot, lambda: app.shown is not None and "space live" in keys_of(app))
        assert keys_of(app).startswith(" space live ")
        assert keys_of(app).rstrip().endswith("? keys  q quit")
        await pilot.press("space")
        await fabricated.settled(pilot, lambda: "space live" not in keys_of(app))
        await pilot.press("space")
        await fabricated.settled(pilot, lambda: app.paused_at is not None)
        assert keys_of(app).startswith(" space live ")


@pytest.mark.parametrize("mode", ["1", "5"])
async def test_an_anomaly_that_is_selected_can_be_accepted_and_the_line_says_so(console, mode: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await fabricated.settled(pilot)
        await pilot.press(mode)
        await fabricated.settled(pilot)
        assert "i accept" not in keys_of(app), "a hard limit is selected"
        await pilot.press("n")
        await fabricated.settled(pilot)
        assert keys_of(app).startswith(" i accept ")
        assert next(key.shown for key in KEYS if key.action == "accept") == "i"
        await pilot.press("i")
        await fabricated.settled(pilot, lambda: isinstance(app.screen, AcceptDialog))


async def test_what_a_read_only_console_refuses_is_not_offered(console) -> None:
    app = console(read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        await fabricated.settled(pilot)
        await pilot.press("5", "n")
        await fabricated.settled(pilot)
        assert "i accept" not in keys_of(app)
