"""The lines around the ledger's table: filters to try, what is wrong with one, the count, the selected row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cubesat_tui.drawing.ledger_cells import quality_text, state_span, time_text
from cubesat_tui.drawing.rows import Row, left, row, spread
from cubesat_tui.drawing.signs import SignSet

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.query_syntax import QueryError
    from telemetry.store.rows import LedgerRow


def examples(snapshot: Snapshot, wide: bool) -> str:
    """Filters that this mission understands."""
    channels = snapshot.mission.bus_of(snapshot.satellite).channels
    first = next((channel for channel in channels if channel.limits and not channel.enum), channels[0])
    pair = next((one.warning or one.critical for one in first.limits), None)
    bound = f"{pair[0]:g}" if pair is not None and math.isfinite(pair[0]) else "0"
    short = f"anomaly and time in last 10 min   or   {first.name} < {bound}"
    return f"{short}   or   satellite = {snapshot.satellite} and score > 0.6" if wide else short


def error_rows(error: QueryError, text: str, width: int, scrolled: int = 0, indent: int = 9) -> tuple[Row, ...]:
    """Caret under the character that is wrong, the sentence, and the words that could stand there."""
    column = max(0, min(error.column, len(text)) - scrolled)
    lines: list[Row] = [
        row((" " * min(indent + column, max(0, width - 1)) + "^", "warning")),
        row((f" {error.message}", "warning")),
    ]
    if error.allowed:
        shown, rest = error.allowed[:12], len(error.allowed) - 12
        words = ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
        lines.append(row((left(f" allowed: {words}", width), "label")))
    return tuple(lines)


def count_row(
    total: str,
    found: str,
    columns: tuple[int, int, int],
    size: int,
    *,
    loading: bool,
    following: bool,
    past_ns: int | None = None,
) -> Row:
    """How many of the `total` frames a filter `found` (empty without one), and which `columns` are seen.

    `past_ns`: the moment from which the table goes down, where that is not now.
    """
    if found:
        head = row((" LEDGER ", "title"), (f"{found} of {total} frames", "value"))
    else:
        head = row((" LEDGER ", "title"), (f"{total} frames stored", "label"))
    if loading:
        head = (*head, ("  reading ...", "dim"))
    elif past_ns is not None:
        head = (*head, (f"  down from {time_text(past_ns)}Z", "value"))
    elif not following:
        head = (*head, ("  standing still, home follows", "dim"))
    first, last, many = columns
    tail = row((f"columns {first}-{last} of {many} ", "label"), ("h l", "key"), (" ", "plain"))
    return spread(head, tail, size)


def selected_rows(chosen: LedgerRow, signs: SignSet) -> tuple[Row, Row]:
    """Where the selected row comes from, and the model's opinion of it."""
    delay = (chosen.received_ns - chosen.t_ns) / 1e9
    behind = f"+{delay:.1f} s" if abs(delay) < 100 else time_text(chosen.received_ns)
    first = row(
        (f" {time_text(chosen.t_ns, fraction=True)}Z ", "value"),
        (f" {chosen.layout.packet} {chosen.boot}/{chosen.seq} ", "label"),
        (f" received {behind}  ", "label"),
        (quality_text(chosen.quality), "label"),
    )
    if chosen.model is None or chosen.score is None:
        return first, row((" not judged: no model was live, or none judges this packet", "dim"))
    chance = f"p {chosen.p:.2g}" if chosen.p is not None else ""
    text, style = state_span(chosen, signs)
    second = row(
        (f" {text.strip()} ", style),
        (f"score {chosen.score:.4f}  {chance}  model v{chosen.model}", "label"),
        ("   enter: every value and why", "dim"),
    )
    return first, second


def empty_rows(*, loading: bool, filtered: bool, stored: int) -> tuple[Row, ...]:
    """Why there is no row."""
    if loading:
        return (row((" reading ...", "dim")),)
    if filtered:
        return (
            row((" No stored frame satisfies this filter.", "value")),
            row((" esc: every frame again    / : change the filter", "label")),
        )
    if not stored:
        return (row((" Nothing is stored yet. Frames appear here as soon as the station has some.", "value")),)
    return ()
