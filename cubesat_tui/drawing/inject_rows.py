"""What can be broken as rows: a list in groups around its cursor, and the sentence that is confirmed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from cubesat_tui.drawing.rows import EMPTY, Row, chosen, folded, left, pad, right, row
from cubesat_tui.drawing.signs import UNICODE, SignSet, unit
from sim.catalogue import FOR_EVER_S, KINDS, Kind
from sim.injection import HOWS, seconds_text, sizes, usual_lasts_s, usual_size
from telemetry.plain_text import plain_text

if TYPE_CHECKING:
    from cubesat_tui.snapshot import ChannelNow
    from telemetry.dictionary import Channel

GROUPS = {
    "sensor": "SENSOR: one channel reads wrong",
    "plant": "PLANT: the satellite itself",
    "transport": "TRANSPORT: packets on their way",
    "routine": "ROUTINE: no fault, planned by an operator, and must raise nothing",
}
RUNNING = "INJECTED NOW: enter ends it early"
ALL = "clear all"
"""Name of the line that ends everything that was injected."""
_FACES = {"px": "+X", "mx": "-X", "py": "+Y", "my": "-Y", "pz": "+Z", "mz": "-Z"}


class Item(msgspec.Struct, frozen=True):
    """One line of a list. `name` is what is chosen, `text` says more, `end` stands at the right edge."""

    name: str
    text: str
    group: str = ""
    end: str = ""

    def matches(self, words: str) -> bool:
        """Whether every word begins one of its words, or is a longer part of it; whatever its case."""
        whole = f"{self.name} {self.text}".lower()
        parts = re.split(r"[^a-z0-9+-]+", whole)
        return all(
            any(part.startswith(word) for part in parts) or (len(word) > 2 and word in whole)
            for word in words.lower().split()
        )


def kind_items(injected: Sequence[Mapping[str, Any]]) -> list[Item]:
    """What is injected now, as the station's heartbeat tells it, then every kind of the catalogue."""
    running = [
        Item(str(one["id"]), plain_text(str(one["text"]), 200), RUNNING, plain_text(str(one["satellite"]), 40))
        for one in injected
    ]
    if running:
        running.append(Item(ALL, "end everything that was injected", RUNNING))
    return [*running, *(Item(kind.name, kind.about, GROUPS[kind.layer]) for kind in KINDS.values())]


def target_items(kind: Kind) -> list[Item]:
    """What a kind can happen to, where that is no channel."""
    words = {"all": "packets of every kind", **{code: f"the {face} face" for code, face in _FACES.items()}}
    return [Item(target, words.get(target, "")) for target in kind.targets]


def channel_items(
    channels: Mapping[str, Channel], now: Mapping[str, ChannelNow], signs: SignSet = UNICODE
) -> list[Item]:
    """Channels by their label, with their names and present values."""
    return [
        Item(
            plain_text(channel.label or name, 60),
            name,
            "",
            f"{now[name].text} {unit(channel.unit, signs)}".rstrip() if name in now else "",
        )
        for name, channel in channels.items()
    ]


def about(item: Item) -> str:
    """What a line of the first list means: for a kind also its usual size, and what it needs to show."""
    kind = KINDS.get(item.name)
    if kind is None or item.group == RUNNING:
        return item.text
    parts = [kind.about]
    if sizes(kind):
        parts.append(f"usual {_usual(kind)} {kind.unit}")
    if kind.needs:
        parts.append(f"shows only with {kind.needs}")
    return "; ".join(parts)


def _usual(kind: Kind) -> str:
    low, high = kind.size
    return f"{low:g} to {high:g}" if low != high else f"{low:g}"


def fields_of(kind: Kind) -> dict[str, tuple[str, str] | None]:
    """Of size, lasts, later and how: what is filled in and what may be; None where the kind has no such field."""
    hows = HOWS.get(kind.name, ())
    usual_s = usual_lasts_s(kind)
    low_s, high_s = kind.lasts_s
    span = seconds_text(low_s) if low_s == high_s else f"{seconds_text(low_s)} to {seconds_text(high_s)}"
    lasts = "until it is ended; or such as 60s, 5min, 2h" if usual_s >= FOR_EVER_S else f"usual {span}"
    return {
        "size": (f"{usual_size(kind):g}", f"{kind.unit}, usual {_usual(kind)}") if sizes(kind) else None,
        "lasts": (seconds_text(usual_s), lasts),
        "later": ("0s", "0s is at once; or such as 30s, 5min"),
        "how": (hows[0], ", ".join(hows)) if hows else None,
    }


def list_rows(
    items: Sequence[Item], cursor: int, size: int, height: int, name_size: int, signs: SignSet = UNICODE
) -> list[Row]:
    """`height` rows of `size` cells around the cursor, each group under its heading."""
    lines: list[Row] = []
    at = 0
    for i, item in enumerate(items):
        if item.group and (i == 0 or items[i - 1].group != item.group):
            lines.append(row((item.group, "title")))
        if i == cursor:
            at = len(lines)
        lines.append(_line(item, i == cursor, size, name_size, signs))
    if not items:
        lines.append(row(("nothing here is called that", "dim")))
    # The heading above the first row of a group comes into view with it.
    top = max(0, min(at - height // 2, len(lines) - height))
    shown = lines[top : top + height]
    return [*shown, *[EMPTY] * (height - len(shown))]


def _line(item: Item, here: bool, size: int, name_size: int, signs: SignSet) -> Row:
    end = right(item.end, len(item.end) + 1) if item.end else ""
    room = size - name_size - 3 - len(end)
    cells = row(
        (f"{signs.pointer if here else ' '} ", "key"),
        (left(item.name, name_size) + " ", "value"),
        (left(item.text, room), "label"),
        (end, "plain"),
    )
    return chosen(cells, size) if here else pad(cells, size)


def said_rows(text: str, size: int, style: str = "label") -> list[Row]:
    """A sentence over as many rows as it needs."""
    return [row((part, style)) for part in folded(text, size)]


def keys_row(*keys: tuple[str, str]) -> Row:
    """(key, word) pairs as a line under a list."""
    return tuple(span for key, word in keys for span in ((key, "key"), (f" {word}   ", "label")))
