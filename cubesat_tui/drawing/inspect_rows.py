"""The card behind `enter`: why, numbers behind it, what led to it, what to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cubesat_tui.drawing.alarm_rows import event_row
from cubesat_tui.drawing.channel_rows import label_of, movement_of, state_key
from cubesat_tui.drawing.numbers import age_text, date_clock_text
from cubesat_tui.drawing.rows import EMPTY, Row, folded, left, right, row
from cubesat_tui.drawing.signs import SIGNS, SignSet, unit
from cubesat_tui.drawing.why import (
    action_of,
    alarm_key,
    alarm_label,
    contributions,
    quantity,
    sentence,
    shown_state,
)
from telemetry.limit_text import expected_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from telemetry.alarms import Alarm
    from telemetry.limit_set import LimitSet

_PARTS_HEAD = (
    "   "
    + left("channel", 20)
    + "".join(map(right, ("value", "expected", "sigma alone", "given rest"), (14, 16, 12, 11)))
)
_LEVELS = ("watch", "warning", "distress", "critical", "severe")


def inspect_rows(
    snapshot: Snapshot, alarm: Alarm | None, now: ChannelNow | None, size: int, signs: SignSet
) -> tuple[str, list[Row]]:
    """Title and rows of the card, folded to `size` cells."""
    rows: list[Row] = []
    title = label_of(now) if now is not None else alarm.channel if alarm is not None else ""
    if alarm is not None:
        title = alarm_label(alarm, snapshot)
        rows += _alarm_rows(alarm, snapshot, size, signs)
    if now is not None:
        rows += _channel_rows(now, size, signs)
    if alarm is not None:
        rows += led_rows(alarm, snapshot, size, signs, most=8)
        rows += beside_row(alarm, snapshot)
    return title.upper(), rows


def _alarm_rows(alarm: Alarm, snapshot: Snapshot, size: int, signs: SignSet) -> list[Row]:
    sign = SIGNS[alarm_key(alarm)]
    rows: list[Row] = [
        row(
            (f" {signs.glyph(sign.key)} {sign.word}  {shown_state(alarm, snapshot)}", sign.style),
            (f"  {alarm.subject}", "dim"),
        ),
    ]
    rows += [row((" " + part, "plain")) for part in folded(sentence(alarm, snapshot, signs), size - 2)]
    body = alarm.body
    if alarm.kind == "anomaly":
        for i, line in enumerate(folded(_opinion(alarm, body), size - 19)):
            rows.append(row((" A model's opinion: " if i == 0 else " " * 20, "label"), (line, "plain")))
        parts = contributions(body)
        if parts:
            rows += [EMPTY, row((_PARTS_HEAD, "dim"))]
            rows += [_part(part, snapshot, signs) for part in parts[:5]]
    action = action_of(alarm, snapshot)
    rows.append(EMPTY)
    for i, part in enumerate(folded(action or "no action is written for this channel in mission.toml", size - 7)):
        rows.append(row((" Do:  " if i == 0 else "      ", "title"), (part, "plain")))
    if alarm.acked_ns is not None:
        rows.append(row((f" Acknowledged by {alarm.acked_by} at {date_clock_text(alarm.acked_ns)}", "label")))
    rows.append(EMPTY)
    return rows


def _opinion(alarm: Alarm, body: dict[str, Any]) -> str:
    parts: list[str] = []
    if alarm.current is not None:
        parts.append(f"score {alarm.current:.3f}")
    if body.get("threshold") is not None:
        parts.append(f"threshold {float(body['threshold']):.3f}")
    p = body.get("p")
    if isinstance(p, int | float) and math.isfinite(p):
        parts.append(f"p {p:.2g}")
    if body.get("model") is not None:
        parts.append(f"model v{body['model']}")
    told = contributions(body)
    if told and told[0].get("member"):
        parts.append(f"voice: {told[0]['member']}")
    times = body.get("times")
    if isinstance(times, int) and times > 1:
        parts.append(f"{times} times")
    return ", ".join(parts) or "no figures were stored"


def _part(part: Any, snapshot: Snapshot, signs: SignSet) -> Row:
    """One ranked channel: its value, what was expected (the forecast, or usual), and its two figures in sigma."""
    name = str(part.get("channel", ""))
    now = snapshot.channels.get(name)
    expected, style = quantity(snapshot, name, part.get("usual"), signs), "label"
    if part.get("forecast") is not None:
        expected, style = f"fc {quantity(snapshot, name, part.get('forecast'), signs)}", "forecast"
    return row(
        ("   " + left(label_of(now) if now is not None else name, 20), "plain"),
        (right(quantity(snapshot, name, part.get("value"), signs), 14), "value"),
        (right(expected, 16), style),
        (right(_sigma(part.get("marginal")), 12), "label"),
        (right(_sigma(part.get("conditional")), 11), "anomaly"),
    )


def _sigma(size: Any) -> str:
    return "-" if not isinstance(size, int | float) or not math.isfinite(size) else f"{size:+.1f}"


def _channel_rows(now: ChannelNow, size: int, signs: SignSet) -> list[Row]:
    channel = now.channel
    key = state_key(now)
    shown = unit(channel.unit, signs)
    style = "label" if key == "ok" else SIGNS[key].style
    rows: list[Row] = [
        row((f" {channel.name}", "title"), (f"  {movement_of(now) or SIGNS[key].meaning}", style)),
        row((" now      ", "label"), (f"{now.text} {'' if now.silent else shown}".rstrip(), "value"),
            (_origin(now), "label"),
            (f", {now.acquisition.value}", "dim")),
    ]  # fmt: skip
    if now.t_ns is not None:
        rows.append(
            row((" on board ", "label"), (date_clock_text(now.t_ns), "plain"), ("   generation time", "dim"))
        )
    if now.limits is None:
        rows.append(row((" limits   ", "label"), ("none in mission.toml", "dim")))
    else:
        rows.append(row((" limits   ", "label"), (_set_text(now.limits), "dim")))
        for level in _LEVELS:
            pair = now.limits.bounds(level)
            if pair is not None:
                sign = SIGNS[level]
                rows.append(
                    row(
                        (f"   {signs.glyph(level)} {left(sign.word, 6)}", sign.style),
                        (f"{pair[0]:g} .. {pair[1]:g} {shown}", "plain"),
                    )
                )
        rows += _point_rows(now, signs)
    if channel.stuck_s is not None:
        where = f" while {channel.stuck_when}" if channel.stuck_when else ""
        rows.append(row((" stuck    ", "label"), (f"after {channel.stuck_s:g} s unchanged{where}", "dim")))
    if channel.max_rate is not None:
        where = f" while {channel.rate_when}" if channel.rate_when else ""
        rows.append(row((" rate     ", "label"), (f"{channel.max_rate:g} {shown} a second at most{where}", "dim")))
    if channel.delta is not None:
        where = f" while {channel.delta_when}" if channel.delta_when else ""
        low, high = channel.delta
        rows.append(
            row((" delta    ", "label"), (f"{low:g} .. {high:g} {shown} from sample to sample{where}", "dim"))
        )
    rows.append(
        row(
            (" sent     ", "label"),
            (f"every {channel.period_s:g} s{', during a pass only' if channel.contact_only else ''}", "dim"),
        )
    )
    return [tuple((text, style) for text, style in one) for one in rows if size]


def _set_text(limits: LimitSet) -> str:
    if not limits.bands:
        return f"set {limits.title}"
    bounds = f"{', '.join(sorted(limits.exclusive))} exclusive" if limits.exclusive else "inclusive"
    return f"set {limits.title}, {bounds}"


def _point_rows(now: ChannelNow, signs: SignSet) -> list[Row]:
    """States and expected values of the set that holds."""
    rows: list[Row] = []
    if now.limits is None:
        return rows
    for code, level in now.limits.states:
        sign = SIGNS[level]
        rows.append(
            row((f"   {signs.glyph(level)} {left(sign.word, 6)}", sign.style), (now.channel.number(code), "plain"))
        )
    if now.limits.expected:
        sign = SIGNS[now.limits.expected_level]
        wanted = expected_text(now.channel, now.limits.expected)
        rows.append(
            row(
                (f"   {signs.glyph(sign.key)} {left(sign.word, 6)}", sign.style),
                (f"anything but {wanted}", "plain"),
            )
        )
    return rows


def _origin(now: ChannelNow) -> str:
    if now.channel.predicted and now.age_s is None:
        return "   predicted, not measured"
    if now.age_s is None and now.t_ns is not None:
        return f"   made {date_clock_text(now.t_ns)}"
    return f"   received {age_text(now.age_s)} ago" if now.age_s is not None else "   never received"


def led_rows(alarm: Alarm, snapshot: Snapshot, size: int, signs: SignSet, most: int) -> list[Row]:
    """The journal rows of this alarm, newest first."""
    led = [e for e in snapshot.events if e.subject == alarm.subject and e.satellite == alarm.satellite][:most]
    if not led:
        return []
    rows: list[Row] = [EMPTY, row((" What led to it, newest first (UTC)", "title"))]
    return rows + [event_row(event, size, signs, date=False) for event in led]


def beside_row(alarm: Alarm, snapshot: Snapshot) -> list[Row]:
    """Alarms that were raised within a minute of this one."""
    near = [
        alarm_label(other, snapshot)
        for other in snapshot.alarms
        if other.key != alarm.key and abs(other.raised_ns - alarm.raised_ns) < 60_000_000_000
    ]
    return [row((" Same minute: ", "label"), (", ".join(near), "plain"))] if near else []
