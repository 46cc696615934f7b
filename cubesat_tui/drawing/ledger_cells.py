"""What a stored frame looks like in a table: one pure function from a ledger row to each cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cubesat_tui.drawing.numbers import utc, value_text
from cubesat_tui.drawing.rows import Span
from cubesat_tui.drawing.signs import SIGNS, UNICODE, SignSet, level_key, unit
from telemetry.frame import Quality
from telemetry.freshness import is_invalid
from telemetry.limits import check

if TYPE_CHECKING:
    from telemetry.dictionary import Channel
    from telemetry.store.rows import LedgerRow

Context = Mapping[str, float]
Cell = Callable[["LedgerRow", Context], Span]

_QUALITY_WORDS = (
    (Quality.STORED, "stored"),
    (Quality.LATE, "late"),
    (Quality.REPLAYED, "replay"),
    (Quality.NO_SEQUENCE, "no seq"),
    (Quality.SIMULATED, "sim"),
)


def time_text(ns: int, fraction: bool = False) -> str:
    """`2026-11-22 07:14:03`, with `fraction` to the millisecond."""
    text = utc(ns).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{ns // 1_000_000 % 1000:03d}" if fraction else text


def quality_words(quality: int) -> tuple[str, ...]:
    """The marks of a frame in words; none for a live frame of a real satellite."""
    return tuple(word for bit, word in _QUALITY_WORDS if quality & bit)


def quality_text(quality: int) -> str:
    """The same in one cell; `live` stands for the absence of every other mark of how it came."""
    words = quality_words(quality)
    return ",".join(words if quality & (Quality.STORED | Quality.REPLAYED) else ("live", *words))


def state_span(row: LedgerRow, signs: SignSet = UNICODE) -> Span:
    """The model's opinion: nothing while learning, `above` for a single row, the sign once it is confirmed."""
    if row.state is None:
        return "-", "dim"
    if row.state >= 2:
        return f"{signs.glyph('anomaly')} {SIGNS['anomaly'].word}", SIGNS["anomaly"].style
    if row.state == 1:
        return "  above", "watch"
    return "  OK", "plain"


def score_span(row: LedgerRow) -> Span:
    """Anomaly score to three decimals."""
    if row.score is None:
        return "-", "dim"
    return f"{row.score:.3f}", "anomaly" if (row.state or 0) >= 2 else "plain"


def channel_span(channel: Channel, row: LedgerRow, context: Context, signs: SignSet = UNICODE) -> Span:
    """A value with the sign of its limit in front; empty where the packet does not carry the channel.

    An INVALID value keeps what was sent beside its sign.
    """
    at = row.layout.positions.get(channel.name)
    if at is None:
        return "", "dim"
    value = float(row.values[at])
    text = value_text(value, channel.decimals, channel.enum)
    if is_invalid(channel, value):
        return f"{signs.glyph('invalid')} {text}", SIGNS["invalid"].style
    level = int(check(channel, value, context).level)
    key = level_key(level)
    if key == "ok":
        return text, "plain"
    return f"{signs.glyph(key)} {text}", SIGNS[key].style


def heading(channel: Channel) -> tuple[str, str]:
    """Label and unit on two lines of about the same length."""
    words = [*channel.label.split(), *([unit(channel.unit)] if channel.unit else [])]
    splits = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(len(words))]
    return min(splits, key=lambda pair: (max(map(len, pair)), -len(pair[1])), default=("", channel.name))


def channel_width(channel: Channel, least: int = 9) -> int:
    """Cells for a channel's column: its heading, its longest label or number, and room for a sign."""
    longest = max((len(name) for _, name in channel.enum), default=7) + 2
    return max(least, longest, *map(len, heading(channel)))


def chosen_first(
    channels: Sequence[Channel], named: Sequence[str], troubled: Sequence[str], carried: Sequence[str]
) -> list[Channel]:
    """Order of the channel columns: those the filter names, those in trouble, then the mission's own order.

    `carried`: channels that frames here really carry; the others come last.
    """
    rank = {name: i for i, name in enumerate(dict.fromkeys((*named, *troubled)))}
    has = set(carried)
    order = {channel.name: i for i, channel in enumerate(channels)}
    return sorted(channels, key=lambda c: (rank.get(c.name, len(rank)), c.name not in has, order[c.name]))
