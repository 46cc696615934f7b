"""What `--line auto` makes of the frames it saw go out, and how often it draws."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.app import ConsoleApp
from cubesat_tui.terminal.line_choice import line_pace
from cubesat_tui.terminal.line_pace import FULL_PERIOD_S, LONGEST_PERIOD_S, THIN_PERIOD_S, LinePace
from tests.cubesat_tui.fabricated import screen_text, settled

SSH = {"SSH_CONNECTION": "1 2 3 4"}
SCREEN, TICK = 7000, 900


def flow(line: LinePace, bytes_per_s: float, way_s: float, frames: int = 10) -> LinePace:
    """A first question, a screen, then updates, on a line of that speed."""
    line.took(0, way_s, answered=True)
    for size in (SCREEN, *[TICK] * frames):
        line.took(size, way_s + size / bytes_per_s, answered=True)
    return line


@pytest.mark.parametrize("environment", [{}, SSH], ids=["here", "over SSH"])
@pytest.mark.parametrize("way_s", [0.001, 0.3])
@pytest.mark.parametrize(("bytes_per_s", "thin"), [(500, True), (4_000, True), (50_000, False), (1e7, False)])
def test_the_line_is_what_it_was_measured_to_be(
    environment: dict[str, str], way_s: float, bytes_per_s: float, thin: bool
) -> None:
    """A long way alone makes no line thin, and SSH alone neither."""
    assert flow(line_pace("auto", environment), bytes_per_s, way_s).thin is thin


@pytest.mark.parametrize("asked", ["full", "thin"])
@pytest.mark.parametrize("bytes_per_s", [500, 1e7])
def test_what_was_asked_for_stays(asked: str, bytes_per_s: float) -> None:
    assert flow(line_pace(asked, {}), bytes_per_s, 0.01).thin is (asked == "thin")


def test_the_quick_answers_of_a_multiplexer_say_nothing_of_the_line_behind_it() -> None:
    assert flow(line_pace("auto", {**SSH, "TMUX": "/tmp/x,1,0"}), 1e7, 0.001).thin
    assert flow(line_pace("auto", {**SSH, "TERM": "screen-256color"}), 1e7, 0.001).thin
    assert not flow(line_pace("auto", {"TMUX": "/tmp/x,1,0"}), 1e7, 0.001).thin


def test_a_terminal_that_never_answers_is_taken_at_its_word_only_where_nothing_lies_between() -> None:
    for environment, thin in (({}, False), (SSH, True)):
        line = line_pace("auto", environment)
        for _ in range(10):
            line.took(TICK, 0.0001, answered=False)
        assert line.thin is thin
    line = line_pace("auto", {})
    for _ in range(3):
        line.took(TICK, 0.5, answered=False)
    assert line.thin, "its buffers are full"


def test_it_follows_the_line_both_ways() -> None:
    line = flow(line_pace("auto", {}), 1e6, 0.02)
    assert (line.thin, line.period_s, line.words) == (False, FULL_PERIOD_S, "full 4/s")
    flow(line, 1_000, 0.02)
    assert (line.thin, line.words, line.short_words) == (True, "thin every 2 s", "thin 2s")
    flow(line, 1e6, 0.02)
    assert (line.thin, line.words, line.short_words) == (False, "full 4/s", "")


def test_one_stall_makes_no_line_thin() -> None:
    line = flow(line_pace("auto", {}), 1e6, 0.05)
    line.took(TICK, 0.65, answered=True)
    assert not line.thin


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.floats(0, 20), st.booleans())),
    st.sampled_from(["auto", "full", "thin"]),
)
def test_updates_keep_within_their_bounds(frames: list[tuple[int, float, bool]], asked: str) -> None:
    line = LinePace(asked, remote=True)
    for size, seconds, answered in frames:
        line.took(size, seconds, answered=answered)
        assert (THIN_PERIOD_S if line.thin else FULL_PERIOD_S) <= line.period_s <= LONGEST_PERIOD_S


@pytest.mark.parametrize(
    ("size", "bytes_per_s", "wanted"),
    [
        ((140, 42), 1e6, "line full 4/s "),
        ((140, 42), 1_000, "line thin every 2 s "),
        ((80, 24), 1_000, " thin 2s "),
        ((80, 24), 3_000, " thin "),
    ],
)
async def test_the_status_bar_says_what_was_chosen(
    console: Callable[..., ConsoleApp], size: tuple[int, int], bytes_per_s: float, wanted: str
) -> None:
    app = console(line=flow(line_pace("auto", {}), bytes_per_s, 0.02))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        line = screen_text(app).splitlines()[1]
        assert wanted in line
        assert re.search(r"\d\d:\d\d:\d\dZ$", line.rstrip()), "the clock stays"
        assert "5 E" in line, "the tabs stay"
