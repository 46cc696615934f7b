"""One channel in one row: sign, label, value, unit, ten minutes, place between the limits, age."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.cells import cell_len

from cubesat_tui.drawing.gauge import gauge_text
from cubesat_tui.drawing.numbers import age_text, clock_text
from cubesat_tui.drawing.rows import Row, Span, chosen, left, right, row, width
from cubesat_tui.drawing.signs import ORDER, SIGNS, SignSet, level_key, unit
from cubesat_tui.drawing.spark import floor_span, spark_text
from telemetry.freshness import Acquisition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cubesat_tui.snapshot import ChannelNow

_HARD_FIRST = ("critical", "severe", "distress", "warning", "watch")


def state_key(now: ChannelNow) -> str:
    """The sign of a channel: freshness first, then its limits, then the model's opinion, then whether it is one."""
    if now.acquisition is Acquisition.EXPIRED:
        return "expired"
    if now.acquisition is Acquisition.INVALID:
        return "invalid"
    if now.acquisition is Acquisition.NOT_RECEIVED:
        return "ok" if now.silent else "never"
    key = level_key(now.result.level)
    if now.anomalous and ORDER.index("anomaly") < (ORDER.index(key) if key in ORDER else len(ORDER)):
        return "anomaly"
    return "forecast" if key == "ok" and now.channel.predicted else key


def worst_key(keys: Iterable[str]) -> str:
    """The worst of several states; where nothing is out of limits, an old value makes the whole look old."""
    seen = set(keys)
    return next((key for key in (*ORDER, "invalid", "expired") if key in seen), "ok")


def hard_bounds(now: ChannelNow) -> tuple[float, float]:
    """Ends of the gauge: the hard limits, or the widest there are; a side left open ends where values stop being
    valid. NaN where there is no end."""
    if now.limits is None:
        return math.nan, math.nan
    pair = next((p for p in map(now.limits.bounds, _HARD_FIRST) if p is not None), (math.nan, math.nan))
    valid = now.channel.valid or (math.nan, math.nan)
    return tuple(p if math.isfinite(p) else v for p, v in zip(pair, valid, strict=True))  # pyright: ignore[reportReturnType]


def spark_of(now: ChannelNow, signs: SignSet, cells: int = 8) -> str:
    """The last ten minutes of a channel."""
    low, high = hard_bounds(now)
    values = now.spark[-cells:]
    return right(spark_text(values, floor_span(now.channel.decimals, low, high), signs), cells)


def gauge_of(now: ChannelNow, cells: int, bracketed: bool) -> str:
    """Where the value stands; blank for a value that is not one now."""
    low, high = hard_bounds(now)
    value = now.value if now.acquisition is Acquisition.ACQUIRED else None
    side = now.result.side if now.result.level > 0 else 0
    return gauge_text(value, low, high, side, cells, bracketed)


MOVEMENT = {"stuck": "stuck", "rate": "jumped", "delta": "stepped"}
"""Rule on how a value moves -> its word, in place of the gauge."""


def movement_of(now: ChannelNow) -> str:
    """`stuck over 60 s`, `jumped over 0.16 V/s`; empty for a channel whose limits speak, or nothing does."""
    word = MOVEMENT.get(now.result.rule)
    if word is None or now.result.limit is None:
        return ""
    own = now.channel.unit
    unit_text = {"stuck": "s", "rate": f"{own}/s"}.get(now.result.rule, own)
    under = now.result.rule == "delta" and now.result.side < 0
    return f"{word} {'under' if under else 'over'} {now.result.limit:g} {unit_text}".rstrip()


def value_style(key: str, sign_style: str) -> str:
    """Nominal values are neutral; dim ones are those that do not count now."""
    return "value" if key == "ok" else sign_style


def age_of(now: ChannelNow) -> str:
    """`0.4 s`; of a value of the past, which has no age, when it was: `07:14:03Z`."""
    if now.age_s is None and now.t_ns is not None:
        return f"{clock_text(now.t_ns)}Z"
    return age_text(now.age_s)


def label_of(now: ChannelNow) -> str:
    """The label, or the name where there is none."""
    return now.channel.label or now.channel.name


def long_row(
    now: ChannelNow,
    size: int,
    signs: SignSet,
    *,
    key: str = "",
    word: bool = False,
    tail: str = "",
    state: str = "",
    mark: bool = False,
) -> Row:
    """A row of the 80-column screens; `key` overrides the sign (an alarm's), `tail` the age.

    `state`: said beside why there is no gauge, for the row of an alarm on a value that does not count now.
    """
    key = key or state_key(now)
    own = state_key(now)
    sign = SIGNS[key]
    style = "dim" if own in ("expired", "invalid", "never") or now.silent else sign.style
    start: list[Span] = [
        (signs.pointer if mark else " ", "key"),
        (signs.glyph(key) + " ", sign.style),
    ]
    if word:
        start.append((left(sign.word, 5), sign.style))
    roomy = size >= 78
    fixed = 2 + 1 + (5 if word else 0) + 9 + 1 + 5 + 1 + 8 + (1 + 21 if roomy else 0) + 11
    label = max(8, min(24, size - fixed))
    # A long label takes what the value leaves of its column, so that values still end in one line.
    room = label + 9
    label = max(label, min(cell_len(label_of(now)), room - cell_len(now.text)))
    why = {"expired": "expired", "invalid": "INV  invalid value", "never": "never received"}.get(own)
    if now.silent:
        why = "out of contact"
    gauge = None
    if why is not None:
        gauge = left(f"{why.removesuffix(' value')}  {state}" if state else why, 21)
    if gauge is None and movement_of(now):
        gauge = left(movement_of(now), 21)
    gauge = gauge if gauge is not None else gauge_of(now, 19, bracketed=True)
    spark_style = style if key not in ("ok", "watch") and style != "dim" else "dim" if style == "dim" else "spark"
    made = row(
        *start,
        (left(label_of(now), label) + " ", "dim" if style == "dim" else "value" if mark else "label"),
        (right(now.text, room - label), value_style(key, style) if style != "dim" else "dim"),
        (" " + left("" if now.silent else unit(now.channel.unit, signs), 5), "label"),
        (spark_of(now, signs) + " ", spark_style),
        (
            (gauge if roomy else ""),
            style if own in ("expired", "invalid", "never") else "label" if key == "ok" else style,
        ),
        (right(tail or age_of(now), 11) if size - fixed >= 8 else "", "dim"),
    )
    return chosen(made, size) if mark else made


def short_row(now: ChannelNow, size: int, signs: SignSet, *, mark: bool = False) -> Row:
    """A row of a panel at 140 columns: sign, label, value, unit, ten minutes, a small gauge or the age."""
    key = state_key(now)
    sign = SIGNS[key]
    dim = key in ("expired", "invalid", "never") or now.silent
    style = "dim" if dim else sign.style
    value = max(6, cell_len(now.text) + 1)
    shown = "" if now.silent or len(now.text) > 8 else unit(now.channel.unit, signs)
    units = 1 if now.silent or value > 12 else 5
    cells = 8 if size >= 42 else 5
    label = max(6, size - (1 + 2 + value + units + cells + 1 + 5))
    if key == "expired":
        end = right(age_of(now).replace(" ", "")[:5], 5)
    elif key == "invalid":
        end = right(sign.word, 5)
    elif movement_of(now):
        end = right(MOVEMENT[now.result.rule][:5], 5)
    else:
        end = gauge_of(now, 5, bracketed=False)
    made = row(
        (signs.pointer if mark else " ", "key"),
        (signs.glyph(key) + " ", sign.style),
        (left(label_of(now), label), "dim" if dim else "value" if mark else "label"),
        (right(now.text, value), value_style(key, style) if not dim else "dim"),
        (left(" " + shown, units), "label"),
        (spark_of(now, signs, cells), "dim" if dim else "spark" if key in ("ok", "watch") else style),
        (" " + end, style if key != "ok" else "dim"),
    )
    return chosen(made, size) if mark else made


def predicted_spans(now: ChannelNow, signs: SignSet) -> Row:
    """`┄ 548.2 km fc`: a value that was computed, never in the look of a measured one."""
    fresh = now.acquisition is Acquisition.ACQUIRED
    text = f"{signs.glyph('forecast')} {now.text} {unit(now.channel.unit, signs)}".rstrip()
    return ((f"{text} {SIGNS['forecast'].word}", "forecast" if fresh else "dim"),)


def vitals_row(channels: dict[str, ChannelNow], size: int, signs: SignSet, where: Sequence[Row]) -> Row:
    """Altitude and signal strength in every state, each with its age; `where`: longest form first."""
    made: list[Span] = []
    for title, now in channels.items():
        if now.channel.predicted:
            made += [(f" {title} ", "label"), *predicted_spans(now, signs), (" ", "label")]
            continue
        dim = now.silent or now.acquisition is not Acquisition.ACQUIRED
        shown = now.text if now.silent else f"{now.text} {unit(now.channel.unit, signs)}".rstrip()
        made += [
            (f" {title} ", "label"),
            (f"{shown} ", "dim" if dim else value_style(state_key(now), SIGNS[state_key(now)].style)),
            (f"{spark_of(now, signs)} ", "dim" if dim else "spark"),
            (f"{age_of(now)} ", "dim"),
        ]
    used = width(tuple(made))
    fits = next((cells for cells in where if used + width(cells) + 1 <= size), ())
    return (*made, (" " * max(0, size - used - width(fits) - 1), "label"), *fits, (" ", "label"))
