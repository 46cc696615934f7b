"""Fleet: every satellite in one line, worst first; every key does what it says; silence is called what it is."""

from __future__ import annotations

from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, S, screen_text, settled

from cubesat_tui.app import ConsoleApp
from cubesat_tui.drawing.rows import width
from cubesat_tui.drawing.signs import ASCII
from cubesat_tui.screens.fleet import FleetScreen
from telemetry.alarms import Event
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fleet_store

SMALL, LARGE = (80, 24), (140, 42)


@pytest.fixture
def fleet(tmp_path: Path) -> MissionDirectory:
    return fleet_store.fill(tmp_path / "fleet")


def _console(fleet: MissionDirectory, **options) -> ConsoleApp:
    return ConsoleApp(
        fleet, **{"clock": fabricated.clock(), "operator": "ann", "station": fabricated.NearStation(), **options}
    )


async def _open(pilot) -> None:
    app = pilot.app
    await settled(pilot)
    await pilot.press("6")
    await settled(pilot, lambda: isinstance(app.screen, FleetScreen) and app.screen.table.selected is not None)


def _rows(app) -> list[str]:
    """Names in the order of the table."""
    lines = [line[2:13] for line in screen_text(app).splitlines()[4:]]
    return [name for name in lines if name.startswith("KESTREL-")]


def _line(app, name: str) -> str:
    return next(line for line in screen_text(app).splitlines()[3:] if name in line[:16])


def _marked(app) -> str:
    return next(line[2:13] for line in screen_text(app).splitlines()[3:] if line.startswith(">"))


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_fleet_looks_like_this(snap_compare, tmp_path, size) -> None:
    assert snap_compare(_console(fleet_store.fill(tmp_path / "m", 100)), terminal_size=size, run_before=_open)


async def test_worst_first_and_each_state_in_its_own_words(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        order = [name[-1] for name in _rows(app)]
        assert order == ["2", "3", "5", "6", "4", "8", "7", "1", "9", "0", "1", "2"]
        lines = screen_text(app).splitlines()
        assert lines[0].startswith(" FLEET 12 SIM |LINK LIVE sim|PASS 3 in contact|DATA oldest 40m|MODELS 11 of 12")
        assert "6 FLEET" in lines[1]
        assert "SEVR ■1/1 ◆1/1 ▲1/2 ◈1/1" in lines[1]
        assert "12 satellites, 12 shown" in lines[2]
        assert "■ SEVR  2/2     0.3 s   Munich LOS 06:12   v2 2 h" in _line(app, "KESTREL-002")
        assert "○ LOST  -       40 min  missed AOS 06:50Z" in _line(app, "KESTREL-005")
        assert "▲ WARN  0/1" in _line(app, "KESTREL-006")
        assert "○ quiet -       40 min  AOS Kiruna 22 min" in _line(app, "KESTREL-007")
        assert "· -     -       never" in _line(app, "KESTREL-008")
        assert "learning 54 %" in _line(app, "KESTREL-009")
        assert lines[22].startswith(" KESTREL-002: ■ NEW Body rate X 5.1 °/s > 5 SEVERE HIGH")


async def test_every_line_fits_and_ascii_signs_stand_for_the_others(fleet) -> None:
    app = _console(fleet, ascii_signs=True)
    for size in (SMALL, LARGE):
        async with app.run_test(size=size) as pilot:
            await _open(pilot)
            assert all(width(row) == size[0] for row in app.screen.table.rows)
            text = screen_text(app)
            assert "S SEVR" in text
            assert ASCII.glyph("expired") + " LOST" in text
            assert text.isascii()
        app = _console(fleet, ascii_signs=True)


async def test_arrows_pages_and_home_walk_through_a_hundred(tmp_path) -> None:
    app = _console(fleet_store.fill(tmp_path / "m", 100))
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        assert _marked(app) == "KESTREL-002"
        await pilot.press("j", "down")
        assert _marked(app) == "KESTREL-005"
        await pilot.press("k", "up", "k")
        assert _marked(app) == "KESTREL-002"
        for _ in range(9):
            await pilot.press("pagedown")
        await settled(pilot)
        assert _marked(app) == "KESTREL-100"
        assert screen_text(app).splitlines()[22].startswith(" KESTREL-100: in limits")
        await pilot.press("pageup")
        assert _marked(app) < "KESTREL-100"
        await pilot.press("home")
        assert _marked(app) == "KESTREL-002"


async def test_s_goes_through_four_orders(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("S")
        await settled(pilot)
        assert "sort: name" in screen_text(app)
        assert _rows(app) == fleet_store.names(12)
        assert _marked(app) == "KESTREL-001"
        await pilot.press("S")
        await settled(pilot)
        assert "sort: oldest data" in screen_text(app)
        assert _rows(app)[:3] == ["KESTREL-008", "KESTREL-005", "KESTREL-007"]
        await pilot.press("S")
        await settled(pilot)
        assert "sort: next pass" in screen_text(app)
        assert _rows(app)[:5] == ["KESTREL-001", "KESTREL-002", "KESTREL-003", "KESTREL-004", "KESTREL-005"]
        await pilot.press("S")
        await settled(pilot)
        assert "sort: worst, then new" in screen_text(app)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("warn", ["KESTREL-002", "KESTREL-006"]),
        ("lost", ["KESTREL-005"]),
        ("quiet", ["KESTREL-007"]),
        ("new", ["KESTREL-002", "KESTREL-003", "KESTREL-004"]),
        ("ANOM", ["KESTREL-004"]),
        ("learning", ["KESTREL-009"]),
        ("contact warn", ["KESTREL-002"]),
        ("-01", ["KESTREL-010", "KESTREL-011", "KESTREL-012"]),
        ("kestrel-01 ok 2", ["KESTREL-012"]),
    ],
)
async def test_the_filter_knows_names_and_words(fleet, text: str, found: list[str]) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("slash", *text, "enter")
        await settled(pilot)
        assert _rows(app) == found
        assert f'12 satellites, {len(found)} shown by "{text}"' in screen_text(app)
        await pilot.press("escape")
        await settled(pilot)
        assert len(_rows(app)) == 12


async def test_a_wrong_word_is_named_under_the_line_and_changes_nothing(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("slash", *"ok wran", "enter")
        await settled(pilot)
        lines = screen_text(app).splitlines()
        at = next(i for i, line in enumerate(lines) if "FILTER" in line)
        assert lines[at + 1].index("^") == lines[at].index("wran")
        assert "wran: no satellite's name has this in it" in lines[at + 2]
        assert "words: sevr, crit, dist, warn" in lines[at + 3]
        assert "12 shown" in screen_text(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "FILTER" not in screen_text(app)
        assert len(_rows(app)) == 12


async def test_a_filter_that_finds_nothing_says_so(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("slash", *"dist", "enter")
        await settled(pilot)
        assert 'No satellite is "dist" now.' in screen_text(app)
        await pilot.press("enter", "a", "y", "j")
        await settled(pilot)
        assert app.current_mode == "fleet"


async def test_a_acknowledges_the_worst_that_waits(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("a")
        await settled(pilot)
        inbox = Inbox(fleet.inbox)
        [request] = inbox.pending()
        assert (request.body["satellite"], request.body["subject"]) == ("KESTREL-002", "adcs.rate_x")
        assert request.body["severity"] == 5, "what was seen"
        await pilot.press("j", "j", "a")
        await settled(pilot)
        assert len(inbox.pending()) == 1
        inbox.close()
        assert any("nothing waits" in str(toast.message) for toast in app._notifications)


async def test_y_copies_what_is_known(fleet, monkeypatch) -> None:
    app = _console(fleet)
    copied: list[str] = []
    monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("y")
        await settled(pilot)
        assert "Body rate X 5.1" in copied[0]
        assert "Panel +X" in copied[0]


async def test_the_cursor_stays_on_its_satellite_when_another_becomes_worse(fleet) -> None:
    clock = fabricated.clock()
    app = _console(fleet, clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        assert _marked(app) == "KESTREL-002"
        writer = StoreWriter(fleet.telemetry, clock)
        events = [
            fleet_store.alarm("KESTREL-012", 0, subject, 5, "Battery SEVERE LOW")
            for subject in ("eps.bat_v", "eps.bat_i", "eps.bat_t")
        ]
        writer.append([], events, {})
        writer.close()
        await settled(pilot, lambda: _rows(app)[0] == "KESTREL-012")
        assert _marked(app) == "KESTREL-002"
        assert "3/3" in _line(app, "KESTREL-012")


async def test_a_station_that_died_does_not_lose_a_hundred_satellites(fleet) -> None:
    clock = fabricated.clock()
    app = _console(fleet, clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        clock.advance(7200)
        await settled(pilot, lambda: "OLD   -       2 h" in _line(app, "KESTREL-010"))
        assert "LINK DOWN" in screen_text(app).splitlines()[0]
        assert "○ OLD " in _line(app, "KESTREL-010")
        assert [line[:13] for line in screen_text(app).splitlines() if "LOST" in line] == ["  KESTREL-005"]


async def test_pause_holds_the_rows_and_says_so_where_there_are_none_yet(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("space", "6")
        await settled(pilot)
        assert "Paused before the satellites were read" in screen_text(app)
        await pilot.press("space")
        await settled(pilot, lambda: len(_rows(app)) == 12)
        await pilot.press("space")
        writer = StoreWriter(fleet.telemetry, fabricated.clock())
        writer.append([], [Event(NOW + S, "KESTREL-002", "alarm.cleared", 0, "adcs.rate_x", "", {})], {})
        writer.close()
        await settled(pilot, lambda: app.snapshot.fleet.counts.get("severe") is None)
        assert "SEVR" in _line(app, "KESTREL-002")
        await pilot.press("space")
        await settled(pilot, lambda: "SEVR" not in _line(app, "KESTREL-002"))
