"""The ledger: every row of the filter and no other, in order, however it is scrolled; no count that is a guess."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui import messages
from cubesat_tui.drawing.ledger_cells import channel_span, channel_width, chosen_first, heading, quality_text
from cubesat_tui.drawing.ledger_lines import error_rows
from cubesat_tui.screens.export import ExportDialog
from cubesat_tui.screens.frame_card import FrameCard
from cubesat_tui.screens.go_to import GoToDialog
from cubesat_tui.screens.ledger import LedgerScreen
from cubesat_tui.widgets.card import Card
from cubesat_tui.widgets.frame_pages import KEEP, PAGE, FramePages
from cubesat_tui.widgets.frame_table import contexts
from cubesat_tui.widgets.lines import Lines
from telemetry.clock import ManualClock
from telemetry.dictionary import Channel, LimitSet
from telemetry.frame import Column, Layout, Quality
from telemetry.query import parse
from telemetry.query_syntax import QueryError
from telemetry.store.reader import StoreReader
from telemetry.store.rows import Key, LedgerRow, Page, ScoredBatch
from telemetry.store.writer import StoreWriter
from tests.cubesat_tui import fabricated, scored
from tests.cubesat_tui.fabricated import NOW, SATELLITE, S

LAYOUT = Layout("hk", (Column("eps.bat_v", "V"), Column("obc.mode")))
SIZES = [(80, 24), (140, 42)]


def frame(number: int, t: int | None = None, **changes: Any) -> LedgerRow:
    row = LedgerRow(
        number, SATELLITE, 1, number, number * S if t is None else t, number * S, 0, LAYOUT, np.array([7.9, 4.0]),
        None, None, None, None,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


# Pages


@dataclass
class Shelf:
    """A ledger in a list, newest first, read by key like the real one."""

    rows: list[LedgerRow]

    def page(self, before: Key | None = None, after: Key | None = None, limit: int = PAGE) -> Page:
        if after is not None:
            newer = [row for row in self.rows if row.key > after]
            return Page(newer[-limit:], len(newer) > limit)
        older = [row for row in self.rows if before is None or row.key < before]
        return Page(older[:limit], len(older) > limit)


def walk(pages: FramePages, shelf: Shelf) -> list[int | None]:
    """Everything, a window at a time."""
    shown: list[int | None] = []
    while part := look(pages, shelf, len(shown), len(shown) + 49):
        shown += part
    return shown


def look(pages: FramePages, shelf: Shelf, first: int, last: int) -> list[int | None]:
    while (ask := pages.wanted(first, last)) is not None:
        pages.take(ask, shelf.page(before=ask.before, limit=ask.limit))
    return [None if (row := pages.row(i)) is None else row.id for i in range(first, min(last + 1, pages.known))]


@given(st.integers(0, 1500), st.lists(st.integers(0, 1600), max_size=12))
def test_whatever_is_scrolled_to_is_what_is_there(count: int, places: list[int]):
    shelf = Shelf([frame(i) for i in range(count, 0, -1)])
    pages = FramePages()
    for place in places:
        ids = look(pages, shelf, place, place + 30)
        assert ids == [row.id for row in shelf.rows[place : place + 31]]
    assert pages.held <= KEEP * PAGE
    assert pages.known <= count


def test_the_end_is_known_only_when_it_was_read():
    shelf = Shelf([frame(i) for i in range(250, 0, -1)])
    pages = FramePages()
    look(pages, shelf, 0, 40)
    assert (pages.known, pages.older) == (PAGE, True)
    look(pages, shelf, 0, 260)
    assert (pages.known, pages.older) == (250, False)


@given(st.lists(st.integers(1, PAGE), max_size=6))
def test_new_rows_come_in_front_and_nothing_moves_behind(news: list[int]):
    shelf = Shelf([frame(i) for i in range(300, 0, -1)])
    pages = FramePages()
    walk(pages, shelf)
    for count in news:
        top = shelf.rows[0].id
        fresh = [frame(i) for i in range(top + count, top, -1)]
        shelf.rows[:0] = fresh
        pages.prepend(fresh)
    assert walk(pages, shelf) == [row.id for row in shelf.rows]


def test_a_late_frame_between_two_pages_is_not_skipped_when_scrolling_back():
    shelf = Shelf([frame(i) for i in range(1500, 0, -1)])
    pages = FramePages()
    walk(pages, shelf)
    shelf.rows.insert(30, frame(9000, t=shelf.rows[29].t_ns - 1))
    assert walk(pages, shelf) == [row.id for row in shelf.rows]


# Cells


def test_a_packet_without_the_mode_takes_the_one_before_it_and_never_one_from_later():
    other = Layout("pld", (Column("pld.dist_s", "cm"),))
    rows = [
        frame(4, layout=other, values=np.array([1.0])),
        frame(3, values=np.array([7.9, 1.0])),
        frame(2, layout=other, values=np.array([1.0])),
        frame(1, values=np.array([7.9, 4.0])),
    ]
    found = contexts(rows, ["obc.mode"])
    assert [found[i].get("obc.mode") for i in (4, 3, 2, 1)] == [1.0, 1.0, 4.0, 4.0]


def test_a_value_out_of_limits_has_the_sign_and_an_invalid_one_keeps_what_was_sent():
    channel = Channel(
        "eps.bat_v",
        "Battery voltage",
        "V",
        decimals=3,
        valid=(0, 10),
        limits=(LimitSet(critical=(6.4, 8.5), warning=(7.0, 8.35)),),
    )
    assert channel_span(channel, frame(1), {}) == ("7.900", "plain")
    assert channel_span(channel, frame(1, values=np.array([8.4, 4.0])), {}) == ("▲ 8.400", "warning")
    assert channel_span(channel, frame(1, values=np.array([6.0, 4.0])), {}) == ("◆ 6.000", "critical")
    assert channel_span(channel, frame(1, values=np.array([99.0, 4.0])), {}) == ("× 99.000", "dim")
    assert channel_span(replace_name(channel, "not.sent"), frame(1), {})[0] == ""


def replace_name(channel: Channel, name: str) -> Channel:
    return Channel(name, channel.label)


def test_limits_follow_the_context_that_held():
    mission_channel = fabricated.fabricated_mission().by_name["eps.bat_v"]
    assert channel_span(mission_channel, frame(1, values=np.array([6.9, 4.0])), {"obc.mode": 4.0})[1] == "warning"


def test_quality_in_words():
    assert quality_text(0) == "live"
    assert quality_text(int(Quality.STORED | Quality.SIMULATED)) == "stored,sim"
    assert quality_text(int(Quality.LATE)) == "live,late"


@given(st.text(min_size=1, max_size=40))
def test_a_heading_fits_its_column_and_keeps_every_word(label: str):
    channel = Channel("a.b", label, "degC")
    first, second = heading(channel)
    assert max(len(first), len(second)) <= channel_width(channel)
    assert f"{first} {second}".split() == [*label.split(), "°C"]


def test_columns_the_filter_names_come_first_then_the_troubled():
    channels = fabricated.fabricated_mission().channels
    order = [c.name for c in chosen_first(channels, ["thm.t_px"], ["pld.dist_s"], [c.name for c in channels])]
    assert order[:3] == ["thm.t_px", "pld.dist_s", "eps.bat_v"]
    assert sorted(order) == sorted(c.name for c in channels)


def test_an_error_points_at_the_word_and_names_what_may_stand_there():
    lines = error_rows(QueryError("no channel", 12, ["eps.bat_v", "eps.bat_i"]), "anomaly and eps.batv", 80)
    shown = ["".join(text for text, _ in line) for line in lines]
    assert shown[0].index("^") == 9 + 12
    assert "eps.bat_v, eps.bat_i" in shown[2]


# The screen


@pytest.fixture
def mission(tmp_path: Path) -> Any:
    return scored.fill(tmp_path / "mission", minutes=10)


def loaded(screen: LedgerScreen) -> bool:
    return screen.table.selected is not None and not screen.table.loading


def text(screen: LedgerScreen, name: str) -> str:
    return scored.words(screen.query_one(f"#{name}", Lines))


async def type_filter(pilot: Any, screen: LedgerScreen, words: str) -> None:
    await pilot.press("slash")
    screen.query_one("#filter").value = words
    await pilot.press("enter")


async def test_rows_shown_are_the_rows_of_the_filter_and_the_count_is_honest(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        assert "34,412 frames stored" in text(screen, "ledger-count")
        await type_filter(pilot, screen, "anomaly and pld.dist_s > 75")
        await scored.until(pilot, lambda: screen.filter_text and loaded(screen))
        pages = screen.table.pages
        expected = scored.FAULT_S - 1
        assert f"all {expected} of" in text(screen, "ledger-count") or "at least" in text(screen, "ledger-count")
        await pilot.press(*["pagedown"] * 8)
        await scored.until(pilot, lambda: not pages.older)
        assert f"all {expected} of" in text(screen, "ledger-count")
        for i in range(pages.known):
            row = pages.row(i)
            assert row is not None
            assert row.state
            assert row.values[row.layout.positions["pld.dist_s"]] > 75
        await pilot.press("escape")
        await scored.until(pilot, lambda: screen.filter_text == "" and loaded(screen))


async def test_a_wrong_filter_is_explained_under_the_line_and_the_old_one_stays(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        await type_filter(pilot, screen, "anomaly and eps.batv > 3")
        await scored.until(pilot, lambda: "^" in text(screen, "filter-error"))
        caret, _, allowed = text(screen, "filter-error").splitlines()
        assert caret.index("^") == 9 + len("anomaly and ")
        assert "eps.bat_v" in allowed
        assert screen.filter_text == ""
        await pilot.press("x")
        await scored.until(pilot, lambda: text(screen, "filter-error") == "")
        await pilot.press("escape")
        assert screen.query_one("#filter").value == ""
        assert screen.focused is None


async def test_a_filter_nothing_satisfies_says_so(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        await type_filter(pilot, screen, "eps.bat_v > 99")
        await scored.until(pilot, lambda: "No stored frame" in text(screen, "ledger-detail"))


async def test_keys_move_pan_inspect_copy_and_jump(mission: Any):
    app = scored.console(mission)
    sent = scored.listen(app)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        table = screen.table
        height = table.page_height()
        steps = (
            ("down", 1),
            ("j", 2),
            ("up", 1),
            ("k", 0),
            ("pagedown", height),
            ("pageup", 0),
            ("j", 1),
            ("home", 0),
        )
        for key, cursor in steps:
            await pilot.press(key)
            assert table.cursor == cursor, key
        heads = scored.words(table).splitlines()[:2]
        for key, shift in (("right", 1), ("l", 2), ("left", 1), ("h", 0)):
            await pilot.press(key)
            assert table.shift == shift, key
            assert scored.words(table).splitlines()[1].startswith(" Time UTC")
            assert (scored.words(table).splitlines()[:2] == heads) == (shift == 0)
        await pilot.press("c")
        assert scored.words(table).splitlines()[:2] != heads
        await pilot.press("j", "enter")
        await scored.until(pilot, lambda: isinstance(app.screen, FrameCard))
        card = scored.words(app.screen.query_one(Card))
        assert "generated" in card
        assert "received" in card
        await pilot.press("escape")
        await scored.until(pilot, lambda: app.screen is screen)
        await pilot.press("y")
        await scored.until(pilot, lambda: any(isinstance(m, messages.CopyRequested) for m in sent))
        row = table.selected
        await pilot.press("g")
        await scored.until(pilot, lambda: isinstance(app.screen, GoToDialog))
        await pilot.press("enter")
        await scored.until(pilot, lambda: app.time.fixed)
        assert app.time.t1_ns == row.t_ns


async def test_n_goes_to_the_next_confirmed_anomaly(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        await type_filter(pilot, screen, "time < 2026-11-22T07:13:00Z")
        await scored.until(pilot, lambda: screen.filter_text and loaded(screen))
        await pilot.press("n")
        await scored.until(pilot, lambda: screen.table.selected is not None and screen.table.selected.state == 2)


async def test_the_last_minutes_are_those_of_the_mission_and_of_the_time_that_is_looked_at(mission: Any):
    """The store is of another day than the machine's clock, as a replay or a pass of yesterday is."""
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        await type_filter(pilot, screen, "time in last 2 min")
        await scored.until(pilot, lambda: screen.filter_text and loaded(screen))
        assert (await oldest_and_newest(pilot, screen))[0] >= NOW - 120 * S
        app.go_to(app.time.at(NOW - 300 * S))
        await scored.until(pilot, lambda: loaded(screen) and screen.table.selected.t_ns <= NOW - 300 * S)
        oldest, newest = await oldest_and_newest(pilot, screen)
        assert NOW - 420 * S <= oldest <= newest <= NOW - 300 * S
        await pilot.press("e")
        await scored.until(pilot, lambda: isinstance(app.screen, ExportDialog))
        shown: Any = app.shown
        dialog: Any = app.screen
        offered = parse(dialog._offer.filter_text, shown.mission)
        assert offered.time_bounds() == (NOW - 420 * S, None)


async def oldest_and_newest(pilot: Any, screen: LedgerScreen) -> tuple[int, int]:
    pages = screen.table.pages
    for _ in range(20):
        await pilot.press("pagedown")
        await scored.until(pilot, lambda: loaded(screen))
    rows = [row for i in range(pages.known) if (row := pages.row(i)) is not None]
    return min(row.t_ns for row in rows), max(row.t_ns for row in rows)


async def test_at_the_top_new_frames_appear_and_further_down_the_rows_stand_still(mission: Any):
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        table = screen.table
        newest = table.selected.id
        arrive(mission, NOW, NOW + 2 * S)
        table.follow()
        await scored.until(pilot, lambda: table.selected is not None and table.selected.id > newest)
        await pilot.press("j", "j")
        still = first_ids(table)
        arrive(mission, NOW + 3 * S, NOW + 4 * S)
        table.follow()
        await pilot.pause(0.2)
        assert first_ids(table) == still
        assert "standing still" in text(screen, "ledger-count")
        await pilot.press("home")
        await scored.until(pilot, lambda: table.selected is not None and table.selected.id > still[0])


def first_ids(table: Any) -> list[int]:
    return [row.id for i in range(5) if (row := table.pages.row(i)) is not None]


def arrive(mission: Any, first_ns: int, last_ns: int) -> None:
    writer = StoreWriter(mission.telemetry, ManualClock(last_ns))
    writer.append([ScoredBatch(batch) for batch in fabricated.batches(first_ns, last_ns)], [], {})
    writer.close()


async def test_every_row_of_the_store_can_be_scrolled_to(mission: Any):
    reader = StoreReader(mission.telemetry)
    everything = [row.id for row in reader.page(None, limit=100_000).rows]
    reader.close()
    app = scored.console(mission)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await scored.go(pilot, "ledger", loaded)
        table = screen.table
        seen: list[int] = []
        while True:
            await scored.until(pilot, lambda: table.selected is not None)
            seen.append(table.selected.id)
            before = table.cursor
            table.move(97)
            await scored.until(
                pilot, lambda: table.pages.wanted(table.top, table.top + table.page_height() * 2) is None
            )
            if table.cursor == before:
                break
        known = table.pages.known
        assert known == len(everything)
        assert not table.pages.older
        assert table.pages.held <= KEEP * PAGE
        assert seen[-1] == everything[-1]


@pytest.mark.parametrize("size", SIZES)
def test_picture(mission: Any, snap_compare: Any, size: tuple[int, int]):
    async def filtered(pilot: Any) -> None:
        screen = await scored.go(pilot, "ledger", loaded)
        screen.apply_filter("anomaly or adcs.rw_x > 5000")
        await scored.until(pilot, lambda: screen.filter_text and loaded(screen))
        await pilot.press("j", "j")

    assert snap_compare(scored.console(mission), terminal_size=size, run_before=filtered)
