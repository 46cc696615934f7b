"""Rows: exact widths, whatever the text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cubesat_tui.drawing.rows import (
    changed_cells,
    chosen,
    crop,
    framed,
    left,
    pad,
    plain,
    right,
    row,
    rule,
    spread,
    width,
)

TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x3FFF, exclude_categories=("Cc", "Cf", "Cs", "Mn", "Me")),
    max_size=40,
)
ROWS = st.lists(st.tuples(TEXT, st.sampled_from(["plain", "dim"])), max_size=5).map(tuple)


@given(TEXT, st.integers(1, 60))
def test_fields_take_exactly_their_cells(text: str, size: int) -> None:
    assert cell_len(left(text, size)) == size
    assert cell_len(right(text, size)) == size


@given(ROWS, st.integers(1, 80))
def test_a_padded_row_takes_exactly_its_cells_and_a_cropped_one_never_more(cells, size: int) -> None:
    assert width(pad(cells, size)) == size
    assert width(crop(cells, size)) <= size
    assert width(chosen(cells, size)) == size


@given(ROWS, ROWS, st.integers(4, 90))
def test_a_spread_row_never_overflows(start, end, size: int) -> None:
    assert width(spread(start, end, size)) <= size


@given(ROWS, st.lists(ROWS, max_size=12), st.integers(6, 80), st.integers(2, 14))
def test_a_frame_is_a_rectangle(title, body, size: int, height: int) -> None:
    lines = framed(title, body, size, height)
    assert len(lines) == height
    assert {width(line) for line in lines} == {size}


def test_what_was_cut_says_so() -> None:
    assert plain(crop(row("Battery voltage"), 8)) == "Battery…"
    assert plain(crop(row("Bat", ("tery", "dim")), 7)) == "Battery"


def test_a_rule_runs_to_the_edge_with_its_place_at_the_end() -> None:
    line = plain(rule(row(("POWER OK", "title")), 40, end=row("1 of 6 (tab)")))
    assert line.startswith(" POWER OK ──")
    assert line.endswith(" 1 of 6 (tab) ─")
    assert len(line) == 40


def _cells(cells, size: int) -> list[tuple[str, str]]:
    found = [(char, style) for text, style in cells for char in text]
    return (found + [(" ", "")] * size)[:size]


ASCII_ROWS = st.lists(
    st.tuples(st.text("ab ", min_size=1, max_size=4), st.sampled_from(["plain", "dim"])), max_size=6
).map(tuple)


@given(ASCII_ROWS, ASCII_ROWS, st.integers(1, 30))
def test_every_cell_that_differs_is_painted_again(old, new, size: int) -> None:
    start, end = changed_cells(old, new, size)
    before, after = _cells(old, size), _cells(new, size)
    assert all(before[x] == after[x] for x in range(size) if not start <= x < end)
