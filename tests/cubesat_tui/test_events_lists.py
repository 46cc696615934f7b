"""Events: severity, search, what lies further back, the story of an alarm, and a journal without holes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import fabricated
import pytest
from fabricated import NOW, SATELLITE, S, screen_text, settled
from hypothesis import given, settings
from hypothesis import strategies as st

from cubesat_tui.journal_list import JournalList
from cubesat_tui.shelf_time import is_reason, next_hour, until_clock, until_words
from telemetry.alarms import Event
from telemetry.clock import NS_PER_S
from telemetry.store.writer import StoreWriter

SMALL = (80, 24)


async def _open(pilot: Any, *keys: str) -> None:
    await settled(pilot)
    for key in ("5", *keys):
        await pilot.press(key)
        await settled(pilot)


def _write(directory: Any, *events: Event) -> None:
    writer = StoreWriter(directory.telemetry, fabricated.clock())
    writer.append([], events, {})
    writer.close()


def _event(what: str, subject: str, age_s: float, severity: int = 0, actor: str = "", **body: Any) -> Event:
    return Event(NOW - round(age_s * S), SATELLITE, what, severity, subject, actor, {"text": what, **body})


def _labels(app: Any) -> list[str]:
    """Channels of the open alarms as listed, from the top."""
    lines = screen_text(app).splitlines()[4:]
    end = next(i for i, line in enumerate(lines) if "──" in line)
    return [line[36:52].strip() for line in lines[:end] if line[15:16] != ""]


async def test_right_and_left_step_through_the_severities_of_open_alarms(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        assert "from WATCH up" in screen_text(app)
        assert len(_labels(app)) == 3
        await pilot.press("right", "l")
        await settled(pilot)
        assert "from DISTRESS up" in screen_text(app)
        assert _labels(app) == ["Wheel X speed"]
        await pilot.press("right", "right", "right")
        await settled(pilot)
        assert "SEVERE only" in screen_text(app)
        assert "None of 3 open alarms matches" in screen_text(app)
        await pilot.press("a")
        await settled(pilot, lambda: any("No alarm is listed here." in n.message for n in app._notifications))
        await pilot.press("left")
        await settled(pilot)
        assert "from CRITICAL up" in screen_text(app)
        await pilot.press("A")
        await settled(pilot)
        assert "Only what is listed: from CRITICAL up" in screen_text(app)
        await pilot.press("escape", "escape")
        await settled(pilot)
        assert len(_labels(app)) == 3


async def test_the_severity_of_the_journal_is_its_own_and_reads_back_by_itself(console, tmp_path: Path) -> None:
    events = [_event("alarm.raised", "eps.bat_v", 900, 4, text="the one grave row")]
    events += [_event("console.note", "", 800 - i, text=f"row {i}") for i in range(450)]
    app = console(directory=fabricated.fill(tmp_path / "m", minutes=11, events=events))
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot, "tab")
        assert "all levels" in screen_text(app)
        assert "row 449" in screen_text(app)
        await pilot.press("right", "right", "right", "right")
        await settled(pilot, lambda: "the one grave row" in screen_text(app))
        assert "from CRITICAL up" in screen_text(app)
        assert "row 449" not in screen_text(app)
        await pilot.press("escape")
        await settled(pilot)
        assert "all levels" in screen_text(app)


async def test_a_search_is_of_words_and_finds_who_did_it(console) -> None:
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot, "tab", "slash")
        await pilot.press(*"ann panel", "enter")
        await settled(pilot)
        lines = screen_text(app).splitlines()
        assert "alarm.acknowledged" in lines[4]
        assert "alarm" not in lines[5]


async def test_home_goes_to_the_worst_and_new_ones_above_the_window_are_told(console, tmp_path: Path) -> None:
    names = [row[0] for row in fabricated.CHANNELS if row[0] not in fabricated._ENUMS]
    events = [
        _event("alarm.raised", name, 500 - i, 2, kind="limit", level=2, text="over") for i, name in enumerate(names)
    ]
    app = console(directory=fabricated.fill(tmp_path / "m", events=events))
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot, "pagedown", "pagedown")
        assert "NEW above" in screen_text(app)
        await pilot.press("home")
        await settled(pilot)
        assert "NEW above" not in screen_text(app)
        assert screen_text(app).splitlines()[4].startswith(">")


async def test_the_story_of_an_alarm_is_told_in_order_with_who_and_why(console, directory) -> None:
    _write(
        directory,
        _event("note.alarm", "adcs.rw_x", 9, actor="ann", text="planned for 08:00"),
        _event("alarm.acknowledged", "adcs.rw_x", 8, actor="lk"),
        _event("alarm.ack_undone", "adcs.rw_x", 7, actor="lk"),
        _event("alarm.shelved", "adcs.rw_x", 6, actor="lk", until_ns=NOW + 2757 * S, reason="antenna"),
        _event("alarm.unshelved", "adcs.rw_x", 5, actor="ann", why="operator", reason="again"),
    )
    app = console()
    async with app.run_test(size=(140, 42)) as pilot:
        await _open(pilot, "home")
        text = screen_text(app)
        while "Wheel X speed  adcs.rw_x" not in text:
            await pilot.press("down")
            await settled(pilot)
            text = screen_text(app)
        story = (
            "07:13:31Z  WARNING  5012 > 5000",
            "07:13:51Z  CRITICAL 6204 > 6000   severity increased",
            '07:13:54Z  ann      note "planned for 08:00"',
            "07:13:55Z  lk       acknowledged",
            "07:13:56Z  lk       took the acknowledgement back",
            '07:13:57Z  lk       shelved until 08:00Z, "antenna"',
            '07:13:58Z  ann      took it off the shelf, "again"',
            "worst    6204 rpm, 12 samples",
        )
        places = [text.find(words) for words in story]
        assert -1 not in places, text
        assert places == sorted(places)


async def test_the_story_goes_back_beyond_what_a_snapshot_holds(console, tmp_path: Path) -> None:
    raised = _event("alarm.raised", "eps.bat_v", 5000, 2, kind="limit", side=-1, limit=7.0, trigger=6.9, text="low")
    noted = _event("note.alarm", "eps.bat_v", 4000, actor="ann", text="long ago")
    filler = [_event("console.note", "", 3000 - i, text=f"row {i}") for i in range(450)]
    app = console(directory=fabricated.fill(tmp_path / "m", events=[raised, noted, *filler]))
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        await settled(pilot, lambda: "long ago" in screen_text(app))
        assert "WARNING  6.900 < 7" in screen_text(app)


async def test_who_did_what_stands_below_with_what_was_refused(console, directory) -> None:
    _write(
        directory,
        _event("note.shift", "", 3, actor="lk", text="quiet night"),
        _event("act.refused", "adcs.rw_x", 2, actor="ann", text="adcs.rw_x is now CRITICAL: look again"),
    )
    app = console()
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        text = screen_text(app)
        assert "ann was refused: adcs.rw_x is now CRITICAL: look again" in text
        assert 'lk noted on the shift: "quiet night"' in text


@pytest.mark.parametrize(("raised", "words"), [(1, "load 1 per 10 min "), (3, "(high)"), (12, "(flood)")])
async def test_the_load_of_alarms_is_weighed(console, tmp_path: Path, raised: int, words: str) -> None:
    events = [_event("alarm.raised", f"x{i}", 500 - i, 2, text="over") for i in range(raised)]
    app = console(directory=fabricated.fill(tmp_path / "m", minutes=11, events=events))
    async with app.run_test(size=SMALL) as pilot:
        await _open(pilot)
        assert words in screen_text(app).splitlines()[2]


class _View:
    """A journal of `count` rows, read in pages."""

    def __init__(self, count: int) -> None:
        self.rows = [Event(i * S, SATELLITE, "k", i % 6, id=i) for i in range(1, count + 1)]

    async def journal_page(self, before: int | None, least: int, limit: int, satellite: str | None) -> list[Event]:
        del satellite
        found = [e for e in self.rows if (before is None or e.id < before) and e.severity >= least]
        return found[::-1][:limit]


def _snapshot(rows: list[Event]) -> Any:
    class Seen:
        satellite = SATELLITE
        past_ns = None
        events = tuple(reversed(rows[-200:]))

    return Seen()


async def _walk(start: int, steps: list[tuple[bool, int]], least: int) -> None:
    view = _View(start + sum(more for _, more in steps))
    journal, known = JournalList(), start
    for reads, more in [(True, 0), *steps]:
        known += more
        journal.follow(_snapshot(view.rows[:known]), least)
        if reads:
            await journal.read_older(view, None)  # pyright: ignore[reportArgumentType]
        ids = [event.id for event in journal.rows(lambda _: True)]
        expected = [e.id for e in view.rows[:known] if e.severity >= least][::-1]
        assert ids == expected[: len(ids)], "no row is missing between those that are listed"
        assert len(ids) >= sum(e.severity >= least for e in view.rows[known - 200 : known])


@given(
    st.integers(201, 600),
    st.lists(st.tuples(st.booleans(), st.integers(0, 300)), max_size=12),
    st.sampled_from([0, 3]),
)
@settings(deadline=None, max_examples=60)
def test_a_journal_that_grows_while_it_is_read_has_no_holes(
    start: int, steps: list[tuple[bool, int]], least: int
) -> None:
    asyncio.run(_walk(start, steps, least))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("08:00", "until 08:00Z (46 min)"),
        ("0714", "until 11-23 07:14Z (24 h 0 min)"),
        ("8:5", ""),
        ("24:00", ""),
        ("", ""),
    ],
)
def test_a_time_of_day_is_the_next_one(text: str, words: str) -> None:
    if words:
        assert until_words(until_clock(text, NOW), NOW) == words
    else:
        with pytest.raises(ValueError, match="is no time of day: HH:MM in UTC"):
            until_clock(text, NOW)


@given(st.integers(0, 2**62), st.integers(0, 23), st.integers(0, 59))
def test_a_shelf_until_a_time_of_day_ends_within_a_day(now_ns: int, hour: int, minute: int) -> None:
    until = until_clock(f"{hour:02d}:{minute:02d}", now_ns)
    assert now_ns < until <= now_ns // NS_PER_S * NS_PER_S + 24 * 3600 * NS_PER_S
    assert until // NS_PER_S % 86_400 == (hour * 60 + minute) * 60
    assert next_hour(now_ns).endswith(":00")


@pytest.mark.parametrize(
    ("text", "enough"), [("abc", True), ("a b", False), ("  ab ", False), ("a b c", True), ("", False)]
)
def test_a_reason_has_three_letters(text: str, enough: bool) -> None:
    assert is_reason(text) is enough
