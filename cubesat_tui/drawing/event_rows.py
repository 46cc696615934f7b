"""The Events screen as rows: its head, the table, the detail of the selected alarm or event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.alarm_rows import event_row, last_return, table_header, table_row
from cubesat_tui.drawing.inspect_rows import beside_row, led_rows
from cubesat_tui.drawing.numbers import clock_text, count_text, date_clock_text
from cubesat_tui.drawing.rows import EMPTY, Row, crop, folded, row, rule, spread
from cubesat_tui.drawing.signs import SignSet
from cubesat_tui.drawing.why import alarm_label, share_rows, shown_units, why_lines
from telemetry.alarms import AlarmState

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Event

_LOAD_NS = 600_000_000_000
_HIGH_LOAD = 3


def head_row(snapshot: Snapshot, size: int, *, all_events: bool, search: str) -> Row:
    """` OPEN 5 | all events   from WATCH up   load 3 per 10 min (high)   / search`."""
    since = snapshot.now_ns - _LOAD_NS
    load = sum(1 for e in snapshot.events if e.kind == "alarm.raised" and e.at_ns >= since)
    high = " (high)" if load >= _HIGH_LOAD else ""
    open_style, all_style = ("label", "title") if all_events else ("title", "label")
    start = row(
        (f" OPEN {len(snapshot.alarms)}" if not all_events else f" open {len(snapshot.alarms)}", open_style),
        (" | ", "rule"),
        ("ALL EVENTS" if all_events else "all events", all_style),
        ("   from WATCH up" if not all_events else "   newest first", "label"),
        (f"   load {load} per 10 min", "label"),
        (high, "warning"),
    )
    end = row((f"/ {search} ", "reverse")) if search else row(("/ search ", "dim"))
    return spread(start, end, size)


def alarms_table(
    alarms: Sequence[Alarm], snapshot: Snapshot, size: int, signs: SignSet, selected: tuple[str, str] | None
) -> list[Row]:
    """The table of open alarms, its empty state included."""
    if not snapshot.alarms:
        shelved = sum(1 for a in snapshot.alarms if a.state is AlarmState.SHELVED)
        total = max((e.id for e in snapshot.events), default=0)
        text = f"No alarm open. {last_return(snapshot)} {shelved} shelved. tab: all {count_text(total)} events."
        return [EMPTY, *(row((f" {part}", "label")) for part in folded(" ".join(text.split()), size - 2))]
    if not alarms:
        return [EMPTY, row((" No open alarm matches the search; esc ends it.", "label"))]
    return [table_header(size), *(table_row(a, snapshot, size, signs, a.key == selected) for a in alarms)]


def events_table(
    events: Sequence[Event], size: int, signs: SignSet, selected: int | None, searching: bool
) -> list[Row]:
    """Journal rows, newest first."""
    if not events:
        text = (
            "No event matches the search; esc ends it."
            if searching
            else "No event yet: the station writes here what happens."
        )
        return [EMPTY, row((f" {text}", "label"))]
    head = row(("  time UTC     kind                 what", "dim"))
    return [head, *(event_row(e, size, signs, mark=e.id == selected) for e in events)]


def alarm_detail(alarm: Alarm, snapshot: Snapshot, size: int, height: int, signs: SignSet) -> list[Row]:
    """Why, what to do, the shares of an anomaly, what led to it, what happened beside it."""
    rows: list[Row] = [row((f" {alarm_label(alarm, snapshot)}", "title"), (f"  {alarm.subject}", "dim"))]
    rows += why_lines(alarm, snapshot, size, 5 if height < 16 else 8, signs)
    rows += share_rows(alarm, snapshot, size, signs, 5 if height > 12 else 3)
    beside = beside_row(alarm, snapshot)
    return rows + led_rows(alarm, snapshot, size, signs, most=max(1, height - len(rows) - len(beside) - 2)) + beside


def event_detail(event: Event, size: int, signs: SignSet) -> list[Row]:
    """Everything a journal row holds."""
    rows: list[Row] = [
        row(
            (f" {event.kind}", "title"),
            (f"  {date_clock_text(event.at_ns)}", "label"),
            (f"  row {event.id}", "dim"),
        )
    ]
    rows += [row((f" {part}", "plain")) for part in folded(shown_units(event.text, signs), size - 2)]
    if event.subject:
        rows.append(row((" about  ", "label"), (event.subject, "plain")))
    if event.actor:
        rows.append(row((" by     ", "label"), (event.actor, "plain")))
    facts = ", ".join(
        f"{name} {value}"
        for name, value in event.body.items()
        if name != "text" and not isinstance(value, list | dict)
    )
    return rows + [row((f" {part}", "label")) for part in folded(facts, size - 2)]


def acts_rows(snapshot: Snapshot, size: int, signs: SignSet, most: int) -> list[Row]:
    """What operators did lately."""
    acts = [e for e in snapshot.events if e.actor and not e.kind.startswith("station.")][:most]
    rows: list[Row] = [rule(row(("ACTS", "title")), size, signs)]
    for event in acts:
        what = shown_units(event.text, signs).removeprefix(f"{event.actor} ")
        made = row((f" {clock_text(event.at_ns)} ", "dim"), (f"{event.actor} ", "value"), (what, "plain"))
        rows.append(crop(made, size))
    if not acts:
        rows.append(row((" nobody has acted yet: a acknowledges", "dim")))
    return rows


def matches(text: str, *fields: str) -> bool:
    """Whether a search finds one of the fields."""
    wanted = text.casefold()
    return any(wanted in field.casefold() for field in fields)
