"""Alarms as rows: the pinned list of Live, the box at 140 columns, the table of Events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cubesat_tui.drawing.channel_rows import long_row, state_key
from cubesat_tui.drawing.numbers import clock_text, count_text, day_clock_text
from cubesat_tui.drawing.rows import Row, chosen, crop, left, right, row, rule
from cubesat_tui.drawing.signs import SIGNS, SignSet
from cubesat_tui.drawing.why import (
    alarm_key,
    alarm_label,
    on_movement,
    quantity,
    shown_state,
    shown_units,
    sign_of,
    value_now,
)
from telemetry.alarms import STALE, AlarmState
from telemetry.freshness import Acquisition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm, Event

NOTHING = "Nothing needs you."


def last_return(snapshot: Snapshot) -> str:
    """`The last one returned 05:58:12Z (Bus 5V).`, empty where none did."""
    for event in snapshot.events:
        if event.kind == "alarm.returned":
            subject = event.subject.removeprefix("anomaly:")
            now = snapshot.channels.get(subject)
            label = now.channel.label if now is not None else subject
            return f"The last one returned {clock_text(event.at_ns)}Z ({label})."
    return ""


def needs_rows(
    alarms: Sequence[Alarm], snapshot: Snapshot, size: int, signs: SignSet, selected: tuple[str, str] | None
) -> list[Row]:
    """The pinned list under its rule; `alarms` are those that fit."""
    total = len(snapshot.alarms)
    if not alarms:
        head = rule(row(("NEEDS YOU 0", "title")), size, signs)
        return [head, row((f"   {NOTHING} {last_return(snapshot)}", "label"))]
    more = f"{total - len(alarms)} more: 5 Events" if total > len(alarms) else ""
    last = "age" if snapshot.past_ns is None else "UTC"
    scale = f"10 min    low ......|....... high        {last}" if size >= 78 else ""
    end = row((f"{more}  " if more else "", "warning"), (scale, "dim"))
    out = [rule(row((f"NEEDS YOU {total}", "title")), size, signs, end)]
    for alarm in alarms:
        mark = alarm.key == selected
        now = snapshot.channels.get(alarm.channel)
        state = shown_state(alarm, snapshot)
        tail = "" if state == AlarmState.UNACK_ALARM.word else state
        if now is None:
            text = shown_units(alarm.text, signs)
            out.append(alarm_line(alarm, text, size, signs, mark))
            continue
        # Of two words the second says that it is not done.
        age = left(tail.split()[-1] if alarm.key in snapshot.pending else tail, 10) if tail else ""
        if now.acquisition is not Acquisition.ACQUIRED:
            # How old the value is comes first there; the state stands in place of the gauge.
            age = ""
        key = alarm_key(alarm)
        out.append(long_row(now, size, signs, key=key, word=True, tail=age, state=tail, mark=mark))
    return out


def alarm_head(alarm: Alarm, snapshot: Snapshot, size: int, signs: SignSet, lead: str = "") -> Row:
    """`◆ CRIT  Wheel X speed  6204 rpm  NEW`: what a dialog is about."""
    sign = SIGNS[alarm_key(alarm)]
    newest = snapshot.channels.get(alarm.channel)
    now = quantity(snapshot, alarm.channel, newest.value if newest is not None else alarm.current, signs)
    made = row(
        (f"{lead}{signs.glyph(sign.key)} {left(sign.word, 6)}", sign.style),
        (f"{alarm_label(alarm, snapshot)}  ", "title"),
        (f"{now}  ", "value"),
        (shown_state(alarm, snapshot), "label"),
    )
    return crop(made, size)


def alarm_line(alarm: Alarm, text: str, size: int, signs: SignSet, mark: bool) -> Row:
    """An alarm whose channel the mission no longer knows."""
    sign = SIGNS[alarm_key(alarm)]
    return row(
        (signs.pointer if mark else " ", "key"),
        (signs.glyph(sign.key) + " " + left(sign.word, 5), sign.style),
        (left(text, max(0, size - 8)), "plain"),
    )


def box_rows(alarm: Alarm, snapshot: Snapshot, size: int, signs: SignSet, mark: bool) -> list[Row]:
    """Two rows: sign, time, label; then the value against its limit, or the model's sentence, and who has it."""
    sign = SIGNS[alarm_key(alarm)]
    if alarm.kind == "anomaly" or on_movement(alarm) or alarm.limit is None:
        text = shown_units(alarm.text, signs)
    else:
        current = quantity(snapshot, alarm.channel, value_now(alarm, snapshot), signs)
        text = f"{current} {sign_of(alarm)} {alarm.limit:g} {sign.word} ×{count_text(alarm.count)}"
    state = shown_state(alarm, snapshot)
    head = row(
        (signs.pointer if mark else " ", "key"),
        (signs.glyph(sign.key) + " ", sign.style),
        (clock_text(alarm.raised_ns) + " ", "dim"),
        (left(alarm_label(alarm, snapshot), max(4, size - 24)), sign.style),
        (right(state, 12), "value" if alarm.needs_acknowledgement else "dim"),
    )
    return [chosen(head, size) if mark else head, row(("   " + text, "label"))]


_STATE = 12
"""Cells of the state in the Events table: `SHELVED ann`, and a blank."""


def _columns(size: int) -> tuple[int, int, int]:
    """Cells of label, value and count in the Events table."""
    extra = max(0, size - 80)
    return 17 + min(extra, 16), 12 + min(max(0, extra - 16), 6), 6


def table_header(size: int) -> Row:
    """The heads of the Events table."""
    label, value, count = _columns(size)
    text = f"   {left('state', _STATE)}{left('severity', 9)}{left('raised UTC', 12)}{left('channel', label)}"
    return row((f"{text}{right('now', value)}{right('worst', 9)}{right('n', count)}", "dim"))


def table_row(alarm: Alarm, snapshot: Snapshot, size: int, signs: SignSet, mark: bool) -> Row:
    """One alarm of Events: state, severity, when, what, now, worst, how often; of one that is muted until when."""
    sign = SIGNS[alarm_key(alarm)]
    label, value, count = _columns(size)
    style = "value" if mark or alarm.needs_acknowledgement else "label"
    why = quiet_text(alarm, snapshot.now_ns)
    if why:
        end: Row = ((left(f"  {why}", value + 9 + count), "label"),)
    else:
        now, fresh = _now(alarm, snapshot, signs)
        end = (
            (right(now, value), "value" if alarm.active and fresh else "dim"),
            (right(_worst(alarm, snapshot), 9), "label"),
            (right(str(alarm.count), count), "dim"),
        )
    made = row(
        (signs.pointer if mark else " ", "key"),
        ("  " + left(shown_state(alarm, snapshot), _STATE - 1) + " ", style),
        (f"{signs.glyph(sign.key)} {left(sign.word, 7)}", sign.style),
        (left(day_clock_text(alarm.raised_ns), 12), "label"),
        (left(alarm_label(alarm, snapshot), label - 1) + " ", style),
        *end,
    )
    return chosen(made, size) if mark else crop(made, size)


def _now(alarm: Alarm, snapshot: Snapshot, signs: SignSet) -> tuple[str, bool]:
    """The newest value, and whether it counts now: an old or invalid one wears its sign."""
    newest = snapshot.channels.get(alarm.channel)
    if newest is None or alarm.kind == STALE:
        return quantity(snapshot, "", alarm.current, signs), True
    if newest.silent:
        return newest.text, False
    text = quantity(snapshot, alarm.channel, newest.value, signs)
    if newest.acquisition is Acquisition.ACQUIRED:
        return text, True
    return f"{signs.glyph(state_key(newest))} {text}", False


def _worst(alarm: Alarm, snapshot: Snapshot) -> str:
    if alarm.worst is None:
        return "-"
    if alarm.kind == "anomaly":
        threshold = alarm.body.get("threshold")
        return f"{alarm.worst / float(threshold):.1f}xthr" if threshold else "-"
    newest = snapshot.channels.get(alarm.channel)
    return f"{alarm.worst:g}" if newest is None or alarm.kind == STALE else newest.channel.number(alarm.worst)


def quiet_text(alarm: Alarm, now_ns: int) -> str:
    """`until 08:00, "antenna"` of a shelved alarm, the cause of one that is muted; "" of one that is heard."""
    if alarm.shelved and alarm.shelved_until_ns is not None:
        until, now = day_clock_text(alarm.shelved_until_ns), day_clock_text(now_ns)
        day = "" if until[:2] == now[:2] else until[:3]
        return f'until {day}{until[3:8]}, "{alarm.shelf_reason}"'
    return alarm.inhibited_by


def event_style(event: Event) -> tuple[str, str]:
    """(sign key, style) of a journal row: alarm events in their severity, the rest neutral."""
    if event.kind.startswith(("anomaly.", "alarm.")) and event.subject.startswith("anomaly:"):
        return "anomaly", "anomaly"
    key = ("ok", "watch", "warning", "distress", "critical", "severe")[max(0, min(5, event.severity))]
    if event.kind in ("alarm.acknowledged", "alarm.returned", "alarm.cleared"):
        return "ok", "label"
    return key, SIGNS[key].style if key != "ok" else "label"


def event_row(event: Event, size: int, signs: SignSet, *, mark: bool = False, date: bool = True) -> Row:
    """`22 07:13:31  ▲ alarm.raised       Wheel X ...`: time, sign, kind, sentence, actor."""
    key, style = event_style(event)
    when = day_clock_text(event.at_ns) if date else clock_text(event.at_ns)
    text = shown_units(event.text, signs)
    kind = f"{left(event.kind, 19)} " if date and size >= 70 else ""
    if text == event.kind:
        text = event.subject if kind else f"{event.kind} {event.subject}".rstrip()
    actor = f"  {event.actor}" if event.actor and not text.startswith(event.actor) else ""
    made = row(
        (signs.pointer if mark else " ", "key"),
        (f"{when} ", "dim"),
        (f"{signs.glyph(key)} ", style),
        (kind, "label"),
        (text, "plain" if style == "label" else style),
        (actor, "label"),
    )
    return chosen(made, size) if mark else crop(made, size)
