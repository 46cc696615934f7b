"""Texts of Live: the trend's title and limit lines, light and mode, the box of what comes and what was."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cubesat_tui.drawing.alarm_rows import event_row
from cubesat_tui.drawing.channel_rows import label_of, predicted_spans
from cubesat_tui.drawing.numbers import date_clock_text, span_text
from cubesat_tui.drawing.pass_rows import pass_rows
from cubesat_tui.drawing.rows import Row, Span, crop, framed, row, rule
from cubesat_tui.drawing.signs import SIGNS, UNICODE, SignSet, unit
from cubesat_tui.drawing.trend_curves import CurveName
from cubesat_tui.drawing.trend_plot import LimitLine, TrendTitle

if TYPE_CHECKING:
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from telemetry.alarms import Alarm

_LEVELS = (("watch", "watch"), ("warning", "warn"), ("distress", "dist"), ("critical", "crit"), ("severe", "sevr"))


def limit_lines(now: ChannelNow) -> tuple[LimitLine, ...]:
    """Both bounds of every level of the channel's present limit set."""
    if now.limits is None:
        return ()
    lines: list[LimitLine] = []
    for level, name in _LEVELS:
        pair = now.limits.bounds(level)
        lines += [
            LimitLine(value, f"{name} {value:g}", SIGNS[level].style)
            for value in pair or ()
            if math.isfinite(value)
        ]
    return tuple(lines)


def trend_title(now: ChannelNow, span_s: float, signs: SignSet) -> TrendTitle:
    """Channel and unit, and the span."""
    name = label_of(now).upper()
    shown = unit(now.channel.unit, signs)
    return TrendTitle(f"{name} {shown}".rstrip(), f"{span_text(span_s)}  [ ] zoom  < > pan")


def curve_name(now: ChannelNow, signs: SignSet) -> CurveName:
    """What a channel is called among several curves."""
    return CurveName(label_of(now), unit(now.channel.unit, signs), now.channel.decimals)


def where_text(snapshot: Snapshot, signs: SignSet = UNICODE) -> tuple[Row, ...]:
    """`sunlit, PAYLOAD mode` and shorter forms, from the channels where the mission has them.

    Light and the place in a station's sky are predicted where the satellite does not send them, and look so.
    """
    light, mode = snapshot.channels.get("orb.eclipse"), snapshot.channels.get("obc.mode")
    sun = ""
    if light is not None and light.value is not None:
        sun = light.text if light.channel.enum else ("eclipse" if light.value else "sunlit")
    word = mode.text if mode is not None and mode.value is not None else ""
    if light is not None and light.channel.predicted:
        lit = predicted_spans(light, signs)
        long: Row = (*lit, (f", {word} mode" if word else "", "label"))
        return ((*_in_the_sky(snapshot, signs), *long), long, (*lit, (f" {word}".rstrip(), "label")), lit)
    if not word:
        return (((sun, "label"),),)
    forms = (f"{sun}, {word} mode" if sun else f"{word} mode", f"{sun} {word}".strip(), word)
    return tuple(((text, "label"),) for text in forms)


def _in_the_sky(snapshot: Snapshot, signs: SignSet) -> Row:
    """`Elevation ┄ -12.3 ° fc  Range ┄ 5204 km fc  `, where these are predicted."""
    seen = [snapshot.channels.get(name) for name in ("gs.elevation", "gs.range_km")]
    spans: list[Span] = []
    for now in seen:
        if now is not None and now.channel.predicted:
            spans += [(f"{label_of(now)} ", "label"), *predicted_spans(now, signs), ("  ", "label")]
    return tuple(spans)


def side_rows(snapshot: Snapshot, size: int, height: int, signs: SignSet) -> tuple[Row, ...]:
    """Next passes, then the last events, in one frame."""
    inner = size - 2
    passes = pass_rows(snapshot, inner, 2)
    room = max(0, height - 2 - len(passes) - 1)
    told = snapshot.events[:room]
    events = [crop(event_row(event, inner, signs, date=False), inner) for event in told]
    body = [*passes, rule(row(("LAST EVENTS", "title")), inner, signs), *events]
    return framed(row(("NEXT PASSES", "title")), body, size, height, signs)


def copied(now: ChannelNow, alarm: Alarm | None) -> str:
    """One line for another program: time, channel, value, unit, and the alarm's sentence."""
    when = "-" if now.t_ns is None else date_clock_text(now.t_ns)
    value = "-" if now.value is None else repr(now.value)
    text = f"{when} {now.channel.name} {value} {now.channel.unit}".rstrip()
    return f"{text}; {alarm.text}" if alarm is not None else text
