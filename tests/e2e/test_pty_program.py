"""The terminal of the tests themselves."""

from __future__ import annotations

import pytest

from bench.pty_program import PtyProgram

pytestmark = pytest.mark.e2e


def test_a_sequence_cut_by_a_dying_line_is_passed_over_and_said() -> None:
    """What a closed connection says stands where the rest of a colour was to come."""
    there = ["sh", "-c", r"printf 'before \033[38;2;40Connection closed\r\n'; sleep 0.5; printf 'after\r\n'"]
    with PtyProgram(there) as terminal:
        terminal.wait_for("after", 10)
        assert "before" in terminal.text
        assert len(terminal.unreadable) == 1
