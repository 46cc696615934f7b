"""One satellite of a fleet at a time on the other screens: which one, said where, changed how."""

from __future__ import annotations

from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, S, screen_text, settled

from cubesat_tui.app import ConsoleApp
from cubesat_tui.messages import FocusRequested
from cubesat_tui.screens.clusters import ClustersScreen
from cubesat_tui.screens.go_to import GoToDialog
from cubesat_tui.screens.models import ModelsScreen
from cubesat_tui.snapshot_reader import SnapshotReader
from telemetry.alarms import Event
from telemetry.store.directory import MissionDirectory
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fleet_store

SMALL = (80, 24)


@pytest.fixture
def fleet(tmp_path: Path) -> MissionDirectory:
    return fleet_store.fill(tmp_path / "fleet")


def _console(fleet: MissionDirectory) -> ConsoleApp:
    return ConsoleApp(fleet, clock=fabricated.clock(), operator="ann", station=fabricated.NearStation())


async def _enter(pilot, name: str) -> None:
    """Open Fleet, go to the satellite, press enter."""
    app = pilot.app
    await settled(pilot)
    await pilot.press("6")
    await settled(pilot, lambda: app.snapshot.fleet is not None and app.screen.table.selected is not None)
    app.screen.table.move(-99)
    while app.screen.table.selected.name != name:
        await pilot.press("j")
    await pilot.press("enter")
    await settled(pilot, lambda: app.snapshot.satellite == name and app.current_mode == "live")


async def test_enter_turns_every_other_screen_to_the_satellite_and_esc_comes_back(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _enter(pilot, "KESTREL-004")
        lines = screen_text(app).splitlines()
        assert lines[0].startswith(" KESTREL-004 SIM")
        assert "MODEL v4" in lines[0]
        assert any("Distance S" in line and "ANOM" in line for line in lines)
        assert not any("SEVR" in line for line in lines)

        await pilot.press("5")
        await settled(pilot)
        text = screen_text(app)
        assert "Distance S" in text
        assert "Body rate X" not in text

        await pilot.press("3")
        await settled(pilot, lambda: app.screen.table.runs)
        assert isinstance(app.screen, ModelsScreen)
        assert [run.version for run in app.screen.table.runs] == [4]

        await pilot.press("4")
        await settled(pilot, lambda: app.screen.table.selected is not None)
        assert app.screen.filter_text == "satellite = KESTREL-004"
        assert app.screen.table.selected.satellite == "KESTREL-004"

        await pilot.press("2")
        await settled(pilot)
        assert isinstance(app.screen, ClustersScreen)
        wanted = app.screen._wanted(app.snapshot)
        assert (wanted.satellite, wanted.version) == ("KESTREL-004", 4)

        await pilot.press("1", "escape")
        await settled(pilot, lambda: app.current_mode == "fleet")
        assert app.screen.table.selected.name == "KESTREL-004"


async def test_the_ledger_follows_unless_the_operator_asked_for_something_else(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await _enter(pilot, "KESTREL-002")
        await pilot.press("4")
        await settled(pilot)
        assert app.screen.filter_text == "satellite = KESTREL-002"
        await pilot.press("escape")
        await settled(pilot)
        assert app.screen.filter_text == ""
        await _enter(pilot, "KESTREL-003")
        await pilot.press("4")
        await settled(pilot)
        assert app.screen.filter_text == "satellite = KESTREL-003"
        app.screen.apply_filter("score > 0.5")
        await _enter(pilot, "KESTREL-004")
        await pilot.press("4")
        await settled(pilot)
        assert app.screen.filter_text == "score > 0.5"


async def test_going_to_a_row_of_another_satellite_looks_at_that_one(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("4")
        await settled(pilot)
        app.screen.apply_filter("satellite = KESTREL-006")
        await settled(pilot, lambda: app.screen.table.selected is not None)
        await pilot.press("g")
        await settled(pilot, lambda: isinstance(app.screen, GoToDialog))
        await pilot.press("enter")
        await settled(pilot, lambda: app.snapshot.satellite == "KESTREL-006")
        await settled(pilot, lambda: app.shown is not None and app.shown.past_ns == app.time.t1_ns)
        assert app.shown.satellite == "KESTREL-006"
        assert app.current_mode == "live"
        assert screen_text(app).splitlines()[0].startswith(" KESTREL-006")


async def test_the_palette_finds_a_satellite_by_name(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"focus kestrel-006", "down")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await settled(pilot, lambda: app.snapshot.satellite == "KESTREL-006")
        assert app.current_mode == "live"
        assert screen_text(app).splitlines()[0].startswith(" KESTREL-006")


async def test_a_pause_ends_where_another_satellite_is_looked_at(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("6")
        await settled(pilot, lambda: app.snapshot.fleet is not None)
        await pilot.press("space", "j", "enter")
        await settled(pilot, lambda: app.current_mode == "live")
        assert app.paused_at is None
        assert "PAUSED" not in screen_text(app)


async def test_one_satellite_needs_no_fleet(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("6")
        await settled(pilot)
        assert app.current_mode == "live"
        assert "6 F" not in screen_text(app)
        await pilot.press("question_mark")
        await settled(pilot)
        text = "\n".join("".join(t for t, _ in row) for row in app.screen.query_one("Card").rows)
        assert "Fleet" not in text


def test_events_of_another_satellite_are_not_told_and_come_back_with_it(fleet) -> None:
    reader = SnapshotReader(fleet, fabricated.clock())
    assert {event.satellite for event in reader.read().events} <= {"", "KESTREL-001"}
    reader.focus("KESTREL-006")
    snapshot = reader.read()
    assert [event.kind for event in snapshot.events] == ["alarm.acknowledged", "alarm.raised"]
    writer = StoreWriter(fleet.telemetry, fabricated.clock())
    new = [Event(NOW + S, name, "note", 0, "x", "ann", {}) for name in ("KESTREL-002", "KESTREL-006", "")]
    writer.append([], new, {})
    writer.close()
    assert [event.satellite for event in reader.read().events[:2]] == ["", "KESTREL-006"]
    reader.focus("KESTREL-002")
    assert [event.satellite for event in reader.read().events[:2]] == ["", "KESTREL-002"]
    reader.close()


def test_a_satellite_without_a_model_does_not_borrow_the_one_of_another(fleet) -> None:
    reader = SnapshotReader(fleet, fabricated.clock(), "KESTREL-009")
    model = reader.read().model
    assert model.version is None
    assert model.learning == (540, 1000)
    reader.focus("KESTREL-003")
    assert reader.read().model.version == 3
    reader.close()


async def test_all_satellites_stay_as_they_are_now_and_say_so_while_the_rest_shows_the_past(fleet) -> None:
    app = _console(fleet)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("<", "6")
        await settled(pilot, lambda: app.snapshot.fleet is not None)
        banner = screen_text(app).splitlines()[1]
        assert banner.startswith("### ALL SATELLITES NOW, elsewhere PAST ")
        assert "space = LIVE" in banner
        assert "KESTREL-0" in screen_text(app)
        await pilot.press("1")
        await settled(pilot, lambda: app.shown is not None and app.shown.past_ns == app.time.t1_ns)
        assert screen_text(app).splitlines()[1].startswith("### PAST ")
        # The time stays when another satellite is looked at.
        app.post_message(FocusRequested("KESTREL-004"))
        await settled(pilot, lambda: app.shown is not None and app.shown.satellite == "KESTREL-004")
        assert app.shown.past_ns == app.time.t1_ns
        assert app.time.fixed
