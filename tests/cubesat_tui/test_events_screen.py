"""Events: open alarms in the order they need somebody, the whole journal, why, acknowledge, search."""

from __future__ import annotations

from pathlib import Path

import fabricated
import pytest
from fabricated import NOW, S, screen_text, settled

from cubesat_tui.screens.confirm import ConfirmAcknowledge
from cubesat_tui.screens.why import WhyCard
from telemetry.alarms import Event
from telemetry.store.inbox import Inbox
from telemetry.store.writer import StoreWriter

SMALL, LARGE = (80, 24), (140, 42)


async def _open(pilot) -> None:
    await settled(pilot)
    await pilot.press("5")
    await settled(pilot)


def _marked(app) -> str:
    lines = screen_text(app).splitlines()
    return next((line for line in lines if line.lstrip("│").startswith(">")), "")


def _asked(directory) -> list[tuple[str, dict]]:
    """Requests that wait for a station."""
    inbox = Inbox(directory.inbox)
    found = [(request.kind, request.body) for request in inbox.pending()]
    inbox.close()
    return found


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_events_look_like_this(snap_compare, console, size) -> None:
    assert snap_compare(console(), terminal_size=size, run_before=_open)


def test_all_events_look_like_this(snap_compare, console) -> None:
    async def before(pilot) -> None:
        await _open(pilot)
        await pilot.press("tab")
        await settled(pilot)

    assert snap_compare(console(), terminal_size=SMALL, run_before=before)


async def test_new_comes_before_returned_before_acknowledged(console, directory) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.append(
        [], [Event(NOW, "KESTREL-1", "alarm.returned", 0, "adcs.rw_x", "", {"text": "back in limits"})], {}
    )
    writer.close()
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        lines = screen_text(app).splitlines()[4:7]
        assert [line[3:14].strip() for line in lines] == ["NEW", "RETURNED", "ACKED ann"]
        assert "◈ ANOM" in lines[0]
        assert "1.5xthr" in lines[0]


async def test_nothing_open_says_when_the_last_one_was_and_how_to_go_on(console, tmp_path: Path) -> None:
    events = [Event(NOW - 60 * S, "KESTREL-1", "alarm.returned", 0, "eps.bus5v_v", "", {"text": "Bus 5V back"})]
    app = console(directory=fabricated.fill(tmp_path / "m", minutes=11, events=events))
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        text = screen_text(app)
        assert "No alarm open. The last one returned 07:13:03Z (Bus 5V). 0 shelved. tab: all 1" in text


async def test_a_acknowledges_the_marked_one_and_shift_a_those_shown(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("down", "a")
        await settled(pilot)
        [(kind, body)] = _asked(directory)
        assert (kind, body["subject"], body["severity"]) == ("ack", "anomaly:pld.dist_s", 2)
        await pilot.press("down", "a")
        await settled(pilot, lambda: any("already by ann" in n.message for n in app._notifications))
        await pilot.press("A")
        await settled(pilot, lambda: isinstance(app.screen, ConfirmAcknowledge))
        assert "Acknowledge 2 alarms, the worst CRITICAL Wheel X speed?" in screen_text(app)
        await pilot.press("escape", "A", "enter")
        await settled(pilot)
    assert _asked(directory)[1:] == [
        (
            "ack_all",
            {
                "subjects": [
                    ["KESTREL-1", "adcs.rw_x", 4, NOW - 32 * S],
                    ["KESTREL-1", "anomaly:pld.dist_s", 2, NOW - 103 * S],
                ]
            },
        )
    ]


async def test_the_detail_is_that_of_the_marked_row(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        assert "desaturate" in screen_text(app)
        await pilot.press("j")
        await settled(pilot)
        assert "desaturate" not in screen_text(app)
        assert "71 %" in screen_text(app)
        await pilot.press("k", "pagedown")
        await settled(pilot)
        assert "Panel +X" in _marked(app)
        await pilot.press("pageup", "up")
        await settled(pilot)
        assert "Wheel X speed" in _marked(app)


async def test_tab_shows_the_journal_newest_first_and_back(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("tab")
        await settled(pilot)
        lines = screen_text(app).splitlines()
        assert "ALL EVENTS" in lines[2]
        assert "alarm.severity" in lines[4]
        assert "station.started" in lines[9]
        await pilot.press("down", "enter")
        await settled(pilot)
        assert isinstance(app.screen, WhyCard)
        await pilot.press("escape", "a")
        await settled(pilot, lambda: any("Select an open alarm" in n.message for n in app._notifications))
        await pilot.press("escape")
        await settled(pilot)
        assert "OPEN 3" in screen_text(app).splitlines()[2]


async def test_the_journal_goes_on_beyond_the_newest_two_hundred(console, tmp_path: Path) -> None:
    events = [
        Event(NOW - (900 - i) * S, "KESTREL-1", "note.added", 0, "", "ann", {"text": f"note {i}"})
        for i in range(450)
    ]
    app = console(directory=fabricated.fill(tmp_path / "m", minutes=11, events=events))
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("tab")
        await settled(pilot)
        for _ in range(46):
            await pilot.press("pagedown")
            await settled(pilot)
        assert "note 0" in screen_text(app)


async def test_enter_tells_the_whole_why(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, WhyCard)
        for words in (
            "◆ CRIT  NEW",
            "> 6000 rpm CRITICAL HIGH",
            "desaturate",
            "-6000 .. 6000 rpm",
            "What led to it",
        ):
            assert words in screen_text(app)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x42"])
async def test_the_why_of_an_anomaly_ranks_its_channels(console, size: tuple[int, int]) -> None:
    app = console()
    async with app.run_test(size=size) as pilot:
        await _open(pilot)
        await pilot.press("down", "enter")
        await settled(pilot)
        text = screen_text(app)
        assert "score 0.940, threshold 0.620, p 0.0004" in text
        assert "voice: forecast" in text
        [first] = [line for line in text.splitlines() if "fc 55.2 cm" in line]
        assert first.index("80.1 cm") < first.index("+49.8") < first.index("+61.3")
        assert text.index("fc 55.2 cm") < text.index("+3.4") < text.index("-0.4")


async def test_slash_searches_both_lists_and_escape_ends_it(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("slash", *"panel", "enter")
        await settled(pilot)
        assert "Panel +X" in _marked(app)
        assert "Wheel X speed" not in screen_text(app)
        await pilot.press("tab")
        await settled(pilot)
        assert "station.started" not in screen_text(app)
        await pilot.press("escape", "escape")
        await settled(pilot)
        assert "Wheel X speed" in screen_text(app)


async def test_g_goes_to_the_moment_of_the_row_and_y_copies(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("y")
        await settled(pilot)
        assert "adcs.rw_x" in app.clipboard
        await pilot.press("down", "g")
        await settled(pilot)
        assert "2026-11-22T07:12:20Z" in screen_text(app)
        await pilot.press("enter")
        await settled(pilot, lambda: app.time.fixed and app.shown.past_ns is not None)
        assert app.time.t1_ns == NOW - 103 * S


async def test_n_marks_the_anomaly(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await pilot.press("n")
        await settled(pilot)
        assert "Distance S" in _marked(app)
