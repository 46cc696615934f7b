"""Live on a satellite that sends no orbit: height, light and its place in the sky are there, and look predicted."""

from __future__ import annotations

import re
from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, SATELLITE, clock, screen_text, settled

from telemetry.store.directory import MissionDirectory
from telemetry.store.writer import StoreWriter

SMALL, LARGE = (80, 24), (140, 42)
VALUES = {"orb.alt_km": 551.27, "orb.eclipse": 1.0, "gs.range_km": 5204.4, "gs.elevation": -12.34}


@pytest.fixture
def recorded(tmp_path: Path) -> MissionDirectory:
    """The made-up mission without its orbit channels, told by a station what the orbit says."""
    directory = fabricated.fill(tmp_path / "recorded", events=[])
    tables = directory.toml.read_text().split("[[bus.3u.channel]]")
    kept = [table for table in tables if not re.search(r'name = "(orb\.|gs\.)', table)]
    text = "[[bus.3u.channel]]".join(kept).replace(', "gs.*"', "")
    directory.toml.write_text(text)
    writer = StoreWriter(directory.telemetry, clock())
    told = {SATELLITE: {"t_ns": NOW, "values": VALUES, "station": "Munich"}}
    writer.beat(fabricated.health(predicted=told))
    writer.close()
    return directory


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_predicted_orbit_looks_like_this(snap_compare, console, recorded, size) -> None:
    async def before(pilot) -> None:
        await settled(pilot)

    assert snap_compare(console(directory=recorded), terminal_size=size, run_before=before)


@pytest.mark.parametrize(
    ("size", "ascii_signs", "said"),
    [
        (SMALL, False, "Altitude ┄ 551.3 km fc"),
        (SMALL, False, "┄ eclipse fc PAYLOAD"),
        (SMALL, True, "Altitude : 551.3 km fc"),
        (LARGE, False, "Elevation ┄ -12.3 ° fc  Range ┄ 5204 km fc  ┄ eclipse fc, PAYLOAD mode"),
    ],
)
async def test_the_words_of_a_prediction_are_on_the_line(console, recorded, size, ascii_signs, said) -> None:
    app = console(directory=recorded, ascii_signs=ascii_signs)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        assert said in screen_text(app).splitlines()[2]


async def test_a_prediction_has_the_colour_of_a_forecast_and_nothing_to_plot(console, recorded) -> None:
    app = console(directory=recorded)
    async with app.run_test(size=LARGE) as pilot:
        await settled(pilot)
        spans = dict(app.screen.query_one("#vitals").rows[0])
        assert spans["┄ 551.3 km fc"] == spans["┄ eclipse fc"] == "forecast"
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"plot altitude")
        await settled(pilot)
        assert "Plot Altitude" not in screen_text(app)
