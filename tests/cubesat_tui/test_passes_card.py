"""The passes to come: in the palette's card at 80x24, beside the alarms at 140x42, counting down."""

from __future__ import annotations

import re
from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.screens.passes import PassesCard
from telemetry.alarms import Event
from telemetry.clock import ManualClock

SMALL, LARGE = (80, 24), (140, 42)


async def open_card(pilot) -> None:
    await pilot.press("ctrl+p")
    await pilot.pause()
    await pilot.press(*"passes next")
    await settled(pilot, lambda: "Passes: the next 24 hours" in screen_text(pilot.app))
    await pilot.press("enter")
    await settled(pilot, lambda: isinstance(pilot.app.screen, PassesCard))


def test_the_card_looks_like_this(snap_compare, console) -> None:
    async def before(pilot) -> None:
        await settled(pilot)
        await open_card(pilot)

    assert snap_compare(console(), terminal_size=SMALL, run_before=before)


async def test_card_and_status_bar_count_down_and_a_pass_begins(console, tmp_path: Path) -> None:
    """The clock moves over an acquisition of signal while the card is open, paused or not."""
    clock = ManualClock(NOW)
    app = console(directory=fabricated.fill(tmp_path / "calm", contact=False, events=[]), clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert "AOS Munich 12:44" in screen_text(app).splitlines()[0]
        await open_card(pilot)
        assert re.search(r"Munich +22 07:26:47 +07:36:19 +09:32 +61.0 ° +12:44", screen_text(app))
        clock.advance(60.0)
        await settled(pilot, lambda: " 11:44" in screen_text(app))
        clock.advance(704.0 + 300.0)
        await settled(pilot, lambda: "LOS 04:32" in screen_text(app).split("PASSES OF")[1])
        await pilot.press("escape")
        await settled(pilot, lambda: "LOS 04:32" in screen_text(app).splitlines()[0])


@pytest.mark.parametrize("mode", ["1", "5"])
async def test_the_wide_screens_list_the_next_passes_with_their_height(console, mode: str) -> None:
    app = console()
    async with app.run_test(size=LARGE) as pilot:
        await settled(pilot)
        await pilot.press(mode)
        await settled(pilot, lambda: "NEXT PASSES" in screen_text(app))
        text = screen_text(app)
        assert re.search(r"Munich +07:10:43Z +now, LOS 06:12 +max 61°", text)
        assert re.search(r"Munich +08:45:43Z +in 1:31:40 +max 47°", text)
        assert "LAST EVENTS" in text


async def test_the_card_says_what_is_missing_and_what_is_stale(console, tmp_path: Path) -> None:
    text = "the TLE of KESTREL-1 is 41 days old"
    note = Event(NOW - 5 * S, "", "contact.orbit", 1, SATELLITE, "", {"text": text})
    directory = fabricated.fill(tmp_path / "stale", contact=False, events=[note])
    app = console(directory=directory)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await open_card(pilot)
        assert text in screen_text(app)

    toml = directory.toml.read_text()
    later = ManualClock(NOW + 3 * 86_400 * S)
    bare = toml.replace('[[ground_station]]\nname = "Munich"\nlat = 48.1\nlon = 11.3\n', "")
    for kept, said in ((bare, "add [[ground_station]] to mission.toml"), (toml, "none in the next 24")):
        directory.toml.write_text(kept)
        app = console(directory=directory, clock=later)
        async with app.run_test(size=SMALL) as pilot:
            await settled(pilot)
            await open_card(pilot)
            assert said in screen_text(app)
