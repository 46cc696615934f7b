"""How a cell is drawn: colours, attributes and link as SGR sequences set them, and the shortest way between two."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

RESET = "\x1b[0m"
NO_LINK = "\x1b]8;;\x1b\\"
ATTRIBUTES = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "21", "53")
_BIT = {code: 1 << n for n, code in enumerate(ATTRIBUTES)}
_OFF = {
    "22": _BIT["1"] | _BIT["2"],
    "23": _BIT["3"],
    "24": _BIT["4"] | _BIT["21"],
    "25": _BIT["5"] | _BIT["6"],
    "27": _BIT["7"],
    "28": _BIT["8"],
    "29": _BIT["9"],
    "55": _BIT["53"],
}
SEEN_ON_SPACE = _BIT["4"] | _BIT["7"] | _BIT["9"] | _BIT["21"] | _BIT["53"]
"""Underlined, reversed, struck out, doubly underlined, overlined: these show where there is no letter."""
_LENGTH = {"2": 5, "5": 3}


class Pen(NamedTuple):
    """`fg`, `bg`: SGR parameters ("31", "38;2;1;2;3"), empty for the terminal's own; `on`: bits of `ATTRIBUTES`.

    `other`: parameters this module does not know, kept as they came; `link`: what follows `OSC 8 ;`.
    """

    fg: str = ""
    bg: str = ""
    on: int = 0
    other: str = ""
    link: str = ""


PLAIN = Pen()


@cache
def interned(pen: Pen) -> Pen:
    """The one object for this pen: two cells are drawn alike where their pens are identical."""
    return pen


interned(PLAIN)


@cache
def on_space(pen: Pen) -> Pen:
    """What of a pen shows where there is no letter: two spaces look alike where this is the same."""
    if pen.on & SEEN_ON_SPACE or pen.other:
        return pen
    return interned(Pen(bg=pen.bg, link=pen.link))


@lru_cache(4096)
def after_sgr(pen: Pen, parameters: str) -> Pen:
    """The pen after `CSI parameters m`."""
    fg, bg, on, other, link = pen
    codes = parameters.split(";")
    at = 0
    while at < len(codes):
        code = codes[at].lstrip("0") or "0"
        at += 1
        if code == "0":
            fg, bg, on, other = "", "", 0, ""
        elif code in _BIT:
            on |= _BIT[code]
        elif code in _OFF:
            on &= ~_OFF[code]
        elif code in {"38", "48"}:
            length = _LENGTH.get(codes[at], 1) if at < len(codes) else 1
            colour = ";".join([code, *codes[at : at + length - 1]])
            at += length - 1
            fg, bg = (colour, bg) if code == "38" else (fg, colour)
        elif code.startswith("38:"):
            fg = code
        elif code.startswith("48:"):
            bg = code
        elif code == "39":
            fg = ""
        elif code == "49":
            bg = ""
        elif code.isdigit() and (30 <= int(code) <= 37 or 90 <= int(code) <= 97):
            fg = code
        elif code.isdigit() and (40 <= int(code) <= 47 or 100 <= int(code) <= 107):
            bg = code
        else:
            other = f"{other};{code}" if other else code
    return interned(Pen(fg, bg, on, other, link))


def with_link(pen: Pen, link: str) -> Pen:
    """The pen after `OSC 8 ; link`; ";" ends a link."""
    return interned(pen._replace(link="" if link == ";" else link))


@lru_cache(4096)
def change(old: Pen | None, new: Pen) -> str:
    """The shortest sequence that makes a terminal which draws with `old` (None: nobody knows) draw with `new`."""
    afresh = [part for part in (*_codes(new.on), new.fg, new.bg, new.other) if part]
    whole = f"\x1b[0;{';'.join(afresh)}m" if afresh else "\x1b[m"
    if old is None or old.other or new.other:
        sgr = whole
    else:
        lost = old.on & ~new.on
        kept, parts = old.on, []
        for code, bits in _OFF.items():
            if lost & bits:
                parts.append(code)
                kept &= ~bits
        parts += _codes(new.on & ~kept)
        if old.fg != new.fg:
            parts.append(new.fg or "39")
        if old.bg != new.bg:
            parts.append(new.bg or "49")
        sgr = min(f"\x1b[{';'.join(parts)}m", whole, key=len) if parts else ""
    if (old is None and new.link) or (old is not None and old.link != new.link):
        sgr += f"\x1b]8;{new.link}\x1b\\" if new.link else NO_LINK
    return sgr


def _codes(on: int) -> list[str]:
    return [code for code, bit in _BIT.items() if on & bit]
