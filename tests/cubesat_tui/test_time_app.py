"""The time conductor on screen: every key, the banner nobody can miss, and that everything goes on underneath."""

from __future__ import annotations

import asyncio

import fabricated
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled

from cubesat_tui.conductor import PRESETS
from cubesat_tui.drawing.past_banner import PastBanner, past_row
from cubesat_tui.messages import JumpTo
from cubesat_tui.screens.go_to import GoToDialog
from telemetry.alarms import Event
from telemetry.clock import parse_iso
from telemetry.store.inbox import Inbox
from telemetry.store.writer import StoreWriter

SMALL = (80, 24)


async def arrived(pilot) -> None:
    """Wait until the moment that is wanted is the one shown."""
    app = pilot.app
    await settled(pilot, lambda: app.shown is not None and app.shown.past_ns == app.time.t1_ns)


def lines(app) -> list[str]:
    return screen_text(app).splitlines()


def said(app) -> str:
    return " | ".join(n.message for n in app._notifications)


def add(directory, *events: Event) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.append([], list(events), {})
    writer.close()


@pytest.mark.parametrize("key", "12345")
async def test_on_every_screen_fixed_time_takes_line_2_and_line_1_stays_live(console, key: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press(key)
        await settled(pilot)
        first = lines(app)[0]
        await pilot.press("<", "<")
        await arrived(pilot)
        assert lines(app)[0] == first
        assert lines(app)[1] == "### PAST 2026-11-22 06:54:03Z..07:04:03Z ### no new alarm ### space = LIVE #####"
        assert "space pause" not in lines(app)[-1]
        await pilot.press("space")
        await settled(pilot)
        assert "PAST" not in screen_text(app)
        assert not app.time.fixed
        assert app.shown is app.snapshot


async def test_a_moment_is_typed_in_utc_and_gone_to(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("g")
        await pilot.pause()
        assert isinstance(app.screen, GoToDialog)
        assert "Now is 2026-11-22 07:14:03Z" in screen_text(app)
        await pilot.press(*"06:50")
        await pilot.pause()
        assert "2026-11-22 06:50:00Z, 24 min ago: all screens as of then" in screen_text(app)
        await pilot.press("enter")
        await arrived(pilot)
        assert app.time.t1_ns == parse_iso("2026-11-22T06:50Z")
        assert "06:40:00Z..06:50:00Z" in lines(app)[1]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("tomorrow", "is no time (UTC): 07:14, 07:14:03, 2026-11-22T07:14:03Z,"),
        ("2026-11-23T00:00Z", "has not been yet: now is 2026-11-22T07:14:03Z"),
        ("-3d", "nothing is stored from before 2026-11-22T06:44:03Z"),
        ("", "Write a time: 07:14"),
    ],
)
async def test_what_is_no_moment_is_refused_in_words_and_changes_nothing(console, typed: str, words: str) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("g")
        await settled(pilot, lambda: isinstance(app.screen, GoToDialog))
        await pilot.press(*typed, "enter")
        await settled(pilot, lambda: words in " ".join(screen_text(app).replace("│", " ").split()))
        assert isinstance(app.screen, GoToDialog)
        await pilot.press("escape")
        await settled(pilot)
        assert not app.time.fixed


async def test_g_proposes_the_selected_rows_moment(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("4")
        await settled(pilot, lambda: app.screen.table.selected is not None)
        await pilot.press("down", "down", "down", "down")
        row = app.screen.table.selected
        await pilot.press("g")
        await settled(pilot, lambda: isinstance(app.screen, GoToDialog))
        await pilot.press("enter")
        await arrived(pilot)
        assert app.time.t1_ns == row.t_ns


async def test_scrubbing_stops_at_now_and_at_the_first_frame_and_says_so(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press(">")
        await pilot.pause()
        assert "This is now, space for live." in said(app)
        assert not app.time.fixed
        await pilot.press("<", ">", ">")
        await arrived(pilot)
        assert (app.time.fixed, app.time.t1_ns) == (True, NOW)
        assert said(app).count("This is now") >= 2
        for _ in range(8):
            await pilot.press("<")
        await arrived(pilot)
        assert app.time.t1_ns == NOW - 1800 * S
        await pilot.press("<")
        await pilot.pause()
        assert "Nothing is stored from before this." in said(app)


async def test_brackets_walk_through_the_presets_and_keep_the_end(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("<")
        await arrived(pilot)
        end, seen = app.time.t1_ns, []
        for _ in PRESETS:
            await pilot.press("[")
        for _ in PRESETS:
            seen.append(app.time.span_s)
            await pilot.press("]")
        assert tuple(seen) == PRESETS
        assert "7 d" in said(app) or "168 h is the longest stretch" in said(app)
        assert app.time.t1_ns == end


async def test_the_past_is_shown_as_it_was_and_with_times_for_ages(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        app.go_to(app.time.at(NOW - 200 * S))
        await arrived(pilot)
        shown = app.shown
        # The wheel and the rangefinder were well then; the panel's warning was acknowledged by ann.
        assert [(a.subject, a.acked_by) for a in shown.alarms] == [("thm.t_px", "ann")]
        assert shown.alarms != app.snapshot.alarms
        assert all(now.age_s is None for now in shown.channels.values())
        assert max(now.t_ns for now in shown.channels.values() if now.t_ns) <= NOW - 200 * S
        assert all(event.at_ns <= NOW - 200 * S for event in shown.events)
        battery = next(line for line in lines(app) if "Battery voltage" in line)
        assert battery.endswith("07:10:43Z")
        assert " 0.4 s" not in screen_text(app)
        await pilot.press("enter")
        await settled(pilot, lambda: "made 2026-11-22 07:10:43Z" in screen_text(app))


async def test_n_and_capital_n_go_from_alarm_to_alarm_in_the_past(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("<")
        await arrived(pilot)
        seen = []
        for key in ("N", "n", "n", "n", "N", "N", "N"):
            await pilot.press(key)
            await arrived(pilot)
            seen.append((NOW - app.time.t1_ns) // S)
        # Raised 301 s (panel), 103 s (rangefinder) and 32 s (wheel) ago; `<` had led to 300 s ago.
        assert seen == [301, 103, 32, 32, 103, 301, 301]
        assert "No alarm was raised after this." in said(app)
        assert "No alarm was raised before this." in said(app)
        # On Live the channel of the alarm is the one that is plotted.
        assert "PANEL +X" in screen_text(app)


async def test_a_new_alarm_shows_while_the_past_is_looked_at_and_everything_goes_on(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("5", "tab")
        app.go_to(app.time.at(NOW - 600 * S))
        await arrived(pilot)
        body = lines(app)[2:-1]
        raised = {"kind": "limit", "level": 2, "text": "Memory 91 % > 90 WARNING HIGH"}
        add(directory, Event(NOW, SATELLITE, "alarm.raised", 2, "obc.mem", "", raised))
        await settled(pilot, lambda: "1 NEW ALARM NOW" in lines(app)[1])
        worse = {"kind": "limit", "level": 4, "text": "Panel +X 91 degC > 90 CRITICAL HIGH"}
        add(directory, Event(NOW, SATELLITE, "alarm.severity", 4, "thm.t_px", "", worse))
        await settled(pilot, lambda: "2 NEW ALARMS NOW" in lines(app)[1])
        assert lines(app)[1] == "### PAST 2026-11-22 06:54:03Z..07:04:03Z ### 2 NEW ALARMS NOW ### space = LIVE #"
        assert lines(app)[2:-1] == body
        writer = StoreWriter(directory.telemetry, fabricated.clock())
        trainer = {"state": "idle", "retrain": 183, "error": ""}
        model = {"version": 18, "sha256": "5b1d", "at_ns": NOW, "kind": "fusion"}
        writer.beat(fabricated.health(accepted=34_450, trainer=trainer, model=model))
        writer.close()
        await settled(pilot, lambda: "MODEL v18" in lines(app)[0])
        await pilot.press("space")
        await settled(pilot)
        assert "CRIT ◆2/2" in lines(app)[1]
        # Now that they were seen they are no longer news.
        await pilot.press("<")
        await arrived(pilot)
        assert "no new alarm" in lines(app)[1]


async def test_an_acknowledgement_from_the_past_meets_what_is_open_now_or_says_why_not(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        app.go_to(app.time.at(NOW - 60 * S))
        await arrived(pilot)
        assert app.shown.alarms[0].subject == "anomaly:pld.dist_s"
        await pilot.press("a")
        await settled(pilot)
        inbox = Inbox(directory.inbox)
        assert [r.body["subject"] for r in inbox.pending()] == ["anomaly:pld.dist_s"]
        inbox.close()
        over = {"text": "x"}
        add(
            directory,
            Event(NOW, SATELLITE, "alarm.returned", 0, "anomaly:pld.dist_s", "", over),
            Event(NOW, SATELLITE, "alarm.acknowledged", 0, "anomaly:pld.dist_s", "lk", over),
        )
        await settled(pilot, lambda: len(app.snapshot.alarms) == 2)
        await pilot.press("a")
        await settled(pilot, lambda: "is over by now" in said(app))


async def test_a_pause_is_left_by_the_same_key_and_the_past_is_entered_from_it(console) -> None:
    clock = fabricated.clock()
    app = console(clock=clock)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("space")
        await pilot.pause()
        assert lines(app)[1].startswith("=== PAUSED at 07:14:03Z, 0 frames since === space = LIVE ===")
        clock.advance(60)
        await settled(pilot, lambda: app.snapshot.now_ns == NOW + 60 * S)
        await pilot.press("<")
        await arrived(pilot)
        # Earlier than what stood on the paused screen, not than now.
        assert app.time.t1_ns == NOW - 300 * S
        assert "PAST" in lines(app)[1]
        await pilot.press("space")
        await settled(pilot)
        assert (app.paused_at, app.time.fixed, app.time.t1_ns) == (None, False, NOW + 60 * S)
        await pilot.press("space")
        await pilot.pause()
        await pilot.press("space")
        await settled(pilot)
        assert "PAUSED" not in screen_text(app)


async def test_a_jump_to_what_is_now_stays_live_and_one_to_the_past_does_not(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        app.post_message(JumpTo(NOW, "obc.mem"))
        await settled(pilot, lambda: "MEMORY" in screen_text(app))
        assert not app.time.fixed
        app.post_message(JumpTo(NOW - 500 * S, "eps.bat_v"))
        await settled(pilot, lambda: app.time.fixed)
        await arrived(pilot)
        assert app.time.t1_ns == NOW - 500 * S
        assert "BATTERY VOLTAGE" in screen_text(app)


async def test_a_key_held_down_reads_only_what_is_wanted_last(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("<")
        await arrived(pilot)
        asked, ask = 0, app.view.ask
        gate = asyncio.Event()

        async def slow(question):
            nonlocal asked
            asked += 1
            await gate.wait()
            return await ask(question)

        app.view.ask = slow
        for _ in range(5):
            await pilot.press("[")
        for _ in range(20):
            await pilot.press("<")
        assert app.time.t1_ns == NOW - 300 * S - 20 * 30 * S
        assert "reading ..." in lines(app)[1]
        assert "PAST" in lines(app)[1]
        before = asked
        assert before <= 3
        gate.set()
        app.view.ask = ask
        await arrived(pilot)


async def test_the_ledger_stands_at_the_moment_and_its_tail_stops(console, directory) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("4")
        await settled(pilot, lambda: app.screen.table.selected is not None)
        newest = app.screen.table.selected
        app.go_to(app.time.at(NOW - 600 * S))
        await arrived(pilot)
        table = app.screen.table
        await settled(pilot, lambda: table.selected is not None)
        assert table.selected.t_ns == NOW - 600 * S
        assert not table.following
        writer = StoreWriter(directory.telemetry, fabricated.clock())
        writer.append([fabricated.ScoredBatch(b) for b in fabricated.batches(NOW, NOW)], [], {})
        writer.close()
        frames = app.snapshot.frames
        await settled(pilot, lambda: app.snapshot.newest_t_ns == NOW)
        assert app.snapshot.frames >= frames
        await pilot.press("down", "home")
        await settled(pilot, lambda: table.selected is not None)
        assert table.selected.t_ns == NOW - 600 * S
        app.screen.apply_filter("obc.mem > 0")
        await settled(pilot, lambda: table.selected is not None)
        assert table.selected.t_ns == NOW - 600 * S
        await pilot.press("escape", "space")
        await settled(pilot, lambda: table.selected is not None and table.selected.t_ns == NOW)
        assert table.following
        assert newest.t_ns < NOW


async def test_the_banner_stays_legible_without_colours_and_in_ascii(console, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = console(ascii_signs=True)
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("<")
        await arrived(pilot)
        text = lines(app)[1]
        assert text.isascii()
        assert text.startswith("### PAST 2026-11-22 ")
        strip = app.screen._compositor.render_strips()[1]
        assert all(segment.style is not None and segment.style.reverse for segment in strip if segment.text.strip())


@pytest.mark.parametrize("news", [0, 1, 2, 9, 120])
@pytest.mark.parametrize("reading", [False, True])
def test_whatever_the_width_the_banner_says_past_news_and_the_way_back(news: int, reading: bool) -> None:
    for t1 in (NOW, NOW - 7 * 3600 * S - 600 * S):
        for span in PRESETS:
            for size in range(40, 200):
                ((text, style),) = past_row(PastBanner(t1 - span * S, t1, news, reading), size)
                assert (len(text), style) == (size, "reverse")
                assert "PAST" in text
                assert "space = LIVE" in text
                assert not news or f"{news} NEW" in text
                assert size < 60 or "07:14:03" in text or "00:04:03" in text
                assert size < 80 or "Z.." in text


async def test_a_past_that_cannot_be_read_leads_back_to_now_in_words(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)

        async def broken(question):
            raise OSError("disk gone")

        ask, app.view.ask = app.view.ask, broken
        await pilot.press("<")
        await settled(pilot, lambda: "That moment could not be read: disk gone" in said(app))
        assert not app.time.fixed
        assert "PAST" not in lines(app)[1]
        app.view.ask = ask
        await pilot.press("<")
        await arrived(pilot)


async def test_now_is_never_shown_under_the_banner_of_the_past(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        ask = app.view.ask
        gate = asyncio.Event()

        async def slow(question):
            await gate.wait()
            return await ask(question)

        app.view.ask = slow
        await pilot.press("<")
        assert app.shown is None
        assert "reading ..." in lines(app)[1]
        # Acts and other screens find nothing to stand on yet, and break nothing.
        for key in ("a", "down", "enter", "y", "5", "a", "4", "2", "3", "1"):
            await pilot.press(key)
        assert app.time.fixed
        gate.set()
        app.view.ask = ask
        await arrived(pilot)
        assert app.shown.past_ns == NOW - 300 * S
