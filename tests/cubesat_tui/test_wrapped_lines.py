"""Texts broken into lines, at any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubesat_tui.drawing.cluster_lines import wrapped


@pytest.mark.timeout(30)
@given(text=st.text("ab ", max_size=60), size=st.integers(-5, 30))
def test_every_word_is_there_and_no_line_is_longer(text: str, size: int) -> None:
    """A screen of one cell leaves less than nothing behind its margins."""
    lines = wrapped(text, size)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) <= max(1, size) for line in lines)
