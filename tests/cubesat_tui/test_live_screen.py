"""Live: what needs you stays pinned, every key does what it says, only changed rows are painted."""

from __future__ import annotations

from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, S, screen_text, settled
from textual._compositor import Compositor
from textual.app import App, ComposeResult

from cubesat_tui.drawing.rows import row
from cubesat_tui.drawing.signs import UNICODE
from cubesat_tui.messages import JumpTo
from cubesat_tui.screens.why import WhyCard
from cubesat_tui.themes import NIGHT
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.trend import Trend
from telemetry.store.rows import ScoredBatch
from telemetry.store.writer import StoreWriter

SMALL, LARGE = (80, 24), (140, 42)


def _title(app) -> str:
    return "".join(text for text, _ in app.screen.query_one(Trend).rows[0])


def _marked(app) -> str:
    return next((line for line in screen_text(app).splitlines() if line.startswith(">")), "")


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_live_looks_like_this(snap_compare, console, size) -> None:
    async def before(pilot) -> None:
        await settled(pilot)

    assert snap_compare(console(), terminal_size=size, run_before=before)


def test_out_of_contact_and_nothing_open_looks_like_this(snap_compare, console, tmp_path: Path) -> None:
    async def before(pilot) -> None:
        await settled(pilot)

    directory = fabricated.fill(tmp_path / "calm", contact=False, events=[])
    assert snap_compare(console(directory=directory), terminal_size=SMALL, run_before=before)


def test_high_contrast_in_ascii_looks_like_this(snap_compare, console) -> None:
    async def before(pilot) -> None:
        await settled(pilot)
        pilot.app.theme = "high-contrast"
        await settled(pilot)

    assert snap_compare(console(ascii_signs=True), terminal_size=SMALL, run_before=before)


async def test_the_worst_is_first_and_pinned_and_tab_goes_through_the_panels(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        pinned = screen_text(app).splitlines()[3:7]
        assert "CRIT Wheel X speed" in pinned[1]
        assert "ANOM Distance S" in pinned[2]
        assert "WARN Panel +X" in pinned[3]
        assert "ACKED ann" in pinned[3]
        seen = []
        for _ in range(6):
            await pilot.press("tab")
            await settled(pilot)
            lines = screen_text(app).splitlines()
            assert "CRIT Wheel X speed" in lines[4]
            seen.append(next(line for line in lines if "(tab)" in line).split()[0])
        assert seen == ["THERMAL", "ATTITUDE", "LINK", "COMPUTER", "PAYLOAD", "POWER"]
        await pilot.press("shift+tab")
        await settled(pilot)
        assert "PAYLOAD" in screen_text(app)


async def test_panel_titles_carry_the_worst_state_of_their_channels(console) -> None:
    app = console()
    async with app.run_test(size=LARGE) as pilot:
        await settled(pilot)
        text = screen_text(app)
        for title in (
            "POWER ○ OLD",
            "THERMAL ▲ WARN",
            "ATTITUDE ◆ CRIT",
            "LINK AND ORBIT OK",
            "COMPUTER OK",
            "PAYLOAD ◈ ANOM",
        ):
            assert title in text


@pytest.mark.parametrize("keys", [("down", "up"), ("j", "k")])
async def test_arrows_move_the_mark_and_the_trend_follows(console, keys) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert "Wheel X speed" in _marked(app)
        assert "WHEEL X SPEED rpm" in _title(app)
        assert "WHY" in screen_text(app)
        assert "> 6000 rpm CRITICAL HIGH" in screen_text(app)
        await pilot.press(keys[0])
        await settled(pilot)
        assert "Distance S" in _marked(app)
        assert "DISTANCE S cm" in _title(app)
        assert "Distance S 80.1 cm, usual here 55.1 ±0.5" in screen_text(app)
        await pilot.press(keys[1])
        await settled(pilot)
        assert "WHEEL X SPEED" in _title(app)


async def test_an_old_value_shows_its_age_instead_of_a_gauge(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        line = next(line for line in screen_text(app).splitlines() if "Bus 5V" in line)
        assert line.startswith(" ○")
        assert "expired" in line
        assert line.rstrip().endswith("41 s")
        assert "[" not in line


async def test_altitude_and_signal_are_there_in_and_out_of_contact(console, tmp_path: Path) -> None:
    for contact, words in ((True, "Signal -95.8 dBm"), (False, "Signal no signal")):
        directory = fabricated.fill(tmp_path / str(contact), minutes=12, contact=contact)
        app = console(directory=directory)
        async with app.run_test(size=SMALL) as pilot:
            await settled(pilot)
            vitals = screen_text(app).splitlines()[2]
            assert "Altitude 549.2 km" in vitals
            assert words in vitals
            assert "0.9 s" in vitals


async def test_brackets_zoom_and_angles_pan_until_now(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        assert "10 min" in _title(app)
        await pilot.press("[")
        await settled(pilot)
        assert "5 min" in _title(app)
        await pilot.press("]", "]")
        await settled(pilot)
        assert "15 min" in _title(app)
        await pilot.press("<")
        await settled(pilot)
        assert app.time.fixed
        assert app.time.t1_ns == NOW - 450 * S
        assert "altitude" in screen_text(app).casefold()
        await pilot.press(">")
        await settled(pilot, lambda: any("This is now" in n.message for n in app._notifications))
        assert app.time.t1_ns == NOW
        await pilot.press("<", "escape")
        await settled(pilot)
        assert not app.time.fixed


async def test_enter_shows_the_numbers_behind_an_anomaly(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("down", "enter")
        await settled(pilot)
        assert isinstance(app.screen, WhyCard)
        text = screen_text(app)
        for words in ("◈ ANOM  NEW", "score 0.940, threshold 0.620, p 0.0004", "fc 55.2 cm", "+49.8", "+61.3"):
            assert words in text
        await pilot.press("j", "k", "escape")
        await settled(pilot)
        assert not isinstance(app.screen, WhyCard)


async def test_a_card_that_stays_open_does_not_go_stale(console) -> None:
    clock = fabricated.clock()
    app = console(clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("tab", "enter")
        await settled(pilot)
        assert "ACQUIRED" in screen_text(app)
        first = app.snapshot
        clock.advance(600)
        await settled(pilot, lambda: app.snapshot is not first)
        text = screen_text(app)
        assert "EXPIRED" in text
        assert "ACQUIRED" not in text
        await pilot.press("escape")


async def test_slash_finds_a_channel_in_another_panel(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("slash")
        await pilot.press(*"memory", "enter")
        await settled(pilot)
        assert "Memory" in _marked(app)
        assert "MEMORY %" in _title(app)
        await pilot.press("slash", *"nonsense", "enter")
        await settled(pilot, lambda: any("nonsense" in n.message for n in app._notifications))
        await pilot.press("slash", "q", "escape")
        await settled(pilot)
        assert "Memory" in _marked(app)


async def test_n_goes_to_the_anomaly_and_a_channel_without_alarm_is_not_acknowledged(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("n")
        await settled(pilot)
        assert "Distance S" in _marked(app)
        await pilot.press("N")
        await settled(pilot)
        await pilot.press("tab", "down", "a")
        await settled(pilot, lambda: any("No alarm is selected here" in n.message for n in app._notifications))
    assert not directory.inbox.exists()


async def test_y_copies_time_name_exact_value_and_unit(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        value = app.snapshot.channels["adcs.rw_x"].value
        await pilot.press("y")
        await settled(pilot)
        assert app.clipboard.startswith(f"2026-11-22 07:14:02Z adcs.rw_x {value!r} rpm; Wheel X speed")


async def test_a_jump_shows_the_moment_in_the_past(console) -> None:
    app = console()
    async with app.run_test(size=LARGE) as pilot:
        await settled(pilot)
        await pilot.press("5")
        app.post_message(JumpTo(NOW - 1200 * S, "pld.dist_s"))
        await settled(pilot, lambda: app.current_mode == "live")
        await settled(pilot)
        assert "DISTANCE S" in _title(app)
        assert app.time.fixed
        assert app.time.t0_ns <= NOW - 1200 * S <= app.time.t1_ns


async def test_what_is_new_appears_and_the_mark_stays(console, directory) -> None:
    clock = fabricated.clock()
    app = console(clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("tab", "down")
        await settled(pilot)
        marked = _marked(app)[2:20]
        writer = StoreWriter(directory.telemetry, clock)
        writer.append([ScoredBatch(b) for b in fabricated.batches(NOW, NOW + 3 * S)], [], {})
        writer.beat(fabricated.health(NOW + 3 * S))
        writer.close()
        clock.advance(3)
        await settled(pilot, lambda: app.snapshot.newest_t_ns == NOW + 3 * S)
        assert _marked(app)[2:20] == marked


async def test_a_new_second_paints_rows_and_never_the_whole_screen(console, directory, monkeypatch) -> None:
    clock = fabricated.clock()
    app = console(clock=clock)
    whole: list[int] = []
    original = Compositor.render_full_update
    async with app.run_test(size=LARGE) as pilot:
        await settled(pilot)
        monkeypatch.setattr(
            Compositor, "render_full_update", lambda *a, **k: (whole.append(1), original(*a, **k))[1]
        )
        writer = StoreWriter(directory.telemetry, clock)
        for i in range(2):
            writer.append([ScoredBatch(b) for b in fabricated.batches(NOW + i * S, NOW + i * S)], [], {})
            writer.beat(fabricated.health(NOW + i * S))
            clock.advance(1)
            await settled(pilot, lambda i=i: app.snapshot.newest_t_ns == NOW + i * S)
        writer.close()
        assert not whole
        await pilot.press("ctrl+l")
        await settled(pilot)
        assert whole


class _Rows(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.register_theme(NIGHT)
        self.theme = NIGHT.name
        self.signs = UNICODE

    def compose(self) -> ComposeResult:
        yield Lines(id="rows")


async def test_only_rows_that_changed_are_painted_again() -> None:
    app = _Rows()
    async with app.run_test(size=(40, 10)) as pilot:
        lines = app.query_one(Lines)
        lines.styles.height = 5
        lines.draw([row(f"row {i}") for i in range(5)])
        await pilot.pause()
        painted: list[int] = []
        original = lines.render_line
        lines.render_line = lambda y: (painted.append(y), original(y))[1]  # pyright: ignore[reportAttributeAccessIssue]
        lines.draw([row(f"row {i}") if i != 3 else row("news") for i in range(5)])
        await pilot.pause()
        assert painted == [3]
        lines.draw([row(f"row {i}") if i != 3 else row("news") for i in range(5)])
        await pilot.pause()
        assert painted == [3]
