"""The gate for every string from outside: names, units, reasons, CSV headers, messages of other programs.

A terminal obeys bytes it is sent, so text from elsewhere must not carry any that act. What is replaced stays
visible as U+FFFD: a name that hid something looks damaged instead of clean. Markup such as `[red]` is left
alone, because nothing that shows text here interprets markup.
"""

from __future__ import annotations

import unicodedata
from typing import Any, cast

REPLACEMENT = "\ufffd"

_INVISIBLE_LETTERS = frozenset(
    chr(code)
    for span in (
        range(0x034F, 0x0350),  # combining grapheme joiner
        range(0x115F, 0x1161),  # Hangul fillers
        range(0x17B4, 0x17B6),  # Khmer inherent vowels
        range(0x180B, 0x1810),  # Mongolian selectors
        range(0x2800, 0x2801),  # empty braille cell
        range(0x3164, 0x3165),
        range(0xFE00, 0xFE10),  # variation selectors
        range(0xFFA0, 0xFFA1),
        range(0xE0100, 0xE01F0),
    )
    for code in span
)
"""Default-ignorable code points that Unicode files under letters and marks: zero cells wide, or blank."""

_TO_SPACE = frozenset("\t\n\r")


def plain_text(text: str, limit: int = 200) -> str:
    """`text` as one line that no terminal acts on, at most `limit` characters long.

    Control characters (C0, DEL, C1, so ESC too), format characters (bidi, zero-width, tags), other invisible
    code points, private-use and lone surrogates become U+FFFD; newline, tab and every Unicode space become a
    space. A longer text is cut and ends in "…". One character stays one character, so columns are kept, and
    `plain_text(plain_text(x)) == plain_text(x)`.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    head = text[: limit + 1]
    if not (head.isascii() and head.isprintable()):
        head = "".join([_shown(c) for c in head])
    return head if len(head) <= limit else head[: limit - 1] + "…"


def plain_tree(value: Any, limit: int = 200) -> Any:
    """`value`, decoded from JSON, with each text in it plain and at most `limit` characters long, names 80."""
    if isinstance(value, str):
        return plain_text(value, limit)
    if isinstance(value, dict):
        fields = cast("dict[object, Any]", value)
        return {plain_text(str(name), 80): plain_tree(one, limit) for name, one in fields.items()}
    if isinstance(value, list):
        return [plain_tree(one, limit) for one in cast("list[Any]", value)]
    return value


def is_plain(text: str, limit: int = 200) -> bool:
    """Whether `plain_text(text, limit)` would return `text` unchanged."""
    return plain_text(text, limit) == text


def _shown(character: str) -> str:
    if character in _TO_SPACE:
        return " "
    if character.isprintable():
        return REPLACEMENT if character in _INVISIBLE_LETTERS else character
    if unicodedata.category(character).startswith("Z"):
        return " "
    return REPLACEMENT
