"""What changed in a marked window, as rows of a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import clock_text, date_clock_text, span_text
from cubesat_tui.drawing.rows import EMPTY, Row, chosen, folded, left, right, row
from cubesat_tui.drawing.signs import SignSet
from cubesat_tui.window_ranks import TIMES, WORDS

if TYPE_CHECKING:
    from cubesat_tui.window_compare import Compared

CHANGED = 1.5
"""Scores below are within what the baseline did."""


def title(found: Compared) -> str:
    """`WINDOW 2026-11-22 07:04:00Z to 07:14:00Z, against the 40 min before`."""
    span = span_text(TIMES * (found.t1_ns - found.t0_ns) / 1e9)
    return f"WINDOW {date_clock_text(found.t0_ns)} to {clock_text(found.t1_ns)}Z, against {span} before"


def rank_rows(
    found: Compared, labels: Mapping[str, str], size: int, room: int, signs: SignSet, at: int
) -> list[Row]:
    """At most `room` rows of `size` cells: the ranks about the cursor `at`, then what the comparison stands on."""
    told = _told(found, labels, size)
    if not found.ranks:
        return [row((" No channel has enough values in the window and before it.", "label")), *told]
    tall = max(1, min(len(found.ranks), room - len(told)))
    top = max(0, min(at - tall // 2, len(found.ranks) - tall))
    rows: list[Row] = []
    for i, one in enumerate(found.ranks[top : top + tall], top):
        loud = one.score >= CHANGED
        score = f"{one.score:.1f}" if one.score < 1000 else ">999"
        made = row(
            (signs.pointer if i == at else " ", "key"),
            (right(f"{i + 1} ", 4), "dim"),
            (left(labels.get(one.channel) or one.channel, 22), "value" if loud else "label"),
            (right(score, 6) + "  ", "value" if loud else "dim"),
            (WORDS[one.kind].format(score) if loud else "as before", "label" if loud else "dim"),
        )
        rows.append(chosen(made, size) if i == at else made)
    return [*rows, *told]


def _told(found: Compared, labels: Mapping[str, str], size: int) -> list[Row]:
    out: list[Row] = [EMPTY]
    if found.changed:
        names = ", ".join(labels.get(name) or name for name in found.changed)
        out += [row((f" {part}", "watch")) for part in folded(f"Changed state in it: {names}.", size - 2)[:2]]
    if found.orbits:
        base = f"Compared with the same place of {found.orbits} earlier orbit{'s' if found.orbits > 1 else ''} too."
    else:
        base = "No earlier orbit to compare with: what comes once an orbit ranks high."
    if found.quiet:
        base += f" {found.quiet} with too few values."
    return out + [row((f" {part}", "dim")) for part in folded(base, size - 2)[:2]]
