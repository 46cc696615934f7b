"""The operator chooses the panels of Live: what was chosen is shown, kept, and never loses a channel."""

from __future__ import annotations

import stat

import pytest
from fabricated import screen_text, settled
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.drawing.panels import Panel
from cubesat_tui.panel_choice import FILE, OWN, ChoiceBroken, PanelFile, PanelOf, chosen, hidden
from cubesat_tui.panel_editor import PanelEditor
from cubesat_tui.screens.live import LiveScreen
from cubesat_tui.screens.panels import PanelsCard

SMALL, LARGE = (80, 24), (140, 42)
FOUND = (Panel("POWER", ("p.a", "p.b", "p.c")), Panel("THERMAL", ("t.a",)), Panel("PAYLOAD", ("q.a", "q.b")))


def _titles(app) -> list[str]:
    """Titles of the panels in the order in which tab goes through them."""
    return [panel.title for panel in app.screen._panels(app.shown)]


async def _press(pilot, *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


async def test_a_panel_is_moved_hidden_and_filled_by_keys_and_is_so_after_a_restart(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert _titles(app) == ["POWER", "THERMAL", "ATTITUDE", "LINK AND ORBIT", "COMPUTER", "PAYLOAD"]
        await _press(pilot, "c")
        assert isinstance(app.screen, PanelsCard)
        assert "POWER                     6 channels" in screen_text(app)
        await _press(pilot, "shift+down", "down", "space")
        # The cursor went with POWER; the line below it is ATTITUDE.
        assert "ATTITUDE                  3 channels, hidden" in screen_text(app)
        await _press(pilot, "k", "l", "down", "down", "space", "down", "space", "enter")
        assert isinstance(app.screen, LiveScreen)
        assert _titles(app) == ["THERMAL", "POWER", "LINK AND ORBIT", "COMPUTER", "PAYLOAD", OWN]
        assert "1 hidden, 1 of 6 (tab)" in screen_text(app)
        await _press(pilot, "shift+tab")
        text = screen_text(app)
        assert "MINE OK" in text
        assert "Battery current" in text
        assert "State of charge" in text
    assert (directory.path / FILE).stat().st_mode & 0o077 == 0
    assert not list(directory.path.glob(f".{FILE}*"))
    again = console()
    async with again.run_test(size=LARGE) as pilot:
        await settled(pilot)
        assert _titles(again) == ["THERMAL", "POWER", "LINK AND ORBIT", "COMPUTER", "PAYLOAD", OWN]
        assert "ATTITUDE" not in screen_text(again)
        assert "CRIT ×12" in screen_text(again), "an alarm of a hidden panel is told all the same"
        await _press(pilot, "c", "r", "enter")
        assert _titles(again) == ["POWER", "THERMAL", "ATTITUDE", "LINK AND ORBIT", "COMPUTER", "PAYLOAD"]


async def test_escape_leaves_all_as_it_was_and_writes_nothing(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await _press(pilot, "c", "space", "shift+down", "escape")
        assert isinstance(app.screen, LiveScreen)
        assert _titles(app)[0] == "POWER"
    assert not (directory.path / FILE).exists()


async def test_a_channel_of_a_hidden_panel_is_still_found(console, directory) -> None:
    PanelFile(directory).write("3u", (PanelOf("COMPUTER", hidden=True),))
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await _press(pilot, "slash", *"memory", "enter")
        assert "MEMORY %" in screen_text(app)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b'{"schema": 2}', b'{"schema": 1, "buses": {"3u": [{"title": 5}]}}', b"\xff\xfe",
        b"[" * 9999,
        b'{"buses": {"3u": [{"title": "POWER", "colour": "red"}]}}', b" " * 300_000, b'{"buses": {"3u": 7}}',
    ],
    ids=["empty", "cut", "list", "newer", "number", "binary", "deep", "unknown", "long", "no list"],
)  # fmt: skip
async def test_a_broken_file_is_a_notice_and_the_missions_panels_are_shown(console, directory, text) -> None:
    (directory.path / FILE).write_bytes(text)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert _titles(app)[0] == "POWER"
        said = [n.message for n in app._notifications if FILE in n.message]
        assert len(said) == 1
        assert "\n" not in said[0]
        await _press(pilot, "c", "shift+down", "enter")
        assert _titles(app)[0] == "THERMAL"
    assert PanelFile(directory).read("3u")[0].title == "THERMAL"


async def test_what_cannot_be_written_holds_until_the_console_ends_and_is_said(console, directory) -> None:
    (directory.path / FILE).mkdir()
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await _press(pilot, "c", "shift+down", "enter")
        assert _titles(app)[0] == "THERMAL"
        assert any("until this console ends" in n.message for n in app._notifications)
    assert stat.S_ISDIR((directory.path / FILE).stat().st_mode)


async def test_a_read_only_console_chooses_for_itself_and_writes_nothing(console, directory) -> None:
    app = console(read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await _press(pilot, "c", "shift+down", "enter")
        assert _titles(app)[0] == "THERMAL"
    assert not (directory.path / FILE).exists()


def test_another_bus_keeps_its_choice(directory) -> None:
    file = PanelFile(directory)
    file.write("3u", (PanelOf("POWER", hidden=True),))
    file.write("6u", (PanelOf("THERMAL"),))
    file.write("3u", ())
    assert file.read("3u") == ()
    assert file.read("6u") == (PanelOf("THERMAL"),)
    with pytest.raises(ChoiceBroken):
        file.path.write_text("no")
        file.read("6u")


def test_one_panel_has_to_stay_and_an_empty_own_panel_is_explained() -> None:
    editor = PanelEditor((), FOUND)
    editor.at = 3
    assert "takes it in" in editor.toggle()
    for at in (0, 1):
        editor.at = at
        assert editor.toggle() == ""
    editor.at = 2
    assert editor.toggle() == "One panel has to stay."
    assert [panel.title for panel in chosen(editor.choice(), FOUND)] == ["PAYLOAD"]


ACTS = st.lists(st.sampled_from(["down", "up", "in", "out", "unfold", "fold", "space", "reset"]), max_size=40)


@given(ACTS)
def test_whatever_was_pressed_a_panel_is_shown_and_none_is_lost(acts) -> None:
    editor = PanelEditor((), FOUND)
    for act in acts:
        {
            "down": lambda: editor.move(1),
            "up": lambda: editor.move(-1),
            "in": lambda: editor.shift(1),
            "out": lambda: editor.shift(-1),
            "unfold": lambda: editor.unfold(True),
            "fold": lambda: editor.unfold(False),
            "space": editor.toggle,
            "reset": editor.reset,
        }[act]()
        assert editor.line in editor.lines()
    choice = editor.choice()
    shown = chosen(choice, FOUND)
    assert shown
    titles = [panel.title for panel in shown]
    assert len(titles) == len(set(titles))
    assert len([t for t in titles if t != OWN]) + hidden(choice, FOUND) == len(FOUND)
    # Opened again on its own result, the card says the same.
    assert PanelEditor(choice, FOUND).choice() == choice


def test_a_panel_that_is_new_in_the_mission_is_shown_after_those_chosen() -> None:
    choice = (PanelOf("THERMAL"), PanelOf("GONE"), PanelOf(OWN, channels=("t.a", "no.more")))
    assert [panel.title for panel in chosen(choice, FOUND)] == ["THERMAL", OWN, "POWER", "PAYLOAD"]
    assert chosen(choice, FOUND)[1].channels == ("t.a",)
    assert chosen([PanelOf(p.title, hidden=True) for p in FOUND], FOUND) == FOUND
