"""The journal rows of one alarm as a story: what was crossed, who did what, how far it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import clock_text, count_text, day_clock_text
from cubesat_tui.drawing.rows import Row, crop, folded, left, row, width
from cubesat_tui.drawing.signs import SIGNS, SignSet, level_key
from cubesat_tui.drawing.why import on_movement, quantity, shown_units
from telemetry import alarms as kinds
from telemetry.limits import Level

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Event

_WORD = 9


def history_rows(
    alarm: Alarm, events: Sequence[Event], snapshot: Snapshot, size: int, most: int, signs: SignSet
) -> list[Row]:
    """`07:13:51Z  CRITICAL 6011 > 6000  severity increased`: `events` of `alarm`, oldest first, in `most` rows.

    Where they do not fit, the first stays, then the newest; how many are left out is said. The last row is how far
    it went.
    """
    worst = _worst(alarm, snapshot, signs)
    room = most - 1 if worst else most
    if most < 1 or not (events or worst):
        return []
    told = [_told(alarm, event, snapshot, size, signs) for event in events if event.kind != kinds.UPDATED]
    if sum(map(len, told)) > room:
        told = [[crop((*one[0], *((" …", "plain") for _ in one[1:2])), size)] for one in told]
    if len(told) > room > 1:
        kept = max(0, room - 2)
        more = row((f"{' ' * 11}... {len(told) - 1 - kept} more: enter", "dim"))
        told = [told[0], [more], *(told[-kept:] if kept else [])]
    rows = [line for one in told for line in one][:room]
    return [*rows, crop(worst, size)] if worst else rows


def _told(alarm: Alarm, event: Event, snapshot: Snapshot, size: int, signs: SignSet) -> list[Row]:
    same_day = day_clock_text(event.at_ns)[:2] == day_clock_text(snapshot.now_ns)[:2]
    when = clock_text(event.at_ns) if same_day else day_clock_text(event.at_ns)
    word, text, style = _words(alarm, event, snapshot, signs)
    head: Row = ((f" {when}Z ", "dim"), (f" {left(word, _WORD)}", style))
    first, *rest = folded(text, size - width(head)) or [""]
    return [row(*head, (first, "plain")), *(row((" " * width(head), "plain"), (line, "plain")) for line in rest)]


def _words(alarm: Alarm, event: Event, snapshot: Snapshot, signs: SignSet) -> tuple[str, str, str]:
    """(who or how bad, what happened, style of the first)."""
    body, who = event.body, event.actor or "station"
    reason = f', "{body["reason"]}"' if body.get("reason") else ""
    match event.kind:
        case kinds.RAISED | kinds.SEVERITY:
            text = _crossed(alarm, event, snapshot, signs)
            if alarm.kind == "anomaly":
                return "ANOMALY", text, SIGNS["anomaly"].style
            told = "   severity increased" if event.kind == kinds.SEVERITY else ""
            return Level(event.severity).name, text + told, SIGNS[level_key(event.severity)].style
        case kinds.RETURNED:
            return "returned", shown_units(event.text, signs), "label"
        case kinds.ACKNOWLEDGED:
            return who, "acknowledged", "value"
        case kinds.ACK_UNDONE:
            return who, "took the acknowledgement back", "value"
        case kinds.SHELVED:
            until = body.get("until_ns")
            end = f" until {clock_text(until)[:5]}Z" if isinstance(until, int) else ""
            return who, f"shelved{end}{reason}", "value"
        case kinds.UNSHELVED:
            why = {
                kinds.EXPIRED: "the shelf ended",
                kinds.UNDONE: "took the shelf back",
                kinds.WORSE: "off the shelf: it became worse",
            }.get(str(body.get("why")), "took it off the shelf")
            return who, why + reason, "value"
        case kinds.NOTE:
            return who, f'note "{event.text}"', "value"
        case kinds.INHIBITED:
            return "muted", str(body.get("by") or event.text), "label"
        case kinds.RELEASED:
            return "heard", "no longer muted", "label"
        case _:
            return who if event.actor else event.kind.rpartition(".")[2], shown_units(event.text, signs), "label"


def _crossed(alarm: Alarm, event: Event, snapshot: Snapshot, signs: SignSet) -> str:
    """`5012 > 5000`; for what is no limit its sentence."""
    body = event.body
    value, limit, side = body.get("trigger", body.get("current")), body.get("limit"), body.get("side", 0)
    newest = snapshot.channels.get(alarm.channel)
    if alarm.kind != "limit" or on_movement(alarm) or newest is None or not side:
        return shown_units(event.text, signs)
    if not isinstance(value, int | float) or not isinstance(limit, int | float):
        return shown_units(event.text, signs)
    if event.kind == kinds.SEVERITY and isinstance(body.get("current"), int | float):
        value = body["current"]
    return f"{newest.channel.number(value)} {'>' if side > 0 else '<'} {limit:g}"


def _worst(alarm: Alarm, snapshot: Snapshot, signs: SignSet) -> Row:
    """`worst    6204 rpm, 12 samples, 2 times`."""
    if alarm.worst is None:
        return ()
    if alarm.kind == "anomaly":
        threshold = alarm.body.get("threshold")
        worst = f"{alarm.worst / float(threshold):.1f} x threshold" if threshold else f"score {alarm.worst:.3f}"
    elif alarm.kind == kinds.STALE:
        worst = f"{alarm.worst:g} channels"
    else:
        worst = quantity(snapshot, alarm.channel, alarm.worst, signs)
    again = f", came {alarm.violations} times" if alarm.violations > 1 else ""
    text = f"{worst}, {count_text(alarm.count)} samples{again}"
    return row((" " * 11, "dim"), (f" {left('worst', _WORD)}", "label"), (text, "plain"))
