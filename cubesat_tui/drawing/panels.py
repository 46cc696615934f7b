"""Which channels stand in which panel, in which order, and the panel as rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from cubesat_tui.drawing.channel_rows import long_row, short_row, state_key, worst_key
from cubesat_tui.drawing.rows import Row, framed, row, rule
from cubesat_tui.drawing.signs import ORDER, SIGNS, SignSet

if TYPE_CHECKING:
    from cubesat_tui.snapshot import ChannelNow, Snapshot
    from telemetry.dictionary import Bus

_MERGED = {"gs": "com", "orb": "com"}
_TITLES = {"com": "LINK AND ORBIT"}
_RANK = {key: i for i, key in enumerate((*ORDER, "invalid", "expired"))}


class Panel(msgspec.Struct, frozen=True):
    """A subsystem on Live: its title and its channels in dictionary order."""

    title: str
    channels: tuple[str, ...]


@lru_cache(maxsize=16)
def _panels_of(names: tuple[str, ...], titles: tuple[tuple[str, str], ...]) -> tuple[Panel, ...]:
    title_of = dict(titles)
    groups: dict[str, list[str]] = {}
    present = {name.partition(".")[0] for name in names}
    for name in names:
        subsystem = name.partition(".")[0]
        target = _MERGED.get(subsystem, subsystem)
        groups.setdefault(target if target in present else subsystem, []).append(name)
    return tuple(
        Panel(
            (_TITLES.get(key) if len({n.partition(".")[0] for n in members}) > 1 else None)
            or title_of.get(key, key).upper(),
            tuple(members),
        )
        for key, members in groups.items()
    )


def panels(bus: Bus) -> tuple[Panel, ...]:
    """The panels of a bus; ground station and orbit share one with the radio where there is a radio."""
    return _panels_of(tuple(bus.by_name), bus.subsystems)


def ordered(panel: Panel, channels: Mapping[str, ChannelNow]) -> list[str]:
    """Worst first, else dictionary order, so that rows stand still while all is well."""
    known = [name for name in panel.channels if name in channels]
    return sorted(known, key=lambda name: _RANK.get(state_key(channels[name]), len(_RANK)))


def panel_state(panel: Panel, channels: Mapping[str, ChannelNow]) -> str:
    """Sign key of the panel's worst channel."""
    return worst_key(state_key(channels[name]) for name in panel.channels if name in channels)


def title_row(panel: Panel, channels: Mapping[str, ChannelNow], signs: SignSet) -> Row:
    """`POWER OK`, `THERMAL ▲ WARN`."""
    key = panel_state(panel, channels)
    sign = SIGNS[key]
    if key == "ok":
        return row((panel.title, "title"), (" OK", "label"))
    return row((panel.title, "title"), (f" {signs.glyph(key)} {sign.word}", sign.style))


def visible(
    panel: Panel, channels: Mapping[str, ChannelNow], room: int, selected: str | None
) -> tuple[list[str], int]:
    """The rows that fit `room`, the selected one always among them, and how many are left out."""
    names = ordered(panel, channels)
    shown = names[:room]
    if selected in names and selected not in shown and shown:
        at = names.index(selected)
        shown = names[at - room + 1 : at + 1]
    return shown, len(names) - len(shown)


def boxed(
    panel: Panel, snapshot: Snapshot, size: int, height: int, signs: SignSet, selected: str | None, focused: bool
) -> tuple[Row, ...]:
    """A panel in its frame, for 140 columns."""
    shown, more = visible(panel, snapshot.channels, height - 2, selected)
    body = [short_row(snapshot.channels[n], size - 2, signs, mark=n == selected) for n in shown]
    foot = row((f"{more} more, ↓", "dim")) if more else ()
    key = panel_state(panel, snapshot.channels)
    style = "title" if focused else SIGNS[key].style if key in ORDER else "rule"
    return framed(title_row(panel, snapshot.channels, signs), body, size, height, signs, foot, style)


def ruled(
    panel: Panel, snapshot: Snapshot, size: int, height: int, signs: SignSet, selected: str | None, place: str
) -> tuple[Row, ...]:
    """A panel under a rule, for 80 columns; `place`: `1 of 6 (tab)`."""
    shown, more = visible(panel, snapshot.channels, height - 1, selected)
    end = row((f"{more} more, " if more else "", "dim"), (place, "label"))
    head = rule(title_row(panel, snapshot.channels, signs), size, signs, end)
    return (head, *(long_row(snapshot.channels[n], size, signs, mark=n == selected) for n in shown))
