"""Why an alarm is one, and what to do: sentences and shares, from the alarm and the newest values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cubesat_tui.drawing.channel_rows import label_of
from cubesat_tui.drawing.numbers import clock_text
from cubesat_tui.drawing.rows import Row, folded, left, right, row
from cubesat_tui.drawing.signs import SIGNS, SignSet, level_key, unit
from telemetry.alarms import STALE, AlarmState
from telemetry.limits import LIMIT

if TYPE_CHECKING:
    from cubesat_tui.snapshot import Snapshot
    from telemetry.alarms import Alarm


def alarm_key(alarm: Alarm) -> str:
    """The sign an alarm is drawn under: the worst it has been."""
    return "anomaly" if alarm.kind == "anomaly" else level_key(alarm.severity)


def alarm_label(alarm: Alarm, snapshot: Snapshot) -> str:
    """The label of the alarm's channel; of several whose values are too old, how many."""
    if alarm.kind == STALE and len(alarm.channels) != 1:
        return f"{len(alarm.channels)} old values" if alarm.channels else "old values"
    now = snapshot.channels.get(alarm.channel)
    return label_of(now) if now is not None else alarm.channel


def quantity(snapshot: Snapshot, channel: str, value: float | None, signs: SignSet) -> str:
    """A value of a channel with its unit as shown."""
    now = snapshot.channels.get(channel)
    if value is None:
        return "-"
    if now is None:
        return f"{value:.6g}"
    return f"{now.channel.number(value)} {unit(now.channel.unit, signs)}".rstrip()


def on_movement(alarm: Alarm) -> bool:
    """Whether a rule on how the value moves speaks; `limit` is then its allowance, and its text says all."""
    return alarm.rule not in ("", LIMIT)


def sign_of(alarm: Alarm) -> str:
    """`>`, or `>=` where the bound itself is out of limits."""
    return (">" if alarm.side > 0 else "<") + ("=" if alarm.body.get("exclusive") else "")


def value_now(alarm: Alarm, snapshot: Snapshot) -> float | None:
    """The value that a limit alarm is about: the newest while it is still out, else the worst.

    An alarm stays open for some samples after the value came back, and over the end of a pass.
    """
    if alarm.returned_ns is not None:
        return alarm.worst
    now = snapshot.channels.get(alarm.channel)
    if now is None or now.result.level <= 0 or on_movement(alarm):
        return alarm.current
    back = now.value is not None and alarm.limit is not None and (now.value - alarm.limit) * alarm.side <= 0
    return alarm.worst if back else now.value


MUTED = "MUTED"


def state_word(alarm: Alarm) -> str:
    """`NEW`, `ACKED ann`, `RETURNED`, `SHELVED lk`, `MUTED` by another cause, ..."""
    if alarm.shelved:
        return f"{alarm.state.word} {alarm.shelved_by}".rstrip()
    if alarm.inhibited_by:
        return MUTED
    if alarm.state is AlarmState.ACK_ALARM and alarm.acked_by:
        return f"ACKED {alarm.acked_by}"
    return alarm.state.word


def shown_state(alarm: Alarm, snapshot: Snapshot) -> str:
    """As `state_word`; `ack pending` while an act on it has not been answered by the owner of a replica."""
    return snapshot.pending.get(alarm.key) or state_word(alarm)


def sentence(alarm: Alarm, snapshot: Snapshot, signs: SignSet) -> str:
    """`6204 > 6000 rpm CRITICAL HIGH, set NOMINAL, 12 samples, since 07:13:31Z`, or the model's sentence."""
    since = f"since {clock_text(alarm.raised_ns)}Z"
    if alarm.returned_ns is not None:
        since = f"{clock_text(alarm.raised_ns)}Z to {clock_text(alarm.returned_ns)}Z"
    if alarm.kind == "anomaly":
        return f"{shown_units(alarm.text, signs)}, {since}"
    if alarm.limit is None or on_movement(alarm):
        return f"{shown_units(alarm.text, signs)}, {since}"
    side = "HIGH" if alarm.side > 0 else "LOW"
    sign = sign_of(alarm)
    value = value_now(alarm, snapshot)
    now = snapshot.channels.get(alarm.channel)
    number = "-" if value is None else now.channel.number(value) if now is not None else f"{value:.6g}"
    title = alarm.set_name
    if now is not None and now.limits is not None and now.limits.name == alarm.set_name:
        title = now.limits.title
    set_name = f"set {title}, " if title else ""
    level = {2: "WARNING", 1: "WATCH", 3: "DISTRESS", 4: "CRITICAL", 5: "SEVERE"}.get(alarm.severity, "")
    bound = quantity(snapshot, alarm.channel, alarm.limit, signs)
    return f"{number} {sign} {bound} {level} {side}, {set_name}{alarm.count} samples, {since}"


def shown_units(text: str, signs: SignSet) -> str:
    """A stored sentence spells units and signs in ASCII; on screen they are °C, µT and ±."""
    if signs.ascii:
        return text
    words = [unit(word) if word in ("degC", "uT", "deg/s", "uA", "uV", "ohm") else word for word in text.split(" ")]
    return " ".join(words).replace("+-", "±").replace("degC,", "°C,").replace("uT,", "µT,")


def contributions(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Contributing channels of an anomaly (`trainer.verdict.Contribution` as mappings), most deviating first."""
    found = body.get("parts")
    if not isinstance(found, Sequence):
        return []
    return [one for one in found if isinstance(one, Mapping)]


def action_of(alarm: Alarm, snapshot: Snapshot) -> str:
    """What to do: as the limit set says, or its channel; empty where neither does."""
    now = snapshot.channels.get(alarm.channel)
    return str(alarm.body.get("action") or (now.channel.action if now is not None else ""))


def why_lines(alarm: Alarm, snapshot: Snapshot, size: int, height: int, signs: SignSet) -> list[Row]:
    """`WHY` and `Do:`, folded to `size` cells and at most `height` rows."""
    key = alarm_key(alarm)
    action = action_of(alarm, snapshot)
    lines: list[Row] = []
    for head, text, style in (("WHY  ", sentence(alarm, snapshot, signs), "plain"), ("Do:  ", action, "label")):
        if not text:
            continue
        for i, part in enumerate(folded(text, size - 7)):
            lines.append(
                row(
                    (" " + (head if i == 0 else "     "), SIGNS[key].style if head == "WHY  " else "title"),
                    (part, style),
                )
            )
    if not action:
        hint = "no action is written for this channel in mission.toml"
        if alarm.kind == "anomaly":
            hint = "enter: the numbers behind it; 2: where it lies among all frames"
        lines.append(row((" Do:  ", "title"), (hint, "dim")))
    return lines[:height]


def share_rows(alarm: Alarm, snapshot: Snapshot, size: int, signs: SignSet, most: int = 5) -> list[Row]:
    """`Distance S  ██████████ 71 %`: the shares of the contributing channels."""
    rows: list[Row] = []
    label = max(10, min(20, size // 2 - 4))
    room = max(4, size - label - 9)
    for part in contributions(alarm.body)[:most]:
        name = str(part.get("channel", ""))
        now = snapshot.channels.get(name)
        share = float(part.get("share") or 0.0)
        bar = signs.bar * max(1, round(share * room))
        rows.append(
            row(
                (" " + left(label_of(now) if now is not None else name, label) + " ", "label"),
                (left(bar, room), "anomaly"),
                (right(f"{share * 100:.0f} %", 6), "value"),
            )
        )
    return rows
