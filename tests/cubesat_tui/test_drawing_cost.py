"""What is not drawn twice: the cheap way to a picture gives the same one, and what stands still costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from textual.geometry import Region
from textual.widget import Widget

from cubesat_tui.drawing.rows import plain
from cubesat_tui.screens.live import LiveScreen
from cubesat_tui.widgets.lines import Lines
from cubesat_tui.widgets.trend import Trend


@pytest.mark.parametrize("size", [(80, 24), (140, 42)])
async def test_rows_look_as_textual_itself_would_draw_them(console, size) -> None:
    app = console()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for _ in range(2):
            drawn = 0
            for widget in app.screen.query(Lines):
                region = Region(0, 0, *widget.size)
                if not region.area:
                    continue
                fast = [list(strip.simplify()) for strip in widget.render_lines(region)]
                slow = [list(strip.simplify()) for strip in Widget.render_lines(widget, region)]
                assert fast == slow, widget
                drawn += 1
            assert drawn >= 5
            await pilot.press("t")
            await pilot.pause()


async def test_another_theme_is_seen_at_once_and_a_screen_opened_later_has_it(console) -> None:
    app = console()
    async with app.run_test(size=(140, 42)) as pilot:
        await pilot.pause()
        before = app.screen.styles.background
        await pilot.press("t")
        await pilot.pause()
        after = app.screen.styles.background
        assert after != before
        await pilot.press("5")
        await pilot.pause()
        assert not isinstance(app.screen, LiveScreen)
        assert app.screen.styles.background == after


async def test_a_tick_without_news_asks_the_store_nothing_and_draws_no_trend(console, monkeypatch) -> None:
    app = console()
    async with app.run_test(size=(140, 42)) as pilot:
        await pilot.pause()
        trend = app.screen.query_one(Trend)
        for _ in range(500):
            if trend.rows and "reading" not in "".join(map(plain, trend.rows)):
                break
            await pilot.pause(0.01)
        asked: list[object] = []
        drawn: list[object] = []
        monkeypatch.setattr(app.view, "series", lambda *question: asked.append(question))
        monkeypatch.setattr(Trend, "draw", lambda self, rows: drawn.append(rows))
        assert app.snapshot is not None
        assert isinstance(app.screen, LiveScreen)
        app.screen.receive(app.snapshot)
        await pilot.pause()
        assert (asked, drawn) == ([], [])


async def test_the_first_paint_shows_values(console) -> None:
    app = console()
    async with app.run_test(size=(140, 42)):
        assert app.snapshot is not None
        assert "Battery voltage" in "".join(map(plain, app.screen.query_one("#box0", Lines).rows))


def test_a_command_collects_its_garbage() -> None:
    script = (
        "import gc, sys; sys.argv = ['cubesat-tui', 'check', '/nowhere']\n"
        "from cubesat_tui.__main__ import main\n"
        "try: main()\nexcept SystemExit: print(gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
