"""The sentence of a value against its limits: value, level, limit and set, in the channel's own words."""

from __future__ import annotations

from telemetry.dictionary import Channel
from telemetry.limits import Level, Result


def limit_text(channel: Channel, value: float, result: Result, set_title: str = "") -> str:
    """`Wheel X speed 6204 rpm > 6000 CRITICAL HIGH, set NOMINAL`; IN_LIMITS names the set only.

    `Mode SAFE (1), expected NOMINAL, WARNING, set default` where another value is expected, `Mode SAFE (1),
    WARNING, set default` where the state itself has a level. A bound that is exclusive has `>=` or `<=`. A value
    that rounds onto its limit is shown with more digits, because `8.35 V > 8.35` reads as an error.
    """
    title = set_title or result.set_name
    shown = channel.quantity(value)
    if value in channel.labels:
        shown = f"{shown} ({value:g})"
    level = result.level.name
    if result.side == 0 or result.limit is None:
        where = f"{level} {result.side_word}".strip().replace("_", " ")
        if result.side or result.level <= Level.IN_LIMITS:
            return f"{channel.label} {channel.quantity(value)} {where}, set {title}"
        wanted = f" expected {expected_text(channel, result.expected)}," if result.expected else ""
        return f"{channel.label} {shown},{wanted} {where}, set {title}"
    rounded = (float(channel.number(value)) - result.limit) * result.side if value not in channel.labels else 1.0
    if rounded < 0 or (rounded == 0 and not (result.exclusive and value == result.limit)):
        shown = f"{value!r} {channel.unit}".rstrip()
    sign = (">" if result.side > 0 else "<") + ("=" if result.exclusive else "")
    return f"{channel.label} {shown} {sign} {result.limit:.10g} {level} {result.side_word}, set {title}"


def expected_text(channel: Channel, values: tuple[float, ...]) -> str:
    """`NOMINAL or SAFE`."""
    return " or ".join(channel.quantity(value) for value in values)
