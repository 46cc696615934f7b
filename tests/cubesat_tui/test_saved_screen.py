"""P keeps the screen as it is: text and picture, private, and nothing that was there is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from fabricated import NOW, settled

from cubesat_tui.saved_screen import save
from telemetry.store.directory import MissionDirectory

SMALL = (80, 24)


@pytest.mark.parametrize("mode", ["1", "5"])
async def test_p_keeps_what_is_on_screen_and_says_where(console, directory, mode) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press(mode)
        await settled(pilot)
        await pilot.press("P")
        await settled(pilot, lambda: any("screen_" in n.message for n in app._notifications))
    (text,) = directory.exports.glob("screen_*.txt")
    assert text.stem == f"screen_{'live' if mode == '1' else 'events'}_20261122T071403Z"
    lines = text.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 24
    assert "KESTREL-1" in lines[0]
    assert any("Wheel X speed" in line for line in lines)
    picture = text.with_suffix(".svg").read_text(encoding="utf-8")
    assert picture.lstrip().startswith("<svg")
    assert "KESTREL" in picture
    assert text.stat().st_mode & 0o077 == 0
    said = next(n.message for n in app._notifications if "screen_" in n.message)
    assert str(text.parent) in said
    assert ".svg" in said


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    directory = MissionDirectory(tmp_path)
    first = save(directory, "live", NOW, ["one  "], "<svg>1</svg>")
    (tmp_path / "exports" / "screen_live_20261122T071403Z_2.svg").write_text("mine")
    second = save(directory, "live", NOW, ["two"], "<svg>2</svg>")
    assert first.text.read_text() == "one\n"
    assert second.text.name == "screen_live_20261122T071403Z_3.txt"
    assert (tmp_path / "exports" / "screen_live_20261122T071403Z_2.svg").read_text() == "mine"
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "exports" / "screen_live_20261122T071403Z_4.txt").symlink_to(elsewhere)
    third = save(directory, "live", NOW, ["three"], "<svg/>")
    assert third.text.name.endswith("_5.txt")
    assert not elsewhere.exists()


async def test_a_place_that_cannot_be_written_is_said_in_words(console, directory) -> None:
    directory.exports.rmdir()
    directory.exports.write_text("a file")
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("P")
        await settled(pilot, lambda: any("could not be saved" in n.message for n in app._notifications))
