"""The passes to come as rows: a few beside the alarms, all of them in a card, and why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import clock_text, countdown, day_clock_text
from cubesat_tui.drawing.rows import EMPTY, Row, folded, left, right, row
from cubesat_tui.drawing.signs import SignSet, unit

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Pass, Snapshot

ORBIT_EVENT = "contact.orbit"
"""Kind of the event in which a station says what is wrong with an orbit."""


def no_pass_text(snapshot: Snapshot) -> str:
    """Why no pass is listed, and what would change it."""
    if snapshot.mission.satellite(snapshot.satellite).tle is None:
        return f"no orbit is known: give {snapshot.satellite} its tle in mission.toml"
    if not snapshot.mission.ground_stations:
        return "no ground station: add [[ground_station]] to mission.toml"
    return "none in the next 24 hours"


def pass_rows(snapshot: Snapshot, size: int, most: int) -> list[Row]:
    """Contacts to come: `Munich   07:20:15Z  in 12:44   max 61°`."""
    rows: list[Row] = []
    for one in snapshot.passes[:most]:
        here = one.acquisition_ns <= snapshot.now_ns
        left_s = ((one.loss_ns if here else one.acquisition_ns) - snapshot.now_ns) / 1e9
        minutes = f"{(one.loss_ns - one.acquisition_ns) / 60e9:.0f} min, " if size >= 56 else ""
        rows.append(
            row(
                (" " + left(one.station, 10), "value"),
                (f" {clock_text(one.acquisition_ns)}Z ", "label"),
                (left(f"{'now, LOS' if here else 'in'} {countdown(left_s)}", 15), "label"),
                (f"{minutes}max {one.max_el:.0f}°" if size >= 44 else "", "dim"),
            )
        )
    return rows or [row((f" {part}", "dim")) for part in folded(no_pass_text(snapshot), size - 2)]


def pass_card_rows(snapshot: Snapshot, size: int, signs: SignSet) -> list[Row]:
    """Every pass of the next 24 hours, the present one on top, then what is wrong with the orbit."""
    heads = (
        left("station", size - 59),
        left("acquisition", 11),
        " loss UTC",
        "  length",
        "    max el",
        right("in", 15),
    )
    head = " " + " ".join(heads)
    rows: list[Row] = [row((head, "dim"))] if snapshot.passes else [row((f" {no_pass_text(snapshot)}", "label"))]
    rows += [_row(one, snapshot.now_ns, size, signs) for one in snapshot.passes]
    notes = (e.text for e in snapshot.events if e.kind == ORBIT_EVENT and e.subject == snapshot.satellite)
    note = next(notes, "")
    if note:
        rows += [EMPTY, *(row((f" {part}", "watch")) for part in folded(note, size - 2))]
    return rows


def _row(one: Pass, now_ns: int, size: int, signs: SignSet) -> Row:
    here = one.acquisition_ns <= now_ns
    left_s = ((one.loss_ns if here else one.acquisition_ns) - now_ns) / 1e9
    style = "value" if here else "plain"
    return row(
        (f" {left(one.station, size - 59)} ", style),
        (f"{day_clock_text(one.acquisition_ns):11}  {clock_text(one.loss_ns)}  ", style),
        (right(countdown((one.loss_ns - one.acquisition_ns) / 1e9), 7), "label"),
        (right(f"{one.max_el:.1f} {unit('deg', signs)}", 9), "label"),
        (right(f"{'LOS ' if here else ''}{countdown(left_s)}", 16), style),
    )
