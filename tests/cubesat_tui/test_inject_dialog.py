"""`f`: what can be broken, on what, how much; nothing is asked before it was confirmed, nothing real is touched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fabricated
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.app import ConsoleApp
from cubesat_tui.drawing.inject_rows import Item, channel_items, fields_of, kind_items, list_rows
from cubesat_tui.keymap import keys_line
from cubesat_tui.palette import ConsoleCommands
from cubesat_tui.requests import Requests
from cubesat_tui.screens.inject import InjectDialog
from cubesat_tui.screens.live import LiveScreen
from cubesat_tui.screens.welcome import WelcomeCard
from sim.catalogue import KINDS
from telemetry.alarms import Event
from telemetry.dictionary import read_mission
from telemetry.store.directory import MissionDirectory
from telemetry.store.inbox import Inbox, Request
from telemetry.store.writer import StoreWriter

SMALL, LARGE = (80, 24), (140, 42)
HOSTILE = "[red]x[/] \x1b[2J [@click=app.quit]y[/]"
INJECTED = [
    {"id": "hand-00000a", "satellite": SATELLITE, "text": "bias of 60 steps on Distance S for 60 s"},
    {"id": "hand-00000b", "satellite": SATELLITE, "text": f"tumble {HOSTILE}"},
]


def requests_of(directory: MissionDirectory) -> list[Request]:
    if not directory.inbox.exists():
        return []
    inbox = Inbox(directory.inbox)
    try:
        return inbox.pending()
    finally:
        inbox.close()


def write(directory: MissionDirectory, *events: Event, **health: Any) -> None:
    """What a station would: journal rows, and a heartbeat."""
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    if events:
        writer.append([], list(events), {})
    if health:
        writer.beat(fabricated.health(**health))
    writer.close()


def titled(app: ConsoleApp) -> str:
    return next((line for line in screen_text(app).splitlines() if "BREAK SOMETHING" in line), "")


async def opened(pilot: Any, *keys: str) -> None:
    await settled(pilot)
    await pilot.press("f")
    await settled(pilot, lambda: isinstance(pilot.app.screen, InjectDialog))
    for key in keys:
        await pilot.press(key)
    await settled(pilot)


# What an operator does


async def test_a_fault_is_asked_for_once_it_was_confirmed(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "down", "j", "enter", "slash", *"dist s", "enter")
        assert "bias of 9.5 steps on Distance S for 30 min 30 s" in screen_text(app)
        await pilot.press(*"60", "tab", *"60s", "down", *"5", "enter")
        await settled(pilot)
        assert "bias of 60 steps on Distance S for 60 s, in 5s on KESTREL-1" in screen_text(app)
        assert requests_of(directory) == []
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, LiveScreen))
    (request,) = requests_of(directory)
    wish = {"kind": "bias", "satellite": SATELLITE, "target": "pld.dist_s", "size": 60.0, "lasts_s": 60, "in_s": 5}
    assert (request.kind, request.body, request.actor) == ("inject", wish, "ann")


async def test_a_kind_with_one_target_asks_for_none_and_enter_takes_the_usual(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "slash", *"heater", "down", "enter")
        assert "heater stuck off for 3 h 59 min" in screen_text(app)
        assert "Size" not in screen_text(app)
        await pilot.press("enter", "enter")
        await settled(pilot, lambda: isinstance(app.screen, LiveScreen))
    (request,) = requests_of(directory)
    assert request.body == {
        "kind": "heater_stuck_off",
        "satellite": SATELLITE,
        "target": "heater",
        "lasts_s": 14_350,
    }


async def test_the_manner_of_a_corruption_is_typed_and_checked(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "slash", *"corrupt", "enter", "enter", "shift+tab", *"rail", "enter")
        assert "how: rail: allowed: nan, fill, bit" in screen_text(app)
        assert "yes, do it" not in screen_text(app)
        await pilot.press(*(["backspace"] * 4), *"bit", "enter", "enter")
        await settled(pilot, lambda: isinstance(app.screen, LiveScreen))
    assert requests_of(directory)[0].body["how"] == "bit"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("x", "size: 'x': allowed: a number"),
        ("0", "size: 0: allowed: from -1,000,000"),
        ("nan", "size: nan: allowed"),
    ],
)
async def test_a_size_that_means_nothing_is_not_taken(console, directory, typed: str, said: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "enter", "enter", *typed, "enter")
        assert said in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, InjectDialog)
    assert requests_of(directory) == []


async def test_escape_goes_back_one_step_at_a_time_and_asks_for_nothing(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "down", "down", "enter", "pagedown", "enter", "enter")
        assert "Sure?" in screen_text(app)
        for gone, there in (("Sure?", "Lasts"), ("Lasts", "on what?"), ("on what?", "SENSOR")):
            assert gone in screen_text(app)
            await pilot.press("escape")
            await settled(pilot)
            assert gone not in screen_text(app)
            assert there in screen_text(app)
        assert "> bias" in screen_text(app), "the cursor stands where it stood"
        await pilot.press("slash", "x", "escape")
        await settled(pilot)
        assert isinstance(app.screen, InjectDialog)
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, LiveScreen)
    assert requests_of(directory) == []


async def test_the_whole_list_can_be_walked_and_the_cursor_never_leaves_the_screen(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        for n, name in enumerate(KINDS):
            assert f"> {name}" in screen_text(app)
            assert f" {n + 1} of {len(KINDS)} " in screen_text(app)
            await pilot.press("down")
            await pilot.pause()
        assert f"> {name}" in screen_text(app), "the end is the end"
        await pilot.press("pageup", "k", "up")
        await settled(pilot)
        assert f" {len(KINDS) - 12} of {len(KINDS)} " in screen_text(app)
        await pilot.press("slash", *"nothing like it", "enter")
        await settled(pilot)
        assert "nothing here is called that" in screen_text(app)
        assert "SENSOR" not in screen_text(app)


@pytest.mark.parametrize(
    ("keys", "number", "said"),
    [
        (("enter",), "hand-00000a", "End bias of 60 steps on Distance S for 60 s now?"),
        (("down", "down", "enter"), "", "End all injected faults now?"),
    ],
)
async def test_what_is_injected_stands_on_top_and_enter_ends_it(
    console, directory, keys: tuple[str, ...], number: str, said: str
) -> None:
    write(directory, injected=INJECTED)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        assert "INJECTED NOW" in screen_text(app)
        assert "[red]x[/]" in screen_text(app)
        assert "\x1b" not in screen_text(app)
        for key in keys:
            await pilot.press(key)
        await settled(pilot)
        assert said in screen_text(app)
        assert requests_of(directory) == []
        await pilot.press("escape", "enter", "enter")
        await settled(pilot, lambda: isinstance(app.screen, LiveScreen))
    (request,) = requests_of(directory)
    assert (request.kind, request.body) == ("inject", {"clear": number})


# What the station says


@pytest.mark.parametrize(
    ("kind", "text", "severity"),
    [("fault.injected", "seu reboot", "information"), ("act.refused", f"no: {HOSTILE}", "warning")],
)
async def test_the_outcome_is_told(
    console, directory, monkeypatch: pytest.MonkeyPatch, kind: str, text: str, severity: str
) -> None:
    submit = Requests.submit

    async def answered(self: Requests, asked: str, body: dict[str, Any]) -> str:
        number = await submit(self, asked, body)
        write(directory, Event(NOW, SATELLITE, kind, 0, "x", "ann", {"text": text, "id": number}))
        return number

    monkeypatch.setattr(Requests, "submit", answered)
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "slash", *"seu", "enter", "enter", "enter")
        await settled(pilot, lambda: any(text[:6] in n.message for n in app._notifications))
        (told,) = [n for n in app._notifications if text[:6] in n.message]
        assert told.severity == severity
        assert "\x1b" not in told.message
        assert not told.markup


async def test_a_station_that_says_nothing_is_said(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, "slash", *"seu", "enter", "enter", "enter")
        await settled(pilot, lambda: any("has not answered yet" in n.message for n in app._notifications))


# What is refused


async def refused(app: ConsoleApp, said: str) -> None:
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("f")
        await settled(pilot, lambda: any(said in n.message for n in app._notifications))
        assert isinstance(app.screen, LiveScreen)


async def test_a_read_only_console_breaks_nothing(console, directory) -> None:
    await refused(console(read_only=True), "This console is read-only")
    assert requests_of(directory) == []


async def test_nothing_real_is_broken_and_the_keys_line_does_not_offer_it(console, directory) -> None:
    text = directory.toml.read_text().replace(
        'kind = "sim"', 'kind = "csv"\ntime = "t"\n[source.columns]\n"eps.bat_v" = "v"'
    )
    directory.toml.write_text(text)
    app = console(mission=read_mission(directory.path))
    await refused(app, "Only the simulator can be broken: the source of KESTREL-1 is csv.")
    assert requests_of(directory) == []
    assert ("f", "inject") in keys_line("live")
    assert ("f", "inject") not in keys_line("live", simulated=False)


@pytest.mark.parametrize(("kind", "shown"), [("sim", True), ("stream", False)])
async def test_only_a_simulated_mission_offers_it_on_the_keys_line(
    console, directory, kind: str, shown: bool
) -> None:
    directory.toml.write_text(directory.toml.read_text().replace('kind = "sim"', f'kind = "{kind}"'))
    app = console(mission=read_mission(directory.path))
    async with app.run_test(size=LARGE) as pilot:
        await settled(pilot)
        assert ("f inject" in screen_text(app).splitlines()[-1]) == shown


async def test_without_a_station_there_is_nothing_to_break(console, directory) -> None:
    write(directory, beat_ns=NOW - 60 * S)
    await refused(console(station=None), "No station is running: there is nothing to break.")


# Ways to it


async def test_every_screen_opens_it_and_a_dialog_over_it_does_not(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        for mode in "2345":
            await pilot.press(mode)
            await settled(pilot)
            await opened(pilot, "escape")
        await pilot.press("1", "q", "f")
        await settled(pilot)
        assert not any(isinstance(screen, InjectDialog) for screen in app.screen_stack)


async def test_the_palette_has_it(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        texts = [text for text, _ in ConsoleCommands(app.screen)._acts()]
        assert "break something yourself (the simulator only) (f)" in texts
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"break something")
        await settled(pilot, lambda: "break something yourself" in screen_text(app))
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, InjectDialog))


async def test_the_welcome_card_names_it_and_its_key_goes_there(console) -> None:
    app = console(first_start=True)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, WelcomeCard)
        assert "f  break something yourself" in screen_text(app)
        await pilot.press("f")
        await settled(pilot, lambda: isinstance(app.screen, InjectDialog))
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, LiveScreen)


# How it looks


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (60, 12), (200, 60)])
async def test_no_terminal_is_too_small(console, size: tuple[int, int]) -> None:
    app = console()
    async with app.run_test(size=size) as pilot:
        await opened(pilot, "down", "enter", "enter", "enter", "escape", "escape", "escape")
        await pilot.resize_terminal(*LARGE)
        await settled(pilot, lambda: "ROUTINE" in screen_text(app))


async def test_ascii_signs_keep_every_cell_ascii(console) -> None:
    app = console(ascii_signs=True)
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot)
        for key in ("enter", "enter", "enter"):
            text = screen_text(app)
            assert text.isascii(), sorted({c for c in text if not c.isascii()})
            await pilot.press(key)
            await settled(pilot)


def test_the_first_list_says_every_kind_under_its_layer() -> None:
    items = kind_items([])
    assert [item.name for item in items] == list(KINDS)
    assert len({item.group for item in items}) == 4
    assert all(fields_of(kind)["lasts"] for kind in KINDS.values())


def test_a_word_finds_what_begins_with_it() -> None:
    mission = fabricated.fabricated_mission()
    items = channel_items(mission.by_name, {})

    def found(words: str) -> list[str]:
        return [item.text for item in items if item.matches(words)]

    assert found("dist s") == ["pld.dist_s"]
    assert found("pld.dist") == ["pld.dist_n", "pld.dist_s", "pld.dist_e", "pld.dist_w"]
    assert found("+x") == ["thm.t_px"]
    assert found("") == [item.text for item in items]


@pytest.mark.parametrize("cursor", range(9))
@pytest.mark.parametrize("height", [1, 3, 20])
def test_the_row_of_the_cursor_is_always_among_the_rows(cursor: int, height: int) -> None:
    items = [Item(f"n{i}", "t", group=f"g{i // 3}") for i in range(9)]
    rows = list_rows(items, cursor, 40, height, 6)
    assert len(rows) == height
    assert any(f"> n{cursor}" in "".join(text for text, _ in line) for line in rows)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize(
    ("step", "keys"),
    [
        ("kinds", ()),
        ("target", ("slash", *"bias", "enter", "down", "down")),
        ("sure", ("slash", *"corrupt", "enter", "slash", *"dist s", "enter", "enter")),
    ],
)
def test_it_looks_like_this(
    snap_compare,
    console: Callable[..., ConsoleApp],
    directory,
    size: tuple[int, int],
    step: str,
    keys: tuple[str, ...],
) -> None:
    write(directory, injected=INJECTED[:1] if step == "kinds" else [])

    async def before(pilot: Any) -> None:
        await opened(pilot, *keys)

    assert snap_compare(console(), terminal_size=size, run_before=before)


def test_the_console_does_not_read_the_catalogue_before_the_key() -> None:
    import subprocess
    import sys

    code = (
        "import sys, cubesat_tui.app, cubesat_tui.snapshot_reader;"
        "from cubesat_tui.screens import live, events, welcome;"
        "print([m for m in sys.modules if m.startswith('sim.') or m == 'cubesat_tui.screens.inject'])"
    )
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    loaded = found.stdout.strip()
    assert "sim.catalogue" not in loaded
    assert "inject" not in loaded
