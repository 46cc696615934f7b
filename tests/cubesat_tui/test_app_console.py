"""The console as a whole: modes, pause, themes, keys, leaving, acts, hostile text, and what it never imports."""

from __future__ import annotations

import subprocess
import sys

import fabricated
import pytest
from fabricated import screen_text, settled
from textual.command import CommandPalette

from cubesat_tui.app import ConsoleApp
from cubesat_tui.departure import Departure
from cubesat_tui.keymap import KEYS, bindings
from cubesat_tui.messages import Notice
from cubesat_tui.modes import MODES
from cubesat_tui.screens.help import KeysCard, keys_rows
from cubesat_tui.screens.live import LiveScreen
from cubesat_tui.screens.quit import QuitDialog
from cubesat_tui.screens.welcome import WelcomeCard, welcome_rows
from telemetry.alarms import Event
from telemetry.store.inbox import Inbox
from telemetry.store.writer import StoreWriter

SMALL = (80, 24)


def test_every_key_has_an_act_and_no_scope_binds_a_key_twice() -> None:
    from textual.app import App

    for scope in {key.scope for key in KEYS}:
        owner = ConsoleApp if scope == "app" else type(MODES[scope]())
        taken: set[str] = set()
        for key in (k for k in KEYS if k.scope == scope):
            name = key.action.partition("(")[0]
            has_it = ConsoleApp if name.startswith("app.") else owner
            assert hasattr(has_it, f"action_{name.removeprefix('app.')}"), key
            assert taken.isdisjoint(key.keys.split(",")), key
            taken |= set(key.keys.split(","))
            assert key.text
    assert len({key.id for key in KEYS}) == len(KEYS)
    assert issubclass(ConsoleApp, App)
    assert all(binding.id for scope in MODES for binding in bindings(scope))  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("key", "mode"), [("1", "live"), ("2", "clusters"), ("3", "models"), ("4", "ledger"), ("5", "events")]
)
async def test_a_digit_goes_to_its_screen_and_the_tab_says_so(console, key: str, mode: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press(key)
        await settled(pilot)
        assert app.current_mode == mode
        word = {"live": "LIVE", "clusters": "CLUST", "models": "MODELS", "ledger": "LEDGER", "events": "EVENTS"}[
            mode
        ]
        lines = screen_text(app).splitlines()
        assert f"{key} {word}" in lines[1]
        assert "KESTREL-1 SIM" in lines[0]


async def test_pause_stops_the_screen_but_not_the_truths(console, directory) -> None:
    clock = fabricated.clock()
    app = console(clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("space")
        await pilot.pause()
        lines = screen_text(app).splitlines()
        assert lines[1].startswith("=== PAUSED at 07:14:03Z, 0 frames since === space = LIVE ===")
        body = lines[3:12]
        writer = StoreWriter(directory.telemetry, clock)
        writer.beat(fabricated.health(accepted=34_450))
        writer.close()
        clock.advance(5)
        await settled(pilot, lambda: app.snapshot.link.state == "DOWN")
        lines = screen_text(app).splitlines()
        assert "LINK DOWN station silent" in lines[0]
        assert "38 frames since" in lines[1]
        assert lines[3:12] == body
        await pilot.press("space")
        await settled(pilot)
        assert "PAUSED" not in screen_text(app)
        assert screen_text(app).splitlines()[3:12] != body


async def test_link_down_stands_on_every_screen_when_the_station_falls_silent(console) -> None:
    clock = fabricated.clock()
    app = console(clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        clock.advance(4)
        await settled(pilot, lambda: app.snapshot.link.state == "DOWN")
        for key in "12345":
            await pilot.press(key)
            await settled(pilot)
            assert "LINK DOWN" in screen_text(app).splitlines()[0]


async def test_t_goes_through_three_themes(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        seen = []
        for _ in range(3):
            await pilot.press("t")
            await pilot.pause()
            seen.append(app.theme)
        assert seen == ["day", "high-contrast", "night"]


async def test_the_keys_card_lists_every_key_of_the_screen_and_closes(console) -> None:
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("5", "question_mark")
        await settled(pilot)
        assert isinstance(app.screen, KeysCard)
        text = "\n".join("".join(t for t, _ in row) for row in keys_rows("events"))
        for key in KEYS:
            if key.scope in ("events", "app"):
                assert key.text in text
        assert "On Events" in screen_text(app)
        await pilot.press("down", "pagedown", "up", "pageup")
        await pilot.press("escape")
        await settled(pilot)
        assert not isinstance(app.screen, KeysCard)


@pytest.mark.parametrize(("key", "departure"), [("k", Departure.KEEP_RUNNING), ("s", Departure.STOP)])
async def test_q_asks_what_becomes_of_our_station(console, key: str, departure: Departure) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, QuitDialog)
        assert "keep running" in screen_text(app)
        await pilot.press("enter", "l")
        assert isinstance(app.screen, QuitDialog)
        await pilot.press(key)
        await pilot.pause()
    assert app.return_value is departure


async def test_ctrl_c_is_q_and_escape_stays(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert isinstance(app.screen, QuitDialog)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, LiveScreen)
        assert app.is_running


async def test_attached_one_only_leaves(console) -> None:
    app = console(station=None)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("q")
        await pilot.pause()
        assert "keep running" not in screen_text(app)
        await pilot.press("s")
        assert isinstance(app.screen, QuitDialog)
        await pilot.press("enter")
        await pilot.pause()
    assert app.return_value is Departure.LEAVE


async def test_a_acknowledges_through_the_inbox(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("a")
        await settled(pilot)
    inbox = Inbox(directory.inbox)
    requests = inbox.pending()
    inbox.close()
    assert [(r.kind, r.body, r.actor) for r in requests] == [
        (
            "ack",
            {
                "satellite": "KESTREL-1",
                "subject": "adcs.rw_x",
                "severity": 4,
                "raised_ns": fabricated.NOW - 32 * fabricated.S,
            },
            "ann",
        )
    ]


async def test_a_read_only_console_asks_for_nothing_and_says_so(console, directory) -> None:
    app = console(read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("a")
        await settled(pilot, lambda: any("read-only" in n.message for n in app._notifications))
    assert not directory.inbox.exists()


async def test_ctrl_l_paints_again(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        before = screen_text(app)
        await pilot.press("ctrl+l")
        await settled(pilot)
        assert screen_text(app) == before


async def test_the_palette_finds_acts_and_plots_a_channel(console) -> None:
    app = console()
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert isinstance(app.screen, CommandPalette)
        await pilot.press(*"plot memory")
        await settled(pilot, lambda: "Plot Memory (obc.mem)" in screen_text(app))
        await pilot.press("enter")
        await settled(pilot, lambda: "MEMORY %" in screen_text(app))


async def test_the_first_start_shows_the_card_and_a_key_starts(console) -> None:
    app = console(first_start=True)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert isinstance(app.screen, WelcomeCard)
        assert "KESTREL-1, a SIMULATED satellite" in screen_text(app)
        await pilot.press("5")
        await settled(pilot, lambda: not isinstance(app.screen, WelcomeCard))


def test_the_card_names_only_keys_that_exist() -> None:
    text = "\n".join(
        "".join(t for t, _ in row) for row in welcome_rows("K", True, "hello", "ann", fabricated_signs())
    )
    assert "f  break something yourself" in text
    assert "acknowledge" in text
    assert "something will go wrong" in text
    quiet = "\n".join(
        "".join(t for t, _ in row) for row in welcome_rows("K", True, "quiet", "ann", fabricated_signs())
    )
    assert "something will go wrong" not in quiet
    slow = "\n".join(
        "".join(t for t, _ in row) for row in welcome_rows("K", True, "detumble", "ann", fabricated_signs())
    )
    assert "Scenario detumble" in slow
    assert "minute" not in slow
    real = "\n".join(
        "".join(t for t, _ in row) for row in welcome_rows("K", False, "hello", "ann", fabricated_signs())
    )
    assert "break something" not in real
    assert "?  keys and signs" in real


def fabricated_signs():
    from cubesat_tui.drawing.signs import UNICODE

    return UNICODE


HOSTILE = "[red]x[/] [/ x [/bold] [@click=app.quit]y[/]"


async def test_markup_in_data_stays_text_in_lists_cards_and_toasts(console, directory) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    body = {"kind": "limit", "level": 5, "side": 1, "text": HOSTILE, "count": 1}
    writer.append([], [Event(fabricated.NOW, "KESTREL-1", "alarm.raised", 5, f"x.{HOSTILE}", "", body)], {})
    writer.close()
    app = console()
    async with app.run_test(size=(140, 42)) as pilot:
        await settled(pilot)
        assert "[red]x[/]" in screen_text(app)
        await pilot.press("5")
        await settled(pilot)
        assert "[/bold]" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot)
        assert "[red]x[/]" in screen_text(app)
        await pilot.press("escape")
        app.screen.post_message(Notice(HOSTILE))
        await settled(pilot, lambda: "[@click=app.quit]" in screen_text(app))


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (60, 20), (200, 60)])
async def test_no_terminal_is_too_small(console, size) -> None:
    app = console()
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("5")
        await settled(pilot)
        await pilot.press("1")
        await pilot.resize_terminal(140, 42)
        await settled(pilot)
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert "Altitude" in screen_text(app)


async def test_ascii_signs_keep_every_cell_ascii(console) -> None:
    app = console(ascii_signs=True)
    async with app.run_test(size=SMALL) as pilot:
        for key in "15":
            await pilot.press(key)
            await settled(pilot)
            text = screen_text(app)
            assert text.isascii(), sorted({c for c in text if not c.isascii()})
            assert "CRIT C1/1" in text


FORBIDDEN = "sklearn scipy mlflow pandas firebase_admin pyarrow joblib textual_plotext plotext httpx"


def test_the_shell_never_imports_the_heavy_ones() -> None:
    code = (
        "import sys; import cubesat_tui.app, cubesat_tui.snapshot_reader;"
        "from cubesat_tui.screens import live, events, help, welcome, quit, why, clusters, ledger;"
        f"print([m for m in {FORBIDDEN.split()!r} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
