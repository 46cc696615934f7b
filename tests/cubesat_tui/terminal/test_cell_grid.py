"""A terminal that is fed with the differences shows what one that is fed with everything shows."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cubesat_tui.terminal.cell_diff import Shown
from cubesat_tui.terminal.cell_grid import CellGrid
from cubesat_tui.terminal.pen import PLAIN, after_sgr, change, interned
from tests.cubesat_tui.terminal.emulator import Emulator

COLUMNS, ROWS = 12, 5
START = "\x1b[?1049h\x1b[?7l"
EXAMPLES = 2000 if os.environ.get("CUBESAT_TUI_CAMPAIGN") else 150

LETTERS = st.sampled_from(["a", "b", " ", "─", "⣿", "■", "e\u0301", "é", "中", "🚀", "→"])
CODES = (
    "0 1 3 4 5 7 9 22 23 24 27 29 31 39 44 49 97 104 38;5;208 48;5;17 38;2;1;2;3 48;2;9;8;7 1;31 0;7;38;2;200;1;1"
)
SGR = st.lists(st.sampled_from(CODES.split(" ")), max_size=3)
ROW, COLUMN = st.integers(1, ROWS), st.integers(1, COLUMNS)
WRITES = st.one_of(
    st.lists(LETTERS, max_size=9).map("".join),
    SGR.map(lambda codes: f"\x1b[{';'.join(codes)}m"),
    st.tuples(ROW, COLUMN).map(lambda at: f"\x1b[{at[0]};{at[1]}H"),
    st.tuples(st.integers(1, 3), st.sampled_from("ABCDEFG")).map(lambda n: f"\x1b[{n[0]}{n[1]}"),
    st.tuples(st.sampled_from(["", "1", "2"]), st.sampled_from("JK")).map(lambda n: f"\x1b[{n[0]}{n[1]}"),
    st.integers(1, 9).map(lambda n: f"\x1b[{n}X"),
    st.sampled_from(["\n", "\r", "\n\n\n\n\n\n", "\b", "\x1b[?7h", "\x1b[?7l", "\x1b[d", "\x1b[4d"]),
)


def test_passed_in_order_and_drawn_apart() -> None:
    """What is meant for the terminal itself reaches it, each once and in order; cells are kept back."""
    grid = CellGrid(20, 2)
    grid.feed(
        "shell\x1b[?1049h\x1b[?1003h\x1b[22;2tcells\x1b]52;c;YQ==\x07\x07\x07\x1b[>25u\x1b[?2026$pmore\x1b]2;t\x1b\\"
    )
    assert grid.passed == [
        "shell", "\x1b[?1049h", "\x1b[?1003h", "\x1b[22;2t", "\x1b]52;c;YQ==\x07", "\x07", "\x1b[>25u",
        "\x1b[?2026$p", "\x1b]2;t\x1b\\",
    ]  # fmt: skip
    assert "".join(grid.row(0)[0]).rstrip() == "cellsmore"


def test_a_sequence_cut_in_two_is_one() -> None:
    grid = CellGrid(20, 1)
    for part in ("\x1b[?10", "49h\x1b", "[1;3Hab\x1b]2;ti", "tle\x07"):
        grid.feed(part)
    assert "".join(grid.row(0)[0]).rstrip() == "  ab"
    assert grid.passed == ["\x1b[?1049h", "\x1b]2;title\x07"]


def test_what_is_not_understood_is_passed_on_and_everything_painted_again() -> None:
    grid, shown = CellGrid(9, 2), Shown()
    grid.feed("\x1b[?1049h\x1b[2;1Hkept")
    shown.update(grid)
    grid.feed("\x1b[3L")
    assert "\x1b[3L" in grid.passed
    assert "kept" in shown.update(grid)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.lists(WRITES, max_size=12), min_size=1, max_size=8), st.booleans())
def test_differences_show_what_the_whole_shows(frames: list[list[str]], erases: bool) -> None:
    whole, by_difference = Emulator(COLUMNS, ROWS), Emulator(COLUMNS, ROWS)
    grid, shown = CellGrid(COLUMNS, ROWS), Shown(erases=erases)
    whole.write(START)
    grid.feed(START)
    for frame in frames:
        for write in frame:
            whole.write(write)
            grid.feed(write)
        by_difference.write("".join(grid.passed))
        grid.passed.clear()
        by_difference.write(shown.update(grid))
        assert by_difference.cells() == whole.cells()
        assert shown.update(grid) == ""


@settings(max_examples=EXAMPLES, deadline=None)
@given(SGR, SGR)
def test_the_shortest_change_of_pen_draws_alike(before: list[str], after: list[str]) -> None:
    old = after_sgr(PLAIN, ";".join(before))
    new = after_sgr(PLAIN, ";".join(after))
    one, other = Emulator(2, 1), Emulator(2, 1)
    one.write(change(None, old) + change(old, new) + "x")
    other.write(change(None, new) + "x")
    assert one.cells() == other.cells()
    assert change(new, interned(new)) == ""


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9)), max_size=6), st.data())
def test_after_any_resizing_what_is_painted_is_shown(sizes: list[tuple[int, int]], data: st.DataObject) -> None:
    """Also down to one cell and back: the old cells are the terminal's affair, the painted ones ours."""
    grid, shown = CellGrid(COLUMNS, ROWS), Shown()
    grid.feed(START)
    terminal = Emulator(COLUMNS, ROWS)
    for columns, rows in [*sizes, (1, 1), (COLUMNS, ROWS)]:
        terminal.resize(rows, columns)
        grid.resize(columns, rows)
        whole = Emulator(columns, rows)
        whole.write(START)
        for y in range(rows):
            line = f"\x1b[{y + 1};1H\x1b[3{y % 8}m" + data.draw(st.text("ab ", min_size=columns, max_size=columns))
            grid.feed(line)
            whole.write(line)
        terminal.write("".join(grid.passed) + shown.update(grid))
        grid.passed.clear()
        assert terminal.cells() == whole.cells()


def test_a_terminal_that_was_smaller_for_a_moment_shows_everything_again() -> None:
    """It has lost its cells without anybody having drawn in between; what was wanted before is wanted still."""
    grid, shown, terminal, whole = CellGrid(9, 2), Shown(), Emulator(9, 2), Emulator(9, 2)
    for one in (grid.feed, whole.write):
        one(START + "\x1b[1;1H\x1b[31mabcdefghi\x1b[2;1Hjklmnopqr")
    terminal.write(shown.update(grid))
    for columns, rows in ((1, 1), (9, 2)):
        terminal.resize(rows, columns)
        grid.resize(columns, rows)
    terminal.write(shown.update(grid))
    assert terminal.cells() == whole.cells()


def test_who_comes_after_the_alternate_screen_finds_plain_colours() -> None:
    grid = CellGrid(9, 2)
    grid.feed(START + "\x1b[31mred")
    grid.passed.clear()
    grid.feed("\x1b[?1049lshell")
    assert grid.passed == ["\x1b[0m", "\x1b[?1049l", "shell"]
    assert not grid.drawn


def test_a_changed_digit_is_a_few_bytes() -> None:
    """A cursor move, the digit, and the cursor back; the colour is still in the pen from last time."""
    grid, shown = CellGrid(80, 24), Shown()
    sizes: list[int] = []
    grid.feed(START)
    for digit in "1234":
        grid.feed(f"\x1b[5;7H\x1b[44;97m12.3{digit} V\x1b[5;7H")
        sizes.append(len(shown.update(grid)))
    assert max(sizes[2:]) <= len("\x1b[11G4\x1b[7G")


@pytest.mark.parametrize(("by", "above", "below"), [(3, 0, 0), (-3, 0, 0), (1, 3, 2), (-4, 2, 3), (0, 3, 2)])
@pytest.mark.parametrize("erases", [True, False])
def test_a_table_that_moves_on_is_moved_and_not_sent_again(by: int, above: int, below: int, erases: bool) -> None:
    """As the ledger does with every frame; what stands above and below it stays, and so do the colours."""
    whole, by_difference = Emulator(50, 20), Emulator(50, 20)
    grid, shown = CellGrid(50, 20), Shown(erases=erases)
    sent: list[int] = []
    for frame, first in enumerate((50, 50 - by)):
        lines = [f"\x1b[3{n % 8}mrow {n} holds {n * 7919 % 1000} and more" for n in range(first, first + 20)]
        lines[:above] = ["\x1b[1mstays"] * above
        lines[20 - below :] = [f"\x1b[44mframe {frame}"] * below
        text = START * (frame == 0) + "".join(f"\x1b[0m\x1b[{y + 1}H{line}\x1b[K" for y, line in enumerate(lines))
        whole.write(text)
        grid.feed(text)
        by_difference.write("".join(grid.passed) + (told := shown.update(grid)))
        grid.passed.clear()
        sent.append(len(told))
        assert by_difference.cells() == whole.cells()
    assert sent[1] < 40 + 65 * abs(by) + 12 * below


def test_the_first_rows_of_a_frame_can_be_seen_before_the_others_have_come() -> None:
    """And in whatever parts it comes, in the end it shows the same."""
    whole, in_parts = Emulator(60, 20), Emulator(60, 20)
    grid, shown = CellGrid(60, 20), Shown()
    text = START + "".join(f"\x1b[{y + 1}H" + chr(97 + y) * 60 for y in range(20))
    whole.write(text)
    grid.feed(text)
    parts = shown.update(grid, "|").split("|")
    assert len(parts) > 2
    assert "a" * 60 in parts[0]
    assert max(map(len, parts)) < 600
    in_parts.write("".join(grid.passed) + "".join(parts))
    assert in_parts.cells() == whole.cells()
    assert shown.update(grid, "|") == ""
