"""The Events screen as rows: its head, the table, the detail of the selected alarm or event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.alarm_history import history_rows
from cubesat_tui.drawing.alarm_rows import event_row, last_return, quiet_text, table_header, table_row
from cubesat_tui.drawing.channel_rows import label_of
from cubesat_tui.drawing.numbers import clock_text, count_text, date_clock_text
from cubesat_tui.drawing.rows import EMPTY, Row, crop, folded, row, rule, spread
from cubesat_tui.drawing.signs import SignSet, unit
from cubesat_tui.drawing.why import alarm_label, share_rows, shown_units, why_lines
from cubesat_tui.pending_acts import pending_line

if TYPE_CHECKING:
    from cubesat_tui.minute_moves import Move
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Event

_LOAD_NS = 600_000_000_000
_HIGH_LOAD, _FLOOD = 3, 10
"""Alarms in ten minutes: above one in five minutes it is high, above one a minute unacceptable (a flood)."""


def load_of(snapshot: Snapshot) -> tuple[int, str]:
    """Alarms raised in the last ten minutes, and what to say of so many."""
    since = snapshot.now_ns - _LOAD_NS
    load = sum(1 for e in snapshot.events if e.kind == "alarm.raised" and e.at_ns >= since)
    return load, " (flood)" if load > _FLOOD else " (high)" if load >= _HIGH_LOAD else ""


def head_row(snapshot: Snapshot, size: int, *, all_events: bool, level: str, search: str, above: int = 0) -> Row:
    """` OPEN 5 | all events   from WATCH up   load 3 per 10 min (high)   / search`.

    `level`: words of the severity filter; `above`: new alarms above the rows that are seen.
    """
    load, high = load_of(snapshot)
    open_style, all_style = ("label", "title") if all_events else ("title", "label")
    start = row(
        (f" OPEN {len(snapshot.alarms)}" if not all_events else f" open {len(snapshot.alarms)}", open_style),
        (" | ", "rule"),
        ("ALL EVENTS" if all_events else "all events", all_style),
        (f"  {above} NEW above" if above else "", "warning"),
        (f"   {level}", "label"),
        (f"   load {load} per 10 min", "label"),
        (high, "warning"),
    )
    end = row((f"/ {search} ", "reverse")) if search else row(("/ search ", "dim"))
    return spread(start, end, size)


def nothing_open(snapshot: Snapshot, size: int) -> list[Row]:
    """`No alarm open. The last one returned 05:58:12Z (Bus 5V). 0 shelved. tab: all 214 events.`"""
    shelved = sum(alarm.shelved for alarm in snapshot.alarms)
    total = snapshot.told or max((e.id for e in snapshot.events), default=0)
    text = f"No alarm open. {last_return(snapshot)} {shelved} shelved. tab: all {count_text(total)} events."
    return [EMPTY, *(row((f" {part}", "label")) for part in folded(" ".join(text.split()), size - 2))]


def alarms_table(
    alarms: Sequence[Alarm], snapshot: Snapshot, size: int, signs: SignSet, selected: tuple[str, str] | None
) -> list[Row]:
    """The table of open alarms, its empty state included."""
    if not snapshot.alarms:
        return nothing_open(snapshot, size)
    if not alarms:
        text = f"None of {len(snapshot.alarms)} open alarms matches the search and the severity; esc ends both."
        return [EMPTY, *(row((f" {part}", "label")) for part in folded(text, size - 2))]
    return [table_header(size), *(table_row(a, snapshot, size, signs, a.key == selected) for a in alarms)]


def events_table(
    events: Sequence[Event], size: int, signs: SignSet, selected: int | None, narrowed: bool, full: bool
) -> list[Row]:
    """Journal rows, newest first. `narrowed`: by a search or a severity; `full`: no more are held than these."""
    if not events:
        text = "No event yet: the station writes here what happens."
        if narrowed:
            where = "None of the newest events" if full else "No event"
            text = f"{where} matches the search and the severity; esc ends both."
        return [EMPTY, row((f" {text}", "label"))]
    head = row(("  time UTC     kind                 what", "dim"))
    return [head, *(event_row(e, size, signs, mark=e.id == selected) for e in events)]


def alarm_detail(
    alarm: Alarm,
    snapshot: Snapshot,
    history: Sequence[Event],
    moved: Sequence[Move],
    size: int,
    height: int,
    signs: SignSet,
) -> list[Row]:
    """Why, what to do, the shares of an anomaly, its history, and what happened in the same minute.

    `history`: its journal rows, oldest first; `moved`: what else left its course then.
    """
    rows: list[Row] = [row((f" {alarm_label(alarm, snapshot)}", "title"), (f"  {alarm.subject}", "dim"))]
    rows += why_lines(alarm, snapshot, size, 3 if height < 12 else 8, signs)
    rows += share_rows(alarm, snapshot, size, signs, 5 if height > 14 else 1)
    if alarm.shelved or alarm.inhibited_by:
        who = f"shelved by {alarm.shelved_by} " if alarm.shelved else "muted: "
        rows += [row((f" {part}", "label")) for part in folded(who + quiet_text(alarm, snapshot.now_ns), size - 2)]
    same = minute_rows(alarm, snapshot, moved, size, 1 if height < 12 else 3, signs)
    told = history_rows(alarm, history, snapshot, size, max(0, height - len(rows) - len(same)), signs)
    return [*rows, *told, *same]


def minute_rows(
    alarm: Alarm, snapshot: Snapshot, moved: Sequence[Move], size: int, most: int, signs: SignSet
) -> list[Row]:
    """` Same minute: Wheel X current +0.12 A (4.1 sigma), Panel +X`: other alarms, then what else moved."""
    near = dict.fromkeys(
        alarm_label(other, snapshot)
        for other in snapshot.alarms
        if other.key != alarm.key and abs(other.raised_ns - alarm.raised_ns) < _MINUTE_NS
    )
    for event in snapshot.events:
        newest = snapshot.channels.get(event.subject.removeprefix("anomaly:"))
        then = event.kind == "alarm.raised" and abs(event.at_ns - alarm.raised_ns) < _MINUTE_NS
        if then and newest is not None and event.subject != alarm.subject:
            near[label_of(newest)] = None
    others = [_move_words(move, snapshot, signs) for move in moved if move.channel in snapshot.channels]
    what = ", ".join([*(f"alarm {label}" for label in near), *others])
    if not what:
        return []
    lines = folded(what, size - 15)
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1].rstrip(",") + " ..."]
    heads = [" Same minute: ", *([" " * 14] * (len(lines) - 1))]
    return [row((head, "label"), (line, "plain")) for head, line in zip(heads, lines, strict=True)]


_MINUTE_NS = 60_000_000_000


def _move_words(move: Move, snapshot: Snapshot, signs: SignSet) -> str:
    channel = snapshot.channels[move.channel].channel
    sign = "+" if move.change > 0 else "-"
    shown = f"{sign}{channel.number(abs(move.change))} {unit(channel.unit, signs)}".rstrip()
    return f"{label_of(snapshot.channels[move.channel])} {shown} ({abs(move.sigma):.1f} sigma)"


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
    """Who did what lately."""
    acts = [e for e in snapshot.events if e.actor and not e.kind.startswith("station.")][:most]
    waiting = pending_line(snapshot.health)
    rows: list[Row] = [rule(row(("ACTS", "title")), size, signs, row((waiting, "warning")) if waiting else ())]
    for event in acts:
        style = "warning" if event.kind == "act.refused" else "plain"
        what = act_words(event, snapshot, signs)
        made = row((f" {clock_text(event.at_ns)} ", "dim"), (f"{event.actor} ", "value"), (what, style))
        rows.append(crop(made, size))
    if not acts and not waiting:
        rows.append(row((" nobody has acted yet: a acknowledges", "dim")))
    return rows


_DID = {
    "alarm.acknowledged": "acknowledged",
    "alarm.cleared": "cleared",
    "alarm.ack_undone": "took back the acknowledgement of",
    "alarm.unshelved": "took off the shelf",
}


def act_words(event: Event, snapshot: Snapshot, signs: SignSet) -> str:
    """`acknowledged Panel +X`, `note on Wheel X speed: "..."`, or the event's own sentence without its actor."""
    newest = snapshot.channels.get(event.subject.removeprefix("anomaly:"))
    label = label_of(newest) if newest is not None else event.subject
    if event.subject.startswith("anomaly:"):
        label = f"anomaly {label}"
    text = shown_units(event.text, signs).removeprefix(f"{event.actor} ")
    reason = f', "{event.body["reason"]}"' if event.body.get("reason") else ""
    if event.kind == "alarm.unshelved" and event.body.get("why") == "undone":
        return f"took back the shelf of {label}"
    if event.kind in _DID:
        return f"{_DID[event.kind]} {label}{reason}"
    if event.kind == "alarm.shelved" and isinstance(event.body.get("until_ns"), int):
        return f"shelved {label} until {clock_text(event.body['until_ns'])[:5]}Z{reason}"
    if event.kind == "act.refused":
        return f"was refused: {text}"
    if event.kind in ("note.alarm", "note.shift"):
        return f'noted on {label or "the shift"}: "{text}"'
    return text


def matches(text: str, *fields: str) -> bool:
    """Whether each word of a search stands in one of the fields."""
    whole = "\n".join(fields).casefold()
    return all(word in whole for word in text.casefold().split())
